//! Opening links, and what is on its way on them.

use super::super::network::{Delays, End, Link, LinkId, NodeId, Way};
use super::{Event, World};
use crate::reactor::simulated::{SimStream, Wire};

impl World<'_> {
    /// A connection from outside to a running node.
    pub fn connect(&mut self, node: NodeId, delays: Delays) -> LinkId {
        self.open_link(End::Outside, node, delays)
    }

    /// A connection from one node to another, with the socket that the first one has of it; what becomes readable on it is told to
    /// whoever registers it.
    pub fn connect_nodes(
        &mut self,
        from: NodeId,
        to: NodeId,
        delays: Delays,
    ) -> (LinkId, SimStream) {
        let (wire, stream) = Wire::new();
        let near = End::Node { node: from, wire };
        (self.open_link(near, to, delays), stream)
    }

    fn open_link(&mut self, near: End, node: NodeId, delays: Delays) -> LinkId {
        let (wire, stream) = Wire::new();
        let link = self.links.len();
        let addr = format!("10.1.0.1:{}", 10_000 + link % 50_000);
        let it = &self.nodes[node];
        let is_up = it.server.is_some() && it.door.connect(stream, addr, link as i32).is_ok();
        self.links.push(Link {
            near,
            far: End::Node { node, wire },
            delays,
            is_cut: false,
            is_over: false,
            to_far: Default::default(),
            to_near: Default::default(),
        });
        if !is_up {
            self.carry(link, Way::ToNear, None);
        }
        self.replan(node);
        link
    }

    /// The outside writes to a link of its own.
    pub fn send(&mut self, link: LinkId, bytes: &[u8]) {
        self.carry(link, Way::ToFar, Some(bytes));
    }

    /// The outside closes a link of its own.
    pub fn close(&mut self, link: LinkId) {
        self.carry(link, Way::ToFar, None);
    }

    /// Holds everything on a link back, or lets it through again.
    pub fn set_cut(&mut self, link: LinkId, is_cut: bool) {
        self.links[link].is_cut = is_cut;
        for way in [Way::ToFar, Way::ToNear] {
            if !is_cut {
                for (bytes, sent_us) in std::mem::take(&mut self.links[link].lane(way).held) {
                    self.put_arrival(link, way, bytes, sent_us, 0);
                }
            }
        }
    }

    /// Puts bytes (`None`: the end) on their way, in pieces.
    pub(super) fn carry(&mut self, link: LinkId, way: Way, bytes: Option<&[u8]>) {
        let it = &mut self.links[link];
        if it.is_over || it.lane(way).has_ended {
            return;
        }
        let delays = it.delays;
        it.lane(way).has_ended |= bytes.is_none();
        let Some(mut rest) = bytes else {
            let delay = self.network_delay(delays);
            return self.put_arrival(link, way, None, self.now_us, delay);
        };
        let mut pieces = 1 + self.rng.below(delays.pieces_max);
        while !rest.is_empty() {
            let len = if pieces <= 1 {
                rest.len()
            } else {
                1 + self.rng.below(rest.len() as u64) as usize
            };
            pieces = pieces.saturating_sub(1);
            let delay = self.network_delay(delays);
            self.put_arrival(link, way, Some(rest[..len].to_vec()), self.now_us, delay);
            rest = &rest[len..];
        }
    }

    pub(super) fn network_delay(&mut self, delays: Delays) -> u64 {
        delays.least_us + self.rng.below(delays.most_us - delays.least_us + 1)
    }

    pub(super) fn put_arrival(
        &mut self,
        link: LinkId,
        way: Way,
        bytes: Option<Vec<u8>>,
        sent_us: u64,
        delay_us: u64,
    ) {
        let lane = self.links[link].lane(way);
        let at_us = lane.last_arrival_us.max(self.now_us + delay_us);
        lane.last_arrival_us = at_us;
        self.put(
            at_us,
            Event::Arrival {
                link,
                way,
                bytes,
                sent_us,
            },
        );
    }

    /// Takes what a node has written or closed, and puts it on its way.
    pub(super) fn collect(&mut self, node: NodeId) {
        for link in 0..self.links.len() {
            if self.links[link].is_over {
                continue;
            }
            for way in [Way::ToFar, Way::ToNear] {
                let (written, is_closed) = match self.links[link].sender(way) {
                    End::Node {
                        node: its, wire, ..
                    } if *its == node => (wire.take_written(), wire.is_closed()),
                    _ => continue,
                };
                if !written.is_empty() {
                    self.carry(link, way, Some(&written));
                }
                if is_closed {
                    self.carry(link, way, None);
                }
            }
        }
    }
}
