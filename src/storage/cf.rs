//! The column families of a Kvrocks directory: their names and the numeric ids that travel in every record.
//!
//! Source: Kvrocks storage/storage.h and `CreateColumnFamilies` in storage/storage.cc.

/// One of the seven column families that Kvrocks of 2024 knows.
///
/// The discriminant is the family's id in RocksDB and therefore in each record of the WAL and of the replication
/// stream; it is part of the format. Newer Kvrocks have further families: those are opened and kept, but have no
/// variant here because no command of ours reads them.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cf {
    /// Subkeys of hashes, lists, sets, sorted sets (member to score), bitmaps, sorted ints, Bloom filters, HyperLogLogs.
    Default = 0,
    /// One entry a user key; the whole value for strings and JSON.
    Metadata = 1,
    /// The score-ordered index of sorted sets.
    ZsetScore = 2,
    /// Published messages, stored only so that the WAL carries them to replicas.
    Pubsub = 3,
    /// Replication id, scripts, functions, namespaces, propagated commands.
    Propagate = 4,
    /// Stream entries, groups, consumers, pending entries.
    Stream = 5,
    /// Search indexes.
    Search = 6,
}

impl Cf {
    /// How many families there are.
    pub const COUNT: usize = 7;

    /// Every family, in the order of the ids, which is the order of creation.
    pub const ALL: [Cf; Cf::COUNT] = [
        Cf::Default,
        Cf::Metadata,
        Cf::ZsetScore,
        Cf::Pubsub,
        Cf::Propagate,
        Cf::Stream,
        Cf::Search,
    ];

    /// The family's id as it stands in records.
    pub const fn id(self) -> u32 {
        self as u32
    }

    /// The family's index in arrays over [`Cf::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The family's name in RocksDB's MANIFEST.
    pub const fn name(self) -> &'static str {
        match self {
            Cf::Default => "default",
            Cf::Metadata => "metadata",
            Cf::ZsetScore => "zset_score",
            Cf::Pubsub => "pubsub",
            Cf::Propagate => "propagate",
            Cf::Stream => "stream",
            Cf::Search => "search",
        }
    }

    /// The family with this id, or `None` for the id of a family that we keep without knowing it.
    pub const fn from_id(id: u32) -> Option<Cf> {
        if id < Cf::COUNT as u32 {
            Some(Cf::ALL[id as usize])
        } else {
            None
        }
    }

    /// The family with this name.
    pub fn from_name(name: &str) -> Option<Cf> {
        Cf::ALL.into_iter().find(|cf| cf.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_positions_and_names_are_unique() {
        for (index, cf) in Cf::ALL.into_iter().enumerate() {
            assert_eq!(cf.id() as usize, index);
            assert_eq!(cf.index(), index);
            assert_eq!(Cf::from_id(cf.id()), Some(cf));
            assert_eq!(Cf::from_name(cf.name()), Some(cf));
        }
        assert_eq!(Cf::from_id(7), None);
        assert_eq!(Cf::from_id(u32::MAX), None);
        assert_eq!(Cf::from_name("index"), None);
    }
}
