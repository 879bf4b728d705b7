//! The pools that random arguments are drawn from: few keys, so that commands meet, and values at every edge.

use crate::common::Rng;
use crate::grammar::Pools;

/// Keys that any type may live under, binary ones among them.
const SHARED_KEYS: &[&[u8]] = &[
    b"x0",
    b"x1",
    b"x2",
    b"x3",
    b"x4",
    b"",
    b"bin\x00\xff\r\nkey",
    b"\xf0\x9f\x94\x92",
    b"with space",
    b"x[1]*?",
];
/// Values of strings.
const VALUES: &[&[u8]] = &[
    b"",
    b"0",
    b"1",
    b"-1",
    b"10",
    b"42",
    b"99999",
    b"007",
    b"-0",
    b" 1",
    b"1 ",
    b"+1",
    b"3.5",
    b"1e3",
    b"-1.25e-3",
    b"inf",
    b"nan",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"hello",
    b"Hello World",
    b"caf\xc3\xa9",
    b"bin\x00\x01\xff",
    b"line\r\nbreak",
    b"aaaaabbbbbcccccdddddeeeeefffffggggghhhhhiiiiij",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];
/// List elements, set members, hash fields and sorted set members. No two differ only behind a NUL, because Redis's SORT
/// ALPHA compares with strcoll, which stops there.
const ELEMENTS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"f",
    b"aa",
    b"ab",
    b"A",
    b"1",
    b"2",
    b"3",
    b"10",
    b"-5",
    b"100000",
    b"3.5",
    b"1e2",
    b"",
    b"bin\x00\xff\xfe",
    b"\xc3\xa9t\xc3\xa9",
    b"two words",
    b"a long element of more than sixty-four bytes, so that listpacks give way to real tables",
];
/// Numbers that are refused, or are at the edge of being so. No small positive ones, which would make keys expire while
/// the test runs.
const ODD_NUMBERS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"",
    b"abc",
    b"1.5",
    b" 1",
    b"1 ",
    b"+1",
    b"0x10",
    b"1e3",
    b"-0",
    b"00",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"9223372036854775",
    b"-9223372036854775",
    b"18446744073709551616",
    b"nan",
    b"1\x00",
    b"NX",
    b"LIMIT",
];
const SCORES: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"3",
    b"-1",
    b"1.5",
    b"-2.75",
    b"0.1",
    b"3.3",
    b"100",
    b"1e10",
    b"1e300",
    b"-1e-7",
    b"1e17",
    b"123456789012345678",
    b"inf",
    b"-inf",
    b"+inf",
    b"-0",
    b"0.30000000000000004",
    b"1234567.891",
];
const FLOATS: &[&[u8]] = &[
    b"0",
    b"1",
    b"-1",
    b"0.5",
    b"1.5",
    b"-3.25",
    b"0.1",
    b"3.3",
    b"1e5",
    b"-2.5e-3",
    b"10.0000",
    b"1e17",
    b"5.0e3",
    b"123456.789",
];
const PATTERNS: &[&[u8]] = &[
    b"*",
    b"s*",
    b"?0",
    b"[hl]*",
    b"[^s]*",
    b"[a-m]?",
    b"*1",
    b"x\\[1\\]*",
    b"nomatch",
    b"**",
    b"",
    b"*\xff*",
    b"[z-a]?",
    b"k[",
    b"s[0-2]",
    b"*e*",
    b"\\",
    b"[]",
    b"a*",
    b"?",
];
const CHANNELS: &[&[u8]] = &[b"ch1", b"ch2", b"ch3", b"news", b"", b"bin\x00ch", b"h?llo"];
const CHANNEL_PATTERNS: &[&[u8]] = &[b"*", b"ch*", b"ch[12]", b"n?ws", b"h\\?llo", b""];
const RANGE_SCORES: &[&[u8]] = &[
    b"-inf", b"+inf", b"inf", b"(0", b"(1", b"(2", b"0", b"1", b"2", b"3", b"1.5", b"(1.5", b"-1",
    b"(-1", b"(inf", b"(-inf", b"1e3", b"100",
];
const LEX_BOUNDS: &[&[u8]] = &[
    b"-", b"+", b"[a", b"(a", b"[b", b"(c", b"[d", b"(aa", b"[", b"(", b"[zz", b"(ab",
];
/// Absolute expiry, seconds: from 2100 on, far above what the relative pools can reach.
const ABSOLUTE_S: &[&[u8]] = &[
    b"4102444800",
    b"4102444801",
    b"4102531200",
    b"7258118400",
    b"32503680000",
    b"99999999999",
];
const ABSOLUTE_MS: &[&[u8]] = &[
    b"4102444800000",
    b"4102444800001",
    b"4102444800500",
    b"4102444801000",
    b"7258118400123",
    b"99999999999999",
];

/// The pools of one episode.
#[derive(Clone, Debug, Default)]
pub struct KeySpace {
    relative_count: u64,
}

