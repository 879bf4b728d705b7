//! Links between nodes and to the outside: bytes in order, in pieces, with delays; ends, breaks and partitions.
//!
//! A link has a near end (who connected) and a far end (who accepted). An end is a node's socket or the outside: a scenario's client.

use std::collections::VecDeque;

use crate::reactor::simulated::Wire;

/// Names a link; never used again.
pub type LinkId = usize;
/// Names a node.
pub type NodeId = usize;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    ToFar,
    ToNear,
}

/// One end of a link.
pub enum End {
    Outside,
    Node { node: NodeId, wire: Wire },
}

impl End {
    /// The node whose socket it is.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            End::Outside => None,
            End::Node { node, .. } => Some(*node),
        }
    }
}

/// One direction of a link.
#[derive(Default)]
pub struct Lane {
    /// Nothing arrives before what was sent before it.
    pub last_arrival_us: u64,
    /// The sender has closed, and the end is on its way.
    pub has_ended: bool,
    /// Bytes that have arrived.
    pub arrived_bytes: u64,
    /// Nothing gets through this way for the moment, and nobody is told.
    pub is_cut: bool,
    /// The end has arrived.
    pub is_over: bool,
    /// Held back while it is cut: what would arrive, in order; `None` is the end.
    pub held: VecDeque<(Option<Vec<u8>>, u64)>,
}

/// How long bytes take, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    pub least_us: u64,
    pub most_us: u64,
    /// Pieces that one write arrives in, at most.
    pub pieces_max: u64,
}

impl Delays {
    /// At once and whole.
    pub const NONE: Delays = Delays {
        least_us: 0,
        most_us: 0,
        pieces_max: 1,
    };
}

/// A connection.
pub struct Link {
    pub near: End,
    pub far: End,
    pub delays: Delays,
    /// It broke, or both ends are closed: nothing more happens on it.
    pub is_over: bool,
    pub to_far: Lane,
    pub to_near: Lane,
}

impl Link {
    pub fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::ToFar => &mut self.to_far,
            Way::ToNear => &mut self.to_near,
        }
    }

    /// Who receives what goes this way.
    pub fn receiver(&self, way: Way) -> &End {
        match way {
            Way::ToFar => &self.far,
            Way::ToNear => &self.near,
        }
    }

    /// Who sends what goes this way.
    pub fn sender(&self, way: Way) -> &End {
        match way {
            Way::ToFar => &self.near,
            Way::ToNear => &self.far,
        }
    }
}
