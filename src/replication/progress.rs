//! The primary's table of replicas: what each was sent and has acknowledged. Pure: events and a time in, answers out.
//!
//! WAIT, FAILOVER, the graceful end, `min-replicas-to-write`, INFO and ROLE all ask this table. For every replica with a
//! stream `acked_seq <= sent_seq`; an acknowledgement beyond what was sent is a peer's fault and ends its link.
//!
//! | sort of replica | acknowledges | can be a target, counts for WAIT and min-replicas | at the end, waited for until |
//! | --- | --- | --- | --- |
//! | Stillpoint | at once | yes | it has acknowledged the last update |
//! | Kvrocks from 2.14 | after data and pings, and when asked | yes, from its first acknowledgement on | the same |
//! | Kvrocks before | never | no | all is sent and its socket's queue is empty |

use std::collections::BTreeMap;
use std::fmt;

use crate::clock::MonoMs;
use crate::storage::seq::Seq;

/// Names one link of a replica; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReplicaId(pub u64);

impl ReplicaId {
    /// The number alone.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// How far a replica has come. Redis's names are those of INFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It waits for a checkpoint (`wait_bgsave`).
    AwaitsCheckpoint,
    /// It fetches one (`send_bulk`).
    Copies,
    /// It has a stream, and is sent what the WAL has and memory no longer (`online`, as Kvrocks has no other word; Redis's
    /// replicas never are in this).
    CatchesUp,
    /// It is sent what is committed (`online`).
    Online,
}

impl Stage {
    /// Redis's word.
    pub fn name(self) -> &'static str {
        match self {
            Stage::AwaitsCheckpoint => "wait_bgsave",
            Stage::Copies => "send_bulk",
            Stage::CatchesUp | Stage::Online => "online",
        }
    }

    /// Whether it has a stream.
    pub fn is_streaming(self) -> bool {
        matches!(self, Stage::CatchesUp | Stage::Online)
    }
}

/// Whether a replica says what it has applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acks {
    /// A Stillpoint: at once, and at least once a second.
    Prompt,
    /// A Kvrocks that has acknowledged: after data and pings.
    Now,
    /// Never so far: a Kvrocks before 2.14, or one that has had no reason yet.
    Never,
}

/// Where a replica is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// What it announced (`replica-announce-ip`), else its connection's peer address.
    pub ip: String,
    /// What it announced (`listening-port`), 0 while it has announced none.
    pub port: u16,
}

/// One replica.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Where clients reach it.
    pub address: Address,
    /// Its run id, of a Stillpoint.
    pub run_id: Option<String>,
    stage: Stage,
    acks: Acks,
    sent_seq: Seq,
    acked_seq: Option<Seq>,
    /// Bytes given to the link and not taken by the replica's socket yet.
    queued_bytes: u64,
    /// When it was last heard of: its last acknowledgement, else when its link or its stage began.
    heard_at: MonoMs,
}

impl Replica {
    /// How far it has come.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether, and how, it acknowledges.
    pub fn acks(&self) -> Acks {
        self.acks
    }

    /// Everything up to here was given to its link.
    pub fn sent_seq(&self) -> Seq {
        self.sent_seq
    }

    /// Bytes given to its link that its socket has not taken yet.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    /// Whether its socket has taken all that was given to its link.
    pub fn is_drained(&self) -> bool {
        self.queued_bytes == 0
    }

    /// Everything up to here is applied, as it says itself.
    pub fn acked_seq(&self) -> Option<Seq> {
        self.acked_seq
    }

    /// What INFO and ROLE show as its offset: what it has acknowledged, or what was sent to one that never does.
    pub fn offset(&self) -> Seq {
        match self.acks {
            Acks::Never => self.sent_seq,
            Acks::Prompt | Acks::Now => self.acked_seq.unwrap_or_default(),
        }
    }

    /// Whole seconds since it was heard of, as Redis shows; 0 while it has no stream.
    pub fn lag_seconds(&self, now: MonoMs) -> u64 {
        if self.stage.is_streaming() {
            now.since(self.heard_at) / 1000
        } else {
            0
        }
    }

    /// Whether it acknowledges and keeps up: what WAIT, FAILOVER and `min-replicas-to-write` count.
    fn is_counted(&self) -> bool {
        self.stage.is_streaming() && self.acked_seq.is_some()
    }

    fn has_acked(&self, seq: Seq) -> bool {
        self.stage.is_streaming() && self.acked_seq.is_some_and(|acked| acked >= seq)
    }
}

/// A replica acknowledged more than it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckedUnsent {
    /// What it acknowledged.
    pub acked: Seq,
    /// What it was sent.
    pub sent: Seq,
}

impl fmt::Display for AckedUnsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AckedUnsent { acked, sent } = self;
        write!(f, "it acknowledged {acked}, but was sent {sent}")
    }
}

/// One `slave<i>:` line of INFO, and one row of ROLE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    pub address: Address,
    pub state: &'static str,
    pub offset: Seq,
    pub lag_seconds: u64,
}

impl fmt::Display for Row {
    /// `ip=10.0.0.2,port=6666,state=online,offset=961,lag=0`, what stands behind `slave0:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row {
            address: Address { ip, port },
            state,
            offset,
            lag_seconds,
        } = self;
        write!(
            f,
            "ip={ip},port={port},state={state},offset={offset},lag={lag_seconds}"
        )
    }
}

