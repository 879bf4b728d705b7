//! Logs written by hand: starts, the tail, switches, holes, damage; and RocksDB's own, followed while they are written.

use std::fs;
use std::path::Path;

use super::super::cf::Cf;
use super::super::options::OpenOptions;
use super::super::replication_id::Ending;
use super::super::rocks::{Rocks, WriteMode};
use super::super::wal::testing::{append, append_fragment, batch};
use super::*;

struct Logs {
    dir: tempfile::TempDir,
}

/// Records of a log: first update, updates.
type Records<'a> = &'a [(u64, u32)];

fn log_of(records: Records) -> Vec<u8> {
    let mut log = Vec::new();
    for (seq, count) in records {
        append(&mut log, &batch(*seq, *count, 60));
    }
    log
}

impl Logs {
    fn new(logs: &[(u64, Records)]) -> Logs {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("archive")).unwrap();
        for (number, records) in logs {
            fs::write(path(dir.path(), *number), log_of(records)).unwrap();
        }
        Logs { dir }
    }

    fn source(&self) -> WalSource {
        WalSource::new(self.dir.path())
    }

    fn path(&self, number: u64) -> PathBuf {
        path(self.dir.path(), number)
    }

    fn archive(&self, number: u64) {
        let archived = path(&self.dir.path().join("archive"), number);
        fs::rename(self.path(number), archived).unwrap();
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(number)).unwrap();
        change(&mut bytes);
        fs::write(self.path(number), bytes).unwrap();
    }
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:06}.log"))
}

/// Everything up to `last_seq`, and how it ended.
fn read_all(cursor: &mut WalCursor, last_seq: u64) -> (Vec<(u64, u32)>, Option<String>) {
    let mut records = Vec::new();
    loop {
        match cursor.next(Seq::new(last_seq)) {
            Ok(Some(record)) => {
                assert_eq!(record.batch[..8], record.first.get().to_le_bytes());
                records.push((record.first.get(), record.count));
            }
            Ok(None) => return (records, None),
            Err(error) => return (records, Some(error.to_string())),
        }
    }
}

fn read_from(source: &WalSource, from: u64, last_seq: u64) -> (Vec<(u64, u32)>, Option<String>) {
    match source.cursor(Seq::new(from), Seq::new(last_seq)) {
        Ok(mut cursor) => read_all(&mut cursor, last_seq),
        Err(error) => (Vec::new(), Some(error.to_string())),
    }
}

const THREE_LOGS: &[(u64, Records)] = &[
    (4, &[(1, 2), (3, 1)]),
    (9, &[(4, 3), (7, 0)]),
    (12, &[(7, 1), (8, 0), (8, 5)]),
];

#[test]
fn every_record_start_is_a_start_and_nothing_else_is() {
    let logs = Logs::new(THREE_LOGS);
    logs.archive(4);
    let source = logs.source();
    let all = [(1, 2), (3, 1), (4, 3), (7, 0), (7, 1), (8, 0), (8, 5)];
    for from in 1..=13u64 {
        let (records, error) = read_from(&source, from, 12);
        let place = all.iter().position(|(first, _)| *first == from);
        match (from, place) {
            (13, _) => assert_eq!((records, error), (vec![], None)),
            (_, Some(place)) => assert_eq!((records, error), (all[place..].to_vec(), None)),
            _ => {
                assert!(
                    error
                        .as_ref()
                        .is_some_and(|text| text.contains("not the first sequence")),
                    "{from}: {error:?}"
                );
            }
        }
    }
    assert!(matches!(
        source.cursor(Seq::new(14), Seq::new(12)),
        Err(WalSourceError::BeyondEnd { .. })
    ));
    assert_eq!(source.oldest().unwrap(), Some(Seq::new(1)));
}

#[test]
fn what_was_deleted_is_too_old() {
    let logs = Logs::new(THREE_LOGS);
    let source = logs.source();
    let mut behind = source.cursor(Seq::new(1), Seq::new(12)).unwrap();
    let mut gone = source.cursor(Seq::new(3), Seq::new(12)).unwrap();
    assert!(behind.next(Seq::new(12)).unwrap().is_some());
    logs.archive(4);
    // The open file goes on being read where it is now.
    assert_eq!(behind.next(Seq::new(12)).unwrap().unwrap().first.get(), 3);
    fs::remove_file(logs.dir.path().join("archive/000004.log")).unwrap();
    fs::remove_file(logs.path(9)).unwrap();
    for cursor in [&mut behind, &mut gone] {
        let (_, error) = read_all(cursor, 12);
        assert_eq!(
            error.as_deref(),
            Some("the write-ahead log begins at sequence 7")
        );
    }
    let (_, error) = read_from(&source, 2, 12);
    assert_eq!(
        error.as_deref(),
        Some("the write-ahead log begins at sequence 7")
    );
    fs::remove_file(logs.path(12)).unwrap();
    let (_, error) = read_from(&source, 12, 12);
    assert_eq!(error.as_deref(), Some("the write-ahead log holds nothing"));
}

