//! Lines of a config file as words, and words as text that reads back the same.
//!
//! Pure functions of bytes. The rules are those of `sdssplitargs` and `sdscatrepr` in redis-server 7.0.15; the tables in the
//! tests were answered by it.

/// Splits a line into words, taking off quotes and escapes; `None` when a quote is not closed, or is followed by anything
/// but blank space.
///
/// In double quotes `\xHH`, `\n`, `\r`, `\t`, `\a` and `\b` stand for bytes and any other escaped byte for itself; in single
/// quotes only `\'` is an escape. A quote may begin inside a word: `a"b c"` is one word.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|&byte| is_space(byte)) {
            at += 1;
        }
        if at == line.len() {
            return Some(words);
        }
        let (word, next) = split_word(line, at)?;
        words.push(word);
        at = next;
    }
}

/// `text` in double quotes, with the escapes that [`split`] takes off again.
pub fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
    out
}

/// What C's `isspace` calls blank in the C locale: unlike Rust's, the vertical tab is one.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The word that begins at `start`, and where the text behind it begins.
fn split_word(line: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let mut word = Vec::new();
    let mut at = start;
    loop {
        match line.get(at) {
            // Vertical tabs and form feeds separate words only where blank space is skipped: they do not end a word.
            None | Some(b' ' | b'\n' | b'\r' | b'\t') => return Some((word, at)),
            Some(b'"') => {
                at = unquote_double(line, at + 1, &mut word)?;
                return ends_at_space(line, at).then_some((word, at));
            }
            Some(b'\'') => {
                at = unquote_single(line, at + 1, &mut word)?;
                return ends_at_space(line, at).then_some((word, at));
            }
            Some(&byte) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

/// Reads on from behind an opening `"`; answers the place behind the closing one.
fn unquote_double(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match (*line.get(at)?, line.get(at + 1).copied()) {
            (b'"', _) => return Some(at + 1),
            (b'\\', Some(b'x')) if hex_pair(line, at + 2).is_some() => {
                word.push(hex_pair(line, at + 2)?);
                at += 4;
            }
            (b'\\', Some(escaped)) => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                at += 2;
            }
            (byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

/// Reads on from behind an opening `'`; answers the place behind the closing one.
fn unquote_single(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match (*line.get(at)?, line.get(at + 1)) {
            (b'\'', _) => return Some(at + 1),
            (b'\\', Some(b'\'')) => {
                word.push(b'\'');
                at += 2;
            }
            (byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

fn ends_at_space(line: &[u8], at: usize) -> bool {
    line.get(at).is_none_or(|&byte| is_space(byte))
}

/// The byte that two hexadecimal digits at `at` stand for.
fn hex_pair(line: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| {
        let value = char::from(*line.get(at)?).to_digit(16)?;
        u8::try_from(value).ok()
    };
    Some(digit(at)? << 4 | digit(at + 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split_text(line: &str) -> Option<Vec<String>> {
        let words = split(line.as_bytes())?;
        Some(
            words
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect(),
        )
    }

    #[test]
    fn lines_split_as_redis_splits_them() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            ("   ", Some(&[])),
            ("port 6379", Some(&["port", "6379"])),
            (
                "  bind\t127.0.0.1   ::1 ",
                Some(&["bind", "127.0.0.1", "::1"]),
            ),
            (r#"a "b c" d"#, Some(&["a", "b c", "d"])),
            (r#"a"b c""#, Some(&["ab c"])),
            (r#"'it\'s' "a\"b""#, Some(&["it's", "a\"b"])),
            (r#"'\n' "\n\t\\""#, Some(&["\\n", "\n\t\\"])),
            (r#""\x41\x4a\xzz""#, Some(&["AJxzz"])),
            (r#"save """#, Some(&["save", ""])),
            ("save ''", Some(&["save", ""])),
            (r#"a "b"#, None),
            (r#"a "b"c"#, None),
            ("a 'b'c", None),
            (r#"a "b\""#, None),
            ("a#b # c", Some(&["a#b", "#", "c"])),
            ("a\u{b}b", Some(&["a\u{b}b"])),
            ("\u{b}a", Some(&["a"])),
        ];
        for (line, words) in table {
            let words = words.map(|words| words.iter().map(|word| word.to_string()).collect());
            assert_eq!(split_text(line), words, "{line:?}");
        }
    }

    #[test]
    fn quoting_writes_what_redis_writes() {
        assert_eq!(quote(b"plain"), b"\"plain\"");
        assert_eq!(quote(b""), b"\"\"");
        assert_eq!(
            quote(b"a\"b\\c\n\r\t\x07\x08\x00\xff"),
            br#""a\"b\\c\n\r\t\a\b\x00\xff""#
        );
    }

    proptest! {
        #[test]
        fn quoted_text_reads_back(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(split(&quote(&text)), Some(vec![text]));
        }

        #[test]
        fn any_line_is_split_or_refused(line in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(words) = split(&line) {
                prop_assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
            }
        }
    }
}
