//! The loop's side of feeding replicas: what was committed goes to the feeder, and a replica's socket; acknowledgements wake those
//! who wait for them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::input::token_of;
use super::{LoopEvent, Server};
use crate::client::waiting::Reason;
use crate::client::{ClientKey, Linked};
use crate::node::replication::LinkOptions;
use crate::replication::feeder::{Feeder, FeederEvent, ToFeeder, WalPieces};
use crate::replication::feeding::{Attachment, Gauge};
use crate::replication::progress::{ReplicaId, Stage};
use crate::replication::ring::Committed;
#[cfg(test)]
use crate::simulation::mutation;
use crate::storage::commit::{Group, GroupId};
use crate::storage::seq::Seq;
use crate::storage::wal_source::{WalCursor, WalSource};

/// Bytes of records read from the WAL for one replica at a time.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// The primary's side of links.
#[derive(Default)]
pub(super) struct Feeding {
    feeder: Option<Feeder>,
    /// Records at the flusher, to be told to the feeder once they are committed.
    unfed: VecDeque<(GroupId, Committed)>,
    /// The feeder knows of everything up to here.
    told: Seq,
    gauges: BTreeMap<ReplicaId, (Arc<Gauge>, u64)>,
    /// How often the database was taken away, to be reopened or exchanged.
    pub(super) exchanges: u64,
}

impl Feeding {
    /// Keeps a group's record for the feeder, if there is one.
    pub(super) fn keep(&mut self, group: &Group) {
        if self.feeder.is_some() {
            let record = Committed {
                first: group.first,
                count: group.count,
                bytes: group.record.clone(),
            };
            self.unfed.push_back((group.id, record));
        }
    }

    /// Every group up to this one is committed, and with it every update up to `seq`.
    pub(super) fn committed(&mut self, group: GroupId, seq: Seq) {
        while let Some((id, _)) = self.unfed.front()
            && *id <= group
        {
            let Some((_, record)) = self.unfed.pop_front() else {
                return;
            };
            self.told = Seq::new(record.first.after_batch(record.count).get() - 1);
            if let Some(feeder) = &self.feeder {
                feeder.tell(ToFeeder::Committed(record));
            }
        }
        // What was at the flusher when the feeder started was not kept. The links read it from the log, now: while writes are paused
        // no later record would show them that they lack it.
        let is_told = self.told >= seq;
        #[cfg(test)]
        let is_told = is_told || mutation::is_out(mutation::Part::Backlog);
        if let Some(feeder) = &self.feeder
            && !is_told
        {
            self.told = seq;
            feeder.tell(ToFeeder::Restart(seq));
        }
    }

    /// Nothing that is on its way will be committed.
    pub(super) fn forget_uncommitted(&mut self) {
        self.unfed.clear();
    }

    /// The database is taken away: whoever was judged by its log is not judged by what comes in its place.
    pub(super) fn note_exchange(&mut self) {
        self.exchanges += 1;
    }

    /// Tells the feeder something, if there is one.
    pub(super) fn tell(&self, message: ToFeeder) {
        if let Some(feeder) = &self.feeder {
            feeder.tell(message);
        }
    }

    /// The feeder, for who does its rounds.
    #[cfg(test)]
    pub(super) fn feeder(&mut self) -> Option<&mut Feeder> {
        self.feeder.as_mut()
    }

    /// Gives the feeder away, to be stopped where its threads may be waited for.
    pub(super) fn take_feeder(&mut self) -> Option<Feeder> {
        self.unfed.clear();
        self.feeder.take()
    }

    /// Has a feeder, whatever it reads.
    #[cfg(test)]
    pub(super) fn set_feeder(&mut self, feeder: Feeder) {
        self.feeder = Some(feeder);
    }
}

/// Reads records for replicas that are behind, each with a cursor of its own.
struct WalReader {
    source: WalSource,
    cursors: HashMap<ReplicaId, WalCursor>,
}

impl WalPieces for WalReader {
    fn read(&mut self, id: ReplicaId, from: Seq, up_to: Seq) -> Result<Vec<Committed>, String> {
        let is_there = self
            .cursors
            .get(&id)
            .is_some_and(|cursor| cursor.next_seq() == from);
        if !is_there {
            let cursor = self
                .source
                .cursor(from, up_to)
                .map_err(|error| error.to_string())?;
            self.cursors.insert(id, cursor);
        }
        let Some(cursor) = self.cursors.get_mut(&id) else {
            return Ok(Vec::new());
        };
        let mut records = Vec::new();
        let mut bytes = 0;
        while bytes < PIECE_BYTES_MAX {
            let record = match cursor.next(up_to) {
                Ok(Some(record)) => record,
                Ok(None) => break,
                // What stands before is good. Who has that stands where the log cannot be read, which is seen at its next PSYNC.
                Err(_) if !records.is_empty() => break,
                Err(error) => return Err(error.to_string()),
            };
            bytes += record.batch.len();
            records.push(Committed {
                first: record.first,
                count: record.count,
                bytes: record.batch.to_vec().into(),
            });
        }
        Ok(records)
    }

    fn forget(&mut self, id: ReplicaId) {
        self.cursors.remove(&id);
    }
}