#[test]
fn the_tail_is_followed_through_growth_and_into_the_next_log() {
    let logs = Logs::new(&[(4, &[])]);
    let mut cursor = logs.source().cursor(Seq::new(1), Seq::ZERO).unwrap();
    let mut log = Vec::new();
    let mut number = 4;
    // Sizes around a block's end.
    let payload = |round: usize| batch(round as u64 * 2 + 1, 2, 12 + round * 611 % 70_000);
    for round in 0..200 {
        append(&mut log, &payload(round));
        // The next record is being written: some of it is in the file, or all of it.
        let mut ahead = log.clone();
        append(&mut ahead, &payload(round + 1));
        let shown = log.len() + (ahead.len() - log.len()) * (round % 7) / 6;
        fs::write(logs.path(number), &ahead[..shown]).unwrap();
        let last = round as u64 * 2 + 2;
        assert!(cursor.next(Seq::new(last - 2)).unwrap().is_none());
        let record = cursor.next(Seq::new(last)).unwrap().unwrap();
        assert!(record.batch == payload(round), "round {round}");
        assert_eq!((record.first.get(), record.count), (last - 1, 2));
        assert!(cursor.next(Seq::new(last)).unwrap().is_none());
        if round % 17 == 16 && round % 7 < 6 {
            // Cut off where it is; the next record is in the next log then.
            logs.archive(number);
            number += 3;
            log.clear();
        }
    }
    assert_eq!(cursor.next_seq(), Seq::new(401));
}

#[test]
fn a_start_deep_in_a_large_log_is_found_by_its_blocks() {
    let mut log = Vec::new();
    for seq in 1..3000u64 {
        let bytes = if seq % 500 == 0 {
            200_000
        } else {
            seq as usize * 7 % 900
        };
        append(&mut log, &batch(seq * 2, 2, bytes));
    }
    let logs = Logs::new(&[]);
    fs::write(logs.path(7), &log).unwrap();
    for seq in (1..3000u64).step_by(37).chain([500, 1000, 2999]) {
        let mut cursor = logs
            .source()
            .cursor(Seq::new(seq * 2), Seq::new(5999))
            .unwrap();
        let record = cursor.next(Seq::new(5999)).unwrap().unwrap();
        assert_eq!(record.first.get(), seq * 2);
    }
    // Few blocks are read for it.
    struct Counted<'a>(std::io::Cursor<&'a [u8]>, &'a std::cell::Cell<usize>);
    impl io::Read for Counted<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(out)?;
            self.1.set(self.1.get() + count);
            Ok(count)
        }
    }
    impl io::Seek for Counted<'_> {
        fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let read_bytes = std::cell::Cell::new(0);
    let mut reader = LogReader::new(Counted(std::io::Cursor::new(&log), &read_bytes), 7);
    reader
        .seek_before(Seq::new(5800), log.len() as u64)
        .unwrap();
    assert!(read_bytes.get() * 3 < log.len(), "{}", read_bytes.get());
    let Step::Record(head) = reader.step(|_| {}).unwrap() else {
        panic!("no record")
    };
    let first = head.batch.unwrap().0.get();
    assert!(first < 5800 && first > 5600, "{first}");
}

#[test]
fn a_record_cut_off_by_a_crash_is_followed_by_the_next_log() {
    let logs = Logs::new(&[(4, &[(1, 1), (2, 1), (3, 1)]), (5, &[]), (6, &[(3, 2)])]);
    logs.change(4, |bytes| bytes.truncate(bytes.len() - 5));
    for from in 1..=3 {
        let (records, error) = read_from(&logs.source(), from, 4);
        assert_eq!(error, None);
        assert_eq!(records.last(), Some(&(3, 2)));
    }
    // Likewise where a log has nothing but a piece of a record.
    let logs = Logs::new(&[(4, &[(1, 1)]), (5, &[(2, 1)]), (6, &[(2, 2)])]);
    logs.change(5, |bytes| bytes.truncate(20));
    assert_eq!(
        read_from(&logs.source(), 1, 3),
        (vec![(1, 1), (2, 2)], None)
    );
}

#[test]
fn what_a_recovery_gave_up_is_not_handed_out() {
    let logs = Logs::new(&[
        (4, &[(1, 1), (2, 1), (3, 1)]),
        (5, &[(4, 1), (5, 1)]),
        (6, &[(2, 3), (5, 1)]),
    ]);
    // The second record of the first log was damaged, and the history went on from there.
    logs.change(4, |bytes| bytes[67 + 20] ^= 1);
    let source = logs.source();
    assert_eq!(
        read_from(&source, 1, 5),
        (vec![(1, 1), (2, 3), (5, 1)], None)
    );
    assert_eq!(read_from(&source, 5, 5), (vec![(5, 1)], None));
    let (_, error) = read_from(&source, 4, 5);
    assert!(error.unwrap().contains("begins at 2 and holds 3"));
}

