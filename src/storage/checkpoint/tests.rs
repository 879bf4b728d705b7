//! The rule in time, and checkpoints of a real database.

use std::collections::BTreeMap;

use super::super::cf::Cf;
use super::super::options::OpenOptions;
use super::super::rocks::WriteMode;
use super::super::wal::testing::batch;
use super::*;

const TTL_MS: u64 = 3 * 3600 * 1000;

fn request(state: &mut CheckpointState, now: u64) -> Decision {
    state.request(MonoMs(now), Some(Seq::new(5)), Seq::new(90), TTL_MS)
}

#[test]
fn one_is_made_for_the_first_and_shared_with_those_who_come_meanwhile() {
    let mut state = CheckpointState::at_start();
    assert!(!state.is_served());
    assert_eq!(
        request(&mut state, 999),
        Decision::Wait,
        "for the leftovers to go"
    );
    state.removed();
    assert_eq!(request(&mut state, 1000), Decision::Create);
    assert_eq!(request(&mut state, 1001), Decision::Wait);
    state.created(MonoMs(2000), Seq::new(50));
    assert!(state.is_served());
    assert_eq!(request(&mut state, 3000), Decision::Serve);
    assert_eq!(request(&mut state, 2000 + REUSE_MS_MAX), Decision::Serve);
    assert_eq!(
        request(&mut state, 2001 + REUSE_MS_MAX),
        Decision::Create,
        "nobody fetches the old one"
    );
    state.failed();
    assert!(!state.is_served());
    assert_eq!(request(&mut state, 4_000_000), Decision::Create);
}

#[test]
fn how_long_one_is_shared_follows_how_long_the_log_is_kept() {
    for (ttl_ms, reuse_ms) in [
        (0, REUSE_MS_MIN),
        (1_300_000, 650_000),
        (TTL_MS, REUSE_MS_MAX),
    ] {
        let mut state = CheckpointState::default();
        let mut ask = |now| state.request(MonoMs(now), Some(Seq::new(1)), Seq::new(9), ttl_ms);
        assert_eq!(ask(0), Decision::Create);
        state.created(MonoMs(0), Seq::new(9));
        let mut ask = |now| state.request(MonoMs(now), Some(Seq::new(1)), Seq::new(9), ttl_ms);
        assert_eq!(ask(reuse_ms), Decision::Serve);
        assert_eq!(ask(reuse_ms + 1), Decision::Create);
    }
}

#[test]
fn one_that_the_log_does_not_continue_is_not_given_away() {
    let mut state = CheckpointState::default();
    request(&mut state, 0);
    state.created(MonoMs(0), Seq::new(50));
    let mut ask = |oldest: Option<u64>, last| {
        state.request(MonoMs(1), oldest.map(Seq::new), Seq::new(last), TTL_MS)
    };
    assert_eq!(ask(Some(51), 90), Decision::Serve);
    assert_eq!(ask(None, 50), Decision::Serve, "nothing came after it");
    state.sender_began();
    let mut ask = |oldest: Option<u64>, last| {
        state.request(MonoMs(1), oldest.map(Seq::new), Seq::new(last), TTL_MS)
    };
    assert_eq!(ask(Some(52), 90), Decision::TooOld);
    assert_eq!(ask(None, 51), Decision::TooOld);
    state.sender_ended(MonoMs(2));
    assert_eq!(
        state.request(MonoMs(3), None, Seq::new(51), TTL_MS),
        Decision::Create
    );
}

