//! What the table says of one setting, and the macro that makes a struct of plain fields and the table from one list.
//!
//! Every setting is declared once, in `server.rs`, `engine.rs` or `kept.rs`: names, field, type, default, form (bounds,
//! unit, how it is read and written), when it may change and what it does here. Nothing in this file knows a single one.

use std::fmt;

use super::Config;

/// When a setting may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At run time too, with `CONFIG SET`.
    Live,
    /// Only before the start; `CONFIG SET` answers `can't set immutable config`.
    AtStart,
    /// Only before the start; `CONFIG SET` answers Redis's `can't set protected config`.
    Protected,
}

/// What a setting does in this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The server reads it.
    Used,
    /// Any value is taken and shown, as in Redis, where it would have no visible effect on a server like this one. The
    /// sentence says why, and is logged when the value is not the default: nothing is ignored in silence.
    Unused(&'static str),
    /// Any value but the default is refused, with this reason.
    OnlyDefault(&'static str),
}

/// Where the words of an assignment come from; `save` adds up over the lines of a file and replaces in `CONFIG SET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a config file, of standard input or of the command line.
    Line,
    /// `CONFIG SET`.
    Command,
}

/// How a value is read from words and written back.
pub trait Form {
    /// The type of the field.
    type Value: Clone + PartialEq;

    /// Takes any number of words. Otherwise the caller makes sure that there is exactly one.
    const MANY: bool = false;

    /// The value must not show up in logs, in SLOWLOG or in MONITOR.
    const SENSITIVE: bool = false;

    /// The value that `words` ask for, `old` being the present one. Errors are Redis's texts, without its prefix.
    fn read(
        &self,
        old: &Self::Value,
        words: &[Vec<u8>],
        origin: Origin,
    ) -> Result<Self::Value, String>;

    /// The value as `CONFIG GET` answers it.
    fn show(&self, value: &Self::Value) -> Vec<u8>;

    /// What stands behind the name in a config file that sets `value`, one item a line.
    fn lines(&self, value: &Self::Value) -> Vec<Vec<u8>> {
        vec![self.show(value)]
    }

    /// The lines that turn the default into `value`, for a file that does not mention the setting yet.
    fn lines_unlike(&self, value: &Self::Value, default: &Self::Value) -> Vec<Vec<u8>> {
        if value == default {
            Vec::new()
        } else {
            self.lines(value)
        }
    }
}

/// Reads words into the field of a setting; an error leaves the field as it was.
type Set = fn(&mut Config, &[Vec<u8>], Origin) -> Result<(), String>;

/// One setting: what the table says of it, and access to its field.
pub struct Setting {
    /// The name that `CONFIG REWRITE` writes.
    pub name: &'static str,
    /// Other names for the same setting, from Redis or Kvrocks. `CONFIG GET` answers them too.
    pub aliases: &'static [&'static str],
    /// When it may change.
    pub change: Change,
    /// What it does in this build.
    pub effect: Effect,
    /// Whether the value is a secret.
    pub sensitive: bool,
    /// Whether it takes any number of words.
    pub many: bool,
    pub(super) set: Set,
    pub(super) show: fn(&Config) -> Vec<u8>,
    pub(super) lines: fn(&Config) -> Vec<Vec<u8>>,
    pub(super) lines_unlike: fn(&Config, &Config) -> Vec<Vec<u8>>,
}

impl Setting {
    /// The value as `CONFIG GET` answers it.
    pub fn show(&self, config: &Config) -> Vec<u8> {
        (self.show)(config)
    }

    /// The name and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Assigns what a config file line says behind the name.
    ///
    /// A setting of many words may have them all in one quoted word, so that `--save "900 1"` works. Errors leave `config`
    /// as it was.
    pub(super) fn assign_line(&self, config: &mut Config, words: &[Vec<u8>]) -> Result<(), String> {
        match words {
            _ if !self.many && words.len() != 1 => Err("wrong number of arguments".to_string()),
            [word] if self.many && !word.is_empty() => {
                let words =
                    super::words::split(word).ok_or("Unbalanced quotes in configuration line")?;
                (self.set)(config, &words, Origin::Line)
            }
            _ => (self.set)(config, words, Origin::Line),
        }
    }

