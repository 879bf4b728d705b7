//! Reads off the write-ahead log what [`super::history::may_continue`] has to know about a PSYNC. Blocks for the disk: for a worker.

use super::history::{Evidence, RecordFacts};
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;
use crate::storage::wal_source::{RecordHistory, WalSource, WalSourceError};

/// Bytes of log that are searched for where a peer's history ended: that is only told in log lines, and a second's work.
pub const SEARCH_BYTES_MAX: u64 = 1 << 30;

/// The evidence about a peer that presents `presented` and wants to go on with `next`. `last_seq` is the last committed update, `stored` the
/// id in the database. An error (damage, a compressed log) is a reason to refuse, and one for the log.
pub fn gather(
    source: &WalSource,
    next: Seq,
    last_seq: Seq,
    presented: Option<ReplicationId>,
    stored: Option<ReplicationId>,
) -> Result<Evidence, WalSourceError> {
    let facts = |record: RecordHistory| RecordFacts {
        first: record.first,
        id: record.id,
    };
    let before = Seq::new(next.get().saturating_sub(1));
    let holding = source
        .record_holding(before, last_seq)?
        .filter(|record| record.first <= before)
        .map(facts);
    let following = source.record_following(next, last_seq)?.map(facts);
    let endings = match presented {
        // Of one history: then the peer will not be told where they parted.
        Some(id) if holding.or(following).and_then(|record| record.id) != Some(id) => {
            source.endings(&|found| found == id, SEARCH_BYTES_MAX)?
        }
        _ => Vec::new(),
    };
    Ok(Evidence {
        holding,
        following,
        stored,
        endings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::history::{Grounds, Peer, Refusal, may_continue};
    use crate::replication::parting::Parted;
    use crate::storage::options::OpenOptions;
    use crate::storage::replication_id::Ending;
    use crate::storage::rocks::{Rocks, WriteMode};

    fn id(letter: u8) -> ReplicationId {
        ReplicationId::from_bytes(&[letter; 16]).unwrap()
    }

    /// A record of `count` updates that ends in the id of this letter.
    fn record(count: u32, letter: u8) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        bytes.extend_from_slice(&count.to_le_bytes());
        for _ in 0..count {
            bytes.extend_from_slice(b"\x05\x01\x03\x01nk\x01v");
        }
        bytes.extend_from_slice(b"\x03\x12r ");
        bytes.extend_from_slice(&[letter; 16]);
        bytes
    }

    #[test]
    fn a_peer_is_judged_by_what_the_log_holds() {
        let dir = tempfile::tempdir().unwrap();
        let rocks = Rocks::open(&OpenOptions::new(dir.path())).unwrap();
        // 1 to 3 of one primary, 4 to 9 of the next, in two records each.
        for (count, letter) in [(1, b'A'), (2, b'A'), (3, b'B'), (3, b'B')] {
            rocks
                .write(&record(count, letter), WriteMode::default())
                .unwrap();
        }
        let source = WalSource::new(rocks.db_dir());
        let judge = |letter: u8, next: u64| {
            let next = Seq::new(next);
            let presented = Some(id(letter));
            let evidence = gather(&source, next, rocks.last_seq(), presented, None).unwrap();
            may_continue(
                Peer::Stillpoint,
                presented,
                next,
                rocks.last_seq(),
                &evidence,
            )
        };
        for (letter, next) in [(b'A', 2), (b'A', 4), (b'B', 7), (b'B', 10)] {
            assert_eq!(judge(letter, next), Ok(Grounds::SameHistory), "{next}");
        }
        assert_eq!(judge(b'A', 1), Ok(Grounds::FromTheStart));
        // It wrote on after the switch: what both have ends at 3.
        let at = |common: u64| Parted::At(Seq::new(common));
        for next in [7, 10] {
            assert_eq!(judge(b'A', next), Err(Refusal::WrongId(at(3))));
        }
        // It has begun a history since, as this node has: these are the ones that it may know.
        let endings = [(b'B', 9), (b'A', 3)].map(|(letter, last)| Ending {
            id: id(letter),
            last: Seq::new(last),
        });
        let among = Parted::Among(endings.to_vec());
        assert_eq!(judge(b'C', 7), Err(Refusal::WrongId(among)));
        // Inside a record; and ahead of the log, which has all of the peer's history that is in it.
        let inside = judge(b'B', 5);
        assert_eq!(inside, Err(Refusal::OutOfRange(Parted::UNKNOWN)));
        assert_eq!(judge(b'B', 11), Err(Refusal::OutOfRange(at(9))));
    }

    #[test]
    fn a_log_that_holds_nothing_leaves_the_stored_id() {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions::new(dir.path());
        let rocks = Rocks::open(&options).unwrap();
        rocks.write(&record(5, b'A'), WriteMode::default()).unwrap();
        drop(rocks);
        let rocks = Rocks::open(&options).unwrap();
        std::fs::remove_dir_all(rocks.db_dir().join("archive")).unwrap();
        let source = WalSource::new(rocks.db_dir());
        let evidence = gather(
            &source,
            Seq::new(6),
            rocks.last_seq(),
            Some(id(b'A')),
            Some(id(b'A')),
        );
        let evidence = evidence.unwrap();
        let expected = Evidence {
            stored: Some(id(b'A')),
            ..Evidence::default()
        };
        assert_eq!(evidence, expected);
    }
}
