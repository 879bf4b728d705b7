//! Byte globs: `*`, `?`, `[a-z]`, `[^...]` and `\`, as in `KEYS`, `SCAN MATCH`, `PSUBSCRIBE` and `CONFIG GET`.
//!
//! The odd cases are Redis's too: a class that is not closed runs to the end of the pattern, a range may be reversed and
//! compares signed bytes, an escape inside a class ignores `nocase`, and an empty text matches nothing but the empty pattern
//! (not even `*`). Time is bounded by pattern length times text length: every element but `*` takes exactly one byte, so only
//! the last `*` ever has to be retried.

/// Whether `text` matches `pattern`, byte by byte; with `nocase`, ASCII letters match regardless of case.
///
/// Source: `stringmatchlen` of redis-server 7.0.15; the table in the tests was answered by it.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let mut pattern_at = 0;
    let mut text_at = 0;
    // Where to go on after a mismatch: just behind the last `*`, and the first text byte that this star has not swallowed.
    let mut retry: Option<(usize, usize)> = None;
    while text_at < text.len() {
        if pattern.get(pattern_at) == Some(&b'*') {
            pattern_at += 1;
            if pattern_at == pattern.len() {
                return true;
            }
            retry = Some((pattern_at, text_at));
            continue;
        }
        if pattern_at < pattern.len() {
            let (hit, next) = match_element(pattern, pattern_at, text[text_at], nocase);
            if hit {
                pattern_at = next;
                text_at += 1;
                continue;
            }
        }
        let Some((after_star, unswallowed)) = retry else {
            return false;
        };
        pattern_at = after_star;
        text_at = unswallowed + 1;
        retry = Some((after_star, text_at));
    }
    pattern[pattern_at..].iter().all(|&byte| byte == b'*')
}

/// The bytes that every match of `pattern` begins with: what stands before the first `*`, `?`, `[` or `\`.
///
/// With `nocase` off, a scan for the pattern may be limited to keys with this prefix. When it is the whole pattern, the
/// pattern matches that one text only.
pub fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let special = pattern
        .iter()
        .position(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
    &pattern[..special.unwrap_or(pattern.len())]
}

/// Matches one byte against the element at `at`, which exists and is no `*`; also says where the next element begins.
fn match_element(pattern: &[u8], at: usize, byte: u8, nocase: bool) -> (bool, usize) {
    match pattern[at] {
        b'?' => (true, at + 1),
        b'[' => match_class(pattern, at + 1, byte, nocase),
        // A lone backslash at the end stands for itself.
        b'\\' if at + 1 < pattern.len() => (same(pattern[at + 1], byte, nocase), at + 2),
        literal => (same(literal, byte, nocase), at + 1),
    }
}

/// Matches one byte against the class whose `[` ends just before `at`.
fn match_class(pattern: &[u8], mut at: usize, byte: u8, nocase: bool) -> (bool, usize) {
    let negated = pattern.get(at) == Some(&b'^');
    if negated {
        at += 1;
    }
    let mut hit = false;
    loop {
        match pattern[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                hit |= escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                hit |= in_range(first, last, byte, nocase);
                at += 3;
            }
            [literal, ..] => {
                hit |= same(literal, byte, nocase);
                at += 1;
            }
        }
    }
    (hit != negated, at)
}

