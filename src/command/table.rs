//! The command table: every family's declarations, and the look-up by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::spec::Spec;
use crate::limits::COMMAND_NAME_BYTES_MAX;

/// The families, in the order of the documentation.
pub static FAMILIES: &[&[Spec]] = &[super::keyspace::SPECS, super::string::SPECS];

static BY_NAME: LazyLock<HashMap<&'static [u8], &'static Spec, foldhash::fast::RandomState>> =
    LazyLock::new(|| all().map(|spec| (spec.name.as_bytes(), spec)).collect());

/// Every command, containers included, subcommands not.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The command called `name`, in any case.
pub fn find(name: &[u8]) -> Option<&'static Spec> {
    let mut lower = [0; COMMAND_NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    BY_NAME.get(&lower[..]).copied()
}

/// The subcommand of `container` called `name`, in any case.
pub fn find_subcommand(container: &'static Spec, name: &[u8]) -> Option<&'static Spec> {
    let prefix = container.name.len() + 1;
    container
        .subcommands
        .iter()
        .find(|sub| sub.name.as_bytes()[prefix..].eq_ignore_ascii_case(name))
}
