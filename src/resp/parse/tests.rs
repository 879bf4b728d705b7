//! Tests of the request parser: Redis's answers, limits, and properties over cut and damaged streams.

use super::*;
use proptest::prelude::*;

type Command = Vec<Vec<u8>>;

/// What a connection does that receives `stream` in `pieces` of these lengths, over and over.
fn run(
    stream: &[u8],
    pieces: &[usize],
    limits: &ParseLimits,
) -> (Vec<Command>, Option<ProtocolError>) {
    let (mut state, mut spans, mut inline) = (ParseState::default(), Vec::new(), Vec::new());
    let (mut begin, mut received) = (0, 0);
    let mut commands = Vec::new();
    for piece in pieces.iter().cycle() {
        received = stream.len().min(received + piece);
        loop {
            let buf = &stream[begin..received];
            match parse(buf, &mut state, &mut spans, &mut inline, limits) {
                Err(error) => return (commands, Some(error)),
                Ok(Parsed::Incomplete { want }) => {
                    assert!(want > 0);
                    break;
                }
                Ok(Parsed::Nothing { consumed }) => begin += consumed,
                Ok(Parsed::Command {
                    consumed,
                    inline: unquoted,
                }) => {
                    assert!(!spans.is_empty());
                    let bytes = if unquoted { &inline[..] } else { buf };
                    let arg =
                        |span: &Span| bytes[span.start as usize..][..span.len as usize].to_vec();
                    commands.push(spans.iter().map(arg).collect());
                    begin += consumed;
                }
            }
        }
        if received == stream.len() {
            return (commands, None);
        }
    }
    unreachable!("some piece is not empty")
}

fn whole(stream: &[u8], limits: &ParseLimits) -> (Vec<Command>, Option<ProtocolError>) {
    run(stream, &[stream.len().max(1)], limits)
}