    /// Assigns the one argument that `CONFIG SET` has for a setting. A setting of many words gets them by splitting at each
    /// single space, as in Redis: two spaces in a row make an empty word. Errors leave `config` as it was.
    pub(super) fn assign_argument(
        &self,
        config: &mut Config,
        argument: &[u8],
    ) -> Result<(), String> {
        let words: Vec<Vec<u8>> = if !self.many {
            vec![argument.to_vec()]
        } else if argument.is_empty() {
            Vec::new()
        } else {
            argument
                .split(|&byte| byte == b' ')
                .map(<[u8]>::to_vec)
                .collect()
        };
        (self.set)(config, &words, Origin::Command)
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({})", self.name)
    }
}

/// All settings, in the order in which `CONFIG GET *` answers them.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    super::server::TABLE
        .iter()
        .chain(super::engine::TABLE)
        .chain(super::kept::TABLE)
}

/// The setting with this name or alias, in any letter case, and the name as the table has it.
pub fn find(name: &[u8]) -> Option<(&'static Setting, &'static str)> {
    all().find_map(|setting| {
        let known = setting
            .names()
            .find(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
        Some((setting, known))
    })
}

/// Reads `words` into `slot`, unless the setting takes nothing but its default.
pub(super) fn assign<V: Clone + PartialEq>(
    slot: &mut V,
    form: &impl Form<Value = V>,
    default: V,
    effect: Effect,
    words: &[Vec<u8>],
    origin: Origin,
) -> Result<(), String> {
    let value = form.read(slot, words, origin)?;
    match effect {
        Effect::OnlyDefault(reason) if value != default => Err(reason.to_string()),
        _ => {
            *slot = value;
            Ok(())
        }
    }
}

/// [`Form::SENSITIVE`] of a value, for tables in constants.
pub(super) const fn is_sensitive<V, F: Form<Value = V>>(_form: &F) -> bool {
    F::SENSITIVE
}

/// [`Form::MANY`] of a value, for tables in constants.
pub(super) const fn takes_many<V, F: Form<Value = V>>(_form: &F) -> bool {
    F::MANY
}

/// Makes a struct and its part of the table from one list of settings.
///
/// `extra` fields belong to the struct only. A setting reads
/// `"name" or "alias": field: Type = default, form, When;` with the effect as an optional last part; its doc comment becomes
/// the field's.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        struct $Struct:ident, fields $fields:vis, at $config:ident => $path:expr;
        extra { $( $(#[$extra_meta:meta])* $extra:ident: $extra_type:ty = $extra_default:expr; )* }
        $(
            $(#[$doc:meta])*
            $name:literal $(or $alias:literal)*: $field:ident: $type:ty = $default:expr, $form:expr,
                $change:ident $(, $effect:expr)?;
        )*
    ) => {
        $(#[$meta])*
        pub struct $Struct {
            $( $(#[$doc])* $fields $field: $type, )*
            $( $(#[$extra_meta])* $fields $extra: $extra_type, )*
        }

        impl Default for $Struct {
            fn default() -> Self {
                Self {
                    $( $field: $default, )*
                    $( $extra: $extra_default, )*
                }
            }
        }

        /// The rows of this file.
        pub(super) static TABLE: &[$crate::config::setting::Setting] = &[
            $( $crate::config::setting::Setting {
                name: $name,
                aliases: &[$($alias),*],
                change: $crate::config::setting::Change::$change,
                effect: $crate::config::setting::settings!(@effect $($effect)?),
                sensitive: $crate::config::setting::is_sensitive::<$type, _>(&$form),
                many: $crate::config::setting::takes_many::<$type, _>(&$form),
                set: |$config, words, origin| {
                    let effect = $crate::config::setting::settings!(@effect $($effect)?);
                    $crate::config::setting::assign::<$type>(&mut $path.$field, &$form, $default, effect, words, origin)
                },
                show: |$config| $crate::config::setting::Form::show(&$form, &$path.$field),
                lines: |$config| $crate::config::setting::Form::lines(&$form, &$path.$field),
                lines_unlike: |$config, default| {
                    let value: &$type = &$path.$field;
                    let $config = default;
                    $crate::config::setting::Form::lines_unlike(&$form, value, &$path.$field)
                },
            }, )*
        ];
    };
    (@effect) => { $crate::config::setting::Effect::Used };
    (@effect $effect:expr) => { $effect };
}
pub(super) use settings;
