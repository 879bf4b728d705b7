//! A crash after each step, in the middle of what is not one system call, and at each moment after.

use std::time::Duration;

use super::super::cf::Cf;
use super::super::rocks::WriteMode;
use super::super::wal::testing::batch;
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn write(rocks: &Rocks, key: &[u8]) {
    let mut bytes = batch(0, 1, 12);
    bytes.extend_from_slice(&[5, Cf::Metadata.id() as u8, key.len() as u8]);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(b"\x01v");
    rocks.write(&bytes, WriteMode::default()).unwrap();
}

fn has(rocks: &Rocks, key: &[u8]) -> bool {
    rocks.get(Cf::Metadata, key).unwrap().is_some()
}

/// A data directory with old data up to 10, all of it synced, and a copy beside it that ends at 4.
struct Node {
    dir: tempfile::TempDir,
}

impl Node {
    fn new() -> Node {
        let dir = tempfile::tempdir().unwrap();
        let primary = tempfile::tempdir().unwrap();
        {
            let rocks = Rocks::open(&OpenOptions::new(primary.path())).unwrap();
            (0..4u8).for_each(|key| write(&rocks, &[b'n', key]));
        }
        let node = Node { dir };
        {
            let rocks = node.open();
            (0..10u8).for_each(|key| write(&rocks, &[b'o', key]));
        }
        fs::rename(primary.path().join("db"), copy_dir(node.path())).unwrap();
        node
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn options(&self) -> OpenOptions {
        OpenOptions::new(self.path())
    }

    fn open(&self) -> Rocks {
        Rocks::open(&self.options()).unwrap()
    }

    /// A start whose state file still says that the old data was synced to its end.
    fn start(&self) -> Rocks {
        Rocks::open(&OpenOptions {
            last_synced_seq: Some(Seq::new(10)),
            ..self.options()
        })
        .unwrap()
    }

    fn damage_copy(&self, at: &Path) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("MANIFEST-") {
                let mut bytes = fs::read(&path).unwrap();
                bytes[20] ^= 1;
                fs::write(path, bytes).unwrap();
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

const OLD_KEY: &[u8] = b"o\x09";
const NEW_KEY: &[u8] = b"n\x03";

#[test]
fn a_crash_after_any_step_leaves_one_of_both_and_the_start_knows_which() {
    for steps in 0..=STEPS.len() {
        let node = Node::new();
        for step in &STEPS[..steps] {
            run_step(node.path(), Some(Seq::new(10)), *step).unwrap();
        }
        // Killed here; and once more right after the start.
        for _ in 0..2 {
            let rocks = node.start();
            let replaced = steps == STEPS.len();
            assert_eq!(rocks.is_replaced(), replaced, "after {steps} steps");
            assert_eq!(has(&rocks, NEW_KEY), replaced, "after {steps} steps");
            assert_eq!(has(&rocks, OLD_KEY), !replaced, "after {steps} steps");
            assert_eq!(rocks.last_seq().get(), if replaced { 4 } else { 10 });
        }
        finish(node.path()).unwrap();
        let rocks = node.open();
        assert_eq!(rocks.last_seq().get(), if steps == 5 { 4 } else { 10 });
        assert!(!rocks.is_replaced());
        let kept = if steps == 5 {
            vec!["db"]
        } else {
            vec!["db", "sync_checkpoint"]
        };
        assert_eq!(node.names(), kept, "after {steps} steps");
    }
}

#[test]
fn a_copy_that_does_not_open_after_the_crash_gives_way_to_the_old_data() {
    let node = Node::new();
    replace(node.path(), Some(Seq::new(10))).unwrap();
    node.damage_copy(&db_dir(node.path()));
    let rocks = node.start();
    assert!(has(&rocks, OLD_KEY) && rocks.is_replaced());
    drop(rocks);
    assert_eq!(node.names(), ["db"]);
    assert!(!node.start().is_replaced());
}

#[test]
fn a_crash_while_the_old_data_is_taken_back_or_removed_does_no_harm() {
    // Between the two renames of taking back, and behind them.
    for both in [false, true] {
        let node = Node::new();
        replace(node.path(), None).unwrap();
        fs::rename(db_dir(node.path()), node.path().join(FAILED)).unwrap();
        if both {
            fs::rename(node.path().join(OLD), db_dir(node.path())).unwrap();
        }
        assert!(has(&node.start(), OLD_KEY));
        finish(node.path()).unwrap();
        assert_eq!(node.names(), ["db"]);
    }
    // The note is gone, half of the old data too.
    let node = Node::new();
    replace(node.path(), None).unwrap();
    remove_note(node.path()).unwrap();
    fs::remove_file(node.path().join(OLD).join("CURRENT")).unwrap();
    let rocks = node.open();
    assert!(has(&rocks, NEW_KEY) && !rocks.is_replaced());
    finish(node.path()).unwrap();
    assert_eq!(node.names(), ["db"]);
}

#[test]
fn leftovers_do_not_stand_in_the_way_of_the_next_copy() {
    let node = Node::new();
    for name in [OLD, FAILED, "checkpoint"] {
        fs::create_dir(node.path().join(name)).unwrap();
        fs::write(node.path().join(name).join("CURRENT"), b"rubbish").unwrap();
    }
    fs::write(node.path().join(NOTE_TEMPORARY), b"half").unwrap();
    let closed = node.open().close(PATIENCE).ok().unwrap();
    let Exchanged::New(rocks) = exchange(closed, None) else {
        panic!("not replaced")
    };
    assert!(has(&rocks, NEW_KEY));
    finish(node.path()).unwrap();
    assert_eq!(node.names(), ["db"]);
}

#[test]
fn a_directory_that_kvrocks_left_in_the_middle_is_taken_back() {
    let node = Node::new();
    fs::rename(db_dir(node.path()), node.path().join(OLD)).unwrap();
    assert!(has(&node.start(), OLD_KEY));
    assert_eq!(node.names(), ["db", "sync_checkpoint"]);
}

#[test]
fn an_exchange_opens_the_copy_under_the_same_lock() {
    let node = Node::new();
    check_copy(&node.options()).unwrap();
    let closed = node.open().close(PATIENCE).ok().unwrap();
    assert!(matches!(
        Rocks::open(&node.options()),
        Err(OpenError::Locked { .. })
    ));
    let Exchanged::New(rocks) = exchange(closed, Some(Seq::new(10))) else {
        panic!("not replaced")
    };
    assert_eq!(rocks.last_seq(), Seq::new(4));
    assert!(matches!(
        Rocks::open(&node.options()),
        Err(OpenError::Locked { .. })
    ));
    assert!(node.path().join(OLD).exists(), "kept until the end");
    write(&rocks, b"later");
    finish(node.path()).unwrap();
    drop(rocks);
    assert!(has(&node.open(), b"later"));
}

#[test]
fn an_exchange_that_fails_opens_the_old_data() {
    let node = Node::new();
    node.damage_copy(&copy_dir(node.path()));
    let error = check_copy(&node.options()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let closed = node.open().close(PATIENCE).ok().unwrap();
    let Exchanged::Old { rocks, why } = exchange(closed, Some(Seq::new(10))) else {
        panic!("replaced")
    };
    assert!(why.contains("the copy does not open"), "{why}");
    assert!(has(&rocks, OLD_KEY));
    assert_eq!(node.names(), ["db"]);
    // No copy at all.
    let closed = rocks.close(PATIENCE).ok().unwrap();
    let Exchanged::Old { rocks, why } = exchange(closed, Some(Seq::new(10))) else {
        panic!("replaced")
    };
    assert!(why.contains("cannot be put in place"), "{why}");
    assert!(has(&rocks, OLD_KEY));
    fs::create_dir(copy_dir(node.path())).unwrap();
    assert!(check_copy(&node.options()).is_err());
}

#[test]
fn a_database_in_use_is_not_closed() {
    let node = Node::new();
    let rocks = node.open();
    let reader = rocks.clone();
    let Err(rocks) = rocks.close(Duration::ZERO) else {
        panic!("closed")
    };
    assert!(has(&rocks, OLD_KEY) && has(&reader, OLD_KEY));
}

#[test]
fn a_note_that_is_not_ours_stops_the_start() {
    let node = Node::new();
    replace(node.path(), None).unwrap();
    fs::write(node.path().join(NOTE), b"?").unwrap();
    let Err(error) = Rocks::open(&node.options()) else {
        panic!("opened")
    };
    assert!(
        error.to_string().contains("stillpoint.swap is damaged"),
        "{error}"
    );
}

/// A checkpoint of twenty tables, the names and sizes of which depend on nothing but their number; the keys begin with `letter`.
fn checkpoint_of_tables(letter: u8) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = OpenOptions::new(dir.path());
    options.rocksdb.disable_auto_compactions = true;
    let rocks = Rocks::open(&options).unwrap();
    let checkpoint = dir.path().join("made");
    for key in 0..20u8 {
        write(&rocks, &[letter, key]);
        // Writes the memtable out.
        remove_dir(&checkpoint).unwrap();
        rocks.create_checkpoint(&checkpoint).unwrap();
    }
    (dir, checkpoint)
}

#[test]
fn a_table_of_another_database_is_noticed_wherever_it_stands() {
    let (_mine, mine) = checkpoint_of_tables(b'm');
    let (_other, other) = checkpoint_of_tables(b'o');
    let dir = tempfile::tempdir().unwrap();
    let copy = copy_dir(dir.path());
    let options = OpenOptions::new(dir.path());
    fs::rename(&mine, &copy).unwrap();
    check_tables(&options).unwrap();
    let is_table = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "sst");
    let tables: Vec<PathBuf> = fs::read_dir(&copy)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(is_table)
        .collect();
    assert_eq!(tables.len(), 20);
    for table in tables {
        let (right, wrong) = (
            fs::read(&table).unwrap(),
            other.join(table.file_name().unwrap()),
        );
        let wrong = fs::read(wrong).unwrap();
        assert_eq!(right.len(), wrong.len());
        fs::write(&table, wrong).unwrap();
        let error = check_tables(&options).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        fs::write(&table, right).unwrap();
    }
    check_tables(&options).unwrap();
}
