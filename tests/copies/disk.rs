//! A replica whose disk has no room for a copy.

use crate::common::nodes::{number, promote, still_serves, wait_problem};
use crate::common::proxy::Proxy;
use crate::common::small_disk::SmallDisk;
use crate::common::{Setup, wait_until};
use crate::data::{contents, write_all_types};
use crate::{fill, follow_through, names, start_small, wait_cleared, wait_same};

#[test]
fn without_room_the_old_data_is_served_and_with_room_the_copy_is_made() {
    let test = "without_room_the_old_data_is_served_and_with_room_the_copy_is_made";
    let Some(disk) = SmallDisk::new(test, 200, 150) else {
        return;
    };
    let logs = tempfile::tempdir().expect("a temporary directory");
    let log = logs.path().join("log");
    let primary = start_small(Setup::new());
    write_all_types(&mut primary.connect(), 1, 20);
    fill(&mut primary.connect(), 1, 700);
    let setup = Setup::new().arg("--disk-reserve", "16mb");
    let mut replica = disk.start(setup, &log);
    replica.keep_port();
    for words in ["copying all data", "the link to"] {
        replica.expect_log(words);
    }
    write_all_types(&mut replica.connect(), 2, 60);
    let old = contents(&replica);
    let proxy = Proxy::new();
    proxy.lead_to(primary.port());
    for is_promoted in [true, false] {
        follow_through(&replica, &proxy);
        wait_problem(
            &replica,
            "the full copy failed: the disk has no room for the copy",
        );
        assert_eq!(replica.info("master_link_status"), "down");
        let tries = number(&primary, "sync_full");
        wait_until("it is tried again", || {
            number(&primary, "sync_full") > tries + 1
        });
        assert!(contents(&replica) == old);
        assert!(replica.is_running());
        let text = std::fs::read_to_string(&log).expect("the log");
        assert!(
            text.contains("the full copy failed: the disk has no room"),
            "{text}"
        );
        if is_promoted {
            // What has come so far is of no use any more.
            assert!(names(replica.dir()).contains(&"sync_checkpoint".to_owned()));
            promote(&replica);
            wait_cleared(&replica);
            assert!(contents(&replica) == old);
        }
    }
    disk.make_room();
    wait_same(&replica, &primary);
    wait_cleared(&replica);
    promote(&replica);
    still_serves(&replica);
}
