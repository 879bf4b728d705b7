//! `CONFIG GET` and `CONFIG SET`: functions of the settings and the arguments, which change nothing.
//!
//! Texts and order of checks are those of redis-server 7.0.15 (`configGetCommand`, `configSetCommand`).

use super::setting::Change;
use super::{Config, Setting, all, find};
use crate::error::printed;

/// `CONFIG GET`: the settings that any of `patterns` names, each once, as name and value.
///
/// A pattern without `*`, `?` and `[` is a name, in any letter case, and is answered as it was asked. Under a pattern,
/// aliases are answered beside the names.
pub fn get(config: &Config, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut add = |name: &[u8], setting: &Setting| {
        if !found
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            found.push((name.to_vec(), setting.show(config)));
        }
    };
    for pattern in patterns {
        if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
            if let Some((setting, _)) = find(pattern) {
                add(pattern, setting);
            }
            continue;
        }
        for setting in all() {
            for name in setting.names() {
                if crate::text::glob::matches(pattern, name.as_bytes(), true) {
                    add(name.as_bytes(), setting);
                }
            }
        }
    }
    found
}

/// What `CONFIG SET` asks for, not applied yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The settings as they are to be.
    pub config: Config,
    /// Names, as [`Setting::name`] has them, of the settings whose value is another one now.
    pub changed: Vec<&'static str>,
    /// Lines for the log about changed settings that change nothing.
    pub notices: Vec<String>,
}

/// Why `CONFIG SET` changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// A name has no value.
    Syntax,
    /// There is no such setting.
    Unknown(Vec<u8>),
    /// A value cannot be taken, or could not be applied.
    Failed {
        /// The setting, as the client or the table spells it.
        name: Vec<u8>,
        /// Why.
        reason: String,
    },
}

impl SetError {
    /// The error for an [`Update`] that could not be applied, such as a port that is taken.
    pub fn not_applied(name: &str, reason: &str) -> SetError {
        SetError::Failed {
            name: name.as_bytes().to_vec(),
            reason: reason.to_string(),
        }
    }

    /// The error reply: code and text. The client's own bytes are in it, line ends included.
    pub fn reply(&self) -> Vec<u8> {
        match self {
            SetError::Syntax => b"ERR syntax error".to_vec(),
            SetError::Unknown(name) => [
                b"ERR Unknown option or number of arguments for CONFIG SET - '",
                printed(name),
                b"'",
            ]
            .concat(),
            SetError::Failed { name, reason } => [
                b"ERR CONFIG SET failed (possibly related to argument '",
                name.as_slice(),
                b"') - ",
                reason.as_bytes(),
            ]
            .concat(),
        }
    }
}

/// `CONFIG SET name value ...`: all of them or none. `arguments` are what follows `SET`.
pub fn set(config: &Config, arguments: &[&[u8]]) -> Result<Update, SetError> {
    let (pairs, []) = arguments.as_chunks::<2>() else {
        return Err(SetError::Syntax);
    };
    // All names are checked before any value is read: an unknown name wins over a bad value that stands before it.
    let settings = named_settings(pairs)?;
    let mut next = config.clone();
    for ((setting, name), [_, value]) in settings.iter().zip(pairs) {
        let failed = |reason| SetError::Failed {
            name: name.as_bytes().to_vec(),
            reason,
        };
        setting.assign_argument(&mut next, value).map_err(failed)?;
    }
    next.check()
        .map_err(|(name, reason)| SetError::not_applied(name, &reason))?;

    let default = Config::default();
    let mut update = Update {
        config: next,
        changed: Vec::new(),
        notices: Vec::new(),
    };
    for (setting, _) in settings {
        if setting.show(&update.config) != setting.show(config)
            && !update.changed.contains(&setting.name)
        {
            update.changed.push(setting.name);
            update
                .notices
                .extend(update.config.notice(setting, &default));
        }
    }
    Ok(update)
}

/// The positions in `arguments`, which follow `SET`, of values that must not be logged: those of secrets, whether or not the
/// command is going to fail.
pub fn sensitive_arguments(arguments: &[&[u8]]) -> Vec<usize> {
    let values = (1..arguments.len()).step_by(2);
    values
        .filter(|&idx| find(arguments[idx - 1]).is_some_and(|(setting, _)| setting.sensitive))
        .collect()
}

