//! What each replica is sent, and when: the ring and the WAL, messages, acknowledgements, silence.

use super::*;
use bytes::Bytes;

const ID: ReplicaId = ReplicaId(1);

fn message_of(payload: Bytes) -> Message {
    Message {
        is_shard: false,
        channel: Bytes::from_static(b"news"),
        payload,
    }
}

fn record(first: u64, count: u32) -> Committed {
    let mut bytes = first.to_le_bytes().to_vec();
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.push(b'x');
    Committed {
        first: Seq::new(first),
        count,
        bytes: bytes.into(),
    }
}

fn attached(last: u64, next: u64, has_extras: bool) -> (Feeding, Arc<Gauge>) {
    let mut feeding = Feeding::new(Seq::new(last), 1000);
    let gauge = Arc::new(Gauge::default());
    feeding.attach(
        Attachment {
            id: ID,
            next: Seq::new(next),
            has_extras,
            gauge: Arc::clone(&gauge),
        },
        MonoMs(0),
    );
    (feeding, gauge)
}

/// The first sequence numbers of the records that are to be sent, which leave.
fn leave(feeding: &mut Feeding) -> Vec<u64> {
    let mut rest = feeding.sendable(ID);
    let mut firsts = Vec::new();
    while let Some(found) = memchr::memmem::find(rest, b"$13\r\n") {
        let payload = &rest[found + 5..found + 18];
        firsts.push(u64::from_le_bytes(payload[..8].try_into().unwrap()));
        rest = &rest[found + 18..];
    }
    let bytes = feeding.sendable(ID).len();
    feeding.sent(ID, bytes, MonoMs(5));
    firsts
}

#[test]
fn a_replica_that_is_behind_reads_the_wal_until_the_ring_goes_on() {
    let (mut feeding, gauge) = attached(10, 5, true);
    assert_eq!(gauge.sent(), Seq::new(4));
    assert_eq!(feeding.fill(ID), Fill::NeedsWal { from: Seq::new(5) });
    assert_eq!(feeding.fill(ID), Fill::Filled, "asked once");
    feeding.committed(record(11, 2));
    feeding.piece(ID, &[record(5, 3), record(8, 1)]);
    assert_eq!(feeding.fill(ID), Fill::NeedsWal { from: Seq::new(9) });
    assert!(!gauge.is_online());
    feeding.piece(ID, &[record(9, 2)]);
    assert_eq!(feeding.fill(ID), Fill::Filled);
    assert!(gauge.is_online());
    assert!(gauge.queued_bytes() > 0);
    assert_eq!(leave(&mut feeding), [5, 8, 9, 11]);
    assert_eq!((gauge.sent(), gauge.queued_bytes()), (Seq::new(12), 0));
    feeding.committed(record(13, 1));
    feeding.fill(ID);
    assert_eq!(leave(&mut feeding), [13]);
}

#[test]
fn a_wal_that_shows_nothing_is_asked_again_at_the_next_tick() {
    let (mut feeding, _) = attached(10, 9, true);
    feeding.fill(ID);
    feeding.piece(ID, &[]);
    assert_eq!(feeding.fill(ID), Fill::Filled);
    feeding.tick(MonoMs(100), 1000, None);
    assert_eq!(feeding.fill(ID), Fill::NeedsWal { from: Seq::new(9) });
}

#[test]
fn a_message_stands_behind_what_was_committed_before_it() {
    let (mut feeding, _) = attached(10, 11, true);
    let message = |feeding: &mut Feeding, text: &'static str| {
        feeding.message(&message_of(text.as_bytes().into()));
    };
    message(&mut feeding, "at once");
    let place =
        |feeding: &Feeding, text: &str| memchr::memmem::find(feeding.sendable(ID), text.as_bytes());
    assert!(place(&feeding, "at once").is_some());
    // Both in one round: nothing has been framed yet when the message comes.
    feeding.committed(record(11, 2));
    message(&mut feeding, "behind");
    assert_eq!(place(&feeding, "behind"), None);
    feeding.committed(record(13, 1));
    feeding.fill(ID);
    let behind = place(&feeding, "behind").unwrap();
    assert!(place(&feeding, "$13\r\n\x0b").unwrap() < behind);
    assert!(place(&feeding, "$13\r\n\x0d").unwrap() > behind);
}

#[test]
fn messages_that_wait_take_bounded_memory() {
    let (mut feeding, _) = attached(10, 5, true);
    assert_eq!(feeding.fill(ID), Fill::NeedsWal { from: Seq::new(5) });
    let payload = Bytes::from(vec![b'x'; 10_000]);
    for _ in 0..1000 {
        feeding.message(&message_of(payload.clone()));
    }
    let held = &feeding.links[&ID].held_messages;
    assert!(held.bytes < LINK_OUTPUT_BYTES_MAX + 20_000);
    let count = held.list.len();
    assert!(count > 10 && feeding.sendable(ID).is_empty());
    feeding.piece(ID, &[record(5, 6)]);
    let sent = feeding.sendable(ID);
    assert_eq!(memchr::memmem::find_iter(sent, &payload[..]).count(), count);
    assert_eq!(feeding.links[&ID].held_messages.bytes, 0);
}

