//! What each filter keeps and drops.

use super::*;
use std::cell::Cell;

const NOW_MS: u64 = 1_700_000_000_000;

/// A metadata family of one key, which counts how often it is asked.
struct Stored {
    key: &'static [u8],
    value: Option<Vec<u8>>,
    open: bool,
    looks: Cell<u32>,
}

impl Stored {
    fn of(value: Option<Vec<u8>>) -> Stored {
        Stored {
            key: b"\x01nk",
            value,
            open: true,
            looks: Cell::new(0),
        }
    }
}

impl MetadataSource for Stored {
    fn with_metadata<R>(&self, key: &[u8], look: impl FnOnce(Option<&[u8]>) -> R) -> Option<R> {
        self.looks.set(self.looks.get() + 1);
        Some(look(if key == self.key {
            self.value.as_deref()
        } else {
            None
        }))
    }

    fn is_open(&self) -> bool {
        self.open
    }
}

fn settings(slot_encoded: bool) -> Arc<FilterSettings> {
    Arc::new(FilterSettings {
        slot_encoded,
        scans: Arc::default(),
        unix_now: || UnixMs(NOW_MS),
        is_patient: Arc::default(),
    })
}

fn judge(kind: FilterKind, key: &[u8], value: &[u8], source: &impl MetadataSource) -> Verdict {
    FilterState::new(kind, settings(false)).judge(key, value, source)
}

fn wide(kind: u8, expire_ms: u64, version: u64, size: u64) -> Vec<u8> {
    let mut value = vec![0x80 | kind];
    for field in [expire_ms, version, size] {
        value.extend_from_slice(&field.to_be_bytes());
    }
    value
}

fn narrow(kind: u8, expire_s: u32, version: u64, size: u32) -> Vec<u8> {
    let mut value = vec![kind];
    value.extend_from_slice(&expire_s.to_be_bytes());
    value.extend_from_slice(&version.to_be_bytes());
    value.extend_from_slice(&size.to_be_bytes());
    value
}

fn subkey(version: u64, sub: &[u8]) -> Vec<u8> {
    let mut key = b"\x01n\0\0\0\x01k".to_vec();
    key.extend_from_slice(&version.to_be_bytes());
    key.extend_from_slice(sub);
    key
}

fn dead_subkey(metadata: Option<Vec<u8>>) -> bool {
    judge(
        FilterKind::Subkey,
        &subkey(7, b"f"),
        b"v",
        &Stored::of(metadata),
    ) == Verdict::Remove
}

#[test]
fn each_family_has_its_filter() {
    let kinds = Cf::ALL.map(FilterKind::of);
    assert_eq!(
        kinds,
        [
            Some(FilterKind::Subkey),
            Some(FilterKind::Metadata),
            Some(FilterKind::Subkey),
            Some(FilterKind::Pubsub),
            Some(FilterKind::Propagate),
            Some(FilterKind::Subkey),
            None
        ]
    );
}

#[test]
fn messages_go_and_of_propagated_commands_only_the_script_command() {
    let none = Stored::of(None);
    assert_eq!(
        judge(FilterKind::Pubsub, b"channel", b"text", &none),
        Verdict::Remove
    );
    assert_eq!(
        judge(FilterKind::Propagate, b"script", b"*2", &none),
        Verdict::Remove
    );
    assert_eq!(
        judge(FilterKind::Propagate, b"scripts", b"", &none),
        Verdict::Keep
    );
    assert_eq!(
        judge(FilterKind::Propagate, b"replication_id_", b"x", &none),
        Verdict::Keep
    );
}

