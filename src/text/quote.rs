//! Quoting: bytes as a printable string and back into arguments.
//!
//! [`write_quoted`] is how MONITOR, SLOWLOG's log lines and several error texts show an argument; [`split_args`] reads inline
//! commands, config lines and whatever else is a line of words. What the first writes the second reads back.

/// Appends `bytes` in double quotes, escaping what is not printable ASCII.
///
/// Source: `sdscatrepr` of redis-server 7.0.15.
pub fn write_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            BELL => out.extend_from_slice(b"\\a"),
            BACKSPACE => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'\\', b'x', HEX[high], HEX[low]]);
            }
        }
    }
    out.push(b'"');
}

const BELL: u8 = 0x07;
const BACKSPACE: u8 = 0x08;

/// A quote that is not closed, or a closing quote with something other than space behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// The words of a line, unquoted and unescaped.
///
/// Words are separated by space. In double quotes `\n \r \t \b \a`, `\xHH` and `\` before any other byte are escapes; in
/// single quotes only `\'` is one; outside quotes a backslash is an ordinary byte. Quotes may begin within a word. A NUL ends
/// the line. Source: `sdssplitargs` of redis-server 7.0.15.
pub fn split_args(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut args = Vec::new();
    let mut decoded = Vec::new();
    split_args_with(line, &mut decoded, |arg| args.push(arg.to_vec()))?;
    Ok(args)
}

/// [`split_args`] without a vector for each word: appends the bytes of all words to `decoded`, one after the other, and calls
/// `each_arg` at the end of each word with the word's bytes. On an error both have seen the words before it.
pub fn split_args_with(
    line: &[u8],
    decoded: &mut Vec<u8>,
    mut each_arg: impl FnMut(&[u8]),
) -> Result<(), UnbalancedQuotes> {
    let line = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|&&byte| is_space(byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Ok(());
        }
        let start = decoded.len();
        rest = split_word(rest, decoded)?;
        each_arg(&decoded[start..]);
    }
}

/// Takes one word off the front of `text` and returns what is left.
fn split_word<'a>(text: &'a [u8], decoded: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    let mut rest = text;
    loop {
        rest = match rest {
            // Vertical tab and form feed are skipped before a word but do not end one.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(rest),
            [b'"', quoted @ ..] => return behind_quotes(unquote_double(quoted, decoded)?),
            [b'\'', quoted @ ..] => return behind_quotes(unquote_single(quoted, decoded)?),
            [byte, behind @ ..] => {
                decoded.push(*byte);
                behind
            }
        };
    }
}

/// A closing quote ends the word, so space or the end of the line has to follow.
fn behind_quotes(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest {
        [byte, ..] if !is_space(*byte) => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn unquote_double<'a>(text: &'a [u8], decoded: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'"', behind @ ..] => return Ok(behind),
            [b'\\', b'x', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                decoded.push(hex_value(*high) << 4 | hex_value(*low));
                behind
            }
            [b'\\', escaped, behind @ ..] => {
                decoded.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => BACKSPACE,
                    b'a' => BELL,
                    other => *other,
                });
                behind
            }
            [byte, behind @ ..] => {
                decoded.push(*byte);
                behind
            }
        };
    }
}