fn error_text(stream: &[u8], limits: &ParseLimits) -> String {
    let mut text = Vec::new();
    if let Some(error) = whole(stream, limits).1 {
        error.write_text(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Each answered so by redis-server 7.0.15; an empty text means that it goes on waiting or reading.
#[test]
fn errors_have_the_words_of_redis() {
    let open = ParseLimits::default();
    for (stream, text) in [
        (
            &b"*1\r\nfoo\r\n"[..],
            "Protocol error: expected '$', got 'f'",
        ),
        (
            &b"*1\r\n\rfoo\r\n"[..],
            "Protocol error: expected '$', got ' '",
        ),
        (
            &b"*1\r\n\nfoo\r\n"[..],
            "Protocol error: expected '$', got ' '",
        ),
        (
            &b"*1\r\n\xfffoo\r\n"[..],
            "Protocol error: expected '$', got '�'",
        ),
        (
            &b"*1\r\n\x01\r\n"[..],
            "Protocol error: expected '$', got ''",
        ),
        (
            &b"*1\r\n*1\r\n"[..],
            "Protocol error: expected '$', got '*'",
        ),
        (&b"*1\r\nfoo"[..], ""),
        (&b"*x\r\n"[..], "Protocol error: invalid multibulk length"),
        (&b"*\r\n"[..], "Protocol error: invalid multibulk length"),
        (&b"*1x\r\n"[..], "Protocol error: invalid multibulk length"),
        (&b"*01\r\n"[..], "Protocol error: invalid multibulk length"),
        (&b"*+1\r\n"[..], "Protocol error: invalid multibulk length"),
        (&b"* 1\r\n"[..], "Protocol error: invalid multibulk length"),
        (&b"*-0\r\n"[..], "Protocol error: invalid multibulk length"),
        (&b"*-1\r\n"[..], ""),
        (&b"*2147483647\r\n"[..], ""),
        (
            &b"*2147483648\r\n"[..],
            "Protocol error: invalid multibulk length",
        ),
        (&b"*-2147483649\r\n"[..], ""),
        (
            &b"*99999999999999999999\r\n"[..],
            "Protocol error: invalid multibulk length",
        ),
        (
            &b"*1\n$4\r\n"[..],
            "Protocol error: invalid multibulk length",
        ),
        (&b"*1\rX$4\rYPINGZZ"[..], ""),
        (&b"*1\r\n$-1\r\n"[..], "Protocol error: invalid bulk length"),
        (&b"*1\r\n$x\r\n"[..], "Protocol error: invalid bulk length"),
        (&b"*1\r\n$\r\n"[..], "Protocol error: invalid bulk length"),
        (
            &b"*1\r\n$04\r\nPING\r\n"[..],
            "Protocol error: invalid bulk length",
        ),
        (&b"*1\r\n$00\r\n"[..], "Protocol error: invalid bulk length"),
        (&b"*1\r\n$536870912\r\n"[..], ""),
        (
            &b"*1\r\n$536870913\r\n"[..],
            "Protocol error: invalid bulk length",
        ),
        (
            &b"*1\r\n$9223372036854775807\r\n"[..],
            "Protocol error: invalid bulk length",
        ),
        (
            &b"*1\r\n$99999999999999999999\r\n"[..],
            "Protocol error: invalid bulk length",
        ),
        (&b"*1\r\n$0\r\n\r\n"[..], ""),
        (
            &b"ping \"\r\n"[..],
            "Protocol error: unbalanced quotes in request",
        ),
        (
            &b"ping '\n"[..],
            "Protocol error: unbalanced quotes in request",
        ),
        (&b"*1\0\r\n"[..], ""),
        (&b"*0\r\n*1\r\n$4\r\nPING\r\n"[..], ""),
    ] {
        assert_eq!(error_text(stream, &open), text, "{}", stream.escape_ascii());
    }
}

#[test]
fn before_authentication_ten_small_arguments_are_allowed() {
    let strange = ParseLimits {
        authenticated: false,
        ..ParseLimits::default()
    };
    for (stream, text) in [
        (&b"*10\r\n"[..], ""),
        (
            &b"*11\r\n"[..],
            "Protocol error: unauthenticated multibulk length",
        ),
        (&b"*2\r\n$16384\r\n"[..], ""),
        (
            &b"*2\r\n$16385\r\n"[..],
            "Protocol error: unauthenticated bulk length",
        ),
        (
            &b"*2147483648\r\n"[..],
            "Protocol error: invalid multibulk length",
        ),
        (
            &b"*1\r\n$536870913\r\n"[..],
            "Protocol error: invalid bulk length",
        ),
        (&b"*1\r\n+"[..], ""),
    ] {
        assert_eq!(
            error_text(stream, &strange),
            text,
            "{}",
            stream.escape_ascii()
        );
    }
}

#[test]
fn lines_are_limited_wherever_they_are_cut() {
    let limits = ParseLimits {
        inline_len_max: 20,
        ..ParseLimits::default()
    };
    let line = |start: &[u8], len: usize| [start, &vec![b'1'; len - start.len()], b"\r\n"].concat();
    for pieces in [&[1usize][..], &[1000], &[7, 3]] {
        let error = |stream: Vec<u8>| run(&stream, pieces, &limits).1;
        assert_eq!(error(line(b"PING ", 19)), None);
        // The CR of an inline line counts: Redis looks for LF.
        assert_eq!(error(line(b"PING ", 20)), Some(ProtocolError::InlineTooBig));
        assert_eq!(error(line(b"*", 20)), Some(ProtocolError::InvalidCount));
        assert_eq!(error(line(b"*", 21)), Some(ProtocolError::CountLineTooBig));
        assert_eq!(
            error(line(b"*1\r\n$", 24)),
            Some(ProtocolError::InvalidLength)
        );
        assert_eq!(
            error(line(b"*1\r\n$", 25)),
            Some(ProtocolError::LengthLineTooBig)
        );
        // A NUL hides the end of the line.
        assert_eq!(
            error([b"PING \0".to_vec(), vec![b'\n'; 15]].concat()),
            Some(ProtocolError::InlineTooBig)
        );
        assert_eq!(
            error([b"*\0".to_vec(), vec![b'\r'; 19]].concat()),
            Some(ProtocolError::CountLineTooBig)
        );
    }
}

#[test]
fn argument_lengths_are_limited_by_the_setting_and_by_the_span() {
    let small = ParseLimits {
        bulk_len_max: 3,
        ..ParseLimits::default()
    };
    assert_eq!(
        whole(b"*1\r\n$3\r\nabc\r\n", &small),
        (vec![vec![b"abc".to_vec()]], None)
    );
    assert_eq!(
        whole(b"*1\r\n$4\r\n", &small).1,
        Some(ProtocolError::InvalidLength)
    );
    let large = ParseLimits {
        bulk_len_max: u64::MAX,
        ..ParseLimits::default()
    };
    assert_eq!(
        whole(b"*1\r\n$9223372036854775807\r\n", &large).1,
        Some(ProtocolError::InvalidLength)
    );
    let line = format!("*1\r\n${}\r\n", COMMAND_LEN_MAX);
    assert_eq!(
        whole(line.as_bytes(), &large).1,
        Some(ProtocolError::InvalidLength)
    );
    let line = format!("*1\r\n${}\r\n", COMMAND_LEN_MAX - 32);
    assert_eq!(whole(line.as_bytes(), &large).1, None);
}

#[test]
fn says_how_much_of_an_argument_is_missing() {
    let (mut state, mut spans, mut inline) = (ParseState::default(), Vec::new(), Vec::new());
    let limits = ParseLimits::default();
    let mut want = |buf: &[u8]| match parse(buf, &mut state, &mut spans, &mut inline, &limits) {
        Ok(Parsed::Incomplete { want }) => want,
        other => panic!("incomplete expected: {other:?}"),
    };
    assert_eq!(want(b""), 1);
    assert_eq!(want(b"*2\r\n$4\r\nEC"), 4);
    assert_eq!(want(b"*2\r\n$4\r\nECHO\r\n$100000\r\n"), 100_002);
    assert_eq!(want(b"*2\r\n$4\r\nECHO\r\n$100000\r\n12345"), 99_997);
}

#[test]
fn the_state_is_small() {
    assert!(size_of::<ParseState>() <= 24);
}

/// Streams of mostly valid requests, with some bytes changed now and then.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let arg = prop::collection::vec(any::<u8>(), 0..20);
    let multibulk = prop::collection::vec(arg, 1..5).prop_map(|args| encode(&args));
    let inline = r#"[a"' x\\\x00]{0,12}\r?\n"#.prop_map(String::into_bytes);
    let nothing = prop::sample::select(vec!["*0\r\n", "*-1\r\n", "\r\n", "*-25\r\n"])
        .prop_map(|text| text.as_bytes().to_vec());
    let odd = r"[*$0-3\r\n\x00x-]{0,8}".prop_map(String::into_bytes);
    let part = prop_oneof![8 => multibulk, 3 => inline, 1 => nothing, 1 => odd];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

fn encode(args: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn the_cuts_between_reads_do_not_matter(stream in stream(), pieces in prop::collection::vec(1usize..30, 1..6), inline_len_max in 5usize..80) {
        let limits = ParseLimits { inline_len_max, ..ParseLimits::default() };
        let at_once = whole(&stream, &limits);
        prop_assert_eq!(&run(&stream, &pieces, &limits), &at_once);
        prop_assert_eq!(&run(&stream, &[1], &limits), &at_once);
    }

    #[test]
    fn commands_arrive_as_they_were_sent(commands in prop::collection::vec(prop::collection::vec(any::<Vec<u8>>(), 1..6), 0..6)) {
        let stream: Vec<u8> = commands.iter().flat_map(|args| encode(args)).collect();
        prop_assert_eq!(whole(&stream, &ParseLimits::default()), (commands, None));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(head in r"[*$]?[0-9-]{0,22}\r?\n?[*$]?[0-9-]{0,22}\r?\n?", tail: Vec<u8>, piece in 1usize..50, authenticated: bool) {
        let limits = ParseLimits { authenticated, ..ParseLimits::default() };
        run(&[head.as_bytes(), &tail].concat(), &[piece], &limits);
        run(&tail, &[piece], &limits);
    }
}
