//! What is sent to each replica, and when: the primary's side of its links. Pure: commits, received bytes and a time in; bytes
//! and requests for older records out.
//!
//! Every link reads the same [`Ring`] of what was committed lately, each at its own place, so a slow replica costs its
//! place and one buffer of bounded size. Who falls out of the ring is fed from the WAL, piece by piece, until the ring holds
//! what comes next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::BytesMut;

use super::frames::{AckReader, Frame, Message, push_record_line};
use super::progress::ReplicaId;
use super::ring::{Committed, Cursor, Found, Ring};
use crate::clock::MonoMs;
use crate::limits::LINK_OUTPUT_BYTES_MAX;
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;

/// Milliseconds of silence after which a link is sent a keep-alive. Kvrocks sends one after 2 s of idleness.
const PING_INTERVAL_MS: u64 = 1000;

/// What the feeder lets the loop see of a link at any time, without a message.
#[derive(Debug, Default)]
pub struct Gauge {
    sent: AtomicU64,
    queued_bytes: AtomicU64,
    /// Zero: never.
    acknowledged: AtomicU64,
    /// Acknowledgements that came, news or not.
    acknowledgements: AtomicU64,
    is_online: AtomicBool,
}

impl Gauge {
    /// Everything up to here was given to the link.
    pub fn sent(&self) -> Seq {
        Seq::new(self.sent.load(Ordering::Acquire))
    }

    /// Bytes of it that its socket has not taken yet.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Ordering::Acquire)
    }

    /// The last update that the replica has said it has applied on this link, if it has said anything.
    pub fn acknowledged(&self) -> Option<Seq> {
        let seq = self.acknowledged.load(Ordering::Acquire);
        (self.acknowledgements() != 0).then_some(Seq::new(seq))
    }

    /// How many acknowledgements have come, news or not.
    pub fn acknowledgements(&self) -> u64 {
        self.acknowledgements.load(Ordering::Acquire)
    }

    /// Whether it is sent what is committed, and not what the WAL has.
    pub fn is_online(&self) -> bool {
        self.is_online.load(Ordering::Acquire)
    }
}

/// A replica that has been accepted from `next` on.
#[derive(Debug)]
pub struct Attachment {
    pub id: ReplicaId,
    /// The first update that it lacks.
    pub next: Seq,
    /// It understands what Stillpoints say beyond Kvrocks's protocol.
    pub has_extras: bool,
    pub gauge: Arc<Gauge>,
}

/// Where a link's next bytes come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// To be found out.
    Unknown,
    /// The ring, from here on.
    Ring(Cursor),
    /// The WAL, a piece of which is being read.
    Wal,
    /// The WAL, which has shown nothing new: asked again at the next tick.
    WalLater,
}

struct Link {
    /// The first update that is not framed yet.
    next: Seq,
    source: Source,
    has_extras: bool,
    /// It has acknowledged on this link: it knows what a request for an acknowledgement is.
    has_acknowledged: bool,
    gauge: Arc<Gauge>,
    /// Framed bytes, of which the first `left_bytes` have left.
    out: Vec<u8>,
    left_bytes: usize,
    held_messages: HeldMessages,
    arrived: BytesMut,
    reader: AckReader,
    last_sent: MonoMs,
    last_heard: MonoMs,
}

/// Messages that wait for the records before them.
#[derive(Default)]
struct HeldMessages {
    /// Each with the update that must be framed before it.
    list: VecDeque<(Seq, Message)>,
    /// What they take in the stream, about.
    bytes: usize,
}

/// What a message takes beside its channel and its payload: lengths, line ends, and its place here.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

impl HeldMessages {
    fn hold(&mut self, behind: Seq, message: Message) {
        self.bytes += message.bytes() + MESSAGE_OVERHEAD_BYTES;
        self.list.push_back((behind, message));
    }

    /// The oldest one, if every update below `next` is all that it waits for.
    fn take_before(&mut self, next: Seq) -> Option<Frame> {
        let (behind, _) = self.list.front()?;
        if *behind >= next {
            return None;
        }
        let (_, message) = self.list.pop_front()?;
        self.bytes -= message.bytes() + MESSAGE_OVERHEAD_BYTES;
        Some(Frame::Message(message))
    }
}

/// What a link needs after it was filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// There are bytes to send, or nothing to do.
    Filled,
    /// Read the WAL from here on and bring it with [`Feeding::piece`].
    NeedsWal { from: Seq },
}

