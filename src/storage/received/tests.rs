//! Batches that Kvrocks writes, those of our own records, and every way to be malformed.

use super::*;
use crate::storage::record::Record;
use proptest::prelude::*;

const RULES: BatchRules = BatchRules {
    codec: KeyCodec {
        slot_encoded: false,
    },
    families_count: 8,
    bytes_max: 1 << 20,
};

const CLUSTER: BatchRules = BatchRules {
    codec: KeyCodec { slot_encoded: true },
    families_count: 7,
    bytes_max: 1 << 20,
};

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn validate(bytes: &[u8]) -> Result<ReceivedBatch, BatchFault> {
    ReceivedBatch::validate(Bytes::copy_from_slice(bytes), &RULES)
}

/// A batch of `count` with these operations.
fn batch(count: u32, ops: &[u8]) -> Vec<u8> {
    let mut bytes = 9u64.to_le_bytes().to_vec();
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(ops);
    bytes
}

const ID: &[u8] = b"\x03\x12r ABCDEFGHIJ012345";

#[test]
fn the_batches_of_kvrocks_are_read() {
    let key = b"\x0b__namespacek";
    let set = bytes_of(
        "0200000000000000 01000000 030131 05010d0b5f5f6e616d6573706163656b0c810000000000000000626172 \
         031272204142434445464748494a303132333435",
    );
    let batch = validate(&set).unwrap();
    assert_eq!((batch.first_seq(), batch.count()), (Seq::new(2), 1));
    assert_eq!(
        batch.replication_id(),
        ReplicationId::from_bytes(b"ABCDEFGHIJ012345")
    );
    let family = Family::Known(Cf::Metadata);
    let value = b"\x81\0\0\0\0\0\0\0\0bar";
    let expected = [
        Op::LogData(b"1"),
        Op::Put { family, key, value },
        Op::LogData(b"r ABCDEFGHIJ012345"),
    ];
    assert_eq!(batch.ops().collect::<Vec<_>>(), expected);
    assert_eq!(batch.bytes(), &set);
    assert_eq!(replication_id_of(&set), batch.replication_id());
    assert_eq!(batch.side_effects().next(), None);

    let flushdb =
        "0600000000000000 01000000 0e010c0b5f5f6e616d657370616365 0c0b5f5f6e616d657370616366";
    let batch = validate(&bytes_of(flushdb)).unwrap();
    let (from, to) = (&b"\x0b__namespace"[..], &b"\x0b__namespacf"[..]);
    assert_eq!(
        batch.ops().collect::<Vec<_>>(),
        [Op::DeleteRange { family, from, to }]
    );
    let del = "0700000000000000 01000000 030130 04010d0b5f5f6e616d6573706163656b";
    let batch = validate(&bytes_of(del)).unwrap();
    assert_eq!(batch.ops().nth(1), Some(Op::Delete { family, key }));
    assert_eq!(batch.replication_id(), None);
}

#[test]
fn the_default_family_has_its_own_tags() {
    let family = Family::Known(Cf::Default);
    let batch = validate(&batch(3, b"\x01\x01a\x01b\x00\x01a\x0f\x01a\x02ab")).unwrap();
    let expected = [
        Op::Put {
            family,
            key: b"a",
            value: b"b",
        },
        Op::Delete { family, key: b"a" },
        Op::DeleteRange {
            family,
            from: b"a",
            to: b"ab",
        },
    ];
    assert_eq!(batch.ops().collect::<Vec<_>>(), expected);
}

#[test]
fn records_of_our_own_are_taken() {
    let mut record = Record::default();
    record.log_data(b"2");
    record.put(Cf::Metadata, b"\x0b__namespaceh", &[0x82; 25], b"", 1);
    record.put(Cf::ZsetScore, b"x", &[7; 300], b"", 2);
    record.delete(Cf::Default, b"y", 3);
    record.delete_range(Cf::Metadata, b"a", b"b");
    let (bytes, count) = record.encode("ABCDEFGHIJ012345", true);
    let batch = validate(&bytes).unwrap();
    assert_eq!((batch.count(), count), (5, 5));
    assert_eq!(batch.first_seq(), Seq::ZERO);
    assert_eq!(batch.ops().count(), 7);
    assert_eq!(batch.stored_id(), batch.replication_id());
    assert!(batch.stored_id().is_some());
}

