//! Sessions recorded between a Kvrocks replica and its Kvrocks primary (`tests/fixtures/*/{psync,fullsync}.jsonl`), replayed against
//! the pure parts of both our sides: what we would send is what was sent, byte for byte, and what was sent is understood whole.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::BytesMut;
use common::json::Json;
use stillpoint::clock::MonoMs;
use stillpoint::limits::FILE_LIST_BYTES_MAX;
use stillpoint::replication::files::{self, Body, BodyReader};
use stillpoint::replication::frames::{AckReader, Frame, FrameReader};
use stillpoint::replication::handshake::{Action, Link, LinkSettings, Position};
use stillpoint::replication::history::Peer;
use stillpoint::replication::parting::Parted;
use stillpoint::replication::wire::{Answer, LineReader, Request};
use stillpoint::storage::keys::KeyCodec;
use stillpoint::storage::received::{BatchRules, ReceivedBatch, SideEffect};
use stillpoint::storage::replication_id::ReplicationId;
use stillpoint::storage::seq::Seq;

/// What went over one connection in each direction.
#[derive(Default)]
struct Recorded {
    replica: Vec<u8>,
    /// In the pieces in which it came.
    primary: Vec<Vec<u8>>,
}

fn recorded(folder: &str, session: &str) -> BTreeMap<i64, Recorded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder)
        .join(format!("{session}.jsonl"));
    let mut connections: BTreeMap<i64, Recorded> = BTreeMap::new();
    for line in std::fs::read_to_string(path).expect("a recording").lines() {
        let line = Json::read(line);
        let (Json::Int(number), Json::Text(from), Json::Text(hex)) =
            (line.field("conn"), line.field("from"), line.field("hex"))
        else {
            panic!("not a line of a recording: {line:?}");
        };
        let connection = connections.entry(*number).or_default();
        let digit = |byte: u8| (byte as char).to_digit(16).expect("a digit") as u8;
        let bytes = hex
            .chunks(2)
            .map(|pair| digit(pair[0]) << 4 | digit(pair[1]));
        match &from[..] {
            b"replica" => connection.replica.extend(bytes),
            _ => connection.primary.push(bytes.collect()),
        }
    }
    connections
}

/// A replica as the recorded one was, that talks to the recorded primary.
struct Replica {
    link: Link,
    position: Position,
    /// What it has sent on the present connection, but for the question whether the primary is a Stillpoint.
    sent: Vec<u8>,
    records: Vec<ReceivedBatch>,
    messages: Vec<(Vec<u8>, Vec<u8>)>,
}

const NOW: MonoMs = MonoMs(0);