fn unquote_single<'a>(text: &'a [u8], decoded: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'\'', behind @ ..] => return Ok(behind),
            [b'\\', b'\'', behind @ ..] => {
                decoded.push(b'\'');
                behind
            }
            [byte, behind @ ..] => {
                decoded.push(*byte);
                behind
            }
        };
    }
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn hex_value(digit: u8) -> u8 {
    (digit as char).to_digit(16).map_or(0, |value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_quoted(&mut out, bytes);
        out
    }

    /// As MONITOR of redis-server 7.0.15 shows them.
    #[test]
    fn quotes_as_monitor_does() {
        for (bytes, text) in [
            (&b""[..], "\"\""),
            (&b"abc"[..], "\"abc\""),
            (&b"a b"[..], "\"a b\""),
            (&b"\""[..], "\"\\\"\""),
            (&b"\\"[..], "\"\\\\\""),
            (&b"'"[..], "\"'\""),
            (&b"\n\r\t\x07\x08"[..], "\"\\n\\r\\t\\a\\b\""),
            (&b"\x0b\x0c\0\x1f"[..], "\"\\x0b\\x0c\\x00\\x1f\""),
            (&b"\x7f~ !"[..], "\"\\x7f~ !\""),
            (&b"\x80\xff"[..], "\"\\x80\\xff\""),
            (&b"{}#\\x00"[..], "\"{}#\\\\x00\""),
        ] {
            assert_eq!(quoted(bytes), text.as_bytes(), "{text}");
        }
    }

    /// `ECHO`, `PING` and `GET` lines sent inline to redis-server 7.0.15, and the arguments MONITOR showed; `None` for
    /// "Protocol error: unbalanced quotes in request".
    #[test]
    fn splits_as_inline_commands_are_split() {
        type Words = Option<&'static [&'static [u8]]>;
        let cases: &[(&[u8], Words)] = &[
            (b"", Some(&[])),
            (b"   ", Some(&[])),
            (b"ping", Some(&[b"ping"])),
            (b" PING  a ", Some(&[b"PING", b"a"])),
            (b"ping \"a b\"", Some(&[b"ping", b"a b"])),
            (b"ping 'a b'", Some(&[b"ping", b"a b"])),
            (b"ping \"a", None),
            (b"ping 'a", None),
            (b"ping \"a\"b", None),
            (b"ping 'a'b", None),
            (b"ping a\"b c\"", Some(&[b"ping", b"ab c"])),
            (b"ping a\"b\"c", None),
            (b"ping a'b'", Some(&[b"ping", b"ab"])),
            (b"ping \"\"", Some(&[b"ping", b""])),
            (b"ping ''", Some(&[b"ping", b""])),
            (b"ping \\n", Some(&[b"ping", b"\\n"])),
            (
                b"ping \"\\n\\r\\t\\b\\a\\q\\\\\\\"\"",
                Some(&[b"ping", b"\n\r\t\x08\x07q\\\""]),
            ),
            (
                b"ping \"\\x41\\xfF\\x4g\\x\"",
                Some(&[b"ping", b"A\xffx4gx"]),
            ),
            (b"ping '\\n\\''", Some(&[b"ping", b"\\n'"])),
            (b"ping '\\\\'", None),
            (b"ping \"\\\"", None),
            (b"ping \"\\", None),
            (b"ping a\\\"b\"", Some(&[b"ping", b"a\\b"])),
            (b"\tping\x0ba", Some(&[b"ping\x0ba"])),
            (b"\x0b\x0cping a\x0c", Some(&[b"ping", b"a\x0c"])),
            (b"ping \"a\"\x0bb", Some(&[b"ping", b"a", b"b"])),
            (b"ping \"a\"\tb", Some(&[b"ping", b"a", b"b"])),
            (b"ping \"it's\"", Some(&[b"ping", b"it's"])),
            (b"ping 'say \"hi\"'", Some(&[b"ping", b"say \"hi\""])),
            (b"\"ping\" 'a'", Some(&[b"ping", b"a"])),
            (b"ping a\rb", Some(&[b"ping", b"a", b"b"])),
            (b"ping \xff\x80", Some(&[b"ping", b"\xff\x80"])),
        ];
        for (line, expected) in cases {
            let split = split_args(line).ok();
            let split = split
                .as_ref()
                .map(|args| args.iter().map(Vec::as_slice).collect::<Vec<_>>());
            assert_eq!(split.as_deref(), *expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_nul_ends_the_line() {
        assert_eq!(
            split_args(b"a b\0c d"),
            Ok(vec![b"a".to_vec(), b"b".to_vec()])
        );
        assert_eq!(split_args(b"a \"b\0\""), Err(UnbalancedQuotes));
    }

    proptest! {
        #[test]
        fn reads_back_what_it_quoted(args: Vec<Vec<u8>>) {
            let line = args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(&b' ');
            prop_assert_eq!(split_args(&line), Ok(args));
        }

        #[test]
        fn any_bytes_are_a_line(line: Vec<u8>, text in r#"[a\\x"' \t0-9]{0,20}"#) {
            let _ = split_args(&line);
            let _ = split_args(text.as_bytes());
        }
    }
}
