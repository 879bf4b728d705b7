//! Logs that are whole, cut off, flipped, recycled and compressed.

use super::testing::{append, append_fragment, batch};
use super::*;
use std::io::Cursor;

/// Every step of a log, the last one included.
fn steps(log: &[u8]) -> Vec<Step> {
    let mut reader = LogReader::new(log, 9);
    let mut steps = Vec::new();
    loop {
        let step = reader.step(|_| {}).unwrap();
        let is_record = matches!(step, Step::Record(_));
        steps.push(step);
        if !is_record {
            return steps;
        }
    }
}

fn record(offset: u64, bytes: u64, seq: u64, count: u32) -> Step {
    Step::Record(RecordHead {
        offset,
        bytes,
        batch: Some((Seq::new(seq), count)),
    })
}

#[test]
fn records_of_all_sizes_are_read_back() {
    let mut log = Vec::new();
    let mut expected = Vec::new();
    // Sizes around a block's end, so that headers and payloads meet it in every way.
    for (index, bytes) in [
        12,
        13,
        BLOCK_BYTES - 60,
        12,
        20,
        3 * BLOCK_BYTES,
        BLOCK_BYTES - 7,
        12,
    ]
    .iter()
    .enumerate()
    {
        let start = log.len();
        let padding = BLOCK_BYTES - start % BLOCK_BYTES;
        let start = if padding < HEADER_BYTES {
            start + padding
        } else {
            start
        };
        append(&mut log, &batch(index as u64 + 1, 1, *bytes));
        expected.push(record(start as u64, *bytes as u64, index as u64 + 1, 1));
    }
    expected.push(Step::End);
    assert_eq!(steps(&log), expected);
}

#[test]
fn payloads_are_handed_over_whole() {
    let payload: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
    let mut log = Vec::new();
    append(&mut log, &payload);
    let mut read = Vec::new();
    let mut reader = LogReader::new(&log[..], 9);
    assert!(matches!(
        reader.step(|piece| read.extend_from_slice(piece)),
        Ok(Step::Record(_))
    ));
    assert_eq!(read, payload);
}

#[test]
fn an_empty_log_just_ends() {
    assert_eq!(steps(b""), [Step::End]);
}

#[test]
fn wherever_a_log_is_cut_its_whole_records_are_read_and_nothing_is_found_behind() {
    let mut log = Vec::new();
    append(&mut log, &batch(1, 2, 30));
    let first_end = log.len();
    append(&mut log, &batch(3, 1, 2 * BLOCK_BYTES));
    let whole = log.len();
    for cut in (0..first_end + 40)
        .chain((first_end + 40..whole).step_by(997))
        .chain(whole - 40..whole)
    {
        let read = steps(&log[..cut]);
        let records = usize::from(cut >= first_end);
        assert_eq!(read.len(), records + 1, "cut at {cut}");
        match &read[records] {
            Step::End => assert!(cut == 0 || cut == first_end),
            Step::Broken {
                offset,
                record_offset,
                ..
            } => {
                assert_eq!(
                    *record_offset,
                    if cut < first_end { 0 } else { first_end as u64 }
                );
                let behind = whole_fragment_behind(Cursor::new(&log[..cut]), *offset, 9).unwrap();
                assert_eq!(behind, None, "cut at {cut}");
            }
            Step::Record(_) => panic!("a cut record was read at {cut}"),
        }
    }
}

#[test]
fn wherever_a_bit_flips_the_record_is_broken_and_the_next_one_is_found_behind() {
    let mut log = Vec::new();
    append(&mut log, &batch(1, 1, 40));
    let first_end = log.len() as u64;
    append(&mut log, &batch(2, 1, 40));
    for index in 0..first_end as usize {
        for bit in 0..8 {
            let mut flipped = log.clone();
            flipped[index] ^= 1 << bit;
            let read = steps(&flipped);
            let [Step::Broken { offset, .. }] = read[..] else {
                panic!("byte {index} bit {bit}: {read:?}")
            };
            let behind = whole_fragment_behind(Cursor::new(&flipped), offset, 9).unwrap();
            assert_eq!(behind, Some(first_end), "byte {index} bit {bit}");
        }
    }
}

#[test]
fn zeros_are_broken() {
    let mut log = Vec::new();
    append(&mut log, &batch(1, 1, 40));
    let end = log.len();
    log.resize(end + 100, 0);
    let read = steps(&log);
    assert!(
        matches!(read[1], Step::Broken { offset, .. } if offset == end as u64),
        "{read:?}"
    );
}

#[test]
fn fragments_out_of_order_are_broken() {
    let mut log = Vec::new();
    append_fragment(&mut log, 3, b"middle");
    assert!(matches!(
        steps(&log)[..],
        [Step::Broken {
            record_offset: 0,
            offset: 0,
            ..
        }]
    ));
    let mut log = Vec::new();
    append_fragment(&mut log, 2, b"first of one");
    append_fragment(&mut log, 1, &batch(1, 1, 12));
    assert!(matches!(
        steps(&log)[..],
        [Step::Broken {
            record_offset: 0,
            offset: 19,
            ..
        }]
    ));
}

#[test]
fn an_empty_first_fragment_is_ignored() {
    let mut log = Vec::new();
    append_fragment(&mut log, 2, b"");
    append(&mut log, &batch(1, 1, 12));
    assert_eq!(steps(&log), [record(7, 12, 1, 1), Step::End]);
}

#[test]
fn records_that_carry_no_data_are_stepped_over_and_unknown_ones_are_broken() {
    let mut log = Vec::new();
    append_fragment(&mut log, 10, b"timestamp sizes");
    append_fragment(&mut log, 130, b"the log before");
    append_fragment(&mut log, 200, b"of the future");
    let start = log.len() as u64;
    append(&mut log, &batch(1, 1, 12));
    assert_eq!(steps(&log), [record(start, 12, 1, 1), Step::End]);
    append_fragment(&mut log, 12, b"of the future, and not to be ignored");
    assert!(matches!(
        steps(&log)[..],
        [Step::Record(_), Step::Broken { .. }]
    ));
}

#[test]
fn compressed_records_have_no_numbers() {
    let mut log = Vec::new();
    append_fragment(&mut log, 9, &7u32.to_le_bytes());
    append(&mut log, b"zstd bytes");
    assert!(matches!(
        steps(&log)[..],
        [
            Step::Record(RecordHead {
                bytes: 10,
                batch: None,
                ..
            }),
            Step::End
        ]
    ));
}

#[test]
fn a_recycled_log_ends_where_the_earlier_one_shows() {
    let fragment = |number: u32, seq: u64| {
        let mut body = vec![5u8];
        body.extend_from_slice(&number.to_le_bytes());
        body.extend_from_slice(&batch(seq, 1, 12));
        let mut bytes = crc32c::mask(crc32c::crc32c(&body)).to_le_bytes().to_vec();
        bytes.extend_from_slice(&12u16.to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    };
    let log = [fragment(9, 50), fragment(8, 3)].concat();
    let read = steps(&log);
    assert_eq!(read[0], record(0, 12, 50, 1));
    let Step::Broken { offset: 23, .. } = read[1] else {
        panic!("{read:?}")
    };
    assert_eq!(
        whole_fragment_behind(Cursor::new(&log), 23, 9).unwrap(),
        None
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(log in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = steps(&log);
        let _ = whole_fragment_behind(Cursor::new(&log), 0, 9);
    }
}
