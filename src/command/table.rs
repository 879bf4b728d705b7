//! The command table: every family's declarations, and the look-up by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::spec::Spec;
use crate::limits::COMMAND_NAME_BYTES_MAX;

/// The families, in the order of the documentation.
pub static FAMILIES: &[&[Spec]] = &[
    super::connection::SPECS,
    super::client::SPECS,
    super::transactions::SPECS,
    super::pubsub::SPECS,
    super::server::SPECS,
    super::cluster::CONNECTION,
    super::absent::SPECS,
    super::introspection::SPECS,
    super::links::SPECS,
    super::replication::SPECS,
    super::keyspace::SPECS,
    super::sort::SPECS,
    super::string::SPECS,
    super::hash::SPECS,
    super::list::SPECS,
    super::set::SPECS,
    super::sorted_set::SPECS,
];

/// A command in the table: its declaration and its number, by which statistics are kept.
pub struct Command {
    pub spec: &'static Spec,
    /// Counts all commands and subcommands from zero.
    pub id: usize,
    pub subcommands: Vec<Command>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec.name)
    }
}

struct Table {
    commands: Vec<Command>,
    by_name: HashMap<&'static [u8], usize, foldhash::fast::RandomState>,
    count: usize,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut count = 0;
    let commands: Vec<Command> = all().map(|spec| number(spec, &mut count)).collect();
    let by_name = commands
        .iter()
        .enumerate()
        .map(|(at, command)| (command.spec.name.as_bytes(), at))
        .collect();
    Table {
        commands,
        by_name,
        count,
    }
});

fn number(spec: &'static Spec, count: &mut usize) -> Command {
    let id = *count;
    *count += 1;
    let subcommands = spec
        .subcommands
        .iter()
        .map(|sub| number(sub, count))
        .collect();
    Command {
        spec,
        id,
        subcommands,
    }
}

/// Every command, containers included, subcommands not.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// Every command with its number, containers included, subcommands not.
pub fn commands() -> &'static [Command] {
    &TABLE.commands
}

/// How many commands and subcommands there are.
pub fn count() -> usize {
    TABLE.count
}

/// The command called `name`, in any case, with its number.
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    let mut lower = [0; COMMAND_NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    TABLE.by_name.get(&lower[..]).map(|&at| &TABLE.commands[at])
}

impl Command {
    /// The subcommand called `name`, in any case.
    pub fn subcommand(&'static self, name: &[u8]) -> Option<&'static Command> {
        let prefix = self.spec.name.len() + 1;
        self.subcommands
            .iter()
            .find(|sub| sub.spec.name.as_bytes()[prefix..].eq_ignore_ascii_case(name))
    }
}

/// The declaration of the command called `name`, in any case.
pub fn find(name: &[u8]) -> Option<&'static Spec> {
    lookup(name).map(|command| command.spec)
}

/// The declaration of the subcommand of `container` called `name`, in any case.
pub fn find_subcommand(container: &'static Spec, name: &[u8]) -> Option<&'static Spec> {
    let prefix = container.name.len() + 1;
    container
        .subcommands
        .iter()
        .find(|sub| sub.name.as_bytes()[prefix..].eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_unique() {
        let mut seen = std::collections::HashSet::new();
        for spec in all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands)) {
            assert_eq!(spec.name, spec.name.to_ascii_lowercase());
            assert!(seen.insert(spec.name), "{} is declared twice", spec.name);
            assert!(
                !spec.group.is_empty() && !spec.summary.is_empty(),
                "{} is not documented",
                spec.name
            );
        }
        for container in all() {
            for sub in container.subcommands {
                assert!(
                    sub.name.starts_with(&format!("{}|", container.name)),
                    "{}",
                    sub.name
                );
            }
        }
    }

    #[test]
    fn commands_are_found_in_any_case() {
        assert_eq!(find(b"PiNg").map(|spec| spec.name), Some("ping"));
        assert!(find(b"").is_none());
        assert!(find(&[b'x'; 1000]).is_none());
    }
}
