//! Frames of both sorts, byte by byte and cut anywhere; acknowledgements; and what breaks a link.

use super::*;
use crate::replication::wire::Request;
use proptest::prelude::*;

const RECORD: &[u8] = b"\x02\0\0\0\0\0\0\0\x01\0\0\0\x00\x01a";

fn read(extras: bool, bytes: &[u8]) -> Result<Vec<Frame>, FrameFault> {
    let mut reader = FrameReader::new(extras);
    let mut arrived = BytesMut::from(bytes);
    let mut frames = Vec::new();
    while let Some(frame) = reader.take(&mut arrived)? {
        frames.push(frame);
    }
    Ok(frames)
}

fn run_id(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn every_frame() -> Vec<Frame> {
    let id = ReplicationId::from_bytes(b"ABCDEFGHIJ012345");
    vec![
        Frame::Record(Bytes::from_static(RECORD)),
        Frame::Ping,
        Frame::GetAck,
        Frame::Unknown(Bytes::from_static(b"_later")),
        Frame::Status { last: Seq::MAX, id },
        Frame::Status {
            last: Seq::ZERO,
            id: None,
        },
        Frame::Path(vec![run_id('a'), run_id('b')]),
        Frame::Message(Message {
            is_shard: false,
            channel: Bytes::from_static(b"news\r\n"),
            payload: Bytes::from_static(b"$4\r\nping\r\n"),
        }),
        Frame::Message(Message {
            is_shard: true,
            channel: Bytes::from_static(b"news"),
            payload: Bytes::from_static(b"shard"),
        }),
        Frame::Message(Message {
            is_shard: false,
            channel: Bytes::new(),
            payload: Bytes::new(),
        }),
    ]
}

fn encoded(frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        frame.encode(&mut out);
    }
    out
}

#[test]
fn frames_have_the_bytes_that_the_table_says() {
    let text = |frame: &Frame| String::from_utf8(encoded(std::slice::from_ref(frame))).unwrap();
    let frames = every_frame();
    assert_eq!(text(&frames[1]), "$4\r\nping\r\n");
    assert_eq!(text(&frames[2]), "$7\r\n_getack\r\n");
    assert_eq!(
        text(&frames[4]),
        "+status 72057594037927935 ABCDEFGHIJ012345\r\n"
    );
    assert_eq!(text(&frames[5]), "+status 0 -\r\n");
    assert_eq!(text(&frames[7]), ">6 10\r\nnews\r\n$4\r\nping\r\n\r\n");
    assert_eq!(text(&frames[8]), ">4 5 shard\r\nnewsshard\r\n");
    assert!(encoded(&frames[..1]).starts_with(b"$15\r\n\x02"));
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(read(true, &encoded(&every_frame())), Ok(every_frame()));
}

#[test]
fn a_kvrocks_sends_nothing_beyond_its_protocol() {
    let plain = &every_frame()[..4];
    assert_eq!(read(false, &encoded(plain)), Ok(plain.to_vec()));
    for frame in &every_frame()[4..] {
        let bytes = encoded(std::slice::from_ref(frame));
        let fault = FrameFault::BadLine { first: bytes[0] };
        assert_eq!(read(false, &bytes), Err(fault));
    }
}

#[test]
fn bytes_may_come_one_by_one() {
    let mut reader = FrameReader::new(true);
    let mut arrived = BytesMut::new();
    let mut frames = Vec::new();
    assert_eq!(reader.missing(0), 0);
    for byte in encoded(&every_frame()) {
        arrived.extend_from_slice(&[byte]);
        frames.extend(reader.take(&mut arrived).unwrap());
    }
    assert_eq!(frames, every_frame());
    arrived.extend_from_slice(b"$1000\r\nabc");
    assert_eq!(reader.take(&mut arrived), Ok(None));
    assert_eq!(reader.missing(arrived.len()), 999);
}

