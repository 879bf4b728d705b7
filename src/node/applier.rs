//! Settings whose new value the world outside may refuse: addresses to listen on, files to open.

use crate::config::Config;

/// Makes changed settings true, or says why it cannot. CONFIG SET asks before it answers; the server implements it.
pub trait Applier {
    /// Applies those of the `changed` settings (names of the table) that are its business. On an error everything is as it was.
    fn apply(&mut self, config: &Config, changed: &[&'static str]) -> Result<(), Refused>;
}

/// Why a setting cannot have its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The setting's name.
    pub setting: &'static str,
    /// The text behind `ERR CONFIG SET failed (...) - `.
    pub reason: String,
}
