//! Opening links, and what is on its way on them.

use super::super::network::{Delays, End, Lane, Link, LinkId, NodeId, Way};
use super::{Event, Occurrence, World};
use crate::reactor::simulated::{Dialed, SimStream, Wire};

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
        let port = 10_000 + link % 50_000;
        let addr = match near.node() {
            Some(from) => format!("{}:{port}", ip(from)),
            None => format!("10.1.0.1:{port}"),
        };
        let it = &self.nodes[node];
        let is_up = it.server.is_some() && it.door.connect(stream, addr, link as i32).is_ok();
        let ways = near.node().map(|from| ((from, node), (node, from)));
        let is_cut = |way| self.cuts.contains(&way);
        let lane = |is_cut| Lane {
            is_cut,
            ..Lane::default()
        };
        let (there, back) = ways.map_or((false, false), |(there, back)| {
            (is_cut(there), is_cut(back))
        });
        self.links.push(Link {
            near,
            far: End::Node { node, wire },
            delays,
            is_over: false,
            to_far: lane(there),
            to_near: lane(back),
        });
        self.live.push(link);
        if !is_up {
            self.carry(link, Way::ToNear, None);
        }
        self.replan(node);
        link
    }

    /// Takes up what a node's helpers have connected to.
    pub(super) fn dial(&mut self, node: NodeId) {
        for Dialed { addr, wire } in self.nodes[node].dialer.take() {
            let to = (0..self.nodes.len()).find(|&to| self.addr(to) == addr);
            match to {
                Some(to) => {
                    let link = self.open_link(End::Node { node, wire }, to, self.between);
                    self.note(format_args!(
                        "node {node} connects to node {to}: link {link}"
                    ));
                }
                None => wire.break_off(),
            }
        }
    }

    /// From now on nothing that `from` sends reaches `to`, on any link, or it does again.
    pub fn set_way_cut(&mut self, from: NodeId, to: NodeId, is_cut: bool) {
        if is_cut {
            self.cuts.insert((from, to));
        } else {
            self.cuts.remove(&(from, to));
        }
        for link in self.live.clone() {
            for way in [Way::ToFar, Way::ToNear] {
                let it = &self.links[link];
                if it.sender(way).node() == Some(from) && it.receiver(way).node() == Some(to) {
                    self.set_lane_cut(link, way, is_cut);
                }
            }
        }
    }

    /// Connections between two nodes, oldest first.
    pub fn links_between(&self, one: NodeId, other: NodeId) -> Vec<LinkId> {
        let is_theirs = |link: &LinkId| {
            let ends = (self.links[*link].near.node(), self.links[*link].far.node());
            ends == (Some(one), Some(other)) || ends == (Some(other), Some(one))
        };
        self.live.iter().copied().filter(is_theirs).collect()
    }

    /// Who opened a link finds it broken; what he has sent is on its way all the same.
    pub fn break_near(&mut self, link: LinkId) {
        let End::Node { node, wire } = &self.links[link].near else {
            return;
        };
        wire.break_off();
        let node = *node;
        self.replan(node);
    }

    /// Breaks every connection between two nodes.
    pub fn break_links(&mut self, one: NodeId, other: NodeId) {
        for link in self.live.clone() {
            let it = &mut self.links[link];
            let (
                End::Node {
                    node: near,
                    wire: w1,
                },
                End::Node {
                    node: far,
                    wire: w2,
                },
            ) = (&it.near, &it.far)
            else {
                continue;
            };
            if (*near, *far) == (one, other) || (*near, *far) == (other, one) {
                w1.break_off();
                w2.break_off();
                it.is_over = true;
            }
        }
        self.break_copies(one, other);
        self.replan(one);
        self.replan(other);
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
        for way in [Way::ToFar, Way::ToNear] {
            self.set_lane_cut(link, way, is_cut);
        }
    }

    fn set_lane_cut(&mut self, link: LinkId, way: Way, is_cut: bool) {
        self.links[link].lane(way).is_cut = is_cut;
        if !is_cut {
            // What is held stays in front of what is still on its way: each of these empty arrivals lets one piece of it through.
            for _ in 0..self.links[link].lane(way).held.len() {
                self.put_arrival(link, way, Some(Vec::new()), self.now_us, 0);
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

    /// What was put on its way arrives, unless the way is cut.
    pub(super) fn arrive(
        &mut self,
        link: LinkId,
        way: Way,
        bytes: Option<Vec<u8>>,
        sent_us: u64,
    ) -> Occurrence {
        let it = &mut self.links[link];
        if it.is_over {
            return Occurrence::Nothing;
        }
        let lane = it.lane(way);
        let lets_through = bytes.as_ref().is_some_and(Vec::is_empty);
        if !lets_through {
            lane.held.push_back((bytes, sent_us));
        }
        if lane.is_cut {
            return Occurrence::Nothing;
        }
        let Some((bytes, sent_us)) = lane.held.pop_front() else {
            return Occurrence::Nothing;
        };
        it.lane(way).arrived_bytes += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let total = it.lane(way).arrived_bytes;
        match (it.receiver(way), bytes) {
            (End::Outside, Some(bytes)) => {
                return Occurrence::Bytes {
                    link,
                    bytes,
                    sent_us,
                };
            }
            (End::Outside, None) => {
                it.is_over = true;
                // What was under way to a process that is gone, or that has closed, is answered by a reset.
                if let End::Node { wire, .. } = &it.far {
                    wire.break_off();
                }
                return Occurrence::Closed { link };
            }
            (End::Node { node, wire, .. }, bytes) => {
                let node = *node;
                match bytes {
                    Some(bytes) => wire.arrive(&bytes),
                    None => {
                        wire.end();
                        it.lane(way).is_over = true;
                        it.is_over = it.to_far.is_over && it.to_near.is_over;
                    }
                }
                self.replan(node);
                if matches!(self.links[link].sender(way), End::Outside) {
                    return Occurrence::Delivered { link, bytes: total };
                }
            }
        }
        Occurrence::Nothing
    }

    /// Takes what a node has written or closed, and puts it on its way.
    pub(super) fn collect(&mut self, node: NodeId) {
        self.dial(node);
        self.begin_copies(node);
        let links = &self.links;
        self.live.retain(|&link| !links[link].is_over);
        for at in 0..self.live.len() {
            let link = self.live[at];
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

/// The address of a node.
pub(super) fn ip(node: NodeId) -> String {
    format!("10.0.0.{}", node + 1)
}