impl Replica {
    fn new(position: Position) -> Replica {
        let settings = LinkSettings {
            user: None,
            password: Vec::new(),
            db_name: b"change.me.db".to_vec(),
            port: 17313,
            ip: None,
            run_id: "a".repeat(40),
            connect_ms: 3100,
            timeout_ms: 60_000,
        };
        let mut link = Link::new(settings, NOW);
        assert_eq!(link.poll_action(), Some(Action::Connect));
        Replica {
            link,
            position,
            sent: Vec::new(),
            records: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// One connection to the primary, from the handshake to the end of the recording. What the link wants at its end.
    fn connection(&mut self, recorded: &Recorded) -> Option<Action> {
        let mut arrived = BytesMut::new();
        let mut lines = LineReader::default();
        let mut frames = None;
        self.sent.clear();
        self.link.connected(NOW);
        let mut wanted = self.act(&mut frames);
        for piece in &recorded.primary {
            arrived.extend_from_slice(piece);
            while frames.is_none() {
                let Some(line) = lines.take(&mut arrived).expect("a line") else {
                    break;
                };
                self.link.line(&line, NOW);
                wanted = self.act(&mut frames);
            }
            if let Some(frames) = &mut frames {
                self.read_frames(frames, &mut arrived);
            }
        }
        assert!(
            arrived.is_empty(),
            "{} bytes were not understood",
            arrived.len()
        );
        assert_eq!(common::show(&self.sent), common::show(&recorded.replica));
        wanted
    }

    /// Does what the link wants; the last thing that is not the connection's business is given back.
    fn act(&mut self, frames: &mut Option<FrameReader>) -> Option<Action> {
        let mut wanted = None;
        while let Some(action) = self.link.poll_action() {
            match action {
                Action::Send(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if text.contains("stillpoint") {
                        // The recorded replica did not ask that; a Kvrocks answers so.
                        self.link.line(b"-ERR unknown option", NOW);
                    } else {
                        self.sent.extend(bytes);
                    }
                }
                Action::AskPosition => self.link.position(self.position, NOW),
                Action::Stream { primary, next } => {
                    assert_eq!((primary, next), (Peer::Kvrocks, self.position.next));
                    *frames = Some(FrameReader::new(false));
                }
                other => wanted = Some(other),
            }
        }
        wanted
    }

    fn read_frames(&mut self, frames: &mut FrameReader, arrived: &mut BytesMut) {
        let codec = KeyCodec {
            slot_encoded: false,
        };
        let rules = BatchRules::new(codec, 7);
        while let Some(frame) = frames.take(arrived).expect("a frame") {
            let Frame::Record(bytes) = frame else {
                assert_eq!(frame, Frame::Ping);
                continue;
            };
            let record = ReceivedBatch::validate(bytes, &rules).expect("a record");
            assert!(record.starts_at(self.position.next));
            self.position.next = record.first_seq().after_batch(record.count());
            self.position.id = record.replication_id().or(self.position.id);
            for effect in record.side_effects() {
                if let SideEffect::Message { channel, payload } = effect {
                    self.messages.push((channel.to_vec(), payload.to_vec()));
                }
            }
            self.records.push(record);
        }
    }
}

fn fresh() -> Position {
    Position {
        next: Seq::new(1),
        id: None,
        endings: [None; 2],
    }
}

#[test]
fn a_stream_from_the_first_update_on_is_followed() {
    for (folder, last, has_ids) in [("standalone", 2373, false), ("standalone-rsid", 2376, true)] {
        let connections = recorded(folder, "psync");
        let mut replica = Replica::new(fresh());
        assert_eq!(replica.connection(&connections[&1]), None);
        assert_eq!(replica.link.problem(), None);
        assert!(replica.position.next > Seq::new(2300) && replica.position.next <= Seq::new(last));
        assert_eq!(replica.messages.len(), 1, "one PUBLISH of the live traffic");
        let with_ids = replica
            .records
            .iter()
            .filter(|record| record.replication_id().is_some());
        let expected = if has_ids { replica.records.len() } else { 0 };
        assert_eq!(with_ids.count(), expected);
    }
}

#[test]
fn a_primary_of_ours_sends_the_same_bytes() {
    for folder in ["standalone", "standalone-rsid"] {
        let connections = recorded(folder, "psync");
        let stream = connections[&1].primary.concat();
        let mut arrived = BytesMut::from(&stream[..]);
        let mut lines = LineReader::default();
        let mut sent = Vec::new();
        while !sent.ends_with(b"+OK\r\n") || sent.len() < 20 {
            let line = lines.take(&mut arrived).expect("a line").expect("whole");
            sent.extend_from_slice(&line);
            sent.extend_from_slice(b"\r\n");
        }
        let mut frames = FrameReader::new(false);
        while let Some(frame) = frames.take(&mut arrived).expect("a frame") {
            frame.encode(&mut sent);
        }
        assert!(sent == stream, "{folder}");
    }
}

#[test]
fn a_diverged_replica_is_refused_and_copies_everything() {
    for (folder, next, id) in [
        ("standalone", 3001, None),
        ("standalone-rsid", 3002, Some(&b"WXAE22KSMZGQDR1F"[..])),
    ] {
        let connections = recorded(folder, "fullsync");
        let next = Seq::new(next);
        let id = id.and_then(ReplicationId::from_bytes);
        let mut replica = Replica::new(Position {
            next,
            id,
            endings: [None; 2],
        });
        // A Kvrocks does not say where they parted.
        let copy = Action::Copy {
            parted: Parted::UNKNOWN,
            last: Seq::new(next.get() - 1),
            remembered: [None; 2],
        };
        assert_eq!(replica.connection(&connections[&1]), Some(copy));

        let meta = &connections[&2];
        assert_eq!(Request::FetchMeta.to_bytes(), meta.replica);
        let mut arrived = BytesMut::from(&meta.primary.concat()[..]);
        let mut lines = LineReader::new(FILE_LIST_BYTES_MAX);
        let line = lines.take(&mut arrived).expect("a line").expect("whole");
        let names = files::read_list(&line).expect("a list");
        let dealt = files::deal(&names);
        assert_eq!((dealt.len(), names.len()), (1, 4));

        let fetched = &connections[&3];
        let list = files::join_names(&dealt[0]);
        let names_asked = list.as_bytes();
        assert_eq!(
            Request::FetchFile { names: names_asked }.to_bytes(),
            fetched.replica
        );
        let stream = fetched.primary.concat();
        assert!(served(&fetched.primary, names.len()) == stream);

        // The database is swapped in, and the stream goes on behind it.
        replica.position = match id {
            None => Position {
                next: Seq::new(2372),
                id,
                endings: [None; 2],
            },
            Some(_) => Position {
                next: Seq::new(2376),
                id: ReplicationId::from_bytes(b"3XSCKJUT1N861L53"),
                endings: [None; 2],
            },
        };
        replica.link.copied(NOW);
        assert_eq!(replica.link.poll_action(), Some(Action::Connect));
        assert_eq!(replica.connection(&connections[&4]), None);
        assert_eq!(replica.records.len(), 1);
    }
}

/// Reads file bodies in the pieces in which they came, and gives what our side sends for the same files.
fn served(pieces: &[Vec<u8>], files_count: usize) -> Vec<u8> {
    let mut reader = BodyReader::new(files_count);
    let mut arrived = BytesMut::new();
    let mut served = Vec::new();
    for piece in pieces {
        arrived.extend_from_slice(piece);
        while let Some(body) = reader.take(&mut arrived).expect("a body") {
            match body {
                Body::Begins { bytes, .. } => served.extend(files::size_line(bytes)),
                Body::Bytes(bytes) => served.extend_from_slice(&bytes),
                Body::Ends { .. } => {}
            }
        }
    }
    assert!(reader.is_done());
    served
}

#[test]
fn a_recorded_replica_sends_nothing_behind_its_psync() {
    for folder in ["standalone", "standalone-rsid"] {
        let connections = recorded(folder, "psync");
        let mut arrived = BytesMut::from(&connections[&1].replica[..]);
        let acknowledged = AckReader::default().take(&mut arrived);
        assert_eq!((acknowledged, arrived.len()), (Ok(None), 0));
    }
}

#[test]
fn the_recorded_refusals_are_the_lines_that_we_send() {
    use stillpoint::replication::history::{Evidence, may_continue};
    for folder in ["standalone", "standalone-rsid"] {
        let connections = recorded(folder, "fullsync");
        let replies = connections[&1].primary.concat();
        let last_line = replies
            .split(|byte| *byte == b'\n')
            .rev()
            .nth(1)
            .expect("a line");
        let latest = Seq::new(2371);
        let refusal = may_continue(
            Peer::Kvrocks,
            None,
            Seq::new(3001),
            latest,
            &Evidence::default(),
        );
        let ours = refusal.expect_err("it is ahead").line(Peer::Kvrocks);
        assert_eq!(format!("-{ours}\r").as_bytes(), last_line);
        let read = Answer::read(&last_line[..last_line.len() - 1]);
        assert_eq!(
            read,
            Answer::Diverged {
                parted: Parted::UNKNOWN
            }
        );
    }
}