#[test]
fn damage_holes_and_missing_files_are_told_apart_from_the_end() {
    let logs = Logs::new(THREE_LOGS);
    logs.change(9, |bytes| bytes[20] ^= 1);
    let source = logs.source();
    let mut cursor = source.cursor(Seq::new(1), Seq::new(12)).unwrap();
    let (records, error) = read_all(&mut cursor, 12);
    assert_eq!(records, [(1, 2), (3, 1)]);
    let error = error.unwrap();
    assert!(
        error.contains("000009.log at offset 0: a record does not match its checksum"),
        "{error}"
    );
    // The cursor stands where it stood, and says it again.
    assert_eq!(cursor.next_seq(), Seq::new(4));
    assert_eq!(read_all(&mut cursor, 12).1, Some(error));
    // What lies behind the damage can still be read by who needs only that.
    assert_eq!(read_from(&source, 8, 12).0, [(8, 0), (8, 5)]);

    let logs = Logs::new(THREE_LOGS);
    fs::remove_file(logs.path(9)).unwrap();
    let (records, error) = read_from(&logs.source(), 1, 12);
    assert_eq!(records.len(), 2);
    assert!(error.unwrap().contains("records are missing"));

    let logs = Logs::new(&[(4, &[(1, 1), (3, 1)])]);
    let (records, error) = read_from(&logs.source(), 1, 3);
    assert_eq!(records.len(), 1);
    assert!(
        error
            .unwrap()
            .contains("sequence 2 should follow, and 3 does")
    );

    let (_, error) = read_from(&Logs::new(&[(4, &[(1, 1)])]).source(), 1, 2);
    assert!(error.unwrap().contains("which was committed"));
    let (_, error) = read_from(&Logs::new(&[(4, &[(1, 1)])]).source(), 2, 2);
    assert!(error.unwrap().contains("which was committed"));
}

#[test]
fn a_record_kind_that_its_log_cannot_hold_ends_the_reading() {
    let logs = Logs::new(&[(4, &[(1, 1), (2, 1), (3, 1)])]);
    logs.change(4, |bytes| bytes[67 + 6] = 5);
    let (records, error) = read_from(&logs.source(), 1, 3);
    assert_eq!(records, [(1, 1)]);
    assert!(
        error
            .unwrap()
            .contains("of a kind that its log does not hold")
    );
}

#[test]
fn compressed_logs_are_refused_by_name() {
    let logs = Logs::new(&[(4, &[(1, 1)]), (5, &[])]);
    let mut log = Vec::new();
    append_fragment(&mut log, 9, &7u32.to_le_bytes());
    append(&mut log, b"zstd bytes");
    fs::write(logs.path(5), log).unwrap();
    let (records, error) = read_from(&logs.source(), 1, 9);
    assert_eq!(records, [(1, 1)]);
    assert!(error.unwrap().contains("000005.log is compressed"));
    fs::remove_file(logs.path(4)).unwrap();
    let (_, error) = read_from(&logs.source(), 1, 9);
    assert!(error.unwrap().contains("000005.log is compressed"));
}

#[test]
fn the_record_that_holds_an_update_tells_its_history() {
    let with_id = |seq, count, id: &[u8; 16]| {
        let mut payload = batch(seq, count, 12);
        payload.extend_from_slice(b"\x01\x01k\x01v\x03\x12r ");
        payload.extend_from_slice(id);
        payload
    };
    let mut log = Vec::new();
    append(&mut log, &with_id(5, 2, b"AAAAAAAAAAAAAAAA"));
    append(&mut log, &with_id(7, 0, b"CCCCCCCCCCCCCCCC"));
    append(&mut log, &with_id(7, 3, b"BBBBBBBBBBBBBBBB"));
    append(&mut log, &batch(10, 1, 12));
    let logs = Logs::new(&[]);
    fs::write(logs.path(3), log).unwrap();
    let source = logs.source();
    let shown = |record: Option<RecordHistory>| {
        record.map(|record| {
            let id = record.id.map_or(String::new(), |id| id.to_string());
            (record.first.get(), id.chars().next())
        })
    };
    let last = Seq::new(10);
    let holding = |seq| shown(source.record_holding(Seq::new(seq), last).unwrap());
    let following = |seq| shown(source.record_following(Seq::new(seq), last).unwrap());
    for seq in 0..=6 {
        assert_eq!(holding(seq), Some((5, Some('A'))), "{seq}");
    }
    for seq in 7..=9 {
        assert_eq!(holding(seq), Some((7, Some('B'))), "{seq}");
    }
    assert_eq!(holding(10), Some((10, None)));
    assert_eq!(holding(11), None);
    assert_eq!(following(5), Some((5, Some('A'))));
    assert_eq!(following(6), Some((7, Some('B'))));
    assert_eq!(following(9), Some((10, None)));
    assert_eq!(following(11), None);
    let id = |letter| ReplicationId::from_bytes(&[letter; 16]).unwrap();
    // History C holds no update.
    let [a, b] = [(b'A', 6), (b'B', 9)].map(|(letter, last)| Ending {
        id: id(letter),
        last: Seq::new(last),
    });
    let back_to = |letter, bytes| source.endings(&|it| it == id(letter), bytes).unwrap();
    assert_eq!(back_to(b'A', 1 << 20), [b, a]);
    assert_eq!(back_to(b'B', 1 << 20), [b]);
    assert_eq!(back_to(b'C', 1 << 20), [b, a]);
    assert_eq!(back_to(b'A', 60), [], "the file is not read to its end");
    let empty = Logs::new(&[(3, &[])]);
    let nothing = empty.source();
    assert_eq!(
        nothing.record_holding(Seq::new(3), Seq::new(9)).unwrap(),
        None
    );
}