#[test]
fn what_breaks_a_link_is_named() {
    let line = |first| FrameFault::BadLine { first };
    let length = |bytes| FrameFault::BadLength { bytes };
    let long = vec![b'a'; LINK_LINE_BYTES_MAX + 3];
    let path = encoded(&[Frame::Path(vec![run_id('a'); 17])]);
    let cases: &[(&[u8], FrameFault)] = &[
        (b"\r\n", line(b'\n')),
        (b"*1\r\n", line(b'*')),
        (b"$\r\n", line(b'$')),
        (b"$-1\r\n", line(b'$')),
        (b"$12x\r\n", line(b'$')),
        (b"$0\r\n", length(0)),
        (b"$2147483649\r\n", length((2 << 30) + 1)),
        (b"$18446744073709551615\r\n", length(u64::MAX)),
        (b"$4\r\npingXY", FrameFault::NoLineEnd),
        (b"$3\r\n\0\0\0\r\n", FrameFault::BadWord),
        (b"+later 1\r\n", line(b'+')),
        (b"+\r\n", line(b'+')),
        (b"+status\r\n", line(b'+')),
        (b"+status x -\r\n", line(b'+')),
        (b"+status 1\r\n", line(b'+')),
        (b"+status 1 abc\r\n", line(b'+')),
        (b"+status 72057594037927936 -\r\n", line(b'+')),
        (b"+path\r\n", line(b'+')),
        (b"+path \r\n", line(b'+')),
        (b"+path x\r\n", line(b'+')),
        (&path, line(b'+')),
        (b">1\r\n", line(b'>')),
        (b">1 2 3\r\n", line(b'>')),
        (b">1 2 \r\n", line(b'>')),
        (b">1 2 shards\r\n", line(b'>')),
        (b">1 2 shard 3\r\n", line(b'>')),
        (b">1 shard\r\n", line(b'>')),
        (b">1 x\r\n", line(b'>')),
        (b">1 18446744073709551615\r\n", length(u64::MAX)),
        (b">1073741824 1\r\n", length((1 << 30) + 1)),
        (&long, FrameFault::LineTooLong),
    ];
    for (bytes, fault) in cases {
        assert_eq!(
            read(true, bytes),
            Err(*fault),
            "{:?}",
            Bytes::copy_from_slice(bytes)
        );
        assert!(!fault.to_string().is_empty());
    }
}

fn acks(bytes: &[u8]) -> Result<Option<Seq>, FrameFault> {
    AckReader::default().take(&mut BytesMut::from(bytes))
}

#[test]
fn the_newest_acknowledgement_is_taken() {
    let ack = |seq| Request::Ack { seq: Seq::new(seq) }.to_bytes();
    let mut reader = AckReader::default();
    let mut arrived = BytesMut::from(&[ack(5), ack(9), ack(7)].concat()[..]);
    arrived.extend_from_slice(b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n1");
    assert_eq!(reader.take(&mut arrived), Ok(Some(Seq::new(9))));
    assert_eq!(reader.take(&mut arrived), Ok(None));
    arrived.extend_from_slice(b"2\r\n");
    assert_eq!(reader.take(&mut arrived), Ok(Some(Seq::new(12))));
    assert!(arrived.is_empty());
    assert_eq!(acks(b"replconf ack 3\r\n\r\n"), Ok(Some(Seq::new(3))));
}

#[test]
fn other_requests_of_a_replica_are_passed_over() {
    assert_eq!(acks(b"*1\r\n$4\r\nPING\r\n"), Ok(None));
    assert_eq!(acks(b"replconf later 5\r\n"), Ok(None));
    assert_eq!(acks(b"*0\r\n"), Ok(None));
}

#[test]
fn a_replica_that_sends_nonsense_is_refused() {
    assert_eq!(acks(b"*3\r\nx"), Ok(None));
    assert_eq!(acks(b"*3\r\nx\r\n"), Err(FrameFault::BadRequest));
    assert_eq!(acks(&[b'x'; 5000]), Err(FrameFault::BadRequest));
    assert_eq!(acks(b"*17\r\n"), Err(FrameFault::BadRequest));
    assert_eq!(acks(b"*1\r\n$1025\r\n"), Err(FrameFault::BadRequest));
    assert_eq!(acks(b"replconf ack -1\r\n"), Err(FrameFault::BadAck));
    assert_eq!(
        acks(b"replconf ack 72057594037927936\r\n"),
        Err(FrameFault::BadAck)
    );
    for fault in [FrameFault::BadRequest, FrameFault::BadAck] {
        assert!(fault.to_string().starts_with("a replica"));
    }
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_how_bytes_arrive(cuts in proptest::collection::vec(0usize..250, 0..8)) {
        let bytes = encoded(&every_frame());
        let mut reader = FrameReader::new(true);
        let mut arrived = BytesMut::new();
        let mut frames = Vec::new();
        let mut cuts = cuts;
        cuts.sort_unstable();
        let mut from = 0;
        for to in cuts.into_iter().chain([bytes.len()]) {
            let to = to.clamp(from, bytes.len());
            arrived.extend_from_slice(&bytes[from..to]);
            from = to;
            while let Some(frame) = reader.take(&mut arrived).unwrap() {
                frames.push(frame);
            }
        }
        prop_assert_eq!(frames, every_frame());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'$'), Just(b'+'), Just(b'>'), Just(b'\r'), Just(b'\n'), Just(b'1')], 0..80)) {
        let _ = read(true, &bytes);
        let _ = acks(&bytes);
    }

    /// A message of any bytes comes back, and so does what follows it.
    #[test]
    fn messages_hold_any_bytes(channel in proptest::collection::vec(any::<u8>(), 0..40), payload in proptest::collection::vec(any::<u8>(), 0..40), is_shard in any::<bool>()) {
        let message = Message { is_shard, channel: Bytes::from(channel), payload: Bytes::from(payload) };
        let frames = vec![Frame::Message(message), Frame::Ping];
        prop_assert_eq!(read(true, &encoded(&frames)), Ok(frames));
    }
}
