//! Lines, files and command lines: how settings are read, and what is said of those that are wrong.

use super::*;

fn load_text(text: &str) -> Result<Config, ConfigError> {
    load(&Sources {
        file: None,
        stdin: Some(text.as_bytes()),
        options: b"",
        cwd: Path::new("/here"),
    })
}

fn reason(text: &str) -> String {
    load_text(text).unwrap_err().reason
}

#[test]
fn lines_are_read_in_order_and_the_last_one_wins() {
    let config = load_text(
        "# a comment\n\n\tPORT 7000\r\nport '7001'\n  bind 127.0.0.1 -::1\nmaxclients 5\n\
         save 900 1\nsave 300 10\nshutdown-on-sigterm \"nosave now\"\n",
    )
    .unwrap();
    assert_eq!(config.port, 7001);
    assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
    assert_eq!(config.maxclients, 5);
    assert_eq!(
        super::super::find(b"save").unwrap().0.show(&config),
        b"900 1 300 10"
    );
    assert!(config.shutdown_on_sigterm.nosave && config.shutdown_on_sigterm.now);
    assert_eq!(config.dir, Path::new("/here/data"));
}

#[test]
fn names_of_redis_and_kvrocks_are_the_same_setting() {
    let config =
        load_text("log-level info\nredis-databases 4\nappendfsync always\nlua-time-limit 7\n")
            .unwrap();
    assert_eq!(config.loglevel, crate::config::LogLevel::Notice);
    assert_eq!(config.databases, 4);
    assert_eq!(config.wal_sync, crate::config::WalSync::Always);
    assert_eq!(config.busy_reply_threshold_ms, 7);
}

#[test]
fn a_bad_line_is_named_with_its_place() {
    let error = load_text("port 1\nloglevel loud\n").unwrap_err();
    assert_eq!(error.place.as_deref(), Some("standard input, at line 2"));
    assert_eq!(error.line.as_deref(), Some("loglevel loud"));
    assert_eq!(
        error.reason,
        "argument(s) must be one of the following: debug, verbose, notice, warning"
    );
    for (text, expected) in [
        (
            "bind \"127.0.0.1",
            "Unbalanced quotes in configuration line",
        ),
        (
            "bind \"127.0.0.1 'x\"",
            "Unbalanced quotes in configuration line",
        ),
        ("port 1 2", "wrong number of arguments"),
        ("port", "wrong number of arguments"),
        ("port 6666 # the port", "wrong number of arguments"),
        ("replicaof a", "wrong number of arguments"),
        ("foo 1 2", "Bad directive or wrong number of arguments"),
        ("include", "Bad directive or wrong number of arguments"),
        (
            "rename-command KEYS",
            "Bad directive or wrong number of arguments",
        ),
        (
            "rocksdb.no_such_option 1",
            "Bad directive or wrong number of arguments",
        ),
    ] {
        assert_eq!(reason(text), expected, "{text:?}");
    }
}

#[test]
fn features_that_are_not_there_are_refused_with_the_reason() {
    for (text, expected) in [
        ("slave-read-only no", "equal sequences"),
        ("maxmemory 100mb", "data is on disk"),
        ("maxmemory-policy allkeys-lru", "nothing is evicted"),
        ("daemonize yes", "does not put itself in the background"),
        ("user alice on", "requirepass"),
        ("namespace.shop token", "namespaces are not in this build"),
        ("tls-cert-file a.pem", "TLS"),
        ("tls-port 6379", "TLS"),
        ("loadmodule a.so", "modules"),
        ("sentinel", "redis-sentinel"),
        ("tls-replication yes", "TLS"),
        ("master-use-repl-port yes", "before 2.0"),
        ("bind-source-addr 10.0.0.1", "the system chooses"),
        ("repl-namespace-enabled yes", "namespaces"),
        (
            "rocksdb.write_options.disable_wal yes",
            "lose acknowledged writes",
        ),
    ] {
        let reason = reason(text);
        assert!(reason.contains(expected), "{text:?}: {reason}");
    }
    let defaults =
        "replicaof no one\nmaxmemory 0\nmaxmemory-policy noeviction\ndaemonize no\ntls-port 0\n";
    assert_eq!(load_text(defaults), load_text(""));
}