/// Everything about links that is not a socket.
pub struct Feeding {
    ring: Ring,
    links: BTreeMap<ReplicaId, Link>,
}

impl Feeding {
    /// Without links, behind `last`, the last committed update; keeps at most `ring_bytes_max` of records.
    pub fn new(last: Seq, ring_bytes_max: usize) -> Feeding {
        Feeding {
            ring: Ring::new(last, ring_bytes_max),
            links: BTreeMap::new(),
        }
    }

    /// What was committed up to `last` was not told, or is not true any more: the database was replaced.
    pub fn restart(&mut self, last: Seq) {
        self.ring.restart(last);
        for link in self.links.values_mut() {
            link.source = Source::Unknown;
        }
    }

    /// A record was committed. One that does not go on where the last one ended follows records that were not told: those that
    /// were on their way when the first link came. The links read them from the WAL.
    pub fn committed(&mut self, record: Committed) {
        if record.first != self.ring.next_seq() {
            self.restart(Seq::new(record.first.get().saturating_sub(1)));
        }
        self.ring.push(record);
    }

    /// The last committed update.
    pub fn last(&self) -> Seq {
        Seq::new(self.ring.next_seq().get() - 1)
    }

    /// Takes a link in.
    pub fn attach(&mut self, attachment: Attachment, now: MonoMs) {
        let Attachment {
            id,
            next,
            has_extras,
            gauge,
        } = attachment;
        let link = Link {
            next,
            source: Source::Unknown,
            has_extras,
            has_acknowledged: false,
            gauge,
            out: Vec::new(),
            left_bytes: 0,
            held_messages: HeldMessages::default(),
            arrived: BytesMut::new(),
            reader: AckReader::default(),
            last_sent: now,
            last_heard: now,
        };
        link.show();
        self.links.insert(id, link);
    }

    /// Lets a link go.
    pub fn detach(&mut self, id: ReplicaId) {
        self.links.remove(&id);
    }

    /// The links.
    pub fn ids(&self) -> Vec<ReplicaId> {
        self.links.keys().copied().collect()
    }

    /// Frames what the link lacks, up to a bound.
    pub fn fill(&mut self, id: ReplicaId) -> Fill {
        let Some(link) = self.links.get_mut(&id) else {
            return Fill::Filled;
        };
        while link.pending_bytes() < LINK_OUTPUT_BYTES_MAX {
            let cursor = match link.source {
                Source::Wal | Source::WalLater => break,
                Source::Ring(cursor) => cursor,
                Source::Unknown => match self.ring.find(link.next) {
                    Found::At(cursor) => cursor,
                    Found::InWal | Found::Nowhere => return link.ask_wal(),
                },
            };
            match self.ring.get(cursor) {
                Err(_) => return link.ask_wal(),
                Ok(None) => {
                    link.source = Source::Ring(cursor);
                    link.gauge.is_online.store(true, Ordering::Release);
                    break;
                }
                Ok(Some(record)) => {
                    link.push_record(record);
                    link.source = Source::Ring(cursor.next());
                }
            }
        }
        link.show();
        Fill::Filled
    }

