//! Targets that misbehave, in the test's hands, and offers that a target must refuse.

use std::net::TcpListener;

use crate::common::nodes::{offset, start, still_serves};
use crate::common::{Server, Setup, Value, wait_until};
use crate::load::Load;
use crate::pair::Pair;
use crate::peer::Link;
use crate::{refuses_writes, state, wait_over, wait_waits_for};

/// A primary with one replica that the test plays: its link, and the port on which it is made an offer.
struct Fake {
    primary: Server,
    _link: Link,
    port: TcpListener,
}

impl Fake {
    fn new(setup: Setup) -> Fake {
        let primary = start(setup);
        for words in ["failover", "silent", "may have"] {
            primary.expect_log(words);
        }
        primary.connect().ok("SET a 1");
        let port = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        port.set_nonblocking(true)
            .expect("a listener that does not block");
        let number = port.local_addr().expect("an address").port();
        let mut link = Link::follow_as(&primary, 1, number);
        let last = offset(&primary);
        link.record();
        link.command(&["replconf", "ack", &last.to_string()]);
        Fake {
            primary,
            _link: link,
            port,
        }
    }

    /// Begins a failover when the replica is known to hold everything.
    fn begin(&self) {
        let reply = self.primary.connect().call("WAIT 1 30000");
        assert_eq!(reply, Value::Int(1));
        self.primary.connect().send_line("FAILOVER");
    }

    /// The next connection.
    fn accept(&self) -> Link {
        let mut link = None;
        wait_until("the old primary connects", || {
            link = self.port.accept().ok();
            link.is_some()
        });
        Link::over(link.expect("a connection").0)
    }

    /// The next connection with a request of this sort, behind the question whether it is understood.
    fn asked(&self, what: &str) -> Link {
        let mut link = self.accept();
        for expected in ["STATE", what] {
            let words = link.words().expect("a request");
            assert_eq!(words[..3], ["REPLCONF", "TAKEOVER", expected]);
            if expected == "STATE" {
                link.send(b"+UNSEEN\r\n");
            }
        }
        link
    }

    fn is_primary_again(&self, result: &str) {
        wait_over(&self.primary);
        assert_eq!(self.primary.info("role"), "master");
        assert_eq!(self.primary.info("last_failover_result"), result);
        still_serves(&self.primary);
    }
}

#[test]
fn a_target_that_refuses() {
    let fake = Fake::new(Setup::new());
    fake.begin();
    let mut link = fake.asked("OFFER");
    let mut parked = fake.primary.connect();
    parked.send_line("INCR parked");
    link.send(b"-REFUSED no room\r\n");
    assert_eq!(parked.read(), Value::Int(1));
    fake.is_primary_again("aborted: the target refused: no room");
}

#[test]
fn answers_that_decide_nothing() {
    for answer in [
        &b"-ERR unknown command 'REPLCONF'\r\n"[..],
        b"+OK\r\n",
        b"+TAKEN\r\n",
        b"+TAKEN x\r\n",
        b"+TAKEN 99999999999999999999\r\n",
        b"+TAKEN -1\r\n",
        b"+UNSEEN\r\n",
        b"+DECIDING\r\n",
        b"-TRYAGAIN later\r\n",
        b"-LOADING the data\r\n",
        b"-READONLY x\r\n",
        b":1\r\n",
        b"$5\r\nTAKEN\r\n",
        b"\r\n",
        b"\0\xff\r\n",
        &[b'+'; 5000],
        b"",
    ] {
        let fake = Fake::new(Setup::new());
        fake.begin();
        let mut link = fake.asked("OFFER");
        link.send(answer);
        // Closed by the one or the other.
        drop(link);
        // As long as nothing decides, nobody writes, and INFO says why.
        let mut link = fake.asked("CANCEL");
        assert_eq!(state(&fake.primary), "failover-in-progress");
        wait_waits_for(&fake.primary, "to say whether it has taken over");
        link.send(answer);
        drop(link);
        fake.asked("CANCEL").send(b"+CANCELLED\r\n");
        fake.is_primary_again("aborted: the offer was cancelled");
    }
}

#[test]
fn a_target_that_is_silent_is_asked_again_and_its_late_answer_is_nobodys() {
    let fake = Fake::new(Setup::new());
    fake.begin();
    let mut silent = fake.asked("OFFER");
    let mut again = fake.asked("CANCEL");
    // On the connection that was given up.
    silent.send(b"+TAKEN 1\r\n");
    assert_eq!(state(&fake.primary), "failover-in-progress");
    again.send(b"+CANCELLED\r\n");
    fake.is_primary_again("aborted: the offer was cancelled");
}

#[test]
fn a_target_that_says_nothing_that_counts_is_left_by_the_operator() {
    let fake = Fake::new(Setup::new());
    fake.begin();
    fake.asked("OFFER").send(b"-ERR what?\r\n");
    for _ in 0..3 {
        fake.asked("CANCEL").send(b"-ERR what?\r\n");
    }
    wait_waits_for(&fake.primary, "it answered '-ERR what?'");
    fake.primary.connect().ok("REPLICAOF NO ONE");
    fake.is_primary_again("left-to-operator");
}

#[test]
fn a_target_that_has_taken_over_is_followed() {
    let fake = Fake::new(Setup::new());
    fake.begin();
    let mut link = fake.asked("OFFER");
    let last = offset(&fake.primary);
    link.send(format!("+TAKEN {last}\r\n").as_bytes());
    wait_over(&fake.primary);
    refuses_writes(&fake.primary);
    let mut link = fake.accept();
    assert_eq!(link.words().expect("a handshake"), ["_db_name"]);
}

