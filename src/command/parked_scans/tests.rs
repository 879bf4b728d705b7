//! Commands on collections too large for a turn: that they end, that they need no more ranges than collections, and that what is
//! written while a worker reads is neither lost nor seen twice.

use crate::command::testing::Bench;
use crate::limits::SCAN_ENTRIES_INLINE_MAX;

/// More than one turn reads.
const LARGE: usize = SCAN_ENTRIES_INLINE_MAX + 1000;

fn fill(bench: &mut Bench, command: &str, names: impl Iterator<Item = usize>) {
    let names: Vec<String> = names.map(|number| format!("{number:05}")).collect();
    bench.run(&format!("{command} {}", names.join(" ")));
}

fn nothing(_: &mut Bench) {}

#[test]
fn several_ranges_are_read_one_after_the_other() {
    Bench::both_ways(|bench| {
        fill(bench, "sadd a", 0..LARGE);
        fill(bench, "sadd b", 10..LARGE + 10);
        fill(bench, "sadd c", 20..LARGE + 20);
        bench.commit();
        let first =
            |(reply, ranges): (String, usize)| (reply.split(' ').next().map(str::to_owned), ranges);
        for (command, count, ranges) in [
            ("sunion a b c", LARGE + 20, 3),
            ("sinter a b c", LARGE - 20, 3),
            // What is left after the second is so little that it is looked up one by one.
            ("sdiff c b a", 10, 2),
        ] {
            let answer = bench.run_with_workers(command, nothing);
            assert_eq!(
                first(answer),
                (Some(format!("*{count}")), ranges),
                "{command}"
            );
        }
        let answer = bench.run_with_workers("sunionstore d a b c", nothing);
        assert_eq!(answer, (format!(":{}", LARGE + 20), 3));
        let answer = bench.run_with_workers("sintercard 3 a b c limit 100000", nothing);
        assert_eq!(answer, (format!(":{}", LARGE - 20), 3));
    });
}

#[test]
fn what_is_written_meanwhile_counts() {
    Bench::both_ways(|bench| {
        fill(bench, "sadd s", 0..LARGE);
        bench.commit();
        let (reply, ranges) = bench.run_with_workers("smembers s", |bench| {
            bench.run("sadd s new 00001");
            bench.run("srem s 00002 00003");
            // Written and committed, so that neither the snapshot nor the open record has it.
            bench.commit();
            bench.run("sadd s 00003");
            bench.run("srem s 00004");
        });
        assert_eq!(ranges, 1);
        let members: Vec<&str> = reply.split(' ').skip(2).step_by(2).collect();
        assert_eq!(members.len(), LARGE - 1);
        assert_eq!(members[..4], ["00000", "00001", "00003", "00005"]);
        assert_eq!(members.last(), Some(&"new"));
    });
}

#[test]
fn a_list_changed_meanwhile_is_edited_as_it_is_now() {
    Bench::both_ways(|bench| {
        fill(bench, "rpush l", 0..LARGE);
        bench.commit();
        // The same indexes, other elements.
        let (reply, _) = bench.run_with_workers("lrem l 0 00007", |bench| {
            bench.run("lset l 7 other");
            bench.run("lset l 9 00007");
            bench.commit();
        });
        assert_eq!(reply, ":1");
        bench.expect(&[("lrange l 6 9", "*4 $5 00006 $5 other $5 00008 $5 00010")]);
        // Other indexes: the range is asked for again.
        let pushed = std::cell::Cell::new(false);
        let (reply, ranges) = bench.run_with_workers("linsert l after 05000 x", |bench| {
            if !pushed.replace(true) {
                bench.run("lpush l first");
                bench.commit();
            }
        });
        assert_eq!(reply, format!(":{}", LARGE + 1));
        assert!(ranges >= 2, "{ranges}");
        bench.expect(&[("lrange l 5000 5002", "*3 $5 05000 $1 x $5 05001")]);
    });
}

#[test]
fn what_is_undone_meanwhile_does_not_count() {
    let mut bench = Bench::new();
    fill(&mut bench, "sadd s", 0..LARGE);
    let (reply, _) = bench.run_with_workers("smembers s", |bench| {
        let mark = bench.view.begin_command();
        bench.commit_each = false;
        bench.run("srem s 00000");
        bench.run("sadd s undone");
        bench.view.undo(mark);
        bench.commit_each = true;
    });
    assert!(reply.starts_with(&format!("*{LARGE} $5 00000 ")));
    assert!(!reply.contains("undone"));
}

#[test]
fn an_answer_is_useless_after_too_many_writes_or_a_failed_commit() {
    let mut bench = Bench::new();
    fill(&mut bench, "sadd s", 0..LARGE);
    let failed = std::cell::Cell::new(false);
    let (reply, ranges) = bench.run_with_workers("smembers s", |bench| {
        if !failed.replace(true) {
            bench.commit_each = false;
            bench.run("srem s 00000");
            bench.view.drop_uncommitted();
            bench.commit_each = true;
        }
    });
    assert!(reply.starts_with(&format!("*{LARGE} $5 00000 ")));
    assert_eq!(ranges, 2);
}
