//! MANIFESTs written by hand; real ones are read in the tests of opening.

use super::super::wal::testing::append;
use super::*;

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// An edit of numbers, `Part::Text` standing for a length and bytes.
enum Part<'a> {
    Number(u64),
    Text(&'a [u8]),
}
use Part::{Number as N, Text as T};

fn edit(parts: &[Part<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            N(value) => varint(&mut bytes, *value),
            T(text) => {
                varint(&mut bytes, text.len() as u64);
                bytes.extend_from_slice(text);
            }
        }
    }
    bytes
}

fn manifest_of(edits: &[Vec<u8>]) -> (tempfile::TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Vec::new();
    for edit in edits {
        append(&mut log, edit);
    }
    fs::write(dir.path().join("MANIFEST-000007"), &log).unwrap();
    fs::write(dir.path().join("CURRENT"), b"MANIFEST-000007\n").unwrap();
    (dir, log)
}

const NEW_FILE_4: u64 = 103;

fn three_edits() -> Vec<Vec<u8>> {
    vec![
        edit(&[
            N(1),
            T(b"leveldb.BytewiseComparator"),
            N(2),
            N(4),
            N(3),
            N(5),
            N(4),
            N(0),
        ]),
        edit(&[
            N(201),
            T(b"metadata"),
            N(200),
            N(1),
            N(203),
            N(1),
            N(2),
            N(4),
            N(4),
            N(0),
        ]),
        // A flush of family 1: a file with a checksum and the smallest log to keep in it, and a deleted file.
        edit(&[
            N(200),
            N(1),
            N(NEW_FILE_4),
            N(0),
            N(9),
            N(1000),
            T(b"smallest"),
            T(b"largest"),
            N(1),
            N(70),
            N(7),
            T(b"checksum"),
            N(3),
            T(&12u64.to_le_bytes()),
            N(1),
            N(6),
            N(0),
            N(8),
            N(2),
            N(12),
            N(4),
            N(90),
        ]),
    ]
}

#[test]
fn families_logs_and_the_last_sequence_are_read() {
    let (dir, _) = manifest_of(&three_edits());
    let manifest = read(dir.path()).unwrap();
    let families: Vec<_> = manifest
        .families
        .iter()
        .map(|(id, family)| (*id, &family.name[..]))
        .collect();
    assert_eq!(families, [(0, "default"), (1, "metadata")]);
    assert_eq!(manifest.family_id_max, 1);
    assert_eq!(manifest.last_seq, Seq::new(90));
    // Family 0 was last written out at log 4, but nothing before log 12 holds anything of it.
    assert_eq!(manifest.first_live_log(), 12);
    assert_eq!(manifest.live_since, Seq::new(90));
}

#[test]
fn what_a_recovery_has_written_out_counts_to_the_last_family() {
    let mut edits = three_edits();
    let done_with_logs_below_20 = edit(&[N(10), N(20), N(4), N(100)]);
    let family_1_written_out = |log, seq| edit(&[N(200), N(1), N(2), N(log), N(4), N(seq)]);
    edits.push(done_with_logs_below_20);
    edits.push(family_1_written_out(20, 103));
    let manifest = read(manifest_of(&edits).0.path()).unwrap();
    assert_eq!(manifest.first_live_log(), 20);
    assert_eq!(manifest.live_since, Seq::new(103));
    // A later one does not make the live logs begin later.
    edits.push(family_1_written_out(30, 500));
    let manifest = read(manifest_of(&edits).0.path()).unwrap();
    assert_eq!(manifest.first_live_log(), 20);
    assert_eq!(
        (manifest.live_since, manifest.last_seq),
        (Seq::new(103), Seq::new(500))
    );
}

#[test]
fn dropped_families_are_gone_and_their_ids_are_not_reused() {
    let mut edits = three_edits();
    edits.push(edit(&[N(201), T(b"index"), N(200), N(2)]));
    edits.push(edit(&[N(200), N(2), N(202)]));
    let manifest = read(manifest_of(&edits).0.path()).unwrap();
    assert_eq!(manifest.families.len(), 2);
    assert_eq!(manifest.family_id_max, 2);
}