#[test]
fn a_link_that_is_never_drained_keeps_bounded_memory() {
    let (mut feeding, _) = attached(0, 1, true);
    let mut sent = 0;
    for first in 1..=100_000 {
        feeding.committed(record(first, 1));
        feeding.fill(ID);
        let bytes = feeding.sendable(ID).len() - 1;
        feeding.sent(ID, bytes, MonoMs(0));
        sent += bytes;
    }
    assert!(sent > 2 * LINK_OUTPUT_BYTES_MAX);
    assert!(feeding.links[&ID].out.len() <= 2 * LINK_OUTPUT_BYTES_MAX);
}

#[test]
fn who_falls_out_of_the_ring_goes_on_from_the_wal() {
    let (mut feeding, gauge) = attached(0, 1, true);
    feeding.fill(ID);
    assert!(gauge.is_online());
    for first in 1..=200 {
        feeding.committed(record(first, 1));
    }
    assert_eq!(feeding.fill(ID), Fill::NeedsWal { from: Seq::new(1) });
    assert!(!gauge.is_online());
}

#[test]
fn records_that_were_not_told_come_from_the_wal() {
    let (mut feeding, _) = attached(10, 11, true);
    feeding.fill(ID);
    // 11 to 13 were on their way when the link came.
    feeding.committed(record(14, 1));
    assert_eq!(feeding.last(), Seq::new(14));
    assert_eq!(feeding.fill(ID), Fill::NeedsWal { from: Seq::new(11) });
    feeding.piece(ID, &[record(11, 3)]);
    feeding.fill(ID);
    assert_eq!(leave(&mut feeding), [11, 14]);
}

#[test]
fn acknowledgements_are_news_once_and_never_beyond_what_was_sent() {
    let (mut feeding, gauge) = attached(10, 11, true);
    let ack = |seq: u64| {
        format!(
            "*3\r\n$8\r\nreplconf\r\n$3\r\nack\r\n${}\r\n{seq}\r\n",
            seq.to_string().len()
        )
    };
    assert_eq!(gauge.acknowledged(), None);
    assert_eq!(
        feeding.received(ID, ack(10).as_bytes(), MonoMs(1)),
        Ok(Some(Seq::new(10)))
    );
    assert_eq!(
        feeding.received(ID, ack(10).as_bytes(), MonoMs(1)),
        Ok(None)
    );
    assert_eq!(
        (gauge.acknowledged(), gauge.acknowledgements()),
        (Some(Seq::new(10)), 2)
    );
    feeding.committed(record(11, 1));
    assert!(
        feeding.received(ID, ack(11).as_bytes(), MonoMs(1)).is_err(),
        "not sent yet"
    );
    assert!(feeding.received(ID, b"*1\r\n$-5\r\n", MonoMs(1)).is_err());
}

#[test]
fn silent_links_get_keep_alives_and_silent_stillpoints_are_given_up() {
    for (has_extras, keep_alive) in [(true, &b"+status 10 -\r\n"[..]), (false, b"$4\r\nping\r\n")] {
        let (mut feeding, _) = attached(10, 11, has_extras);
        assert!(feeding.tick(MonoMs(999), 3000, None).is_empty());
        assert_eq!(feeding.sendable(ID), b"");
        feeding.tick(MonoMs(1000), 3000, None);
        assert_eq!(feeding.sendable(ID), keep_alive);
        // It takes nothing.
        assert_eq!(feeding.tick(MonoMs(4001), 3000, None), [ID]);
        feeding.sent(ID, keep_alive.len(), MonoMs(4001));
        let silent = feeding.tick(MonoMs(4002), 3000, None);
        assert_eq!(
            silent.is_empty(),
            !has_extras,
            "a Kvrocks need not say anything"
        );
    }
}

#[test]
fn only_those_who_understand_it_are_asked_or_sent_messages() {
    let (mut feeding, _) = attached(10, 11, false);
    let message = message_of(Bytes::from_static(b"hello"));
    feeding.ask_for_acks();
    feeding.message(&message);
    assert_eq!(feeding.sendable(ID), b"");
    feeding
        .received(ID, b"replconf ack 9\r\n", MonoMs(1))
        .unwrap();
    feeding.ask_for_acks();
    assert_eq!(feeding.sendable(ID), b"$7\r\n_getack\r\n");
    let (mut feeding, _) = attached(10, 11, true);
    feeding.message(&message);
    assert_eq!(feeding.sendable(ID), b">4 5\r\nnewshello\r\n");
}
