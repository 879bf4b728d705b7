//! Directories of logs that are whole, cut off, damaged and incomplete.

use super::super::wal::testing::{append, append_fragment, batch};
use super::*;

/// A directory of logs, each given as (first sequence, count) a record.
struct Logs {
    dir: tempfile::TempDir,
}

impl Logs {
    fn new(logs: &[(u64, &[(u64, u32)])]) -> Logs {
        let dir = tempfile::tempdir().unwrap();
        for (number, records) in logs {
            let mut log = Vec::new();
            for (seq, count) in *records {
                append(&mut log, &batch(*seq, *count, 60));
            }
            fs::write(dir.path().join(format!("{number:06}.log")), log).unwrap();
        }
        Logs { dir }
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.dir.path().join(format!("{number:06}.log"));
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    fn survey(&self) -> Result<Survey, String> {
        survey(self.dir.path(), 0).map_err(|error| match error {
            WalError::Damaged(damage) | WalError::Endless(damage) => damage.to_string(),
            WalError::Io { error, .. } => error.to_string(),
        })
    }
}

const RECORD_BYTES: usize = 67;

#[test]
fn whole_logs_are_surveyed_in_order() {
    let logs = Logs::new(&[
        (10, &[(5, 2), (7, 0), (7, 1)]),
        (4, &[(1, 1), (2, 3)]),
        (12, &[]),
    ]);
    let survey = logs.survey().unwrap();
    assert_eq!(survey.first_seq, Some(Seq::new(1)));
    assert_eq!(survey.next_seq, Some(Seq::new(8)));
    assert_eq!(survey.records_count, 5);
    assert_eq!(survey.torn, None);
    assert!(Logs::new(&[]).survey().unwrap() == Survey::default());
}

#[test]
fn only_live_logs_count() {
    let logs = Logs::new(&[(4, &[(1, 1)]), (10, &[(2, 1)])]);
    logs.change(4, |bytes| bytes[20] ^= 1);
    assert!(logs.survey().is_err());
    assert_eq!(
        survey(logs.dir.path(), 10).unwrap().first_seq,
        Some(Seq::new(2))
    );
}

#[test]
fn a_cut_at_the_very_end_is_a_crash() {
    let logs = Logs::new(&[(4, &[(1, 1), (2, 1)]), (6, &[])]);
    logs.change(4, |bytes| bytes.truncate(2 * RECORD_BYTES - 1));
    let survey = logs.survey().unwrap();
    assert_eq!(survey.next_seq, Some(Seq::new(2)));
    let torn = survey.torn.unwrap();
    assert_eq!(torn.offset, RECORD_BYTES as u64);
}

#[test]
fn a_last_record_of_full_length_that_does_not_match_is_a_power_cut() {
    let logs = Logs::new(&[(4, &[(1, 1), (2, 1)])]);
    logs.change(4, |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(logs.survey().unwrap().next_seq, Some(Seq::new(2)));
}

#[test]
fn a_flip_in_the_middle_is_damage() {
    let logs = Logs::new(&[(4, &[(1, 1), (2, 1), (3, 1)])]);
    logs.change(4, |bytes| bytes[RECORD_BYTES + 30] ^= 0x10);
    let error = logs.survey().unwrap_err();
    assert!(
        error.contains("000004.log at offset 67: a record does not match its checksum"),
        "{error}"
    );
}

#[test]
fn a_record_of_an_impossible_kind_is_damage_even_at_the_end() {
    let logs = Logs::new(&[(4, &[(1, 1), (2, 1)])]);
    logs.change(4, |bytes| bytes[RECORD_BYTES + 6] ^= 4);
    let error = logs.survey().unwrap_err();
    assert!(
        error.contains("at offset 67: a record is of a kind"),
        "{error}"
    );
}

#[test]
fn a_broken_log_before_one_that_goes_on_is_damage() {
    let logs = Logs::new(&[(4, &[(1, 1), (2, 1)]), (6, &[(3, 1)])]);
    logs.change(4, |bytes| bytes.truncate(RECORD_BYTES + 10));
    let error = logs.survey().unwrap_err();
    assert!(error.contains("000004.log at offset 67"), "{error}");
    assert!(error.contains("000006.log goes on behind it"), "{error}");
}

#[test]
fn a_log_that_was_recovered_before_may_be_cut_and_damaged() {
    // Recovery stopped before sequence 2 and went on in log 6; log 4 was not cleared away yet.
    let logs = Logs::new(&[
        (4, &[(1, 1), (2, 1), (3, 1)]),
        (5, &[]),
        (6, &[(2, 0), (2, 1)]),
    ]);
    logs.change(4, |bytes| bytes[RECORD_BYTES + 30] ^= 0x10);
    let survey = logs.survey().unwrap();
    assert_eq!(survey.next_seq, Some(Seq::new(3)));
    assert_eq!(survey.torn, None);
}

#[test]
fn a_missing_log_is_noticed() {
    let logs = Logs::new(&[(4, &[(1, 1)]), (6, &[(2, 1)]), (8, &[(3, 1)])]);
    fs::remove_file(logs.dir.path().join("000006.log")).unwrap();
    let error = logs.survey().unwrap_err();
    assert!(error.contains("a log file is missing"), "{error}");
}

#[test]
fn compressed_logs_are_checked_but_not_followed() {
    let logs = Logs::new(&[(4, &[])]);
    logs.change(4, |bytes| {
        append_fragment(bytes, 9, &7u32.to_le_bytes());
        append(bytes, b"zstd bytes");
        append(bytes, b"more of them");
    });
    let survey = logs.survey().unwrap();
    assert_eq!((survey.next_seq, survey.records_count), (None, 2));
    logs.change(4, |bytes| bytes[20] ^= 1);
    assert!(logs.survey().is_err());
}

#[test]
fn a_record_is_found_only_as_the_last_of_the_newest_log() {
    let logs = Logs::new(&[(4, &[(1, 1)]), (6, &[(2, 3)]), (8, &[])]);
    let in_wal = |record: &[u8], seq| ends_in(logs.dir.path(), record, Seq::new(seq));
    assert_eq!(in_wal(&batch(0, 3, 60), 2), Some(true));
    assert_eq!(in_wal(&batch(0, 3, 60), 5), Some(false));
    assert_eq!(in_wal(&batch(0, 3, 61), 2), Some(false));
    assert_eq!(in_wal(&batch(0, 1, 60), 1), Some(false));
    assert_eq!(in_wal(b"short", 1), None);
    assert_eq!(
        ends_in(
            &logs.dir.path().join("missing"),
            &batch(0, 1, 60),
            Seq::new(1)
        ),
        None
    );
}