#[test]
fn metadata_goes_when_expired_or_empty() {
    let none = Stored::of(None);
    let removed =
        |value: &[u8]| judge(FilterKind::Metadata, b"\x01nk", value, &none) == Verdict::Remove;
    for (kind, empty_goes) in [
        (1, false),
        (2, true),
        (3, true),
        (4, true),
        (5, true),
        (6, true),
        (7, true),
        (8, false),
        (9, false),
    ]
    .into_iter()
    .chain([
        (10, false),
        (11, false),
        (12, false),
        (13, false),
        (14, false),
        (15, false),
        (0, false),
    ]) {
        assert!(!removed(&wide(kind, 0, 7, 1)), "type {kind}");
        assert!(
            !removed(&wide(kind, NOW_MS, 7, 1)),
            "type {kind}: expires at this very moment"
        );
        assert!(removed(&wide(kind, NOW_MS - 1, 7, 1)), "type {kind}");
        assert_eq!(removed(&wide(kind, 0, 7, 0)), empty_goes, "type {kind}");
        assert_eq!(removed(&narrow(kind, 0, 7, 0)), empty_goes, "type {kind}");
        assert!(
            !removed(&narrow(kind, (NOW_MS / 1000) as u32, 7, 1)),
            "type {kind}"
        );
        assert!(
            removed(&narrow(kind, (NOW_MS / 1000) as u32 - 1, 7, 1)),
            "type {kind}"
        );
    }
    for undecodable in [
        &b""[..],
        b"\x81",
        b"\x82\0\0\0\0\0\0\0\0\0",
        &wide(2, 1, 7, 0)[..24],
    ] {
        assert!(!removed(undecodable));
    }
}

#[test]
fn a_subkey_lives_with_its_version() {
    assert!(!dead_subkey(Some(wide(2, 0, 7, 1))));
    assert!(!dead_subkey(Some(narrow(2, 0, 7, 1))));
    assert!(dead_subkey(Some(wide(2, 0, 8, 1))), "replaced");
    assert!(dead_subkey(None), "deleted");
    assert!(dead_subkey(Some(wide(2, 0, 7, 0))), "emptied");
    assert!(dead_subkey(Some(wide(1, 0, 7, 0))), "replaced by a string");
    assert!(dead_subkey(Some(wide(10, 0, 7, 0))), "replaced by JSON");
    assert!(
        !dead_subkey(Some(wide(8, 0, 7, 0))),
        "an empty stream exists"
    );
    assert!(
        !dead_subkey(Some(wide(13, 0, 7, 0))),
        "a type that is not known"
    );
    assert!(
        dead_subkey(Some(wide(13, 0, 8, 1))),
        "a type that is not known, of another version"
    );
    assert!(!dead_subkey(Some(b"\x82".to_vec())), "undecodable");
}

#[test]
fn a_subkey_outlives_its_expiry_by_five_minutes() {
    assert!(!dead_subkey(Some(wide(2, NOW_MS - SUBKEY_GRACE_MS, 7, 1))));
    assert!(dead_subkey(Some(wide(
        2,
        NOW_MS - SUBKEY_GRACE_MS - 1,
        7,
        1
    ))));
}

#[test]
fn zeros_of_a_bitmap_go_and_zeros_of_others_stay() {
    let remove = |kind, value: &[u8]| {
        judge(
            FilterKind::Subkey,
            &subkey(7, b"0"),
            value,
            &Stored::of(Some(wide(kind, 0, 7, 9))),
        ) == Verdict::Remove
    };
    assert!(remove(6, b"\0\0\0"));
    assert!(!remove(6, b"\0\x01\0"));
    assert!(!remove(2, b"\0\0\0"));
    assert!(!remove(4, b""));
}

#[test]
fn a_key_that_is_no_subkey_is_kept() {
    let none = Stored::of(None);
    let whole = subkey(7, b"");
    for len in 0..whole.len() {
        assert_eq!(
            judge(FilterKind::Subkey, &whole[..len], b"", &none),
            Verdict::Keep,
            "{len} bytes"
        );
    }
    assert_eq!(
        judge(FilterKind::Subkey, &whole, b"", &none),
        Verdict::Remove
    );
    assert_eq!(
        judge(
            FilterKind::Subkey,
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"",
            &none
        ),
        Verdict::Keep
    );
}

#[test]
fn slots_are_part_of_the_looked_up_key() {
    let stored = Stored {
        key: b"\x01n\x12\x34k",
        ..Stored::of(Some(wide(2, 0, 7, 1)))
    };
    let mut key = b"\x01n\x12\x34\0\0\0\x01k".to_vec();
    key.extend_from_slice(&7u64.to_be_bytes());
    let mut filter = FilterState::new(FilterKind::Subkey, settings(true));
    assert_eq!(filter.judge(&key, b"v", &stored), Verdict::Keep);
    let elsewhere = Stored {
        key: b"\x01nk",
        ..Stored::of(Some(wide(2, 0, 7, 1)))
    };
    let mut filter = FilterState::new(FilterKind::Subkey, settings(true));
    assert_eq!(filter.judge(&key, b"v", &elsewhere), Verdict::Remove);
}