/// The replicas, in the order in which their links began.
#[derive(Debug, Default)]
pub struct Progress {
    replicas: BTreeMap<ReplicaId, Replica>,
    next_id: u64,
}

impl Progress {
    /// A replica whose full copy begins, or whose PSYNC was accepted: then everything before `next` counts as sent. A
    /// replica's position in its PSYNC is no acknowledgement: only an [`Progress::acked`] is.
    pub fn attach(
        &mut self,
        address: Address,
        stillpoint: Option<String>,
        stage: Stage,
        next: Seq,
        now: MonoMs,
    ) -> ReplicaId {
        let id = ReplicaId(self.next_id);
        self.next_id += 1;
        let replica = Replica {
            address,
            acks: if stillpoint.is_some() {
                Acks::Prompt
            } else {
                Acks::Never
            },
            run_id: stillpoint,
            stage,
            sent_seq: Seq::new(next.get().saturating_sub(1)),
            acked_seq: None,
            queued_bytes: 0,
            heard_at: now,
        };
        self.replicas.insert(id, replica);
        id
    }

    /// Its link ended. What it had acknowledged no longer counts: it may come back with less.
    pub fn detach(&mut self, id: ReplicaId) -> Option<Replica> {
        self.replicas.remove(&id)
    }

    /// It has come to another stage.
    pub fn set_stage(&mut self, id: ReplicaId, stage: Stage, now: MonoMs) {
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.stage = stage;
            replica.heard_at = now;
        }
    }

    /// Everything up to `seq` was given to its link, where `queued_bytes` wait for the socket.
    pub fn sent(&mut self, id: ReplicaId, seq: Seq, queued_bytes: u64) {
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.sent_seq = replica.sent_seq.max(seq);
            replica.queued_bytes = queued_bytes;
        }
    }

    /// It has applied everything up to `seq`. Whether that is news. An error ends its link.
    ///
    /// An acknowledgement may be repeated, which is a sign of life and nothing else; one below an earlier one (Kvrocks
    /// counts its own last update, also while it copies) takes nothing back.
    pub fn acked(&mut self, id: ReplicaId, seq: Seq, now: MonoMs) -> Result<bool, AckedUnsent> {
        let Some(replica) = self.replicas.get_mut(&id) else {
            return Ok(false);
        };
        if seq > replica.sent_seq {
            return Err(AckedUnsent {
                acked: seq,
                sent: replica.sent_seq,
            });
        }
        replica.heard_at = now;
        if replica.acks == Acks::Never {
            replica.acks = Acks::Now;
        }
        let is_news = replica.acked_seq.is_none_or(|acked| acked < seq);
        if is_news {
            replica.acked_seq = Some(seq);
        }
        Ok(is_news)
    }

    /// The replica of this link.
    pub fn get(&self, id: ReplicaId) -> Option<&Replica> {
        self.replicas.get(&id)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, &Replica)> {
        self.replicas.iter().map(|(id, replica)| (*id, replica))
    }

    /// How many there are, in any stage: `connected_slaves`.
    pub fn len(&self) -> usize {
        self.replicas.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    /// How many have acknowledged everything up to `seq`: WAIT's answer.
    pub fn acked_count(&self, seq: Seq) -> usize {
        self.count(|replica| replica.has_acked(seq))
    }

    /// How many acknowledge and were heard of within `lag_max_seconds`: `min_slaves_good_slaves`. Any lag is good with a
    /// maximum of 0.
    pub fn good_count(&self, lag_max_seconds: u64, now: MonoMs) -> usize {
        self.count(|replica| {
            let is_recent = lag_max_seconds == 0 || replica.lag_seconds(now) <= lag_max_seconds;
            replica.is_counted() && is_recent
        })
    }

    /// Whether `min-replicas-to-write` and `min-replicas-max-lag` refuse writes now. Either at 0 refuses none. Source: Redis
    /// 7.0 `checkGoodReplicasStatus`.
    pub fn refuses_writes(&self, replicas_min: usize, lag_max_seconds: u64, now: MonoMs) -> bool {
        let is_on = replicas_min > 0 && lag_max_seconds > 0;
        is_on && self.good_count(lag_max_seconds, now) < replicas_min
    }

    /// Whether it can take over: it has a stream, acknowledges, and is a Stillpoint (a Kvrocks knows no offer).
    pub fn can_take_over(&self, id: ReplicaId) -> bool {
        self.get(id)
            .is_some_and(|replica| replica.is_counted() && replica.acks == Acks::Prompt)
    }

    /// What INFO shows of each, in order.
    pub fn rows(&self, now: MonoMs) -> Vec<Row> {
        let row = |replica: &Replica| Row {
            address: replica.address.clone(),
            state: replica.stage.name(),
            offset: replica.offset(),
            lag_seconds: replica.lag_seconds(now),
        };
        self.replicas.values().map(row).collect()
    }

    /// What ROLE shows: those with a stream, as in Redis.
    pub fn role_rows(&self) -> Vec<(Address, Seq)> {
        self.replicas
            .values()
            .filter(|replica| replica.stage.is_streaming())
            .map(|replica| (replica.address.clone(), replica.offset()))
            .collect()
    }

    fn count(&self, is_one: impl Fn(&Replica) -> bool) -> usize {
        self.replicas
            .values()
            .filter(|replica| is_one(replica))
            .count()
    }
}

#[cfg(test)]
mod tests;