/// What Kvrocks has for replication, and Redis beside it: each is read, or says that it changes nothing.
#[test]
fn the_settings_of_replication_are_all_known() {
    let read = "replicaof h 1\nmasterauth p\nmasteruser u\nslave-serve-stale-data no\nslave-priority 1\n\
                replica-announce-ip i\nreplica-announce-port 1\nreplica-announced no\nrepl-timeout 1\n\
                replication-connect-timeout-ms 1\nmax-replication-mb 1\nmin-slaves-to-write 1\n\
                min-slaves-max-lag 1\ndb-name d\n";
    assert_eq!(load_text(read).unwrap().notices(), [""; 0]);
    let idle = [
        "use-rsid-psync yes",
        "slave-empty-db-before-fullsync yes",
        "fullsync-recv-file-delay 1",
        "replication-recv-timeout-ms 1",
        "replication-group-sync yes",
        "replication-no-slowdown no",
        "replication-delay-bytes 1",
        "replication-delay-updates 1",
        "purge-backup-on-fullsync yes",
        "repl-ping-replica-period 1",
        "repl-disable-tcp-nodelay yes",
        "repl-backlog-size 1mb",
        "repl-backlog-ttl 1",
        "repl-diskless-sync no",
        "repl-diskless-load swapdb",
    ];
    for line in idle {
        let name = line.split(' ').next().unwrap();
        let notices = load_text(line).unwrap().notices();
        let is_default = line.starts_with("repl-backlog-size");
        assert_eq!(notices.len(), usize::from(!is_default), "{line}");
        assert!(notices.iter().all(|it| it.contains(name)), "{notices:?}");
    }
}

#[test]
fn secrets_stay_out_of_errors() {
    let error = load_text("requirepass \"hush").unwrap_err();
    assert_eq!(error.line.as_deref(), Some("requirepass (redacted)"));
    assert!(!error.to_string().contains("hush"));
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    assert!(reason("bind \"\"").starts_with("bind: there is nothing to listen on"));
    for (text, port) in [
        ("port 7", Some(7)),
        ("port 0", Some(0)),
        ("port 0\nunixsocket /run/s", None),
        ("port 7\nunixsocket /run/s", Some(7)),
        ("bind \"\"\nunixsocket /run/s", None),
    ] {
        assert_eq!(load_text(text).unwrap().tcp_port(), port, "{text:?}");
    }
    assert!(reason("logfile a\nlog-dir b").starts_with("log-dir: "));
    assert!(
        reason("rocksdb.level0_stop_writes_trigger 10")
            .starts_with("rocksdb.level0_stop_writes_trigger: ")
    );
}

#[test]
fn rename_command_lines_are_kept_with_their_place() {
    let config = load_text("rename-command KEYS hidden\nrename-command FLUSHALL \"\"\n").unwrap();
    let renames: Vec<_> = config
        .rename_commands
        .iter()
        .map(|rename| (&*rename.from, &*rename.to))
        .collect();
    assert_eq!(
        renames,
        [(&b"KEYS"[..], &b"hidden"[..]), (&b"FLUSHALL"[..], &b""[..])]
    );
    assert_eq!(config.rename_commands[1].place, "standard input, at line 2");
}

#[test]
fn files_are_included_in_place_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    write(
        "main.conf",
        "port 1\ninclude conf.d/*.conf\ninclude empty.d/*.conf\nhz 20\n",
    );
    write("conf.d/20.conf", "port 3\n");
    write("conf.d/10.conf", "port 2\nmaxclients 7\n");
    write("conf.d/.30.conf", "port 4\n");
    write("conf.d/40.txt", "port 5\n");
    let main = Path::new("main.conf");
    let sources = Sources {
        file: Some(main),
        stdin: None,
        options: b"",
        cwd: dir.path(),
    };
    let config = load(&sources).unwrap();
    assert_eq!((config.port, config.maxclients, config.hz), (3, 7, 20));
    assert_eq!(config.file, Some(dir.path().join(main)));

    write("conf.d/20.conf", "hz 1\nport x\n");
    let error = load(&sources).unwrap_err();
    let place = format!(
        "the configuration file '{}', at line 2",
        dir.path().join("conf.d/20.conf").display()
    );
    assert_eq!(error.place, Some(place));
    assert_eq!(error.line.as_deref(), Some("port x"));

    write("main.conf", "include missing.conf\n");
    let error = load(&sources).unwrap_err();
    assert!(
        error.reason.starts_with("can't open config file "),
        "{error}"
    );
    assert!(error.reason.contains("missing.conf"), "{error}");
    assert_eq!(error.line.as_deref(), Some("include missing.conf"));

    write("main.conf", "include main.conf\n");
    assert_eq!(
        load(&sources).unwrap_err().reason,
        "more than 16 files include each other"
    );
}

#[test]
fn words_without_meaning_since_long_are_taken() {
    let config = load_text("list-max-ziplist-entries 512\nlua-replicate-commands yes\n").unwrap();
    assert_eq!(Ok(config), load_text(""));
}