#[test]
fn the_subkeys_of_a_key_take_one_look() {
    let stored = Stored::of(Some(wide(2, 0, 7, 3)));
    let mut filter = FilterState::new(FilterKind::Subkey, settings(false));
    for sub in [b"a", b"b", b"c"] {
        assert_eq!(filter.judge(&subkey(7, sub), b"v", &stored), Verdict::Keep);
        assert_eq!(
            filter.judge(&subkey(6, sub), b"v", &stored),
            Verdict::Remove
        );
    }
    assert_eq!(stored.looks.get(), 1);
    assert_eq!(
        filter.judge(b"\x01n\0\0\0\x01x\0\0\0\0\0\0\0\x07", b"v", &stored),
        Verdict::Remove
    );
    assert_eq!(filter.judge(&subkey(7, b"d"), b"v", &stored), Verdict::Keep);
    assert_eq!(stored.looks.get(), 3);
}

#[test]
fn nothing_goes_while_the_database_is_not_open() {
    let closed = Stored {
        open: false,
        ..Stored::of(None)
    };
    for kind in [
        FilterKind::Metadata,
        FilterKind::Subkey,
        FilterKind::Pubsub,
        FilterKind::Propagate,
    ] {
        assert_eq!(
            judge(kind, b"script", &wide(2, 1, 7, 0), &closed),
            Verdict::Keep
        );
    }
}

#[test]
fn registered_versions_are_kept_until_the_last_scan_ends() {
    let settings = settings(false);
    let gone = Stored::of(None);
    let verdict = |version| {
        FilterState::new(FilterKind::Subkey, Arc::clone(&settings)).judge(
            &subkey(version, b"f"),
            b"v",
            &gone,
        )
    };
    let first = ScanGuard::register(&settings.scans, b"\x01nk", 7);
    let second = ScanGuard::register(&settings.scans, b"\x01nk", 7);
    let other = ScanGuard::register(&settings.scans, b"\x01nother", 8);
    assert_eq!(verdict(7), Verdict::Keep);
    assert_eq!(verdict(8), Verdict::Remove);
    drop(first);
    assert_eq!(verdict(7), Verdict::Keep);
    drop(second);
    assert_eq!(verdict(7), Verdict::Remove);
    drop(other);
    assert_eq!(settings.scans.entries_count.load(Ordering::Acquire), 0);
    assert!(settings.scans.lock().is_empty());
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(key in proptest::collection::vec(0u8..20, 0..40), value in ".{0,40}", slots: bool) {
        for kind in [FilterKind::Metadata, FilterKind::Subkey] {
            let mut filter = FilterState::new(kind, settings(slots));
            filter.judge(&key, value.as_bytes(), &Stored::of(Some(value.as_bytes().to_vec())));
        }
    }
}

#[test]
fn patient_filters_keep_what_has_expired_lately_and_clear_everything_else() {
    let patient = Arc::new(FilterSettings {
        slot_encoded: false,
        scans: Arc::default(),
        unix_now: || UnixMs(NOW_MS),
        is_patient: Arc::new(AtomicBool::new(true)),
    });
    let judge = |kind, key: &[u8], value: &[u8], source: &Stored| {
        FilterState::new(kind, Arc::clone(&patient)).judge(key, value, source)
    };
    const HASH: u8 = 2;
    let subkey = b"\x01n\0\0\0\x01k\0\0\0\0\0\0\0\x07f";
    for (expire_ms, verdict) in [
        (NOW_MS - 1, Verdict::Keep),
        (NOW_MS - PATIENCE_MS, Verdict::Keep),
        (NOW_MS - PATIENCE_MS - SUBKEY_GRACE_MS - 1, Verdict::Remove),
    ] {
        let metadata = wide(HASH, expire_ms, 7, 1);
        let source = Stored::of(Some(metadata.clone()));
        assert_eq!(
            judge(FilterKind::Metadata, b"\x01nk", &metadata, &source),
            verdict
        );
        assert_eq!(judge(FilterKind::Subkey, subkey, b"v", &source), verdict);
    }
    // Nothing can bring these back.
    let emptied = wide(HASH, 0, 7, 0);
    let missing = Stored::of(None);
    assert_eq!(
        judge(FilterKind::Metadata, b"\x01nk", &emptied, &missing),
        Verdict::Remove
    );
    assert_eq!(
        judge(FilterKind::Subkey, subkey, b"v", &missing),
        Verdict::Remove
    );
}
