//! The handshake with each sort of primary, every refusal, and the waits between tries.

use super::*;

fn run_id(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn settings() -> LinkSettings {
    LinkSettings {
        user: None,
        password: Vec::new(),
        db_name: b"change.me.db".to_vec(),
        port: 6666,
        ip: None,
        run_id: run_id('a'),
        connect_ms: 3100,
        timeout_ms: 60_000,
    }
}

fn id() -> Option<ReplicationId> {
    ReplicationId::from_bytes(b"ABCDEFGHIJ012345")
}

fn at(ms: u64) -> MonoMs {
    MonoMs(ms)
}

/// The actions waiting, sent bytes as the words of their request.
fn actions(link: &mut Link) -> Vec<String> {
    std::iter::from_fn(|| link.poll_action())
        .map(|action| match action {
            Action::Send(bytes) => {
                let text = String::from_utf8(bytes).unwrap();
                let words = text.split("\r\n").skip(2).step_by(2);
                words.collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        })
        .collect()
}

fn answer(link: &mut Link, line: &str, now: u64) -> Vec<String> {
    link.line(line.as_bytes(), at(now));
    actions(link)
}

fn stand(link: &mut Link, next: u64, now: u64) -> Vec<String> {
    let next = Seq::new(next);
    link.position(
        Position {
            next,
            id: id(),
            endings: [None; 2],
        },
        at(now),
    );
    actions(link)
}

fn stillpoint() -> String {
    format!("+OK 1 {}", run_id('b'))
}

/// A link that has sent its address, at 0.
fn addressed() -> Link {
    let mut link = Link::new(settings(), at(0));
    link.connected(at(0));
    link.line(b"change.me.db", at(0));
    actions(&mut link);
    link
}

/// A link that has sent PSYNC 951 to a Stillpoint, or to a Kvrocks, at 0.
fn asking(primary: Peer) -> Link {
    let mut link = addressed();
    answer(&mut link, "+OK", 0);
    let line = match primary {
        Peer::Stillpoint => stillpoint(),
        Peer::Kvrocks => "-ERR unknown option".to_owned(),
    };
    answer(&mut link, &line, 0);
    assert_eq!(link.primary(), primary);
    stand(&mut link, 951, 0);
    link
}

fn streaming(primary: Peer) -> Link {
    let mut link = asking(primary);
    answer(&mut link, "+OK", 0);
    assert_eq!(link.state(), LinkState::Connected);
    link
}

/// How long a waiting link waits.
fn wait_ms(link: &Link, now: u64) -> u64 {
    assert_eq!(link.state(), LinkState::Connect);
    link.next_deadline().unwrap().since(at(now))
}

#[test]
fn a_stillpoint_is_asked_step_by_step() {
    let mut link = Link::new(
        LinkSettings {
            user: Some(b"repl".to_vec()),
            password: b"pw".to_vec(),
            ip: Some("10.0.0.2".to_owned()),
            ..settings()
        },
        at(0),
    );
    assert_eq!(actions(&mut link), ["Connect"]);
    assert_eq!(link.state().name(), "connecting");
    link.connected(at(1));
    assert_eq!(actions(&mut link), ["AUTH repl pw"]);
    assert_eq!(answer(&mut link, "+OK", 2), ["_db_name"]);
    assert_eq!(
        answer(&mut link, "change.me.db", 3),
        ["replconf listening-port 6666 ip-address 10.0.0.2"]
    );
    let extras = format!("replconf stillpoint 1 run-id {}", run_id('a'));
    assert_eq!(answer(&mut link, "+OK", 4), [extras]);
    let told = answer(&mut link, &stillpoint(), 5);
    assert!(told.len() == 2 && told[0].starts_with("Path("), "{told:?}");
    assert_eq!(told[1], "AskPosition");
    assert_eq!(link.next_deadline(), None);
    assert_eq!(stand(&mut link, 951, 6), ["PSYNC ABCDEFGHIJ012345 951"]);
    assert_eq!(
        answer(&mut link, "+OK", 7),
        ["Stream { primary: Stillpoint, next: Seq(951) }"]
    );
    assert_eq!(link.state().name(), "connected");
    assert_eq!((link.down_since(), link.heard_at()), (None, at(7)));
}

#[test]
fn a_kvrocks_says_no_and_is_followed_all_the_same() {
    let mut link = addressed();
    answer(&mut link, "+OK", 0);
    assert_eq!(answer(&mut link, "-ERR unknown option", 0), ["AskPosition"]);
    let next = Seq::new(1);
    link.position(
        Position {
            next,
            id: None,
            endings: [None; 2],
        },
        at(0),
    );
    assert_eq!(actions(&mut link), ["PSYNC 1"]);
    assert_eq!(
        answer(&mut link, "+OK", 0),
        ["Stream { primary: Kvrocks, next: Seq(1) }"]
    );
}

#[test]
fn old_releases_of_kvrocks_are_asked_again_with_less() {
    let mut link = Link::new(
        LinkSettings {
            ip: Some("10.0.0.2".to_owned()),
            ..settings()
        },
        at(0),
    );
    link.connected(at(0));
    answer(&mut link, "change.me.db", 0);
    let without = "replconf listening-port 6666";
    assert_eq!(answer(&mut link, "-ERR unknown option", 0), [without]);
    answer(&mut link, "-ERR whatever, Kvrocks ignores it", 0);
    answer(&mut link, "-ERR unknown option", 0);
    assert_eq!(stand(&mut link, 951, 0), ["PSYNC ABCDEFGHIJ012345 951"]);
    assert_eq!(
        answer(&mut link, "-ERR wrong number of arguments", 0),
        ["PSYNC 951"]
    );
    // It is remembered for the next connection.
    link.lost("reset", at(1));
    link.tick(at(11));
    link.connected(at(11));
    actions(&mut link);
    assert_eq!(answer(&mut link, "change.me.db", 11), [without]);
}

#[test]
fn a_refused_psync_leads_to_a_copy() {
    let mut link = asking(Peer::Stillpoint);
    assert_eq!(
        answer(
            &mut link,
            "-ERR wrong replication id of the last log; common up to 940",
            1
        ),
        [
            "Close",
            "Copy { parted: At(Seq(940)), last: Seq(950), remembered: [None, None] }"
        ]
    );
    assert_eq!((link.state().name(), link.next_deadline()), ("sync", None));
    link.lost("the old connection", at(2));
    link.heard(at(3));
    link.copied(at(4));
    assert_eq!(actions(&mut link), ["Connect"]);
    let mut link = asking(Peer::Kvrocks);
    assert_eq!(
        answer(
            &mut link,
            "-ERR sequence out of range, please use fullsync",
            1
        ),
        [
            "Close",
            "Copy { parted: Among([]), last: Seq(950), remembered: [None, None] }"
        ]
    );
    let problem = "Report(CopyFailed(\"disk full\"))";
    link.copy_failed("disk full", at(5));
    assert_eq!(
        actions(&mut link),
        [problem],
        "there is no connection to close"
    );
    assert_eq!(wait_ms(&link, 5), 1000);
}

#[test]
fn a_copy_that_comes_too_late_is_not_repeated_at_once() {
    let mut link = asking(Peer::Kvrocks);
    let refusal = "-ERR sequence out of range, please use fullsync";
    answer(&mut link, refusal, 0);
    for round in 0..2 {
        link.copied(at(0));
        link.connected(at(0));
        for line in ["change.me.db", "+OK", "-ERR unknown option"] {
            link.line(line.as_bytes(), at(0));
        }
        stand(&mut link, 1000, 0);
        let after = answer(&mut link, refusal, 0);
        assert!(
            after[1].starts_with("Report(CopyFailed"),
            "{round}: {after:?}"
        );
        assert!(wait_ms(&link, 0) >= 1000);
        // After the wait it is copied again.
        link.tick(at(20_000));
        link.connected(at(20_000));
        for line in ["change.me.db", "+OK", "-ERR unknown option"] {
            link.line(line.as_bytes(), at(20_000));
        }
        stand(&mut link, 1000, 20_000);
        assert_eq!(
            answer(&mut link, refusal, 20_000)[1],
            "Copy { parted: Among([]), last: Seq(999), remembered: [None, None] }"
        );
        link.succeeded();
    }
}

#[test]
fn each_refusal_is_a_problem_with_its_wait() {
    let cases: &[(&str, Problem, u64)] = &[
        (
            "-LOADING kvrocks is restoring the db from backup",
            Problem::Loading,
            10,
        ),
        (
            "-MASTERDOWN Link with MASTER is down",
            Problem::MasterDown,
            10,
        ),
        ("-NOAUTH Authentication required.", Problem::NoAuth, 1000),
        (
            "-ERR Invalid password",
            Problem::BadAuth("ERR Invalid password".into()),
            1000,
        ),
        (
            "-ERR unknown command",
            Problem::NotAPrimary("-ERR unknown command".into()),
            1000,
        ),
    ];
    for (line, problem, wait) in cases {
        for mut link in [Link::new(settings(), at(0)), asking(Peer::Kvrocks)] {
            link.connected(at(0));
            actions(&mut link);
            assert_eq!(
                answer(&mut link, line, 5),
                ["Close".to_owned(), format!("Report({problem:?})")]
            );
            assert_eq!(link.problem(), Some(problem));
            assert_eq!(wait_ms(&link, 5), *wait, "{line}");
            assert_eq!(problem.needs_operator(), *wait == 1000);
            assert!(!problem.to_string().is_empty());
        }
    }
    let mut link = Link::new(settings(), at(0));
    link.connected(at(0));
    link.line(b"other\ndb", at(0));
    assert_eq!(
        link.problem(),
        Some(&Problem::OtherDbName("other?db".into()))
    );
}

#[test]
fn a_wrong_password_is_told_from_a_missing_one() {
    let with_password = || {
        let password = b"pw".to_vec();
        let mut link = Link::new(
            LinkSettings {
                password,
                ..settings()
            },
            at(0),
        );
        link.connected(at(0));
        link
    };
    for line in [
        "-WRONGPASS x",
        "-ERR Client sent AUTH, but no password is set",
        "-ERR odd",
        "odd",
    ] {
        let mut link = with_password();
        link.line(line.as_bytes(), at(0));
        assert!(
            matches!(link.problem(), Some(Problem::BadAuth(_))),
            "{line}"
        );
    }
}

#[test]
fn a_redis_is_no_primary_for_this() {
    let mut link = asking(Peer::Kvrocks);
    link.line(b"+FULLRESYNC abc 1", at(0));
    assert!(matches!(link.problem(), Some(Problem::NotAPrimary(_))));
    let mut link = asking(Peer::Kvrocks);
    let next = Seq::new(5);
    link.line(b"-ERR wrong number of arguments", at(0));
    link.line(b"-ERR wrong number of arguments", at(0));
    assert!(matches!(link.problem(), Some(Problem::NotAPrimary(_))));
    link.position(
        Position {
            next,
            id: None,
            endings: [None; 2],
        },
        at(0),
    );
    assert_eq!(
        link.state(),
        LinkState::Connect,
        "a late answer changes nothing"
    );
}

#[test]
fn a_node_follows_neither_itself_nor_its_own_replicas() {
    let path = |digits: &str| -> Vec<String> { digits.chars().map(run_id).collect() };
    for (digits, problem) in [
        ("a", Some(Problem::Itself)),
        ("ba", Some(Problem::Loop)),
        ("bcda", Some(Problem::Loop)),
        ("bcd", None),
        ("bcdefbcdefbcdef", None),
        ("bcdefbcdefbcdefb", Some(Problem::Loop)),
    ] {
        let mut link = addressed();
        answer(&mut link, "+OK", 0);
        link.line(Extras::answer(1, &path(digits)).as_bytes(), at(0));
        assert_eq!(link.problem(), problem.as_ref(), "{digits}");
        // Or later, when two have asked each other at once.
        let mut link = streaming(Peer::Stillpoint);
        link.path(&path(digits), at(0));
        assert_eq!(link.problem(), problem.as_ref(), "{digits}");
    }
    let mut link = addressed();
    link.path(&path("a"), at(0));
    assert_eq!(link.problem(), None);
}

#[test]
fn waits_double_up_to_their_bound_and_begin_anew_after_a_success() {
    let mut link = Link::new(settings(), at(0));
    let mut now = 0;
    for expected in [10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
        link.lost("refused", at(now));
        assert_eq!(wait_ms(&link, now), expected);
        now += expected;
        link.tick(at(now - 1));
        assert_eq!(link.state(), LinkState::Connect);
        link.tick(at(now));
        assert_eq!(link.state(), LinkState::Connecting);
    }
    let said = actions(&mut link);
    let reports = said.iter().filter(|action| action.starts_with("Report"));
    assert_eq!(reports.count(), 1, "the same is said once");
    link.connected(at(now));
    link.line(b"other", at(now));
    assert_eq!(wait_ms(&link, now), 10_000);

    let mut link = streaming(Peer::Stillpoint);
    link.lost("reset", at(5));
    link.tick(at(15));
    link.applied();
    link.lost("refused", at(15));
    assert_eq!(wait_ms(&link, 15), 20, "nothing was applied in between");
    let mut link = streaming(Peer::Stillpoint);
    link.bad_stream("x", at(5));
    assert_eq!(wait_ms(&link, 5), 1000);
    link.bad_stream("late", at(6));
    assert_eq!(link.problem(), Some(&Problem::BadStream("x".into())));
}

#[test]
fn a_record_that_is_always_malformed_is_asked_for_ever_more_rarely() {
    let mut link = streaming(Peer::Stillpoint);
    let mut now = 0;
    for expected in [1000, 2000, 4000, 8000, 10_000, 10_000] {
        link.bad_stream("a malformed number", at(now));
        assert_eq!(wait_ms(&link, now), expected);
        now += expected;
        link.tick(at(now));
        link.connected(at(now));
        for line in ["change.me.db", "+OK", &stillpoint()] {
            link.line(line.as_bytes(), at(now));
        }
        stand(&mut link, 951, now);
        link.line(b"+OK", at(now));
        assert_eq!(link.state(), LinkState::Connected);
    }
    link.applied();
    assert_eq!(link.problem(), None);
    link.bad_stream("again", at(now));
    assert_eq!(wait_ms(&link, now), 1000);
}

#[test]
fn a_quiet_stream_that_lasts_is_a_success() {
    let mut link = asking(Peer::Kvrocks);
    link.lost("reset", at(0));
    link.tick(at(10));
    link.connected(at(10));
    for line in ["change.me.db", "+OK", "-ERR unknown option"] {
        link.line(line.as_bytes(), at(10));
    }
    stand(&mut link, 951, 10);
    link.line(b"+OK", at(10));
    link.tick(at(1009));
    assert!(link.problem().is_some());
    link.tick(at(1010));
    assert_eq!(link.problem(), None);
}

#[test]
fn silence_ends_each_state_but_not_a_wait_for_this_node() {
    let mut link = Link::new(settings(), at(0));
    link.tick(at(3099));
    assert_eq!(link.state(), LinkState::Connecting);
    link.tick(at(3100));
    assert_eq!(
        link.problem().map(ToString::to_string),
        Some("no connection to the primary: the connection timed out".to_owned())
    );
    let mut link = addressed();
    link.tick(at(10_000));
    assert_eq!(link.problem(), Some(&Problem::Silent));

    let mut link = streaming(Peer::Stillpoint);
    link.heard(at(100));
    link.tick(at(60_100));
    assert_eq!(link.state(), LinkState::Connected);
    link.tick(at(60_101));
    assert_eq!(link.problem(), Some(&Problem::Silent));
    assert_eq!(link.down_since(), Some(at(60_101)));

    let mut link = addressed();
    answer(&mut link, "+OK", 0);
    answer(&mut link, &stillpoint(), 0);
    link.tick(at(1_000_000));
    assert_eq!(link.state(), LinkState::Connecting);
}

#[test]
fn a_kvrocks_may_be_silent_longer_than_a_short_timeout() {
    let short = LinkSettings {
        timeout_ms: 1000,
        ..settings()
    };
    let mut link = streaming(Peer::Kvrocks);
    link.set_settings(short.clone(), at(0));
    assert_eq!(link.next_deadline(), Some(at(10_001)));
    let mut link = streaming(Peer::Stillpoint);
    link.set_settings(short, at(0));
    // Keep-alives come once a second: at one second each would come too late.
    assert_eq!(link.next_deadline(), Some(at(SILENCE_MS_MIN + 1)));
}

#[test]
fn a_changed_setting_is_tried_at_once() {
    let mut link = Link::new(settings(), at(0));
    link.connected(at(0));
    link.line(b"-NOAUTH Authentication required.", at(0));
    actions(&mut link);
    let password = b"pw".to_vec();
    link.set_settings(
        LinkSettings {
            password,
            ..settings()
        },
        at(1),
    );
    assert_eq!(actions(&mut link), ["Connect"]);
    link.connected(at(1));
    assert_eq!(actions(&mut link), ["AUTH pw"]);
}

#[test]
fn events_that_come_late_change_nothing() {
    let mut link = streaming(Peer::Stillpoint);
    link.connected(at(1));
    link.line(b"-NOAUTH", at(1));
    link.copied(at(1));
    link.copy_failed("x", at(1));
    assert_eq!(link.state(), LinkState::Connected);
    link.lost("reset", at(2));
    link.lost("again", at(3));
    assert_eq!(link.problem(), Some(&Problem::Lost("reset".into())));
    let mut link = addressed();
    link.applied();
    link.bad_stream("x", at(0));
    assert_eq!(link.problem(), None);
    for problem in [
        Problem::Itself,
        Problem::Loop,
        Problem::BadStream("x".into()),
        Problem::CopyFailed("x".into()),
        Problem::OtherDbName("x".into()),
    ] {
        assert!(problem.needs_operator());
        assert!(!problem.to_string().is_empty());
    }
}

proptest::proptest! {
    /// Whatever the primary answers, in whatever order things happen: no panic, at most one connection, and always a way on.
    #[test]
    fn no_sequence_of_events_is_a_dead_end(
        events in proptest::collection::vec((0u8..12, 0usize..10), 0..60),
    ) {
        let lines = ["+OK", "change.me.db", "-ERR unknown option", "-LOADING x", "-ERR wrong number of arguments",
            "-ERR wrong replication id of the last log", "garbage", "-NOAUTH", &stillpoint(), ""];
        let mut link = Link::new(settings(), at(0));
        let mut now = 0;
        let mut is_open = false;
        for (event, argument) in events {
            match event {
                0 => link.connected(at(now)),
                1..=4 => link.line(lines[argument].as_bytes(), at(now)),
                5 => link.position(Position { next: Seq::new(9), id: id(), endings: [None; 2] }, at(now)),
                6 => link.lost("x", at(now)),
                7 => link.applied(),
                8 => link.copied(at(now)),
                9 => link.copy_failed("x", at(now)),
                10 => link.bad_stream("x", at(now)),
                _ => {
                    now += argument as u64 * 300;
                    link.tick(at(now));
                }
            }
            while let Some(action) = link.poll_action() {
                match action {
                    Action::Connect => {
                        proptest::prop_assert!(!is_open, "two connections");
                        is_open = true;
                    }
                    Action::Close => is_open = false,
                    Action::Send(_) => proptest::prop_assert!(is_open),
                    _ => {}
                }
            }
            let waits_for_us = matches!(link.state, State::Positioning | State::Copying);
            proptest::prop_assert!(waits_for_us || link.next_deadline().is_some());
        }
    }
}

#[test]
fn a_copy_after_which_the_stream_ends_at_once_is_not_repeated_at_once() {
    let mut link = asking(Peer::Kvrocks);
    let refusal = "-ERR sequence out of range, please use fullsync";
    answer(&mut link, refusal, 0);
    let psync = |link: &mut Link, now: u64| {
        link.connected(at(now));
        for line in ["change.me.db", "+OK", "-ERR unknown option"] {
            link.line(line.as_bytes(), at(now));
        }
        stand(link, 1000, now);
    };
    for (lasts_ms, is_at_once) in [(SETTLED_MS - 1, false), (SETTLED_MS, true)] {
        let now = 100_000 + lasts_ms;
        link.copied(at(0));
        psync(&mut link, 0);
        answer(&mut link, "+OK", 0);
        // A few records are applied before it ends.
        link.applied();
        link.tick(at(lasts_ms));
        link.lost("closed", at(lasts_ms));
        link.tick(at(now));
        psync(&mut link, now);
        let after = answer(&mut link, refusal, now);
        assert_eq!(after[1].starts_with("Copy {"), is_at_once, "{after:?}");
        if !is_at_once {
            assert!(wait_ms(&link, now) >= 1000);
            link.tick(at(now + 20_000));
            psync(&mut link, now + 20_000);
            answer(&mut link, refusal, now + 20_000);
        }
    }
}