/// A batch that RocksDB takes.
fn put(key: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    bytes.extend_from_slice(&1u32.to_le_bytes());
    bytes.extend_from_slice(&[5, Cf::Metadata.id() as u8, 8]);
    bytes.extend_from_slice(&key.to_be_bytes());
    let mut len = value.len();
    while len >= 0x80 {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend_from_slice(value);
    bytes
}

#[test]
fn a_database_is_followed_while_it_is_written_flushed_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = OpenOptions::new(dir.path());
    options.rocksdb.write_buffer_size = 256 * 1024;
    let mut rocks = Rocks::open(&options).unwrap();
    let source = WalSource::new(rocks.db_dir());
    let mut cursor = source.cursor(Seq::new(1), rocks.last_seq()).unwrap();
    let mut seen = 0u64;
    for round in 0..1500u64 {
        let batch = put(round, &vec![b'v'; (round * 131 % 3000) as usize]);
        rocks.write(&batch, WriteMode::default()).unwrap();
        if round % 400 == 399 {
            rocks.flush().unwrap();
        }
        if round % 700 == 699 {
            drop(rocks);
            rocks = Rocks::open(&options).unwrap();
        }
        while let Some(record) = cursor.next(rocks.last_seq()).unwrap() {
            seen += 1;
            assert_eq!(record.first.get(), seen);
            assert_eq!(
                record.batch[12..],
                put(seen - 1, &vec![b'v'; ((seen - 1) * 131 % 3000) as usize])[12..]
            );
        }
        if round % 97 != 0 {
            continue;
        }
        // From anywhere at any time.
        let from = Seq::new(round / 2 + 1);
        let record = source.cursor(from, rocks.last_seq()).unwrap();
        assert_eq!(record.next_seq(), from);
        let holding = source
            .record_holding(from, rocks.last_seq())
            .unwrap()
            .unwrap();
        assert_eq!(holding.first, from);
    }
    assert_eq!(seen, 1500);
    assert!(
        source.0.list().unwrap().len() > 3,
        "several logs were crossed"
    );
}

#[test]
fn a_reader_on_another_thread_sees_every_record_once_while_writers_go_on() {
    const RECORDS: u64 = 12_000;
    let dir = tempfile::tempdir().unwrap();
    let mut options = OpenOptions::new(dir.path());
    options.rocksdb.write_buffer_size = 1 << 20;
    let rocks = Rocks::open(&options).unwrap();
    let source = WalSource::new(rocks.db_dir());
    let value = |key: u64| vec![key as u8; (key.wrapping_mul(2_654_435_761) % 2500) as usize];
    let writer = {
        let rocks = rocks.clone();
        std::thread::spawn(move || {
            for key in 0..RECORDS {
                rocks
                    .write(&put(key, &value(key)), WriteMode::default())
                    .unwrap();
            }
        })
    };
    let mut cursor = source.cursor(Seq::new(1), Seq::ZERO).unwrap();
    let mut seen = 0u64;
    while seen < RECORDS {
        let last_seq = rocks.last_seq();
        while let Some(record) = cursor.next(last_seq).unwrap() {
            assert!(
                record.batch[12..] == put(seen, &value(seen))[12..],
                "{seen}"
            );
            seen += 1;
        }
        assert!(seen < RECORDS || last_seq.get() == RECORDS);
        if writer.is_finished() && rocks.last_seq().get() < RECORDS {
            break;
        }
    }
    writer.join().unwrap();
    assert_eq!(seen, RECORDS);
    assert!(cursor.next(rocks.last_seq()).unwrap().is_none());
}
