//! `rename-command`: commands under other names, or under none.

use std::collections::HashMap;

use super::table::{self, Command};
use crate::config::RenameCommand;

/// The names that differ from the table's.
#[derive(Default)]
pub struct Renames {
    /// Lower-case name → the command now called so; `None` for a name that was taken away.
    names: HashMap<Vec<u8>, Option<&'static Command>>,
}

impl Renames {
    /// Applies the lines of the config file in order; an error says which line names no command, or a name in use.
    pub fn new(lines: &[RenameCommand]) -> Result<Renames, String> {
        let mut renames = Renames::default();
        for line in lines {
            let from = line.from.to_ascii_lowercase();
            let to = line.to.to_ascii_lowercase();
            let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
            let Some(command) = renames.find(&from) else {
                return Err(format!(
                    "{}: no such command in rename-command: {}",
                    line.place,
                    shown(&line.from)
                ));
            };
            renames.names.insert(from, None);
            if to.is_empty() {
                continue;
            }
            if renames.find(&to).is_some() {
                return Err(format!(
                    "{}: target command name already exists: {}",
                    line.place,
                    shown(&line.to)
                ));
            }
            renames.names.insert(to, Some(command));
        }
        Ok(renames)
    }

    /// The command that is called `name`, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&'static Command> {
        if !self.names.is_empty()
            && let Some(renamed) = self.names.get(&name.to_ascii_lowercase())
        {
            return *renamed;
        }
        table::lookup(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renames(lines: &[(&str, &str)]) -> Result<Renames, String> {
        let lines: Vec<RenameCommand> = lines
            .iter()
            .map(|(from, to)| RenameCommand {
                from: from.as_bytes().to_vec(),
                to: to.as_bytes().to_vec(),
                place: "here".into(),
            })
            .collect();
        Renames::new(&lines)
    }

    fn name(renames: &Renames, name: &str) -> Option<&'static str> {
        renames
            .find(name.as_bytes())
            .map(|command| command.spec.name)
    }

    #[test]
    fn a_renamed_command_has_its_new_name_only() {
        let renames = renames(&[("FLUSHALL", ""), ("config", "Secret")]).expect("valid lines");
        assert_eq!(name(&renames, "flushall"), None);
        assert_eq!(name(&renames, "CONFIG"), None);
        assert_eq!(name(&renames, "SECRET"), Some("config"));
        assert_eq!(name(&renames, "get"), Some("get"));
    }

    #[test]
    fn names_can_be_exchanged_but_not_taken() {
        let swapped =
            renames(&[("get", "tmp"), ("set", "get"), ("tmp", "set")]).expect("valid lines");
        assert_eq!(
            (name(&swapped, "get"), name(&swapped, "set")),
            (Some("set"), Some("get"))
        );
        assert!(renames(&[("get", "set")]).is_err());
        assert!(renames(&[("nothing", "x")]).is_err_and(|text| text.starts_with("here: ")));
    }
}
