//! The settings that choose one of a few words, as enums.

use super::forms::{Choice, choice};

/// `wal-sync`: when the write-ahead log reaches the disk for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalSync {
    /// Before the reply.
    Always,
    /// Once a second, on a thread of its own.
    EverySec,
    /// When the operating system sees fit.
    No,
}

/// The words of [`WalSync`], in the order of Redis's `appendfsync`.
pub const WAL_SYNC: Choice<WalSync> = choice(
    &[
        ("everysec", WalSync::EverySec),
        ("always", WalSync::Always),
        ("no", WalSync::No),
    ],
    &[],
);

/// `loglevel`: the least important lines that are still written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything, for development.
    Debug,
    /// What happens to single clients and files.
    Verbose,
    /// What an operator wants to know: start, stop, changes of role and settings.
    Notice,
    /// What is odd but went on.
    Warning,
    /// What a person must look at.
    Error,
    /// Nothing.
    Nothing,
}

/// The words of [`LogLevel`]; behind Redis's stand those of later Redis versions and of Kvrocks.
pub const LOG_LEVEL: Choice<LogLevel> = choice(
    &[
        ("debug", LogLevel::Debug),
        ("verbose", LogLevel::Verbose),
        ("notice", LogLevel::Notice),
        ("warning", LogLevel::Warning),
    ],
    &[
        ("error", LogLevel::Error),
        ("nothing", LogLevel::Nothing),
        ("info", LogLevel::Notice),
        ("fatal", LogLevel::Error),
    ],
);

/// `supervised`: whether a service manager is told when the server is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervised {
    /// Nobody is told.
    No,
    /// systemd, through the socket that `NOTIFY_SOCKET` names.
    Systemd,
    /// systemd if `NOTIFY_SOCKET` is set.
    Auto,
}

/// The words of [`Supervised`]. Redis's `upstart` is gone with upstart.
pub const SUPERVISED: Choice<Supervised> = choice(
    &[
        ("systemd", Supervised::Systemd),
        ("auto", Supervised::Auto),
        ("no", Supervised::No),
    ],
    &[],
);

/// `enable-debug-command`: who may use `DEBUG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Nobody.
    No,
    /// Every client.
    Yes,
    /// Clients on the loopback address or a Unix socket.
    Local,
}

/// The words of [`Permission`].
pub const PERMISSION: Choice<Permission> = choice(
    &[
        ("no", Permission::No),
        ("yes", Permission::Yes),
        ("local", Permission::Local),
    ],
    &[],
);

/// `rocksdb.compression`: how blocks are compressed from `rocksdb.compression_start_level` down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    No,
    /// Snappy.
    Snappy,
    /// zlib.
    Zlib,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// The name that RocksDB has for it in option texts such as `compression_per_level`.
    pub const fn rocksdb_name(self) -> &'static str {
        match self {
            Compression::No => "kNoCompression",
            Compression::Snappy => "kSnappyCompression",
            Compression::Zlib => "kZlibCompression",
            Compression::Lz4 => "kLZ4Compression",
            Compression::Zstd => "kZSTD",
        }
    }
}

/// The words of [`Compression`].
pub const COMPRESSION: Choice<Compression> = choice(
    &[
        ("no", Compression::No),
        ("snappy", Compression::Snappy),
        ("zlib", Compression::Zlib),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ],
    &[],
);

/// `rocksdb.wal_compression`: how the write-ahead log is compressed.
pub const WAL_COMPRESSION: Choice<Compression> =
    choice(&[("no", Compression::No), ("zstd", Compression::Zstd)], &[]);

/// `rocksdb.block_cache_type`: the cache that blocks are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockCache {
    /// Least recently used first out.
    Lru,
    /// Hyper clock cache: cheaper when many threads read.
    HyperClock,
}

/// The words of [`BlockCache`].
pub const BLOCK_CACHE: Choice<BlockCache> = choice(
    &[("lru", BlockCache::Lru), ("hcc", BlockCache::HyperClock)],
    &[],
);