/// The settings that the pairs name, which may all change at run time.
fn named_settings(pairs: &[[&[u8]; 2]]) -> Result<Vec<(&'static Setting, &'static str)>, SetError> {
    let mut settings: Vec<(&Setting, &str)> = Vec::new();
    for [name, _] in pairs {
        let (setting, known) = find(name).ok_or_else(|| SetError::Unknown(name.to_vec()))?;
        let failed = |reason: &str| SetError::Failed {
            name: name.to_vec(),
            reason: reason.to_string(),
        };
        match setting.change {
            Change::Live => {}
            Change::AtStart => return Err(failed("can't set immutable config")),
            Change::Protected => return Err(failed("can't set protected config")),
        }
        // Redis takes a setting and its alias in one command, and the later one wins.
        if settings.iter().any(|(_, earlier)| *earlier == known) {
            return Err(failed("duplicate parameter"));
        }
        settings.push((setting, known));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get_text(config: &Config, patterns: &[&str]) -> Vec<(String, String)> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        get(config, &patterns)
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    fn set_text(config: &Config, arguments: &[&str]) -> Result<Update, String> {
        let arguments: Vec<&[u8]> = arguments
            .iter()
            .map(|argument| argument.as_bytes())
            .collect();
        set(config, &arguments).map_err(|error| String::from_utf8(error.reply()).unwrap())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    #[test]
    fn names_are_answered_as_asked_and_once() {
        let config = Config::default();
        assert_eq!(
            get_text(&config, &["PORT", "port", "por?"]),
            pairs(&[("PORT", "6666")])
        );
        assert_eq!(get_text(&config, &["no-such", ""]), []);
        assert_eq!(
            get_text(&config, &["slaveof*", "replicaof"]),
            pairs(&[("slaveof", ""), ("replicaof", "")])
        );
        assert_eq!(
            get_text(&config, &["hash-max-*-entries"]),
            pairs(&[
                ("hash-max-listpack-entries", "512"),
                ("hash-max-ziplist-entries", "512")
            ])
        );
        let all_names: usize = all().map(|setting| setting.names().count()).sum();
        assert_eq!(get(&config, &[b"*"]).len(), all_names);
    }

    #[test]
    fn values_are_shown_as_redis_shows_them() {
        let config = Config::default();
        for (name, value) in [
            (
                "client-output-buffer-limit",
                "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            ),
            ("latency-tracking-info-percentiles", "50 99 99.9"),
            ("notify-keyspace-events", ""),
            ("oom-score-adj-values", "0 200 800"),
            ("proto-max-bulk-len", "536870912"),
            ("shutdown-on-sigterm", "default"),
            ("unixsocketperm", "0"),
            ("appendfsync", "everysec"),
            ("save", ""),
        ] {
            assert_eq!(get_text(&config, &[name]), pairs(&[(name, value)]));
        }
    }

    #[test]
    fn several_settings_change_together() {
        let config = Config::default();
        let update = set_text(
            &config,
            &[
                "Port",
                "7000",
                "timeout",
                "0",
                "hash-max-ziplist-entries",
                "5",
            ],
        )
        .unwrap();
        assert_eq!(update.config.port, 7000);
        assert_eq!(update.config.hash_max_listpack_entries, 5);
        assert_eq!(update.changed, ["port", "hash-max-listpack-entries"]);
        assert_eq!(update.notices, Vec::<String>::new());
        assert_eq!(config, Config::default());

        let both = [
            "hash-max-ziplist-entries",
            "5",
            "hash-max-listpack-entries",
            "6",
        ];
        let update = set_text(&config, &both).unwrap();
        assert_eq!(update.config.hash_max_listpack_entries, 6);
        assert_eq!(update.changed, ["hash-max-listpack-entries"]);

        let update = set_text(
            &config,
            &[
                "bind",
                "127.0.0.1 ::1",
                "hz",
                "100000",
                "notify-keyspace-events",
                "KEA",
            ],
        )
        .unwrap();
        assert_eq!(update.config.bind, ["127.0.0.1", "::1"]);
        assert_eq!(update.config.hz, 500);
        assert_eq!(
            get_text(&update.config, &["notify-keyspace-events"])[0].1,
            "AKE"
        );
    }

    #[test]
    fn what_changes_nothing_is_said_for_the_log() {
        let config = Config::default();
        let update = set_text(
            &config,
            &[
                "save",
                "900 1",
                "lazyfree-lazy-expire",
                "no",
                "masterauth",
                "hush",
            ],
        )
        .unwrap();
        assert_eq!(update.changed, ["save", "masterauth"]);
        assert_eq!(update.notices.len(), 1);
        assert!(update.notices[0].starts_with("setting save '900 1' changes nothing: "));
    }

    #[test]
    fn errors_are_those_of_redis() {
        let config = Config::default();
        let failed = |name: &str, reason: &str| {
            format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
        };
        for (arguments, expected) in [
            (&["port", "1", "hz"][..], "ERR syntax error".to_string()),
            (
                &["foo", "bar"],
                "ERR Unknown option or number of arguments for CONFIG SET - 'foo'".to_string(),
            ),
            (
                &["port", "x", "Foo", "1", "bar", "2"],
                "ERR Unknown option or number of arguments for CONFIG SET - 'Foo'".to_string(),
            ),
            (
                &["Daemonize", "yes", "foo", "1"],
                failed("Daemonize", "can't set immutable config"),
            ),
            (&["dir", "/"], failed("dir", "can't set protected config")),
            (
                &["port", "1", "PORT", "1"],
                failed("PORT", "duplicate parameter"),
            ),
            (
                &["Port", "abc"],
                failed("port", "argument couldn't be parsed into an integer"),
            ),
            (
                &["port", "70000"],
                failed("port", "argument must be between 0 and 65535 inclusive"),
            ),
            (
                &["slowlog-max-len", "-1"],
                failed(
                    "slowlog-max-len",
                    "argument must be between 0 and 9223372036854775807 inclusive",
                ),
            ),
            (
                &["maxclients", "0"],
                failed(
                    "maxclients",
                    "argument must be between 1 and 4294967295 inclusive",
                ),
            ),
            (
                &["maxmemory", "bla"],
                failed("maxmemory", "argument must be a memory value"),
            ),
            (
                &["appendonly", "foo"],
                failed("appendonly", "argument must be 'yes' or 'no'"),
            ),
            (
                &["loglevel", ""],
                failed(
                    "loglevel",
                    "argument(s) must be one of the following: debug, verbose, notice, warning",
                ),
            ),
            (
                &["save", "60 1 "],
                failed("save", "Invalid save parameters"),
            ),
            (
                &["maxmemory-clients", "200%"],
                failed(
                    "maxmemory-clients",
                    "percentage argument must be less or equal to 100",
                ),
            ),
            (
                &["oom-score-adj-values", "1 2"],
                failed("oom-score-adj-values", "wrong number of arguments"),
            ),
        ] {
            assert_eq!(
                set_text(&config, arguments).unwrap_err(),
                expected,
                "{arguments:?}"
            );
        }
        assert_eq!(
            set(&config, &[]).map(|update| update.changed),
            Ok(Vec::new())
        );
        let taken =
            SetError::not_applied("port", "Unable to listen on this port. Check server logs.");
        let text = failed("port", "Unable to listen on this port. Check server logs.");
        assert_eq!(taken.reply(), text.as_bytes());
    }

    #[test]
    fn a_bad_value_leaves_the_good_ones_out() {
        let config = Config::default();
        let arguments = [
            "timeout",
            "5",
            "maxmemory-clients",
            "200%",
            "client-query-buffer-limit",
            "invalid",
        ];
        assert!(
            set_text(&config, &arguments)
                .unwrap_err()
                .contains("'maxmemory-clients'")
        );
        assert!(
            set_text(&config, &["bind", ""])
                .unwrap_err()
                .contains("nothing to listen on")
        );
        let triggers = ["rocksdb.level0_slowdown_writes_trigger", "50"];
        assert!(
            set_text(&config, &triggers)
                .unwrap_err()
                .contains("'rocksdb.level0_stop_writes_trigger'")
        );
        let triggers = [&triggers[..], &["rocksdb.level0_stop_writes_trigger", "60"]].concat();
        assert_eq!(set_text(&config, &triggers).unwrap().changed.len(), 2);
    }

    #[test]
    fn secrets_are_found_in_arguments_that_fail_too() {
        let arguments: [&[u8]; 5] = [b"foo", b"1", b"RequirePass", b"hush", b"masterauth"];
        assert_eq!(sensitive_arguments(&arguments), [3]);
    }
}
