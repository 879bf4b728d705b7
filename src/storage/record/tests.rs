//! A record against the bytes that Kvrocks writes, and what is found in it and undone.

use super::*;

fn hash(key: &[u8]) -> u64 {
    // Few distinct values, so that the index must compare keys.
    u64::from(key.first().copied().unwrap_or(0)) % 3
}

fn put(record: &mut Record, cf: Cf, key: &[u8], value: &[u8]) {
    record.put(cf, key, value, b"", hash(key));
}

fn find<'r>(record: &'r Record, cf: Cf, key: &[u8]) -> Found<'r> {
    record.find(cf, key, hash(key))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_record_has_the_bytes_that_kvrocks_writes() {
    let mut record = Record::default();
    record.log_data(b"1");
    put(
        &mut record,
        Cf::Metadata,
        b"\x0b__namespacek",
        b"\x81\0\0\0\0\0\0\0\0bar",
    );
    let (bytes, count) = record.encode("ABCDEFGHI0123456", false);
    assert_eq!(count, 1);
    assert_eq!(
        hex(&bytes),
        "000000000000000001000000030131 05010d0b5f5f6e616d6573706163656b0c810000000000000000626172\
         031272204142434445464748493031323334 3536"
            .replace(' ', "")
    );
}

#[test]
fn the_newest_change_is_found_and_undone() {
    let mut record = Record::default();
    put(&mut record, Cf::Default, b"a", b"1");
    let savepoint = record.savepoint();
    put(&mut record, Cf::Default, b"a", b"2");
    record.delete(Cf::Default, b"d", hash(b"d"));
    put(&mut record, Cf::Stream, b"a", b"other family");
    assert_eq!(find(&record, Cf::Default, b"a"), Found::Value(b"2"));
    assert_eq!(find(&record, Cf::Default, b"d"), Found::Deleted);
    assert_eq!(find(&record, Cf::Default, b"x"), Found::Unknown);
    let mut keys = Vec::new();
    assert!(!record.undo(savepoint, |(cf, key, _)| keys.push((cf, key.to_vec()))));
    assert_eq!(keys.len(), 3);
    assert_eq!(find(&record, Cf::Default, b"a"), Found::Value(b"1"));
    assert_eq!(find(&record, Cf::Default, b"d"), Found::Unknown);
    assert_eq!(find(&record, Cf::Stream, b"a"), Found::Unknown);
}

#[test]
fn a_range_delete_hides_what_came_before_it_only() {
    let mut record = Record::default();
    put(&mut record, Cf::Metadata, b"b", b"1");
    let savepoint = record.savepoint();
    record.delete_range(Cf::Metadata, b"a", b"c");
    assert_eq!(find(&record, Cf::Metadata, b"b"), Found::Deleted);
    assert_eq!(find(&record, Cf::Metadata, b"a-unknown"), Found::Deleted);
    assert_eq!(find(&record, Cf::Metadata, b"c"), Found::Unknown);
    put(&mut record, Cf::Metadata, b"b", b"2");
    assert_eq!(find(&record, Cf::Metadata, b"b"), Found::Value(b"2"));
    let (_, count) = record.encode("x", false);
    assert_eq!(
        count, 3,
        "the first Put stays: the range delete stands between"
    );
    assert!(record.undo(savepoint, |_| {}));
    assert_eq!(find(&record, Cf::Metadata, b"b"), Found::Value(b"1"));
}

#[test]
fn a_replaced_metadata_put_is_left_out_and_comes_back_with_an_undo() {
    let mut record = Record::default();
    put(&mut record, Cf::Metadata, b"k", b"1");
    let savepoint = record.savepoint();
    put(&mut record, Cf::Metadata, b"k", b"2");
    put(&mut record, Cf::Default, b"k", b"3");
    put(&mut record, Cf::Default, b"k", b"4");
    assert_eq!(record.encode("x", false).1, 3);
    record.undo(savepoint, |_| {});
    assert_eq!(record.encode("x", false).1, 1);
}

#[test]
fn points_of_a_range_are_the_newest() {
    let mut record = Record::default();
    for (key, value) in [(b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"b", b"2")] {
        put(&mut record, Cf::Default, key, value);
    }
    record.delete(Cf::Default, b"c", hash(b"c"));
    put(&mut record, Cf::Default, b"d", b"1");
    let mut seen = Vec::new();
    record.points_in(Cf::Default, b"b", Some(b"d"), |key, value| {
        seen.push((key.to_vec(), value.map(<[u8]>::to_vec)))
    });
    seen.sort();
    assert_eq!(
        seen,
        [(b"b".to_vec(), Some(b"2".to_vec())), (b"c".to_vec(), None)]
    );
}

#[test]
fn repeated_log_data_is_written_once() {
    let mut record = Record::default();
    for key in [b"a", b"b"] {
        record.log_data(b"2");
        put(&mut record, Cf::Default, key, b"v");
    }
    let (bytes, count) = record.encode("x", false);
    assert_eq!(count, 2);
    assert_eq!(
        bytes
            .windows(3)
            .filter(|window| *window == [3, 1, b'2'])
            .count(),
        1
    );
}

#[test]
fn updates_are_those_of_the_bytes_at_any_time() {
    let mut record = Record::default();
    let check = |record: &Record, updates: u32| {
        assert_eq!(record.updates(), updates);
        assert_eq!(record.encode("ABCDEFGHI0123456", true).1, updates + 1);
    };
    record.log_data(b"1");
    check(&record, 0);
    put(&mut record, Cf::Metadata, b"k", b"1");
    let savepoint = record.savepoint();
    put(&mut record, Cf::Metadata, b"k", b"2");
    check(&record, 1);
    put(&mut record, Cf::Default, b"k", b"1");
    put(&mut record, Cf::Default, b"k", b"2");
    record.delete_range(Cf::Metadata, b"a", b"z");
    put(&mut record, Cf::Metadata, b"k", b"3");
    check(&record, 5);
    record.delete(Cf::Metadata, b"k", hash(b"k"));
    check(&record, 5);
    record.undo(savepoint, |_| {});
    check(&record, 1);
    record.clear();
    check(&record, 0);
}
