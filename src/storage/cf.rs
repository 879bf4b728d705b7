//! The column families, in Kvrocks's order.

/// A column family; its number is what travels in write batches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Cf {
    Default = 0,
    Metadata = 1,
    ZsetScore = 2,
    Pubsub = 3,
    Propagate = 4,
    Stream = 5,
    Search = 6,
}

impl Cf {
    /// Its number in write batches.
    pub fn id(self) -> u32 {
        self as u32
    }
}
