//! A replica that is killed while it is copied: at its start it has the old data or the new, never both or none, and is copied again by
//! itself.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::common::nodes::{number, offset, promote, start};
use crate::common::proxy::{Proxy, Way};
use crate::common::{DEADLINE, Server, Setup, say, wait_until};
use crate::data::{contents, write_all_types};
use crate::{
    close_off, fetched_tables, fill, follow_through, names, start_small, wait_cleared, wait_same,
};

/// Copies from the primary take seconds until this is undone.
fn slowly(setup: Setup) -> Setup {
    setup.arg("--max-replication-mb", "1")
}

/// Starts it again while its primary is not to be reached: it is a replica still.
fn restart_alone(replica: &mut Server, proxy: &Proxy) {
    close_off(proxy);
    replica.restart();
    assert_eq!(replica.info("role"), "slave");
    assert_eq!(replica.info("master_link_status"), "down");
}

#[test]
fn before_and_between_the_files_the_old_data_stays() {
    let primary = start_small(slowly(Setup::new()));
    let mut replica = start(Setup::new());
    replica.expect_log("copying all data");
    let proxy = Proxy::new();
    write_all_types(&mut primary.connect(), 1, 20);
    fill(&mut primary.connect(), 1, 96);
    write_all_types(&mut replica.connect(), 2, 60);
    let old = contents(&replica);
    close_off(&proxy);
    follow_through(&replica, &proxy);
    type Reached = fn(&Proxy, &Server) -> bool;
    let is_stalled: Reached = |proxy, _| proxy.is_stalled(Way::ToServer);
    let moments: [(&str, Option<&'static str>, Reached); 4] = [
        ("the list is asked for", Some("_fetch_meta"), is_stalled),
        ("the files are asked for", Some("_fetch_file"), is_stalled),
        ("a file is whole", None, |_, replica| {
            fetched_tables(replica) > 0
        }),
        ("some files are whole", None, |_, replica| {
            fetched_tables(replica) > 2
        }),
    ];
    for (moment, trap, is_reached) in moments {
        if let Some(words) = trap {
            proxy.stall_at(Way::ToServer, words);
        }
        proxy.lead_to(primary.port());
        wait_until(moment, || is_reached(&proxy, &replica));
        replica.kill();
        assert!(names(&replica.dir().join("sync_checkpoint")).contains(&".origin".to_owned()));
        restart_alone(&mut replica, &proxy);
        assert!(contents(&replica) == old, "{moment}");
        // A later process does not trust it.
        wait_cleared(&replica);
    }
    primary.connect().ok("CONFIG SET max-replication-mb 0");
    proxy.lead_to(primary.port());
    wait_same(&replica, &primary);
    wait_cleared(&replica);
}

/// The moments are found by looking at the directory, so a round may miss its own and kill at another; what must hold is the same.
#[test]
fn around_the_exchange_the_data_is_the_old_or_the_new() {
    let primary = start(Setup::new());
    let mut replica = start(Setup::new());
    replica.expect_log("copying all data");
    replica.expect_log("the data from before is taken back");
    let proxy = Proxy::new();
    write_all_types(&mut primary.connect(), 1, 12);
    let new = contents(&primary);
    let at = |name: &str| replica.dir().join(name);
    let (db, old_db, copy) = (at("db"), at("db.tmp"), at("sync_checkpoint"));
    let note = at("stillpoint.swap");
    let is_fetched = || copy.join("CURRENT").exists() && !copy.join(".origin").exists();
    let moments: [&dyn Fn() -> bool; 6] = [
        &is_fetched,
        &|| note.exists(),
        &|| !db.exists(),
        &|| old_db.exists(),
        &|| old_db.exists() && db.exists(),
        &|| old_db.exists() && !note.exists(),
    ];
    for (round, moment) in moments.iter().enumerate() {
        promote(&replica);
        replica.connect().ok("FLUSHALL");
        write_all_types(&mut replica.connect(), 100 + round as u64, 12);
        let old = contents(&replica);
        proxy.lead_to(primary.port());
        follow_through(&replica, &proxy);
        wait_until("the copy begins", || copy.exists());
        let is_over = || !copy.exists() && !note.exists() && !old_db.exists();
        let end = Instant::now() + DEADLINE;
        while !moment() && !is_over() {
            assert!(Instant::now() < end, "the copy does not end");
            std::hint::spin_loop();
        }
        replica.kill();
        let left = names(replica.dir());
        restart_alone(&mut replica, &proxy);
        let found = contents(&replica);
        let which = match (found == old, found == new) {
            (true, false) => "old",
            (false, true) => "new",
            _ => panic!("neither the old data nor the new, killed with {left:?}"),
        };
        say(&format!(
            "round {round}: {which} data, killed with {left:?}"
        ));
        // Killed once more, before anybody has asked anything.
        replica.kill();
        restart_alone(&mut replica, &proxy);
        if which == "new" {
            assert!(contents(&replica) == new);
        }
        proxy.lead_to(primary.port());
        wait_same(&replica, &primary);
        wait_cleared(&replica);
    }
}

/// Copies the files of a directory, not what is below.
fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for name in names(from) {
        if from.join(&name).is_file() {
            std::fs::copy(from.join(&name), to.join(&name)).expect("a copy");
        }
    }
}

