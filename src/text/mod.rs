//! Text as Redis reads and writes it: numbers, patterns, quoting, key hashes.
//!
//! Everything here is a function of bytes to bytes. No I/O, no clock, no other module of this crate. Each file names the
//! rule of redis-server 7.0 that it follows; where C leaves something to the platform (locale, `long double`), the rule is
//! the one of x86-64 Linux in the C locale.

pub mod crc;
pub mod float;
pub mod glob;
pub mod int;
pub mod long_double;
mod number;
pub mod quote;
