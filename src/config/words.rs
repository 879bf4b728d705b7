//! Lines of a config file as words, and words as text that reads back the same; the rules of quoting are `text::quote`'s.

use crate::text::quote;

/// The words of a line, without quotes and escapes; `None` when a quote is not closed, or is followed by anything but space.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    quote::split_args(line).ok()
}

/// `text` in double quotes, as [`split`] reads it back.
pub fn quote(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::new();
    quote::write_quoted(&mut quoted, text);
    quoted
}

/// What C's `isspace` calls blank in the C locale: unlike Rust's, the vertical tab is one.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}
