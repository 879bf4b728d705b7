//! INFO: its sections, in Redis 7.0's order and with Redis's fields; what only this server has stands at the end of a section.

mod clients;
mod commands;
mod counters;
mod engine;
mod memory;
mod persistence;
mod process;
mod replication;

use std::fmt::{Display, Write};

use crate::node::Node;
use crate::storage::counting::KeyCounts;
use crate::storage::seq::Seq;

/// One section: its heading, the names it is asked for by, and who writes its fields.
struct Section {
    heading: &'static str,
    names: &'static [&'static str],
    /// Shown when nothing particular is asked for.
    by_default: bool,
    write: fn(&Facts<'_>, &mut Fields<'_>),
}

/// What the sections are written from.
pub struct Facts<'a> {
    pub node: &'a Node,
    /// The sequence number of a state that holds everything executed so far, for the sections that [`Selection::needs_seq`].
    pub seq: Seq,
    /// The counts of keys, for the sections that [`Selection::needs_key_counts`].
    pub key_counts: Option<&'a KeyCounts>,
}

/// The fields of one section.
pub struct Fields<'a>(&'a mut String);

impl Fields<'_> {
    fn add(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}:{value}"));
    }

    fn line(&mut self, text: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{text}\r\n");
    }

    /// Fields that mean nothing here and that tools read nevertheless.
    fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.add(name, 0);
        }
    }
}

const fn section(
    heading: &'static str,
    names: &'static [&'static str],
    by_default: bool,
    write: fn(&Facts<'_>, &mut Fields<'_>),
) -> Section {
    Section {
        heading,
        names,
        by_default,
        write,
    }
}

/// The sections in their order.
const SECTIONS: &[Section] = &[
    section("Server", &["server"], true, process::server),
    section("Clients", &["clients"], true, clients::clients),
    section("Memory", &["memory"], true, memory::memory),
    section(
        "Persistence",
        &["persistence"],
        true,
        persistence::persistence,
    ),
    section("Stats", &["stats"], true, counters::stats),
    section(
        REPLICATION,
        &["replication"],
        true,
        replication::replication,
    ),
    section("CPU", &["cpu"], true, process::cpu),
    section("Modules", &["modules", "module_list"], true, |_, _| {}),
    section(
        "Commandstats",
        &["commandstats"],
        false,
        commands::command_stats,
    ),
    section("Errorstats", &["errorstats"], true, commands::error_stats),
    section(
        "Latencystats",
        &["latencystats"],
        false,
        commands::latency_stats,
    ),
    section("Cluster", &["cluster"], true, process::cluster),
    section(KEYSPACE, &["keyspace"], true, counters::keyspace),
    section("RocksDB", &["rocksdb"], false, engine::rocksdb),
];

const KEYSPACE: &str = "Keyspace";
const REPLICATION: &str = "Replication";

/// Which sections are asked for, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection(u32);

impl Selection {
    /// The sections that the words of an INFO command name, in any letter case; none is the default. Unknown words name nothing.
    pub fn named<'a>(words: impl ExactSizeIterator<Item = &'a [u8]>) -> Selection {
        if words.len() == 0 {
            return Selection::those(|section| section.by_default);
        }
        let selected = words.map(|word| {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            Selection::those(|section| {
                is("all")
                    || is("everything")
                    || (is("default") && section.by_default)
                    || section.names.iter().any(|name| is(name))
            })
        });
        selected.fold(Selection::default(), |all, one| Selection(all.0 | one.0))
    }

    fn those(which: impl Fn(&Section) -> bool) -> Selection {
        let bits = SECTIONS
            .iter()
            .enumerate()
            .filter(|(_, section)| which(section))
            .fold(0, |bits, (at, _)| bits | 1 << at);
        Selection(bits)
    }

    fn sections(self) -> impl Iterator<Item = &'static Section> {
        SECTIONS
            .iter()
            .enumerate()
            .filter(move |(at, _)| self.0 & 1 << at != 0)
            .map(|(_, section)| section)
    }

    /// Whether a section of it shows how many keys there are.
    pub fn needs_key_counts(self) -> bool {
        self.sections().any(|section| section.heading == KEYSPACE)
    }

    /// Whether a section of it shows how far the sequence is.
    pub fn needs_seq(self) -> bool {
        self.sections()
            .any(|section| section.heading == REPLICATION)
    }
}

/// The text of the sections, each below its heading, an empty line between two.
pub fn render(selection: Selection, facts: &Facts<'_>) -> String {
    let mut text = String::new();
    for section in selection.sections() {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let mut fields = Fields(&mut text);
        fields.line(format_args!("# {}", section.heading));
        (section.write)(facts, &mut fields);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(words: &[&str]) -> Vec<&'static str> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let selection = Selection::named(words.into_iter());
        selection
            .sections()
            .map(|section| section.heading)
            .collect()
    }

    #[test]
    fn sections_come_in_their_order_and_once() {
        assert_eq!(
            headings(&["KEYspace", "cpu", "keyspace"]),
            ["CPU", "Keyspace"]
        );
        assert_eq!(headings(&["nonsense"]), [""; 0]);
        assert_eq!(headings(&["nonsense", "module_list"]), ["Modules"]);
        assert_eq!(headings(&[]), headings(&["DEFAULT"]));
        assert_eq!(headings(&["default", "commandstats"]).len(), 12);
        assert_eq!(headings(&["all"]).len(), SECTIONS.len());
        assert_eq!(headings(&["everything", "cpu"]), headings(&["all"]));
    }

    #[test]
    fn the_default_is_what_redis_shows() {
        assert_eq!(
            headings(&[]),
            [
                "Server",
                "Clients",
                "Memory",
                "Persistence",
                "Stats",
                "Replication",
                "CPU",
                "Modules",
                "Errorstats",
                "Cluster",
                "Keyspace"
            ]
        );
    }

    #[test]
    fn only_what_shows_keys_needs_their_counts() {
        let needs = |word: &str| Selection::named([word.as_bytes()].into_iter()).needs_key_counts();
        assert!(needs("keyspace") && needs("all") && needs("default"));
        assert!(!needs("replication") && !needs("clients") && !needs("nonsense"));
    }
}
