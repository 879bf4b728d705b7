//! Whether a replica that sends PSYNC may continue: a worker looks at the log, the loop decides by what it found.

use super::workers::Job;
use super::{LoopEvent, Server};
use crate::client::ClientKey;
use crate::client::waiting::Ticket;
use crate::command::parking;
use crate::error::{RESTORING, ReplyError};
use crate::node::Request;
use crate::replication::evidence;
use crate::replication::history::{Evidence, Grounds, Peer, Refusal, may_continue};
use crate::replication::parting::{Parted, add_endings};
use crate::storage::cf::Cf;
use crate::storage::record::REPLICATION_ID_KEY;
use crate::storage::replication_id::ReplicationId;
use crate::storage::rocks::Rocks;
use crate::storage::seq::Seq;
use crate::storage::wal_source::{WalSource, WalSourceError};

/// What a worker has found out about a PSYNC.
pub struct Judged {
    pub client: ClientKey,
    pub ticket: Ticket,
    pub id: Option<ReplicationId>,
    pub next: Seq,
    /// The last update when the log was looked at; what came since says nothing against the peer.
    pub latest: Seq,
    /// How often the database had been exchanged by then. What was found out about another one says nothing.
    pub exchanges: u64,
    pub evidence: Result<Evidence, Unreadable>,
}

/// Why nothing was found out.
pub struct Unreadable {
    text: String,
    /// The log will never be readable there, while the database is good: a copy helps, and nothing else does.
    is_damaged: bool,
}

impl Server {
    /// Sends a worker to look at what the log says about a replica that wants to go on with `next`.
    pub(super) fn judge_psync(
        &mut self,
        client: ClientKey,
        ticket: Ticket,
        id: Option<ReplicationId>,
        next: Seq,
    ) {
        // Whoever follows a primary takes it for one: it must not come back from a power cut as a replica.
        if self.durable.unsynced_promotion.is_some() {
            return self.durable.held_psyncs.push(Request::JudgePsync {
                client,
                ticket,
                id,
                next,
            });
        }
        let Ok(rocks) = self.node.view.database().cloned() else {
            return parking::unblock_with_error(&mut self.node, client, &RESTORING);
        };
        let latest = self.node.last_seq;
        let exchanges = self.feeding.exchanges;
        self.workers.give(Job::new(move |sender| {
            sender.send(LoopEvent::Judged(Judged {
                client,
                ticket,
                id,
                next,
                latest,
                exchanges,
                evidence: look_at_log(&rocks, id, next, latest),
            }));
        }));
    }

    /// A worker has looked: the replica goes to the feeder, or is told why not.
    pub(super) fn judged(&mut self, judged: Judged) {
        let Judged {
            client: key,
            ticket,
            id,
            next,
            latest,
            exchanges,
            mut evidence,
        } = judged;
        let Some(client) = self.node.clients.get(key) else {
            return;
        };
        if client.parked().is_none_or(|parked| parked.ticket != ticket) {
            return;
        }
        if exchanges != self.feeding.exchanges {
            return parking::unblock_with_error(&mut self.node, key, &RESTORING);
        }
        let options = client.link.as_deref().cloned().unwrap_or_default();
        let peer = match options.run_id {
            Some(_) => Peer::Stillpoint,
            None => Peer::Kvrocks,
        };
        let address = client.peer.addr.clone();
        if let Ok(evidence) = &mut evidence {
            let history = &self.node.replication.history;
            add_endings(&mut evidence.endings, history.endings(self.node.last_seq));
        }
        let verdict = match &evidence {
            Ok(evidence) => {
                may_continue(peer, id, next, latest, evidence).map_err(|refusal| refusal.line(peer))
            }
            Err(Unreadable { text, is_damaged }) => {
                log::error!("replica {address} cannot be judged: {text}");
                match is_damaged {
                    true => {
                        self.log_broken_at(next);
                        Err(Refusal::OutOfRange(Parted::UNKNOWN).line(peer))
                    }
                    false => Err(format!("ERR the log cannot be read: {text}")),
                }
            }
        };
        match verdict {
            Ok(grounds) => {
                if grounds == Grounds::NumbersAlone {
                    log::warn!(
                        "replica {address} continues from {next} by its number alone: its records carry no replication id to compare"
                    );
                }
                self.node.replication.partial_syncs += 1;
                self.hand_over(key, &options, next);
            }
            Err(line) => {
                let begins = evidence
                    .ok()
                    .filter(|evidence| evidence.holding.is_none() && next <= latest)
                    .and_then(|evidence| match evidence.following {
                        Some(record) if record.first == next => None,
                        Some(record) => {
                            Some(format!("; the log begins at {} by now", record.first))
                        }
                        None => Some(format!("; the log begins after {latest} by now")),
                    });
                let begins = begins.unwrap_or_default();
                log::info!("replica {address} may not continue from {next}: {line}{begins}");
                self.node.replication.refused_syncs += 1;
                parking::unblock_with_error(&mut self.node, key, &ReplyError::new(line));
            }
        }
    }
}

/// The id that the last record in the log ends in, or the stored one when the log holds none any more.
pub(super) fn last_record_id(rocks: &Rocks) -> Result<Option<ReplicationId>, String> {
    let last = rocks.last_seq();
    let record = WalSource::new(rocks.db_dir())
        .record_holding(last, last)
        .map_err(|error| error.to_string())?;
    match record {
        Some(record) => Ok(record.id),
        None => stored_id(rocks),
    }
}

fn stored_id(rocks: &Rocks) -> Result<Option<ReplicationId>, String> {
    Ok(rocks
        .get(Cf::Propagate, REPLICATION_ID_KEY)
        .map_err(|error| error.to_string())?
        .and_then(|bytes| ReplicationId::from_bytes(&bytes)))
}

/// What the log and the database say about whoever presents `id` and wants to go on with `next`.
fn look_at_log(
    rocks: &Rocks,
    id: Option<ReplicationId>,
    next: Seq,
    latest: Seq,
) -> Result<Evidence, Unreadable> {
    let stored = stored_id(rocks).map_err(|text| Unreadable {
        text,
        is_damaged: false,
    })?;
    let source = WalSource::new(rocks.db_dir());
    evidence::gather(&source, next, latest, id, stored).map_err(|error| Unreadable {
        text: error.to_string(),
        is_damaged: matches!(error, WalSourceError::Damaged(_)),
    })
}