    /// A piece of the WAL for a link that had asked for it: whole records in order, from where it stands. An empty piece means
    /// that the WAL shows nothing more yet.
    pub fn piece(&mut self, id: ReplicaId, records: &[Committed]) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let before = link.next;
        for record in records {
            // One without updates has the number of the next one, and may come again.
            if record.first == link.next {
                link.push_record(record);
            }
        }
        link.source = if link.next > before {
            Source::Unknown
        } else {
            Source::WalLater
        };
        link.show();
    }

    /// The bytes that the link is to be sent now.
    pub fn sendable(&self, id: ReplicaId) -> &[u8] {
        self.links
            .get(&id)
            .map_or(&[], |link| &link.out[link.left_bytes..])
    }

    /// So many of them have left.
    pub fn sent(&mut self, id: ReplicaId, bytes: usize, now: MonoMs) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.left_bytes += bytes;
        link.last_sent = now;
        if link.left_bytes == link.out.len() {
            link.out.clear();
            link.left_bytes = 0;
        } else if link.left_bytes >= LINK_OUTPUT_BYTES_MAX {
            // A link that is never drained whole must not keep all that it ever sent.
            link.out.drain(..link.left_bytes);
            link.left_bytes = 0;
        }
        link.show();
    }

    /// Bytes from the replica. Gives what it has newly acknowledged; an error ends the link.
    pub fn received(
        &mut self,
        id: ReplicaId,
        bytes: &[u8],
        now: MonoMs,
    ) -> Result<Option<Seq>, String> {
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(None);
        };
        link.last_heard = now;
        link.arrived.extend_from_slice(bytes);
        let acknowledged = link.reader.take(&mut link.arrived);
        let Some(seq) = acknowledged.map_err(|fault| fault.to_string())? else {
            return Ok(None);
        };
        if seq >= link.next {
            let last = link.next.get().saturating_sub(1);
            return Err(format!("it acknowledges {seq}, but was sent {last}"));
        }
        let is_first = !std::mem::replace(&mut link.has_acknowledged, true);
        let gauge = &link.gauge;
        let before = gauge.acknowledged.fetch_max(seq.get(), Ordering::AcqRel);
        gauge.acknowledgements.fetch_add(1, Ordering::AcqRel);
        Ok((is_first || seq.get() > before).then_some(seq))
    }

    /// Asks every replica that understands it for an acknowledgement now.
    pub fn ask_for_acks(&mut self) {
        for link in self.links.values_mut() {
            if link.has_extras || link.has_acknowledged {
                link.push(&Frame::GetAck);
            }
        }
    }

    /// A message that travels beside the batches, to those who know what it is.
    ///
    /// It stands behind every record that is committed by now: what a transaction wrote is there when its message comes.
    pub fn message(&mut self, message: &Message) {
        let behind = self.last();
        for link in self.links.values_mut().filter(|link| link.has_extras) {
            // Late messages are worth nothing: a replica that does not keep up misses them, as a slow subscriber does.
            if link.pending_bytes() + link.held_messages.bytes < LINK_OUTPUT_BYTES_MAX {
                link.held_messages.hold(behind, message.clone());
                link.push_due_messages();
            }
        }
    }

    /// Tells Stillpoints under which id is written from now on.
    pub fn tell_history(&mut self, id: Option<ReplicationId>) {
        let last = self.last();
        for link in self.links.values_mut().filter(|link| link.has_extras) {
            link.push(&Frame::Status { last, id });
        }
    }

    /// Tells Stillpoints who is above them.
    pub fn tell_path(&mut self, path: &[String]) {
        for link in self.links.values_mut().filter(|link| link.has_extras) {
            link.push(&Frame::Path(path.to_vec()));
        }
    }

    /// Keep-alives for silent links; gives those whose replica has said nothing, or taken nothing, for `timeout_ms`.
    pub fn tick(
        &mut self,
        now: MonoMs,
        timeout_ms: u64,
        id: Option<ReplicationId>,
    ) -> Vec<ReplicaId> {
        let last = self.last();
        let mut silent = Vec::new();
        for (replica, link) in &mut self.links {
            if link.source == Source::WalLater {
                link.source = Source::Unknown;
            }
            if link.out.is_empty() && now.since(link.last_sent) >= PING_INTERVAL_MS {
                link.last_sent = now;
                if link.has_extras {
                    link.push(&Frame::Status { last, id });
                } else {
                    link.push(&Frame::Ping);
                }
            }
            let is_stuck = !link.out.is_empty() && now.since(link.last_sent) > timeout_ms;
            let is_silent = link.has_extras && now.since(link.last_heard) > timeout_ms;
            if is_stuck || is_silent {
                silent.push(*replica);
            }
        }
        silent
    }
}

impl Link {
    fn pending_bytes(&self) -> usize {
        self.out.len() - self.left_bytes
    }

    fn ask_wal(&mut self) -> Fill {
        self.source = Source::Wal;
        self.gauge.is_online.store(false, Ordering::Release);
        Fill::NeedsWal { from: self.next }
    }

    fn push_record(&mut self, record: &Committed) {
        push_record_line(record.bytes.len(), &mut self.out);
        self.out.extend_from_slice(&record.bytes);
        self.out.extend_from_slice(b"\r\n");
        self.next = record.end();
        self.push_due_messages();
    }

    fn push(&mut self, frame: &Frame) {
        frame.encode(&mut self.out);
    }

    /// Messages whose records have been framed follow them.
    fn push_due_messages(&mut self) {
        while let Some(frame) = self.held_messages.take_before(self.next) {
            self.push(&frame);
        }
    }

    /// Lets the loop see where the link stands.
    fn show(&self) {
        let last = self.next.get().saturating_sub(1);
        let queued = self.pending_bytes() as u64;
        // In this order: who sees that much sent and nothing queued is right.
        self.gauge.queued_bytes.store(queued, Ordering::Release);
        self.gauge.sent.store(last, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
