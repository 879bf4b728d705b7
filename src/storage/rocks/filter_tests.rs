//! Compacts real databases and looks at what is left.

use super::super::filters::ScanGuard;
use super::tests::{TestRecord, open_at, put};
use super::*;
use crate::clock::{Clock, SystemClock};

const NS: &[u8] = b"\x0b__namespace";

fn metadata_key(user_key: &[u8]) -> Vec<u8> {
    [NS, user_key].concat()
}

fn subkey(user_key: &[u8], version: u64, sub: &[u8]) -> Vec<u8> {
    [
        NS,
        &(user_key.len() as u32).to_be_bytes(),
        user_key,
        &version.to_be_bytes(),
        sub,
    ]
    .concat()
}

fn metadata(kind: u8, expire_ms: u64, version: u64, size: u64) -> Vec<u8> {
    [
        &[0x80 | kind][..],
        &expire_ms.to_be_bytes(),
        &version.to_be_bytes(),
        &size.to_be_bytes(),
    ]
    .concat()
}

fn compact_all(rocks: &Rocks) {
    rocks.flush().unwrap();
    for cf in Cf::ALL {
        rocks.compact_range(cf, KeyRange::default());
    }
}

fn has(rocks: &Rocks, cf: Cf, key: &[u8]) -> bool {
    rocks.get(cf, key).unwrap().is_some()
}

#[test]
fn compaction_leaves_what_lives_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    let now = SystemClock::new().turn().unix().0;
    for cf in [Cf::Default, Cf::ZsetScore, Cf::Stream] {
        let record = TestRecord::default()
            .put(cf, &subkey(b"alive", 7, b"f"), b"v")
            .put(cf, &subkey(b"alive", 6, b"f"), b"v")
            .put(cf, &subkey(b"deleted", 7, b"f"), b"v")
            .put(cf, &subkey(b"expired", 7, b"f"), b"v")
            .put(cf, &subkey(b"just-expired", 7, b"f"), b"v");
        rocks.write(&record.bytes(), WriteMode::default()).unwrap();
    }
    let record = TestRecord::default()
        .put(Cf::Metadata, &metadata_key(b"alive"), &metadata(2, 0, 7, 1))
        .put(
            Cf::Metadata,
            &metadata_key(b"expired"),
            &metadata(2, now - 600_000, 7, 1),
        )
        .put(
            Cf::Metadata,
            &metadata_key(b"just-expired"),
            &metadata(2, now - 1000, 7, 1),
        )
        .put(
            Cf::Metadata,
            &metadata_key(b"emptied"),
            &metadata(2, 0, 7, 0),
        )
        .put(Cf::Pubsub, b"channel", b"message")
        .put(Cf::Propagate, b"script", b"*2")
        .put(Cf::Propagate, b"lua_f_x", b"return 1")
        .put(Cf::Search, b"index", b"data");
    rocks.write(&record.bytes(), WriteMode::default()).unwrap();
    // Subkeys first: their metadata decides, and goes itself only then.
    rocks.flush().unwrap();
    for cf in [Cf::Default, Cf::ZsetScore, Cf::Stream] {
        rocks.compact_range(cf, KeyRange::default());
        assert!(has(&rocks, cf, &subkey(b"alive", 7, b"f")), "{cf:?}");
        assert!(!has(&rocks, cf, &subkey(b"alive", 6, b"f")), "{cf:?}");
        assert!(!has(&rocks, cf, &subkey(b"deleted", 7, b"f")), "{cf:?}");
        assert!(!has(&rocks, cf, &subkey(b"expired", 7, b"f")), "{cf:?}");
        assert!(
            has(&rocks, cf, &subkey(b"just-expired", 7, b"f")),
            "{cf:?}: within the grace"
        );
    }
    compact_all(&rocks);
    assert!(has(&rocks, Cf::Metadata, &metadata_key(b"alive")));
    for gone in [&b"expired"[..], b"just-expired", b"emptied"] {
        assert!(!has(&rocks, Cf::Metadata, &metadata_key(gone)));
    }
    assert!(!has(&rocks, Cf::Pubsub, b"channel"));
    assert!(!has(&rocks, Cf::Propagate, b"script"));
    assert!(has(&rocks, Cf::Propagate, b"lua_f_x"));
    assert!(has(&rocks, Cf::Search, b"index"));
    // With their metadata gone, the last subkeys go.
    compact_all(&rocks);
    assert!(!has(&rocks, Cf::Default, &subkey(b"just-expired", 7, b"f")));
    assert!(has(&rocks, Cf::Default, &subkey(b"alive", 7, b"f")));
}

#[test]
fn a_scan_keeps_the_version_that_it_registered() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    put(&rocks, Cf::Default, &subkey(b"k", 7, b"f"), b"v");
    let guard = ScanGuard::register(rocks.scans(), &metadata_key(b"k"), 7);
    compact_all(&rocks);
    assert!(has(&rocks, Cf::Default, &subkey(b"k", 7, b"f")));
    drop(guard);
    compact_all(&rocks);
    assert!(!has(&rocks, Cf::Default, &subkey(b"k", 7, b"f")));
}

#[test]
fn compaction_survives_closing_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..5u64 {
        let rocks = open_at(dir.path());
        let mut record =
            TestRecord::default().put(Cf::Metadata, &metadata_key(b"k"), &metadata(2, 0, 7, 1));
        for index in 0..2000u32 {
            record = record.put(
                Cf::Default,
                &subkey(b"k", 7 - round % 2, &index.to_be_bytes()),
                b"v",
            );
        }
        rocks.write(&record.bytes(), WriteMode::default()).unwrap();
        rocks.flush().unwrap();
        let compacting = {
            let rocks = rocks.clone();
            std::thread::spawn(move || rocks.compact_range(Cf::Default, KeyRange::default()))
        };
        rocks.shut_down().unwrap();
        drop(rocks);
        compacting.join().unwrap();
    }
    let rocks = open_at(dir.path());
    assert!(has(
        &rocks,
        Cf::Default,
        &subkey(b"k", 7, &0u32.to_be_bytes())
    ));
}

#[test]
fn keys_with_slots_are_looked_up_with_their_slot() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = Rocks::open(&OpenOptions {
        slot_encoded: true,
        ..OpenOptions::new(dir.path())
    })
    .unwrap();
    let slot = crate::text::crc::slot(b"k").to_be_bytes();
    let metadata_key = [NS, &slot, b"k"].concat();
    let subkey = |version: u64| {
        [
            NS,
            &slot,
            &1u32.to_be_bytes(),
            b"k",
            &version.to_be_bytes(),
            b"f",
        ]
        .concat()
    };
    put(&rocks, Cf::Metadata, &metadata_key, &metadata(2, 0, 7, 1));
    put(&rocks, Cf::Default, &subkey(7), b"v");
    put(&rocks, Cf::Default, &subkey(6), b"v");
    compact_all(&rocks);
    assert!(has(&rocks, Cf::Default, &subkey(7)));
    assert!(!has(&rocks, Cf::Default, &subkey(6)));
}
