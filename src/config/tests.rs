//! Tests over the whole table: what must hold for every setting.

use std::collections::HashSet;

use super::*;

/// Every setting with the default settings.
fn settings_with_default() -> (Config, Vec<&'static Setting>) {
    (Config::default(), all().collect())
}

#[test]
fn names_are_unique_and_written_in_small_letters() {
    let mut names = HashSet::new();
    for setting in all() {
        for name in setting.names() {
            assert!(names.insert(name), "{name} stands twice in the table");
            assert_eq!(name, name.to_ascii_lowercase());
            assert!(!name.contains(char::is_whitespace));
        }
    }
}

#[test]
fn every_default_may_be_set_and_written_to_a_file() {
    let (default, settings) = settings_with_default();
    for setting in settings {
        let mut config = default.clone();
        let shown = setting.show(&default);
        // `replicaof` shows nothing where a file says `no one`, and a directory is never empty.
        if setting.name != "replicaof" {
            setting
                .assign_argument(&mut config, &shown)
                .unwrap_or_else(|error| panic!("{setting:?}: {error}"));
            assert_eq!(config, default, "{setting:?}");
        }
        for line in (setting.lines)(&default) {
            let words = words::split(&line).unwrap();
            setting
                .assign_line(&mut config, &words)
                .unwrap_or_else(|error| panic!("{setting:?}: {error}"));
        }
        assert_eq!(config, default, "{setting:?}");
        assert_eq!(
            (setting.lines_unlike)(&default, &default),
            Vec::<Vec<u8>>::new(),
            "{setting:?}"
        );
    }
}

#[test]
fn a_refused_value_leaves_the_setting_as_it_was() {
    let (default, settings) = settings_with_default();
    let strange = b"\xff\x00 not a value".to_vec();
    let mut refused = 0;
    for setting in settings {
        let mut config = default.clone();
        for words in [vec![], vec![strange.clone()], vec![strange.clone(); 5]] {
            if setting.assign_line(&mut config, &words).is_err() {
                assert_eq!(config, default, "{setting:?} {words:?}");
                refused += 1;
            }
            config = default.clone();
        }
        if setting.assign_argument(&mut config, &strange).is_err() {
            assert_eq!(config, default, "{setting:?}");
            refused += 1;
        }
    }
    assert!(refused > all().count());
}

#[test]
fn reasons_are_sentences_that_can_follow_a_colon() {
    for setting in all() {
        let (Effect::Unused(reason) | Effect::OnlyDefault(reason)) = setting.effect else {
            continue;
        };
        assert!(
            !reason.is_empty() && !reason.ends_with('.') && !reason.contains('\n'),
            "{setting:?}: {reason}"
        );
    }
}

#[test]
fn secrets_are_not_shown_by_debug() {
    let update = live::set(
        &Config::default(),
        &[
            b"requirepass",
            b"hush",
            b"masterauth",
            b"hush",
            b"port",
            b"1",
        ],
    );
    let shown = format!("{:?}", update.unwrap().config);
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(
        shown,
        r#"{"port": "1", "requirepass": "(redacted)", "masterauth": "(redacted)"}"#
    );
}

#[test]
fn the_log_goes_where_logfile_or_log_dir_says() {
    let target = |name: &str, value: &str| {
        let mut config = Config::default();
        let (setting, _) = find(name.as_bytes()).unwrap();
        setting
            .assign_line(&mut config, &[value.as_bytes().to_vec()])
            .unwrap();
        config.log_target()
    };
    assert_eq!(Config::default().log_target(), LogTarget::Stderr);
    assert_eq!(target("logfile", ""), LogTarget::Stderr);
    assert_eq!(
        target("logfile", "/var/log/x"),
        LogTarget::File("/var/log/x".into())
    );
    assert_eq!(target("log-dir", "stdout"), LogTarget::Stdout);
    assert_eq!(target("log-dir", "stderr"), LogTarget::Stderr);
    assert_eq!(
        target("log-dir", "/var/log"),
        LogTarget::File("/var/log/stillpoint.log".into())
    );
}

#[test]
fn live_settings_of_rocksdb_have_an_option_for_the_open_database() {
    let engine = EngineConfig::default();
    for setting in all().filter(|setting| setting.name.starts_with("rocksdb.")) {
        let live = setting.change == Change::Live && setting.effect == Effect::Used;
        assert_eq!(
            engine.family_option(setting.name).is_some(),
            live,
            "{setting:?}"
        );
    }
    let update = live::set(
        &Config::default(),
        &[
            b"rocksdb.compression",
            b"zstd",
            b"rocksdb.write_buffer_size",
            b"8",
        ],
    );
    let engine = update.unwrap().config.rocksdb;
    let option = |setting| {
        engine
            .family_option(setting)
            .map(|option| (option.name, option.value))
    };
    let per_level = ["kNoCompression"; 2]
        .into_iter()
        .chain(["kZSTD"; 5])
        .collect::<Vec<_>>()
        .join(":");
    assert_eq!(
        option("rocksdb.compression"),
        Some(("compression_per_level", per_level))
    );
    assert_eq!(
        option("rocksdb.write_buffer_size"),
        Some(("write_buffer_size", (8 << 20).to_string()))
    );
    assert_eq!(
        option("rocksdb.blob_garbage_collection_age_cutoff"),
        Some(("blob_garbage_collection_age_cutoff", "0.25".to_string()))
    );
    assert_eq!(option("port"), None);
}

#[test]
fn the_readme_states_the_defaults() {
    let readme = include_str!("../../README.md");
    let table = readme
        .split("| setting | default | what it is |")
        .nth(1)
        .unwrap();
    let default = Config::default();
    let mut rows = 0;
    for row in table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
    {
        let cells: Vec<&str> = row
            .split(" |")
            .map(|cell| cell.trim_start_matches('|').trim())
            .collect();
        let name = cells[0].trim_matches('`');
        let (setting, known) =
            find(name.as_bytes()).unwrap_or_else(|| panic!("there is no setting {name}"));
        assert_eq!(setting.effect, Effect::Used, "{name}");
        assert_eq!(setting.name, known, "the table names settings, not aliases");
        let shown = String::from_utf8(setting.show(&default)).unwrap();
        assert_eq!(
            cells[1].trim_matches('`').trim_start_matches("./"),
            shown,
            "{name}"
        );
        rows += 1;
    }
    assert!(rows >= 20, "{rows} rows");
}