#[test]
fn the_last_id_counts_and_only_ids_do() {
    let mut ops = ID.to_vec();
    ops.extend_from_slice(b"\x03\x12r 0000000000000001\x03\x03r ?\x03\x011");
    let last = ReplicationId::from_bytes(b"0000000000000001");
    let bytes = batch(0, &ops);
    assert_eq!(validate(&bytes).unwrap().replication_id(), last);
    assert_eq!(replication_id_of(&bytes), last);
    assert_eq!(replication_id_of(&bytes[..11]), None);
    assert_eq!(replication_id_of(&bytes[..bytes.len() - 1]), None);
    assert_eq!(replication_id_of(&batch(0, b"")), None);
}

#[test]
fn a_batch_without_operations_is_one() {
    let empty = validate(&batch(0, b"\x03\x014")).unwrap();
    assert_eq!(empty.count(), 0);
    assert!(empty.starts_at(Seq::new(9)));
    assert!(!empty.starts_at(Seq::new(10)));
    let mut filler = batch(1, b"\x00\x21__kvrocks_internal_padding_seq__");
    filler[12 + 1] = 0x20;
    filler[..8].fill(0);
    assert!(validate(&filler).unwrap().starts_at(Seq::new(77)));
}

#[test]
fn every_put_has_its_side_effect() {
    let message = SideEffect::Message {
        channel: b"ch",
        payload: b"hi",
    };
    let publish = validate(&bytes_of("0500000000000000 01000000 0503026368 026869")).unwrap();
    assert_eq!(publish.side_effects().collect::<Vec<_>>(), [message]);
    // Joined with a later write by the primary's group commit: a Kvrocks replica would deliver nothing.
    let joined = batch(2, b"\x05\x03\x02ch\x02hi\x01\x01a\x01b");
    let joined = validate(&joined).unwrap();
    assert_eq!(joined.side_effects().collect::<Vec<_>>(), [message]);
    let propagated =
        b"\x05\x04\x06script\x04*2..\x05\x04\x12__namespace_keys__\x02{}\x05\x04\x01x\x01y";
    let propagated = validate(&batch(3, propagated)).unwrap();
    assert_eq!(
        propagated.side_effects().collect::<Vec<_>>(),
        [SideEffect::Script(b"*2.."), SideEffect::NamespacesChanged]
    );
    assert_eq!(propagated.stored_id(), None);
}

#[test]
fn a_family_that_is_only_kept_is_walked() {
    let kept = batch(1, b"\x05\x07\x01a\x01b");
    assert_eq!(
        validate(&kept).unwrap().ops().next(),
        Some(Op::Put {
            family: Family::Kept(7),
            key: b"a",
            value: b"b"
        })
    );
    assert_eq!(
        validate(&batch(1, b"\x05\x08\x01a\x01b")),
        Err(BatchFault::UnknownFamily { id: 8, offset: 13 })
    );
}

#[test]
fn everything_malformed_is_refused_by_name() {
    let cut = |offset| BatchFault::CutOff { offset };
    let number = |offset| BatchFault::BadVarint { offset };
    let cases: &[(u32, &[u8], BatchFault)] = &[
        (1, b"\x01\x01a", number(15)),
        (1, b"\x01", number(13)),
        (1, b"\x01\x02a", cut(14)),
        (1, b"\x01\x01a\x05b", cut(16)),
        (1, b"\x05\x80", number(13)),
        (1, b"\x01\xff\xff\xff\xff\x1fa", number(13)),
        (1, b"\x01\x80\x80\x80\x80\x80\x01a", number(13)),
        (1, b"\x01\xff\xff\xff\xff\x0fa", cut(18)),
        (
            1,
            b"\x0f\x01b\x01a",
            BatchFault::ReversedRange { offset: 12 },
        ),
        (
            2,
            b"\x00\x01a",
            BatchFault::WrongCount {
                counted: 1,
                header: 2,
            },
        ),
        (
            0,
            b"\x00\x01a",
            BatchFault::WrongCount {
                counted: 1,
                header: 0,
            },
        ),
        (
            1,
            b"\x05\x01\x02\x05a\x01x",
            BatchFault::BadKey { offset: 12 },
        ),
        (1, b"\x05\x01\x00\x01x", BatchFault::BadKey { offset: 12 }),
        (
            1,
            b"\x05\x01\x02\x00k\x08\x81\0\0\0\0\0\0\0",
            BatchFault::BadMetadata { offset: 12 },
        ),
        (
            1,
            b"\x05\x01\x02\x00k\x00",
            BatchFault::BadMetadata { offset: 12 },
        ),
    ];
    for (count, ops, fault) in cases {
        assert_eq!(validate(&batch(*count, ops)), Err(*fault), "{ops:02x?}");
        assert!(!fault.to_string().is_empty());
    }
    assert_eq!(validate(b"short"), Err(BatchFault::NoHeader));
}