/// Bounds are ordered first and lower-cased after that, so `[Z-a]` without case is an empty range, as in Redis.
fn in_range(first: u8, last: u8, byte: u8, nocase: bool) -> bool {
    let signed = |byte: u8| byte as i8;
    let (low, high) = if signed(first) > signed(last) {
        (last, first)
    } else {
        (first, last)
    };
    let fold = |byte: u8| {
        signed(if nocase {
            byte.to_ascii_lowercase()
        } else {
            byte
        })
    };
    (fold(low)..=fold(high)).contains(&fold(byte))
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, with no thought for time: a star is nothing, or one byte and the star again.
    fn naive(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        fn rest(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
            match (pattern.first(), text.first()) {
                (None, _) => text.is_empty(),
                (Some(b'*'), None) => rest(&pattern[1..], text, nocase),
                (Some(b'*'), Some(_)) => {
                    rest(&pattern[1..], text, nocase) || rest(pattern, &text[1..], nocase)
                }
                (Some(_), None) => false,
                (Some(_), Some(&byte)) => {
                    let (hit, next) = match_element(pattern, 0, byte, nocase);
                    hit && rest(&pattern[next..], &text[1..], nocase)
                }
            }
        }
        if text.is_empty() {
            pattern.is_empty()
        } else {
            rest(pattern, text, nocase)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn equals_the_definition(pattern in r"[ab*?\[\]\\^-]{0,9}", text in "[ab\\]^-]{0,9}", nocase: bool) {
            prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), nocase), naive(pattern.as_bytes(), text.as_bytes(), nocase));
        }

        #[test]
        fn any_bytes_are_a_pattern(pattern: Vec<u8>, text: Vec<u8>, nocase: bool) {
            matches(&pattern, &text, nocase);
        }

        #[test]
        fn a_match_begins_with_the_literal_prefix(pattern in r"[ab*?\[\]\\]{0,6}", text in "[ab]{0,6}") {
            if matches(pattern.as_bytes(), text.as_bytes(), false) {
                prop_assert!(text.as_bytes().starts_with(literal_prefix(pattern.as_bytes())));
            }
        }
    }

    #[test]
    fn many_stars_take_polynomial_time() {
        let pattern = b"a*".repeat(2_000);
        let mut text = vec![b'a'; 4_000];
        assert!(matches(&pattern, &text, false));
        text.push(b'b');
        assert!(!matches(&[&pattern[..], b"c"].concat(), &text, false));
    }

    #[test]
    fn literal_prefix_stops_at_the_first_special_byte() {
        for (pattern, prefix) in [
            ("", ""),
            ("abc", "abc"),
            ("a*b", "a"),
            ("a?", "a"),
            ("ab[c]", "ab"),
            (r"a\*b", "a"),
            ("*", ""),
            ("a]^-b", "a]^-b"),
        ] {
            assert_eq!(
                literal_prefix(pattern.as_bytes()),
                prefix.as_bytes(),
                "{pattern}"
            );
        }
    }

    /// Patterns with the texts that redis-server 7.0.15 lists for them (`KEYS`), out of `TEXTS`.
    #[test]
    fn answers_as_redis_does() {
        const TEXTS: &[&[u8]] = &[
            b"", b"a", b"b", b"c", b"-", b"]", b"[", b"^", b"\\", b"*", b"ab", b"ba", b"a]", b"aa",
            b"a\\", b"axb", b"\\\\", b"bb",
        ];
        const ANSWERS: &[(&[u8], &[&[u8]])] = &[
            (
                b"*",
                &[
                    b"a", b"b", b"c", b"-", b"]", b"[", b"^", b"\\", b"*", b"ab", b"ba", b"a]",
                    b"aa", b"a\\", b"axb", b"\\\\", b"bb",
                ],
            ),
            (
                b"**",
                &[
                    b"a", b"b", b"c", b"-", b"]", b"[", b"^", b"\\", b"*", b"ab", b"ba", b"a]",
                    b"aa", b"a\\", b"axb", b"\\\\", b"bb",
                ],
            ),
            (b"a*", &[b"a", b"ab", b"a]", b"aa", b"a\\", b"axb"]),
            (b"*a", &[b"a", b"ba", b"aa"]),
            (
                b"?",
                &[b"a", b"b", b"c", b"-", b"]", b"[", b"^", b"\\", b"*"],
            ),
            (b"??", &[b"ab", b"ba", b"a]", b"aa", b"a\\", b"\\\\", b"bb"]),
            (b"[ab]", &[b"a", b"b"]),
            (b"[^ab]", &[b"c", b"-", b"]", b"[", b"^", b"\\", b"*"]),
            (b"[a-c]", &[b"a", b"b", b"c"]),
            (b"[c-a]", &[b"a", b"b", b"c"]),
            (b"[abc", &[b"a", b"b", b"c"]),
            (b"[", &[]),
            (
                b"[^",
                &[b"a", b"b", b"c", b"-", b"]", b"[", b"^", b"\\", b"*"],
            ),
            (b"[a-", &[b"a", b"-"]),
            (b"[a-]", &[b"a", b"]", b"^"]),
            (b"[]", &[]),
            (b"[]a]", &[]),
            (
                b"[^]",
                &[b"a", b"b", b"c", b"-", b"]", b"[", b"^", b"\\", b"*"],
            ),
            (b"[^]a]", &[]),
            (b"[\\]]", &[b"]"]),
            (b"[\\\\]", &[b"\\"]),
            (b"[a\\-c]", &[b"a", b"c", b"-"]),
            (b"\\a", &[b"a"]),
            (b"\\*", &[b"*"]),
            (b"\\\\", &[b"\\"]),
            (b"\\", &[b"\\"]),
            (b"a\\\\", &[b"a\\"]),
            (b"a\\", &[b"a\\"]),
            (b"*\\\\", &[b"\\", b"a\\", b"\\\\"]),
            (b"[\\", &[b"\\"]),
            (b"[a-\\]]", &[b"a]"]),
            (b"[--c]", &[b"a", b"b", b"c", b"-", b"]", b"[", b"^", b"\\"]),
            (b"[a-b-c]", &[b"a", b"b", b"c", b"-"]),
            (b"a**b", &[b"ab", b"axb"]),
            (
                b"*?*",
                &[
                    b"a", b"b", b"c", b"-", b"]", b"[", b"^", b"\\", b"*", b"ab", b"ba", b"a]",
                    b"aa", b"a\\", b"axb", b"\\\\", b"bb",
                ],
            ),
            (b"*[b]*", &[b"b", b"ab", b"ba", b"axb", b"bb"]),
            (b"[a-bx", &[b"a", b"b"]),
            (b"[[]", &[b"["]),
            (b"a]", &[b"a]"]),
            (b"^a", &[]),
            (b"[a^]", &[b"a", b"^"]),
            (b"a[^b]", &[b"a]", b"aa", b"a\\"]),
        ];
        for &(pattern, expected) in ANSWERS {
            let matched: Vec<&[u8]> = TEXTS
                .iter()
                .copied()
                .filter(|text| matches(pattern, text, false))
                .collect();
            assert_eq!(matched, expected, "{}", pattern.escape_ascii());
        }
    }

    /// Answered by redis-server 7.0.15: high bytes with `KEYS`, letter case with `COMMAND LIST FILTERBY PATTERN`.
    #[test]
    fn ranges_are_signed_and_fold_case_after_ordering() {
        for (pattern, text, nocase, expected) in [
            (&b"[a-\xff]"[..], &b"\xff"[..], false, true),
            (&b"[a-\xff]"[..], &b"\x80"[..], false, false),
            (&b"[a-\xff]"[..], &b"\x7f"[..], false, false),
            (&b"[a-\xff]"[..], &b"a"[..], false, true),
            (&b"[a-\xff]"[..], &b"b"[..], false, false),
            (&b"[a-\xff]"[..], &b"A"[..], false, true),
            (&b"[a-\xff]"[..], &b"\x01"[..], false, true),
            (&b"[\x80-\xff]"[..], &b"\xff"[..], false, true),
            (&b"[\x80-\xff]"[..], &b"\x80"[..], false, true),
            (&b"[\x80-\xff]"[..], &b"\x7f"[..], false, false),
            (&b"[\x80-\xff]"[..], &b"a"[..], false, false),
            (&b"[\x80-\xff]"[..], &b"b"[..], false, false),
            (&b"[\x80-\xff]"[..], &b"A"[..], false, false),
            (&b"[\x80-\xff]"[..], &b"\x01"[..], false, false),
            (&b"[\xff-\x80]"[..], &b"\xff"[..], false, true),
            (&b"[\xff-\x80]"[..], &b"\x80"[..], false, true),
            (&b"[\xff-\x80]"[..], &b"\x7f"[..], false, false),
            (&b"[\xff-\x80]"[..], &b"a"[..], false, false),
            (&b"[\xff-\x80]"[..], &b"b"[..], false, false),
            (&b"[\xff-\x80]"[..], &b"A"[..], false, false),
            (&b"[\xff-\x80]"[..], &b"\x01"[..], false, false),
            (&b"[^a-\xff]"[..], &b"\xff"[..], false, false),
            (&b"[^a-\xff]"[..], &b"\x80"[..], false, true),
            (&b"[^a-\xff]"[..], &b"\x7f"[..], false, true),
            (&b"[^a-\xff]"[..], &b"a"[..], false, false),
            (&b"[^a-\xff]"[..], &b"b"[..], false, true),
            (&b"[^a-\xff]"[..], &b"A"[..], false, false),
            (&b"[^a-\xff]"[..], &b"\x01"[..], false, false),
            (&b"\xff"[..], &b"\xff"[..], false, true),
            (&b"\xff"[..], &b"\x80"[..], false, false),
            (&b"\xff"[..], &b"\x7f"[..], false, false),
            (&b"\xff"[..], &b"a"[..], false, false),
            (&b"\xff"[..], &b"b"[..], false, false),
            (&b"\xff"[..], &b"A"[..], false, false),
            (&b"\xff"[..], &b"\x01"[..], false, false),
            (&b"G*"[..], &b"get"[..], true, true),
            (&b"[Z-a]et"[..], &b"set"[..], true, false),
            (&b"[z-A]et"[..], &b"set"[..], true, true),
            (&b"[A-Z]et"[..], &b"get"[..], true, true),
            (&b"[a-Z]et"[..], &b"get"[..], true, false),
            (&b"[Z-f]et"[..], &b"get"[..], true, false),
            (&b"\\Get"[..], &b"get"[..], true, true),
            (&b"[\\G]et"[..], &b"get"[..], true, false),
            (&b"[\\g]et"[..], &b"get"[..], true, true),
            (&b"[G]et"[..], &b"get"[..], true, true),
            (&b"[^G]et"[..], &b"get"[..], true, false),
            (&b"?ET"[..], &b"get"[..], true, true),
        ] {
            assert_eq!(
                matches(pattern, text, nocase),
                expected,
                "{} {}",
                pattern.escape_ascii(),
                text.escape_ascii()
            );
        }
    }
}
