//! Random elements: that all are met, about evenly, whatever they are made of.

use super::spread::Spread;
use crate::command::testing::Bench;

/// How often each tenth of the elements, in their order, is drawn from a set of 4,000.
fn drawn_by_tenths(name: fn(u32) -> Vec<u8>, command: &str, rounds: usize) -> [usize; 10] {
    let mut bench = Bench::new();
    let mut members: Vec<Vec<u8>> = (0..4000).map(name).collect();
    for some in members.chunks(500) {
        let mut parts = vec![&b"sadd"[..], b"s"];
        parts.extend(some.iter().map(Vec::as_slice));
        bench.run_parts(&parts);
    }
    members.sort_unstable();
    let mut tenths = [0; 10];
    for _ in 0..rounds {
        let parts: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        let reply = bench.run_parts(&parts);
        // Members hold no line end: they stand between them, each behind its length.
        for drawn in reply.split(|&byte| byte == b'\n') {
            let drawn = drawn.strip_suffix(b"\r").unwrap_or(drawn);
            if let Ok(place) = members.binary_search_by(|member| member.as_slice().cmp(drawn)) {
                tenths[place / 400] += 1;
            }
        }
    }
    tenths
}

/// A number that looks random, different for each `number` below 2^31.
fn scattered(number: u32) -> u64 {
    u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn padded(number: u32) -> Vec<u8> {
    format!("element:{:012}", u64::from(number) * 250).into_bytes()
}

fn plain(number: u32) -> Vec<u8> {
    format!("user:{number}").into_bytes()
}

fn hash(number: u32) -> Vec<u8> {
    format!("{:016x}", scattered(number)).into_bytes()
}

fn binary(number: u32) -> Vec<u8> {
    let bytes = scattered(number).to_be_bytes();
    // Without line ends, which the test splits replies at.
    bytes
        .map(|byte| {
            if byte == b'\n' || byte == b'\r' {
                0
            } else {
                byte
            }
        })
        .to_vec()
}

fn word(number: u32) -> Vec<u8> {
    let mut rest = scattered(number);
    (0..8)
        .map(|_| {
            let letter = b'a' + (rest % 26) as u8;
            rest /= 26;
            letter
        })
        .collect()
}

#[test]
fn single_draws_are_about_even() {
    for name in [padded, plain, hash, binary, word] {
        let tenths = drawn_by_tenths(name, "srandmember s", 2000);
        assert_eq!(tenths.iter().sum::<usize>(), 2000);
        let example = String::from_utf8_lossy(&name(7)).into_owned();
        // 200 each if they were quite even. Numbers without leading zeros are the uneven ones: 4 to 999 are few among
        // what lies between 4 and 9 in byte order.
        assert!(
            tenths.iter().all(|drawn| (100..500).contains(drawn)),
            "{example}: {tenths:?}"
        );
    }
}

#[test]
fn several_draws_are_about_even() {
    // By seeking: few of many. By walking: many of them.
    for command in ["srandmember s 100", "srandmember s -100"] {
        let tenths = drawn_by_tenths(padded, command, 20);
        assert_eq!(tenths.iter().sum::<usize>(), 2000);
        assert!(
            tenths.iter().all(|drawn| (80..400).contains(drawn)),
            "{tenths:?}"
        );
    }
    for command in ["srandmember s 1000", "srandmember s -1000"] {
        let tenths = drawn_by_tenths(padded, command, 2);
        assert_eq!(tenths.iter().sum::<usize>(), 2000);
        assert!(
            tenths.iter().all(|drawn| (150..250).contains(drawn)),
            "{tenths:?}"
        );
    }
}

#[test]
fn a_survey_finds_what_elements_are_made_of() {
    let spread = |ends: &[&str]| {
        let ends: Vec<Box<[u8]>> = ends.iter().map(|end| end.as_bytes().into()).collect();
        let spread = Spread::of(&ends);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (
            text(spread.common),
            text(spread.first_bytes),
            text(spread.alphabet),
        )
    };
    let strings = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        spread(&["id:003", "id:041", "id:077"]),
        strings("id:0", "01234567", "0123456789")
    );
    assert_eq!(
        spread(&["00a-1", "0ff-2"]),
        strings("0", "0123456789abcdef", "-0123456789abcdef")
    );
    assert_eq!(spread(&["a", "aX"]).0, "a");
    assert_eq!(spread(&[]).0, "");
    let binary: Vec<Box<[u8]>> = vec![[0u8, 7].into(), [200u8, 1].into()];
    assert_eq!(Spread::of(&binary).alphabet.len(), 256);
    assert_eq!(Spread::of(&binary).first_bytes.len(), 201);
}

#[test]
fn small_sets_are_drawn_from_evenly() {
    let mut bench = Bench::new();
    let members: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    bench.run(&format!("sadd s {}", members.join(" ")));
    for command in ["srandmember s", "srandmember s 3", "srandmember s -3"] {
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..1000 {
            let reply = bench.run(command);
            for member in reply.split(' ').filter(|word| word.starts_with('m')) {
                *counts.entry(member.to_owned()).or_insert(0u32) += 1;
            }
        }
        let total: u32 = counts.values().sum();
        assert_eq!(counts.len(), 20);
        // Chi squared with 19 degrees of freedom stays below 43.8 in 999 of 1000 runs; the seeds are fixed.
        let expected = f64::from(total) / 20.0;
        let chi_squared: f64 = counts
            .values()
            .map(|&count| (f64::from(count) - expected).powi(2) / expected)
            .sum();
        assert!(chi_squared < 43.8, "{command}: {chi_squared} {counts:?}");
    }
}