#[test]
fn what_kvrocks_never_writes_is_refused() {
    let written = [0x00, 0x01, 0x03, 0x04, 0x05, 0x0e, 0x0f];
    for tag in (0..=255u8).filter(|tag| !written.contains(tag)) {
        assert_eq!(
            validate(&batch(1, &[tag, 1, b'a', 1, b'b'])),
            Err(BatchFault::UnknownTag { tag, offset: 12 })
        );
    }
}

#[test]
fn numbers_beyond_the_last_sequence_are_refused() {
    let mut bytes = batch(1, b"\x00\x01a");
    bytes[..8].copy_from_slice(&Seq::MAX.get().to_le_bytes());
    let fault = BatchFault::SequenceOverflow {
        first: Seq::MAX.get(),
    };
    assert_eq!(validate(&bytes), Err(fault));
    assert!(fault.to_string().contains("out of range"));
    bytes[..8].copy_from_slice(&(Seq::MAX.get() - 1).to_le_bytes());
    assert!(validate(&bytes).is_ok());
    bytes[..8].fill(0xff);
    assert!(validate(&bytes).is_err());
}

#[test]
fn in_a_cluster_keys_carry_their_slot() {
    let check = |ops: &[u8]| {
        ReceivedBatch::validate(Bytes::from(batch(1, ops)), &CLUSTER).map(|batch| batch.count())
    };
    let string = b"\x05\x81\0\0\0\0\0\0\0\0";
    let put = |key: &[u8]| [b"\x05\x01\x04", key, &b"\x09"[..], &string[1..]].concat();
    assert_eq!(check(&put(b"\x00\x1d\xcdk")), Ok(1));
    assert_eq!(
        check(&put(b"\x00abk")),
        Err(BatchFault::BadKey { offset: 12 })
    );
}

#[test]
fn a_batch_above_the_limit_is_refused_unread() {
    let mut rules = BatchRules::new(RULES.codec, 7);
    assert_eq!(rules.bytes_max, RECEIVED_BATCH_BYTES_MAX);
    rules.bytes_max = 14;
    let long = Bytes::from(batch(1, b"\x00\x01a"));
    let fault = BatchFault::TooLong { bytes: 15 };
    assert_eq!(ReceivedBatch::validate(long.clone(), &rules), Err(fault));
    assert_eq!(fault.to_string(), "a batch of 15 bytes is too long");
    rules.bytes_max = 15;
    assert!(ReceivedBatch::validate(long, &rules).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = validate(&bytes);
        let _ = replication_id_of(&bytes);
    }

    /// Operations of plausible shape, so that most of the walk is reached; a valid one is walked to its end.
    #[test]
    fn a_valid_batch_is_walked_to_its_end(
        ops in proptest::collection::vec((0u8..16, 0u8..9, proptest::collection::vec(any::<u8>(), 0..40)), 0..8),
    ) {
        let mut bytes = Vec::new();
        for (tag, family, slice) in &ops {
            bytes.push(*tag);
            if matches!(tag, 4 | 5 | 14) {
                bytes.push(*family);
            }
            for _ in 0..(if matches!(tag, 0 | 3 | 4) { 1 } else { 2 }) {
                bytes.push(slice.len() as u8);
                bytes.extend_from_slice(slice);
            }
        }
        let count = ops.iter().filter(|(tag, ..)| *tag != 3).count();
        if let Ok(batch) = validate(&batch(count as u32, &bytes)) {
            prop_assert_eq!(batch.ops().count(), ops.len());
        }
    }

    #[test]
    fn every_cut_of_a_batch_is_noticed(cut in 0usize..70) {
        let whole = bytes_of(
            "0200000000000000 01000000 030131 05010d0b5f5f6e616d6573706163656b0c810000000000000000626172 \
             031272204142434445464748494a303132333435",
        );
        // Without its closing LogData, and at the header alone with count 1, it is still told from the whole one.
        let cut = cut.min(whole.len() - 1);
        let result = validate(&whole[..cut]);
        prop_assert!(result.is_err() || result.is_ok_and(|batch| batch.replication_id().is_none()));
    }
}
