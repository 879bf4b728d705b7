//! What is validated here is taken by RocksDB, and the write after it too.

use super::*;
use crate::storage::options::OpenOptions;
use crate::storage::rocks::{Rocks, WriteMode};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

const CODEC: KeyCodec = KeyCodec {
    slot_encoded: false,
};

/// A batch of one Delete: the next write.
const NEXT: &[u8] = b"\0\0\0\0\0\0\0\0\x01\0\0\0\x00\x01a";

fn database() -> (tempfile::TempDir, Rocks) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let rocks = Rocks::open(&OpenOptions::new(dir.path())).expect("an empty database");
    (dir, rocks)
}

/// A range that ends before it begins is why ranges are looked at: RocksDB takes it into the log, fails, and then refuses
/// everything.
#[test]
fn a_reversed_range_would_end_all_writing() {
    let (_dir, rocks) = database();
    let reversed = b"\0\0\0\0\0\0\0\0\x01\0\0\0\x0f\x01b\x01a";
    let rules = BatchRules::new(CODEC, 7);
    let fault = ReceivedBatch::validate(Bytes::from_static(reversed), &rules);
    assert_eq!(fault, Err(BatchFault::ReversedRange { offset: 12 }));
    assert!(rocks.write(NEXT, WriteMode::default()).is_ok());
    assert!(rocks.write(reversed, WriteMode::default()).is_err());
    assert!(rocks.write(NEXT, WriteMode::default()).is_err());
}

type RawOp = (u8, u8, Vec<u8>, Vec<u8>);

/// Operations of the right shape, mostly; some have a tag, a family or a length that is wrong.
fn raw_ops() -> impl Strategy<Value = Vec<RawOp>> {
    let tag = prop_oneof![
        8 => proptest::sample::select(vec![0u8, 1, 3, 4, 5, 14, 15]),
        1 => any::<u8>(),
    ];
    let key = proptest::collection::vec(0u8..4, 0..5);
    let value = proptest::collection::vec(any::<u8>(), 0..30);
    proptest::collection::vec((tag, 0u8..8, key, value), 0..6)
}

fn encode(ops: &[RawOp]) -> Vec<u8> {
    let mut bytes = vec![0; 12];
    let mut count = 0u32;
    let push = |slice: &[u8], bytes: &mut Vec<u8>| {
        bytes.push(slice.len() as u8);
        bytes.extend_from_slice(slice);
    };
    for (tag, family, key, value) in ops {
        count += u32::from(*tag != tag::LOG_DATA);
        bytes.push(*tag);
        if matches!(
            *tag,
            tag::PUT_TAGGED | tag::DELETE_TAGGED | tag::DELETE_RANGE_TAGGED
        ) {
            bytes.push(*family);
        }
        push(key, &mut bytes);
        if !matches!(*tag, tag::DELETE | tag::DELETE_TAGGED | tag::LOG_DATA) {
            push(value, &mut bytes);
        }
    }
    bytes[8..12].copy_from_slice(&count.to_le_bytes());
    bytes
}

#[test]
fn whatever_is_taken_here_rocksdb_takes() {
    let (_dir, rocks) = database();
    let rules = BatchRules::new(CODEC, 7);
    let taken = std::cell::Cell::new(0);
    let config = ProptestConfig::with_cases(2000);
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    runner
        .run(&raw_ops(), |ops| {
            if let Ok(batch) = ReceivedBatch::validate(Bytes::from(encode(&ops)), &rules) {
                let before = rocks.last_seq();
                prop_assert!(rocks.write(batch.bytes(), WriteMode::default()).is_ok());
                prop_assert_eq!(rocks.last_seq(), before.after_batch(batch.count()));
                taken.set(taken.get() + 1);
            }
            prop_assert!(rocks.write(NEXT, WriteMode::default()).is_ok());
            Ok(())
        })
        .expect("every batch that is taken here");
    assert!(taken.get() > 200, "only {} were valid", taken.get());
}