#[test]
fn a_target_that_wants_another_password() {
    let fake = Fake::new(Setup::new().arg("--masterauth", "wrong"));
    let mut conn = fake.primary.connect();
    fake.begin();
    let mut link = fake.accept();
    assert_eq!(link.words().expect("AUTH"), ["AUTH", "wrong"]);
    link.send(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    wait_until("it has ended", || {
        conn.call("INFO replication").text().contains(
            "last_failover_result:aborted: the target cannot be reached: AUTH was answered",
        )
    });
    still_serves(&fake.primary);
}

#[test]
fn a_target_that_does_not_understand_is_found_out_before_writes_stop() {
    for answer in [
        &b"-NOAUTH Authentication required.\r\n"[..],
        b"-ERR unknown option\r\n",
        b"what?\r\n",
        b"",
    ] {
        let fake = Fake::new(Setup::new());
        let mut conn = fake.primary.connect();
        assert_eq!(conn.call("WAIT 1 30000"), Value::Int(1));
        conn.send_line("FAILOVER");
        let mut link = fake.accept();
        assert_eq!(link.words().expect("a question")[2], "STATE");
        link.send(answer);
        drop(link);
        let reply = conn.read();
        // After a tenth of a second writes stop all the same, and go on now.
        assert!(
            reply == Value::ok() || reply.text().starts_with("ERR FAILOVER aborted: "),
            "{reply:?}"
        );
        wait_over(&fake.primary);
        let result = fake.primary.info("last_failover_result");
        assert!(
            result.starts_with("aborted: the target cannot be reached: "),
            "{result}"
        );
        assert_eq!(fake.primary.info("role"), "master");
        still_serves(&fake.primary);
    }
}

#[test]
fn a_target_whose_password_is_not_known_is_found_out_before_writes_stop() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.two.connect().ok("CONFIG SET requirepass hush");
    let reply = pair.one.connect().call(&pair.command(""));
    assert!(
        reply == Value::ok() || reply.text().starts_with("ERR FAILOVER aborted: "),
        "{reply:?}"
    );
    wait_over(&pair.one);
    let result = pair.one.info("last_failover_result");
    assert!(result.contains("NOAUTH"), "{result}");
    load.wait_for_writes(20);
    pair.one.connect().ok("CONFIG SET masterauth hush");
    pair.begin();
    wait_over(&pair.one);
    let mut admin = pair.two.connect();
    admin.ok("AUTH hush");
    admin.cmd(&["CONFIG", "SET", "requirepass", ""]);
    // A password that nobody asks for would be refused on the next link.
    pair.one.connect().cmd(&["CONFIG", "SET", "masterauth", ""]);
    pair.settled(&pair.two, &load.end());
}

#[test]
fn a_replica_that_never_acknowledges_is_no_target() {
    let primary = start(Setup::new());
    primary.connect().ok("SET a 1");
    let mut link = Link::follow(&primary, 1);
    link.record();
    for line in ["FAILOVER", "FAILOVER TO 127.0.0.1 7777"] {
        let reply = primary.connect().call(line);
        assert_eq!(
            reply,
            Value::error("ERR FAILOVER target replica is not online."),
            "{line}"
        );
    }
    still_serves(&primary);
}

#[test]
fn offers_that_are_not_right_are_refused_and_remembered() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    let ended = load.end();
    pair.one.connect().ok("SET last 1");
    crate::pair::wait_aligned(&pair.two, &pair.one);
    let run_id = pair.one.info("run_id");
    let history = pair.one.info("replication_id");
    let last = offset(&pair.one);
    let stranger = "c".repeat(40);
    let offer = |token: &str, history: &str, seq: u64, more: &str| {
        format!("REPLCONF TAKEOVER OFFER {token} {history} {seq} 127.0.0.1 1{more}")
    };
    let token = |count: u64| format!("{run_id}-{count}");
    let mut conn = pair.two.connect();
    let refused = [
        offer(&format!("{stranger}-1"), &history, last, ""),
        offer(&token(101), "0123456789abcdef", last, ""),
        offer(&token(102), &history, last + 1, ""),
        offer(&token(103), &history, last - 1, ""),
        offer(&token(104), &history, last - 1, " FORCE"),
        offer(&token(104), &history, last, ""),
        // Older than one that is known of the same run.
        offer(&token(1), &history, last, ""),
    ];
    for line in &refused {
        let reply = conn.call(line);
        assert!(reply.text().starts_with("REFUSED "), "{line}: {reply:?}");
    }
    for (line, error) in [
        (offer("x", &history, last, ""), "ERR Invalid takeover token"),
        (
            offer(&token(0), &history, last, ""),
            "ERR Invalid takeover token",
        ),
        (
            offer(&token(200), &"i".repeat(41), last, ""),
            "ERR Invalid replication id",
        ),
        (
            offer(&token(200), &history, u64::MAX, ""),
            "ERR Invalid sequence number",
        ),
        (
            offer(&token(200), &history, last, " NOW"),
            "ERR syntax error",
        ),
        ("REPLCONF TAKEOVER".to_owned(), "ERR syntax error"),
        ("REPLCONF TAKEOVER LATER x".to_owned(), "ERR syntax error"),
    ] {
        assert_eq!(conn.call(&line), Value::error(error), "{line}");
    }
    let ask = |count: u64| format!("REPLCONF TAKEOVER STATE {}", token(count));
    assert_eq!(conn.call(&ask(102)), Value::simple("CANCELLED"));
    assert_eq!(conn.call(&ask(300)), Value::simple("UNSEEN"));
    // A refusal is as durable as a yes.
    pair.two.restart();
    let mut conn = pair.two.connect();
    for line in &refused[1..] {
        let reply = conn.call(line);
        assert!(reply.text().starts_with("REFUSED "), "{line}: {reply:?}");
    }
    pair.settled(&pair.one, &ended);
}