impl Server {
    /// Messages whose publisher may be answered go to the replicas, behind the records that they depend on.
    pub(super) fn send_messages(&mut self) {
        let committed = self.node.view.committed_group();
        let messages = &mut self.node.replication.messages;
        while messages
            .front()
            .is_some_and(|(group, ..)| *group <= committed)
        {
            let Some((_, message)) = messages.pop_front() else {
                return;
            };
            self.feeding.tell(ToFeeder::Message(message));
        }
    }

    /// Gives a replica's socket to the feeder.
    pub(super) fn hand_over(&mut self, key: ClientKey, options: &LinkOptions, next: Seq) {
        if let Err(error) = self.start_feeder() {
            log::error!("no thread for replicas: {error}");
            return self.node.close_now(key);
        }
        let Some(link) = self.node.clients.get(key).map(Linked::of) else {
            return;
        };
        let Some((stream, greeting, arrived, addr)) = self.detach(key) else {
            return;
        };
        let address = options.address(&addr);
        let now = self.node.now();
        let id = self.node.replication.progress.attach(
            address.clone(),
            options.run_id.clone(),
            Stage::CatchesUp,
            next,
            now,
        );
        self.node.replication.note_link(id, link);
        let gauge = Arc::new(Gauge::default());
        self.feeding.gauges.insert(id, (Arc::clone(&gauge), 0));
        log::info!(
            "replica {}:{} follows from sequence {next}",
            address.ip,
            address.port
        );
        let mut first = greeting;
        first.extend_from_slice(b"+OK\r\n");
        self.feeding.tell(ToFeeder::Attach {
            attachment: Attachment {
                id,
                next,
                has_extras: options.run_id.is_some(),
                gauge,
            },
            stream,
            greeting: first,
            arrived,
        });
        self.feeding.tell(ToFeeder::SetHistory(
            self.node.replication.history.current(),
        ));
        // It may have changed since the handshake.
        self.tell_path();
    }

    /// Takes a client's socket out of the loop: the stream, what was still to be sent, what has arrived, and its address.
    pub(super) fn detach(
        &mut self,
        key: ClientKey,
    ) -> Option<(crate::reactor::Stream, Vec<u8>, Vec<u8>, String)> {
        let client = self.node.clients.get_mut(key)?;
        let greeting = client.output.sendable().to_vec();
        let arrived = std::mem::take(&mut client.input.buf);
        let addr = client.peer.addr.clone();
        self.node.remove_client(key);
        let stream = self.reactor.detach(token_of(key))?;
        Some((stream, greeting, arrived, addr))
    }

    fn start_feeder(&mut self) -> std::io::Result<()> {
        if self.feeding.feeder.is_some() {
            return Ok(());
        }
        let Ok(rocks) = self.node.view.database() else {
            return Err(std::io::Error::other("the database is being reopened"));
        };
        let wal = WalReader {
            source: WalSource::new(rocks.db_dir()),
            cursors: HashMap::new(),
        };
        let sender = self.sender.clone();
        let feeder = Feeder::start(
            &self.runner,
            wal,
            self.node.last_seq,
            self.node.config.repl_timeout_s,
            move |event| sender.send(LoopEvent::Feeder(event)),
        )?;
        self.feeding.feeder = Some(feeder);
        self.feeding.unfed.clear();
        self.feeding.told = self.node.last_seq;
        Ok(())
    }

    pub(super) fn feeder_event(&mut self, event: FeederEvent) {
        match event {
            FeederEvent::Acknowledged => self.look_at_gauges(),
            FeederEvent::Gone { id, why } => {
                self.feeding.gauges.remove(&id);
                self.node.replication.forget_link(id);
                self.failover_replica_gone(id.number());
                if let Some(replica) = self.node.replication.progress.detach(id) {
                    log::info!(
                        "replica {}:{} has gone: {why}",
                        replica.address.ip,
                        replica.address.port
                    );
                }
                self.node.wake_acks();
            }
        }
    }

    /// Brings the table of replicas up to date with what the feeder shows.
    pub(super) fn look_at_gauges(&mut self) {
        if self.feeding.gauges.is_empty() {
            return;
        }
        let now = self.node.now();
        let progress = &mut self.node.replication.progress;
        let mut is_news = false;
        for (id, (gauge, seen)) in &mut self.feeding.gauges {
            progress.sent(*id, gauge.sent(), gauge.queued_bytes());
            let stage = if gauge.is_online() {
                Stage::Online
            } else {
                Stage::CatchesUp
            };
            if progress
                .get(*id)
                .is_some_and(|replica| replica.stage() != stage)
            {
                progress.set_stage(*id, stage, now);
            }
            let acknowledgements = gauge.acknowledgements();
            if acknowledgements != *seen
                && let Some(seq) = gauge.acknowledged()
            {
                *seen = acknowledgements;
                // The feeder has ended a link that acknowledges too much.
                is_news |= progress.acked(*id, seq, now).unwrap_or(false);
            }
        }
        if is_news {
            self.node.wake_acks();
            self.tell_failover_acks();
        }
    }

    /// Who waits for acknowledgements hears of them at once; nobody else costs the loop a turn.
    pub(super) fn await_acks(&mut self) {
        let Some(feeder) = &self.feeding.feeder else {
            return;
        };
        let waits = self.node.waiting.count(Reason::Acks) > 0
            || self.node.shutdown.is_some()
            || self.node.failover.is_active();
        feeder.set_awaited(waits.then_some(Seq::ZERO));
        if std::mem::take(&mut self.node.replication.wants_acks) {
            feeder.tell(ToFeeder::AskForAcks);
        }
    }
}