#[test]
fn every_known_kind_of_edit_is_stepped_over() {
    let mut edits = three_edits();
    let old_file = |tag| [N(tag), N(0), N(9)];
    edits.push(edit(&[N(5), N(1), T(b"cursor"), N(9), N(0), N(10), N(13)]));
    edits.push(edit(
        &[&old_file(7)[..], &[N(10), T(b"a"), T(b"b")]].concat_parts(),
    ));
    edits.push(edit(
        &[&old_file(100)[..], &[N(10), T(b"a"), T(b"b"), N(1), N(2)]].concat_parts(),
    ));
    edits.push(edit(
        &[
            &old_file(102)[..],
            &[N(0), N(10), T(b"a"), T(b"b"), N(1), N(2)],
        ]
        .concat_parts(),
    ));
    edits.push(edit(&[
        N(400),
        N(3),
        N(1),
        N(10),
        T(b"crc"),
        T(b"xyz"),
        N(2),
        T(b"?"),
        N(0),
    ]));
    edits.push(edit(&[N(401), N(3), N(1), N(10), N(0)]));
    edits.push(edit(&[
        N(8193),
        T(b"the database's id"),
        N(8199),
        T(b"a log"),
        N(9000),
        T(b"of the future"),
    ]));
    edits.push(edit(&[N(4), N(91)]));
    let manifest = read(manifest_of(&edits).0.path()).unwrap();
    assert_eq!(manifest.last_seq, Seq::new(91));
    assert_eq!(manifest.first_live_log(), 13);
}

trait ConcatParts<'a> {
    fn concat_parts(&self) -> Vec<Part<'a>>;
}

impl<'a> ConcatParts<'a> for [&[Part<'a>]; 2] {
    fn concat_parts(&self) -> Vec<Part<'a>> {
        let copy = |part: &Part<'a>| match part {
            N(value) => N(*value),
            T(text) => T(text),
        };
        self.iter()
            .flat_map(|parts| parts.iter().map(copy))
            .collect()
    }
}

#[test]
fn a_group_of_edits_counts_only_when_it_is_whole() {
    let mut edits = three_edits();
    edits.push(edit(&[N(300), N(1), N(4), N(95)]));
    assert_eq!(
        read(manifest_of(&edits).0.path()).unwrap().last_seq,
        Seq::new(90)
    );
    edits.push(edit(&[N(300), N(0), N(4), N(96)]));
    assert_eq!(
        read(manifest_of(&edits).0.path()).unwrap().last_seq,
        Seq::new(96)
    );
}

#[test]
fn an_edit_of_the_future_is_left_to_rocksdb() {
    for tag in [8, 500, 8196] {
        let mut edits = three_edits();
        edits.push(edit(&[N(tag), N(1)]));
        let error = read(manifest_of(&edits).0.path()).unwrap_err();
        assert!(
            matches!(error, ManifestError::Unknown { tag: found } if u64::from(found) == tag),
            "{error:?}"
        );
    }
}

#[test]
fn a_manifest_that_is_cut_off_ends_there_and_one_that_is_flipped_is_damaged() {
    let (dir, log) = manifest_of(&three_edits());
    let path = dir.path().join("MANIFEST-000007");
    fs::write(&path, &log[..log.len() - 1]).unwrap();
    assert_eq!(read(dir.path()).unwrap().last_seq, Seq::ZERO);
    let mut flipped = log.clone();
    flipped[20] ^= 1;
    fs::write(&path, flipped).unwrap();
    assert!(matches!(
        read(dir.path()),
        Err(ManifestError::Damaged(Damage { offset: 0, .. }))
    ));
    fs::remove_file(&path).unwrap();
    assert!(matches!(read(dir.path()), Err(ManifestError::Damaged(_))));
}

#[test]
fn current_must_name_a_manifest() {
    assert_eq!(
        parse_current(b"MANIFEST-000012\n"),
        Some(("MANIFEST-000012", 12))
    );
    for text in [
        &b""[..],
        b"MANIFEST-000012",
        b"MANIFEST-\n",
        b"MANIFEST-12x\n",
        b"../etc/passwd\n",
        b"\xff\n",
    ] {
        assert_eq!(parse_current(text), None);
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(payload in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100)) {
        let _ = Edit::decode(&payload);
    }
}