impl Pools for KeySpace {
    fn draw(&mut self, pool: &str, rng: &mut Rng) -> Vec<u8> {
        let number = |number: i64| number.to_string().into_bytes();
        match pool {
            "ks" => key(b's', rng),
            "kh" => key(b'h', rng),
            "kl" => key(b'l', rng),
            "kt" => key(b't', rng),
            "kz" => key(b'z', rng),
            "kzl" => format!("lex{}", rng.below(2)).into_bytes(),
            "k" => any_key(rng),
            "kn" => format!("none{}", rng.below(3)).into_bytes(),
            "v" => value(rng),
            // LCS takes memory and time in the product of two lengths.
            "vs" => rng.pick(VALUES).to_vec(),
            "crlf" => b"no\r\nsuch".to_vec(),
            "e" | "f" | "m" => element(rng),
            "ml" => rng.pick(&ELEMENTS[..9]).to_vec(),
            "n" => number(rng.within(-2, 8)),
            "i" => number(if rng.chance(4) {
                rng.within(-100_000, 100_000)
            } else {
                rng.within(-7, 7)
            }),
            "c" => number(rng.within(1, 5)),
            "c0" => number(rng.within(0, 5)),
            "off" => number(if rng.chance(3) {
                536_870_912
            } else {
                rng.within(0, 40)
            }),
            "int" => integer(rng),
            "fl" => float(rng),
            "sc" => rng.pick(SCORES).to_vec(),
            "w" => rng
                .pick(&[&b"1"[..], b"2", b"0", b"-1", b"0.5", b"inf", b"1e3"])
                .to_vec(),
            "min" | "max" => rng.pick(RANGE_SCORES).to_vec(),
            "lmin" | "lmax" => rng.pick(LEX_BOUNDS).to_vec(),
            "pat" => rng.pick(PATTERNS).to_vec(),
            "ch" => rng.pick(CHANNELS).to_vec(),
            "chpat" => rng.pick(CHANNEL_PATTERNS).to_vec(),
            "rel_s" => number(self.relative_seconds()),
            "rel_ms" => number(self.relative_seconds() * 1000),
            "abs_s" => rng.pick(ABSOLUTE_S).to_vec(),
            "abs_ms" => rng.pick(ABSOLUTE_MS).to_vec(),
            "past" => rng
                .pick(&[&b"0"[..], b"-1", b"-1000", b"-9000000000"])
                .to_vec(),
            "past_at" => rng
                .pick(&[&b"1"[..], b"1000000", b"0", b"-5", b"1600000000"])
                .to_vec(),
            "odd" => rng.pick(ODD_NUMBERS).to_vec(),
            "db" => number(if rng.chance(5) {
                rng.within(-1, 17)
            } else {
                rng.within(0, 2)
            }),
            // Never waited for, because the key has something to give; any valid timeout will do.
            "timeout" => rng
                .pick(&[&b"0"[..], b"1", b"0.5", b"10", b"1e1", b"0.001"])
                .to_vec(),
            // Inside MULTI nothing blocks; short, should the MULTI have been taken away by shrinking.
            "short" => rng.pick(&[&b"0.001"[..], b"0.01", b"0.002"]).to_vec(),
            _ => panic!("no pool {pool}"),
        }
    }
}

impl KeySpace {
    /// A time to live that no other command of the episode has: at least a thousand seconds from any other, so that the
    /// moment at which a command runs never decides how two of them compare.
    fn relative_seconds(&mut self) -> i64 {
        self.relative_count += 1;
        // 7919 is prime to 65537: a permutation, so that later ones are not always the larger ones.
        let shuffled = self.relative_count * 7919 % 65_537;
        1_000_000 + 1000 * shuffled as i64
    }
}

/// Number that a command may get wrong; none of them a small positive one.
pub fn odd_number(rng: &mut Rng) -> Vec<u8> {
    rng.pick(ODD_NUMBERS).to_vec()
}

/// A key that usually holds the family's type (its letter and a digit), else a shared or any key.
fn key(letter: u8, rng: &mut Rng) -> Vec<u8> {
    match rng.below(100) {
        0..78 => vec![letter, b'0' + rng.below(5) as u8],
        78..92 => rng.pick(SHARED_KEYS).to_vec(),
        92..97 => any_key(rng),
        _ => format!("none{}", rng.below(3)).into_bytes(),
    }
}

fn any_key(rng: &mut Rng) -> Vec<u8> {
    match rng.below(100) {
        0..75 => vec![*rng.pick(b"shltz"), b'0' + rng.below(5) as u8],
        75..97 => rng.pick(SHARED_KEYS).to_vec(),
        _ => format!("none{}", rng.below(3)).into_bytes(),
    }
}

fn value(rng: &mut Rng) -> Vec<u8> {
    match rng.below(100) {
        0..70 => rng.pick(VALUES).to_vec(),
        70..90 => rng.within(-1000, 1000).to_string().into_bytes(),
        90..97 => {
            let len = rng.below(40);
            rng.bytes(len)
        }
        97..99 => {
            let len = 100 + rng.below(400);
            rng.bytes(len)
        }
        _ => {
            let len = 5000 + rng.below(20_000);
            rng.bytes(len)
        }
    }
}

fn element(rng: &mut Rng) -> Vec<u8> {
    match rng.below(100) {
        0..90 => rng.pick(ELEMENTS).to_vec(),
        _ => rng.within(-30, 30).to_string().into_bytes(),
    }
}

fn integer(rng: &mut Rng) -> Vec<u8> {
    match rng.below(100) {
        0..70 => rng.within(-100, 100).to_string().into_bytes(),
        70..85 => rng
            .pick(&[
                &b"9223372036854775807"[..],
                b"-9223372036854775808",
                b"9223372036854775800",
                b"4611686018427387904",
            ])
            .to_vec(),
        _ => rng.pick(ODD_NUMBERS).to_vec(),
    }
}

fn float(rng: &mut Rng) -> Vec<u8> {
    match rng.below(100) {
        0..88 => rng.pick(FLOATS).to_vec(),
        88..94 => rng
            .pick(&[&b"inf"[..], b"-inf", b"1e308", b"nan", b"1e-300", b"+inf"])
            .to_vec(),
        _ => rng.pick(ODD_NUMBERS).to_vec(),
    }
}
