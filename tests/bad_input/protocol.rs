//! Protocol errors, word for word, after which the connection is closed, and inline commands.

use crate::Witness;
use crate::common::{Server, Setup, Value, show};

/// Input and all that is answered before the server closes.
const ERRORS: &[(&[u8], &str)] = &[
    (
        b"*abc\r\n",
        "-ERR Protocol error: invalid multibulk length\r\n",
    ),
    (
        b"*\r\nPING\r\n",
        "-ERR Protocol error: invalid multibulk length\r\n",
    ),
    (
        b"*1x\r\n",
        "-ERR Protocol error: invalid multibulk length\r\n",
    ),
    (
        b"* 1\r\n",
        "-ERR Protocol error: invalid multibulk length\r\n",
    ),
    (
        b"*+1\r\n",
        "-ERR Protocol error: invalid multibulk length\r\n",
    ),
    (
        b"*2147483648\r\n",
        "-ERR Protocol error: invalid multibulk length\r\n",
    ),
    (
        b"*99999999999999999999999\r\n",
        "-ERR Protocol error: invalid multibulk length\r\n",
    ),
    (
        b"*1\r\nPING\r\n",
        "-ERR Protocol error: expected '$', got 'P'\r\n",
    ),
    (
        b"*1\r\n:4\r\n",
        "-ERR Protocol error: expected '$', got ':'\r\n",
    ),
    (
        b"*1\r\n\r\n",
        "-ERR Protocol error: expected '$', got ' '\r\n",
    ),
    (
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n*1\r\n",
        "-ERR Protocol error: expected '$', got '*'\r\n",
    ),
    (
        b"*1\r\n$abc\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    ),
    (
        b"*1\r\n$\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    ),
    (
        b"*1\r\n$-1\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    ),
    (
        b"*1\r\n$-2147483648\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    ),
    (
        b"*1\r\n$536870913\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    ),
    (
        b"*1\r\n$99999999999999999999999\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    ),
    (
        b"*2\r\n$4\r\nECHO\r\n$1e1\r\n",
        "-ERR Protocol error: invalid bulk length\r\n",
    ),
    (
        b"ECHO \"unbalanced\r\n",
        "-ERR Protocol error: unbalanced quotes in request\r\n",
    ),
    (
        b"ECHO 'unbalanced\r\n",
        "-ERR Protocol error: unbalanced quotes in request\r\n",
    ),
    (
        b"ECHO \"glued\"together\r\n",
        "-ERR Protocol error: unbalanced quotes in request\r\n",
    ),
    (
        b"ECHO 'glued'together\r\n",
        "-ERR Protocol error: unbalanced quotes in request\r\n",
    ),
    (
        b"ECHO \"\\\"\r\n",
        "-ERR Protocol error: unbalanced quotes in request\r\n",
    ),
    // What came before the error is answered, what comes behind it is not looked at.
    (
        b"PING\r\n*x\r\nPING\r\n",
        "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n",
    ),
];

/// What never becomes a whole line is refused when it has grown beyond 64 KiB.
const ENDLESS: &[(&[u8], &str)] = &[
    (b"", "-ERR Protocol error: too big inline request\r\n"),
    (b"*1", "-ERR Protocol error: too big mbulk count string\r\n"),
    (
        b"*1\r\n$1",
        "-ERR Protocol error: too big bulk count string\r\n",
    ),
];

/// What is refused to clients that have not authenticated.
const UNAUTHENTICATED: &[(&[u8], &str)] = &[
    (
        b"*11\r\n",
        "-ERR Protocol error: unauthenticated multibulk length\r\n",
    ),
    (
        b"*1048576\r\n",
        "-ERR Protocol error: unauthenticated multibulk length\r\n",
    ),
    (
        b"*2\r\n$4\r\nAUTH\r\n$16385\r\n",
        "-ERR Protocol error: unauthenticated bulk length\r\n",
    ),
    (
        b"*2\r\n$4\r\nAUTH\r\n$536870912\r\n",
        "-ERR Protocol error: unauthenticated bulk length\r\n",
    ),
];

/// Inline commands, and what they answer.
const INLINE: &[(&[u8], &[u8])] = &[
    (b"PING\r\n", b"+PONG\r\n"),
    (b"PING\n", b"+PONG\r\n"),
    (b"ping hello\r\n", b"$5\r\nhello\r\n"),
    (b"  ECHO \t  spaced  \r\n", b"$6\r\nspaced\r\n"),
    (b"\r\n\r\nPING\r\n\r\n", b"+PONG\r\n"),
    (b"   \r\nPING\r\n", b"+PONG\r\n"),
    (b"ECHO \"\"\r\n", b"$0\r\n\r\n"),
    (b"ECHO ''\r\n", b"$0\r\n\r\n"),
    (b"ECHO \"a b\"\r\n", b"$3\r\na b\r\n"),
    (
        b"ECHO \"\\x41\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n",
        b"$9\r\nA\n\r\t\x08\x07\\\"q\r\n",
    ),
    (b"ECHO \"\\xzz\"\r\n", b"$3\r\nxzz\r\n"),
    (b"ECHO 'single \\' \\n'\r\n", b"$11\r\nsingle ' \\n\r\n"),
    (b"ECHO un\\escaped\r\n", b"$10\r\nun\\escaped\r\n"),
    (b"ECHO \xc3\xa9\xff\r\n", b"$3\r\n\xc3\xa9\xff\r\n"),
    (b"*0\r\nPING\r\n", b"+PONG\r\n"),
    (b"*-1\r\nPING\r\n", b"+PONG\r\n"),
    (b"*-99\r\nPING\r\n", b"+PONG\r\n"),
    (
        b"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n",
        b"+PONG\r\n+PONG\r\n+PONG\r\n",
    ),
    // The two bytes behind an argument are not looked at.
    (b"*1\r\n$4\r\nPINGxxPING\r\n", b"+PONG\r\n+PONG\r\n"),
    (
        b"*1\r\n$0\r\n\r\n",
        b"-ERR unknown command '', with args beginning with: \r\n",
    ),
    (
        b"no\"such x\"\r\n",
        b"-ERR unknown command 'nosuch x', with args beginning with: \r\n",
    ),
];

/// Sends `input` on a new connection and returns all that comes until the server closes.
fn answer_until_close(server: &Server, input: &[u8]) -> String {
    let mut conn = server.connect();
    // The server may close before it has taken everything.
    let _ = conn.try_send_raw(input);
    show(&conn.read_to_close())
}

/// The server under test, and the oracle if there is one, both started by `setup`.
fn both(test: &str, setup: impl Fn(Setup) -> Setup) -> Vec<Server> {
    let ours = setup(Setup::new()).start();
    ours.expect_log("Protocol error");
    let oracle = Setup::oracle(test).map(|oracle| setup(oracle).start());
    std::iter::once(ours).chain(oracle).collect()
}

#[test]
fn protocol_errors_are_redis_s_and_close_the_connection() {
    for server in both(
        "protocol_errors_are_redis_s_and_close_the_connection",
        |setup| setup,
    ) {
        let mut witness = Witness::of(&server);
        for (input, answer) in ERRORS {
            assert_eq!(
                answer_until_close(&server, input),
                show(answer.as_bytes()),
                "{}",
                show(input)
            );
            witness.is_well();
        }
        for (input, answer) in ENDLESS {
            let endless = [*input, &vec![b'1'; 70_000]].concat();
            assert_eq!(
                answer_until_close(&server, &endless),
                show(answer.as_bytes()),
                "{} and on",
                show(input)
            );
            witness.is_well();
        }
    }
}

#[test]
fn who_has_not_authenticated_gets_little_room() {
    let setup = |setup: Setup| setup.arg("--requirepass", "secret");
    for server in both("who_has_not_authenticated_gets_little_room", setup) {
        for (input, answer) in UNAUTHENTICATED {
            assert_eq!(
                answer_until_close(&server, input),
                show(answer.as_bytes()),
                "{}",
                show(input)
            );
        }
        let mut conn = server.connect();
        let noauth = Value::error("NOAUTH Authentication required.");
        for line in [
            "GET k",
            "SET k v",
            "PING",
            "INFO",
            "NOSUCH",
            "MULTI",
            "SUBSCRIBE ch",
        ] {
            let reply = conn.call(line);
            // An unknown command is unknown before anything else.
            assert!(
                reply == noauth || line == "NOSUCH" && reply.is_error(),
                "{line}: {reply}"
            );
        }
        // What is just within the room is taken.
        let password = vec![b'x'; 16_384];
        let wrong = Value::error("WRONGPASS invalid username-password pair or user is disabled.");
        assert_eq!(conn.cmd(&[b"AUTH".to_vec(), password]), wrong);
        conn.ok("AUTH secret");
        // And the room is as large as anybody's afterwards.
        let long: Vec<String> = std::iter::once("DEL".into())
            .chain((0..1000).map(|n| format!("k{n}")))
            .collect();
        assert_eq!(conn.cmd(&long), Value::Int(0));
        assert_eq!(
            conn.cmd(&[b"SET".to_vec(), b"k".to_vec(), vec![b'v'; 100_000]]),
            Value::ok()
        );
    }
}

#[test]
fn inline_commands_are_understood() {
    for server in both("inline_commands_are_understood", |setup| setup) {
        for (input, answer) in INLINE {
            let whole = [*input, b"QUIT\r\n"].concat();
            let expected = [*answer, b"+OK\r\n"].concat();
            assert_eq!(
                answer_until_close(&server, &whole),
                show(&expected),
                "{}",
                show(input)
            );
        }
    }
}

/// A browser that was led here must not do anything.
#[test]
fn http_is_refused_without_an_answer() {
    for server in both("http_is_refused_without_an_answer", |setup| setup) {
        server.expect_log("SECURITY ATTACK");
        for input in [
            "POST / HTTP/1.1\r\nSET k evil\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k evil\r\n",
        ] {
            let answer = answer_until_close(&server, input.as_bytes());
            assert!(!answer.contains("OK"), "{input}: {answer}");
        }
        assert_eq!(server.connect().call("EXISTS k"), Value::Int(0));
    }
}