#[test]
fn one_goes_when_idle_or_a_day_old() {
    let mut state = CheckpointState::default();
    assert!(!state.remove_now(MonoMs(1 << 40)));
    request(&mut state, 0);
    assert!(!state.remove_now(MonoMs(1 << 40)), "it is being made");
    state.created(MonoMs(0), Seq::new(50));
    assert!(!state.remove_now(MonoMs(IDLE_MS_MAX)));
    state.sender_began();
    assert!(!state.remove_now(MonoMs(AGE_MS_MAX)));
    state.sender_ended(MonoMs(1_000_000));
    assert!(!state.remove_now(MonoMs(1_000_000 + IDLE_MS_MAX)));
    assert!(state.remove_now(MonoMs(1_000_001 + IDLE_MS_MAX)));
    assert!(!state.remove_now(MonoMs(1 << 40)), "it is being removed");
    assert_eq!(request(&mut state, 2_000_000), Decision::Wait);
    state.removed();
    assert_eq!(request(&mut state, 2_000_000), Decision::Create);
    state.created(MonoMs(2_000_000), Seq::new(60));
    state.sender_began();
    assert!(state.remove_now(MonoMs(2_000_001 + AGE_MS_MAX)));
}

fn write(rocks: &Rocks, key: u8) {
    let mut bytes = batch(0, 1, 12);
    bytes.extend_from_slice(&[5, Cf::Metadata.id() as u8, 2, b'k', key, 1, b'v']);
    rocks.write(&bytes, WriteMode::default()).unwrap();
}

/// The names and contents of a checkpoint.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    list(dir)
        .unwrap()
        .into_iter()
        .map(|file| {
            let bytes = fs::read(served_dir(dir).join(&file.name)).unwrap();
            assert_eq!(bytes.len() as u64, file.bytes);
            (file.name, bytes)
        })
        .collect()
}

#[test]
fn no_name_stands_for_two_contents_and_each_checkpoint_opens() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = Rocks::open(&OpenOptions::new(dir.path())).unwrap();
    let mut maker = CheckpointMaker::default();
    let mut seen: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for round in 0..4u8 {
        for key in 0..20 {
            write(&rocks, round * 20 + key);
        }
        assert_eq!(maker.create(&rocks).unwrap(), rocks.last_seq());
        let files = contents(dir.path());
        assert!(files.contains_key("CURRENT"));
        for (name, bytes) in &files {
            if name != "CURRENT"
                && let Some(earlier) = seen.insert(name.clone(), bytes.clone())
            {
                assert!(&earlier == bytes, "{name} in round {round}");
            }
        }
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join("db")).unwrap();
        for (name, bytes) in &files {
            fs::write(copy.path().join("db").join(name), bytes).unwrap();
        }
        let last_seq = rocks.last_seq();
        for more in 0..3 {
            let opened = Rocks::open(&OpenOptions::new(copy.path())).unwrap();
            assert_eq!(opened.last_seq().get(), last_seq.get() + more);
            write(&opened, 255);
        }
    }
}

#[test]
fn what_a_crash_left_is_cleared_away_and_directories_are_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = Rocks::open(&OpenOptions::new(dir.path())).unwrap();
    write(&rocks, 1);
    for name in LEFTOVERS.iter().chain([&SERVED]) {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("000099.sst"), b"half").unwrap();
    }
    CheckpointMaker::default().create(&rocks).unwrap();
    let served = served_dir(dir.path());
    assert!(!served.join("000099.sst").exists());
    for name in LEFTOVERS {
        assert!(!dir.path().join(name).exists(), "{name}");
    }
    fs::create_dir(served.join("folder")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", served.join("link")).unwrap();
    let names: Vec<String> = contents(dir.path()).into_keys().collect();
    assert!(names.iter().all(|name| name != "folder" && name != "link"));
    assert!(names.iter().any(|name| name.starts_with("MANIFEST-")));
    remove(dir.path()).unwrap();
    assert!(!served.exists());
    remove(dir.path()).unwrap();
}

#[test]
fn a_checkpoint_from_before_a_break_in_the_log_is_not_given_out_again() {
    let mut state = CheckpointState::default();
    let request =
        |state: &mut CheckpointState| state.request(MonoMs(0), Some(Seq::new(1)), Seq::new(200), 0);
    assert_eq!(request(&mut state), Decision::Create);
    state.created(MonoMs(0), Seq::new(100));
    state.log_broken_at(Seq::new(100));
    assert_eq!(request(&mut state), Decision::Serve);
    state.log_broken_at(Seq::new(101));
    assert_eq!(request(&mut state), Decision::Create);
}