/// The states that no test can be sure to hit, made by hand.
#[test]
fn each_state_that_a_crash_in_the_exchange_leaves_is_settled() {
    let mut primary = start(Setup::new());
    let mut replica = start(Setup::new());
    replica.expect_log("copying all data");
    replica.expect_log("the data from before is taken back");
    let proxy = Proxy::new();
    write_all_types(&mut primary.connect(), 1, 20);
    let new = contents(&primary);
    // More updates than the primary has: the state file says that so many are synced.
    write_all_types(&mut replica.connect(), 2, 60);
    let old = contents(&replica);
    close_off(&proxy);
    follow_through(&replica, &proxy);
    let synced = offset(&replica);
    // So that the state file says it, and no longer that this node was stopped in order.
    assert!(replica.stop().success());
    replica.restart();
    replica.kill();
    assert!(primary.stop().success());
    let kept = tempfile::tempdir().expect("a directory");
    let (kept_state, kept_old, kept_new) = (
        kept.path().join("state"),
        kept.path().join("old"),
        kept.path().join("new"),
    );
    copy_files(replica.dir(), &kept_state);
    copy_files(&replica.dir().join("db"), &kept_old);
    copy_files(&primary.dir().join("db"), &kept_new);
    primary.restart();
    // Where the old and the new data are, whether the note is there, and what the start must find.
    let states: [(Option<&str>, Option<&str>, bool, bool); 5] = [
        (Some("db"), Some("sync_checkpoint"), false, false),
        (Some("db"), Some("sync_checkpoint"), true, false),
        (Some("db.tmp"), Some("sync_checkpoint"), true, false),
        (Some("db.tmp"), Some("db"), true, true),
        (Some("db.tmp"), None, true, false),
    ];
    for (old_at, new_at, has_note, is_new) in states {
        replica.kill();
        for name in ["db", "db.tmp", "sync_checkpoint"] {
            let _ = std::fs::remove_dir_all(replica.dir().join(name));
        }
        for name in names(&kept_state) {
            let is_state = name.starts_with("stillpoint.");
            if is_state {
                let to: PathBuf = replica.dir().join(&name);
                std::fs::copy(kept_state.join(&name), to).expect("a copy");
            }
        }
        for (kept, at) in [(&kept_old, old_at), (&kept_new, new_at)] {
            if let Some(at) = at {
                copy_files(kept, &replica.dir().join(at));
            }
        }
        if has_note {
            let text = format!("stillpoint-swap 1\nsynced-before {synced}\n");
            std::fs::write(replica.dir().join("stillpoint.swap"), text).expect("the note");
        }
        let state = format!("old at {old_at:?}, new at {new_at:?}, note: {has_note}");
        let expected = if is_new { &new } else { &old };
        restart_alone(&mut replica, &proxy);
        assert!(contents(&replica) == *expected, "{state}");
        wait_cleared(&replica);
        restart_alone(&mut replica, &proxy);
        assert!(contents(&replica) == *expected, "{state}, once more");
        let copies = number(&primary, "sync_full");
        proxy.lead_to(primary.port());
        wait_same(&replica, &primary);
        let made = number(&primary, "sync_full") - copies;
        assert_eq!(made, u64::from(!is_new), "{state}");
        wait_cleared(&replica);
        close_off(&proxy);
    }
}
