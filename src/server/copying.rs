//! Full copies. As a primary: checkpoints are made, shipped and removed, each sender on a thread of its own. As a replica: a
//! fetched copy takes the place of the database.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::judging::last_record_id;
use super::start::EXIT_STORAGE;
use super::workers::Job;
use super::{LoopEvent, Server};
use crate::client::waiting::Reason;
use crate::client::{ClientKey, Flag, Linked};
use crate::command::parking;
use crate::error::ReplyError;
use crate::node::replication::LinkRequest;
use crate::reactor::Stream;
use crate::replication::feeder::ToFeeder;
use crate::replication::follower::ToFollower;
use crate::replication::full_copy::{NO_CHECKPOINT, ShipError, Shipping};
use crate::replication::timed::Halt;
use crate::storage::checkpoint::{self, CheckpointMaker, CheckpointState, Decision};
use crate::storage::replication_id::ReplicationId;
use crate::storage::rocks::Rocks;
use crate::storage::seq::Seq;
use crate::storage::swap::{self, Exchanged};
use crate::storage::wal_source::WalSource;

/// Senders at a time: a replica fetches over four connections at most.
pub(super) const SENDERS_MAX: usize = 32;
/// How long running reads of workers may delay the exchange of the database.
const PATIENCE: Duration = Duration::from_secs(10);
/// There is no checkpoint to send files of.
const NONE_NOW: ReplyError = ReplyError::fixed(NO_CHECKPOINT);
/// A replica that could not be followed either: it has no port to be reached at.
const OVER_UNIX_SOCKET: ReplyError =
    ReplyError::fixed("ERR files of a full copy are sent over TCP alone");

/// The loop's side of full copies.
pub(super) struct Copying {
    checkpoint: CheckpointState,
    /// With whoever makes one.
    maker: Option<CheckpointMaker>,
    shipping: Arc<Shipping>,
    /// A fetched copy waits to be put in the place of the database.
    swap_wanted: bool,
    /// The version of the state file from which on the data that was replaced is not needed.
    finish_after: Option<u64>,
}

/// What threads tell the loop about copies.
pub enum CopyEvent {
    /// The first update that the log holds, for whoever has asked for files.
    Oldest(Option<Seq>),
    /// A checkpoint was made, or could not be.
    Made(CheckpointMaker, Result<Seq, String>),
    /// The checkpoint is gone.
    Removed,
    /// The sender on this client's connection has ended.
    SenderEnded(u64, Result<String, ShipError>),
    /// The copy was put in the place of the database, or not.
    Swapped(Exchanged, Option<ReplicationId>),
    /// It could not be looked at, or the database could not be closed.
    SwapRefused(Box<Rocks>, String),
}

impl Copying {
    pub(super) fn new(config: &crate::config::Config) -> Copying {
        Copying {
            checkpoint: CheckpointState::at_start(),
            maker: Some(CheckpointMaker::default()),
            shipping: Arc::new(new_shipping(config)),
            swap_wanted: false,
            finish_after: None,
        }
    }

    /// Ends every sender.
    pub(super) fn stop(&self) {
        self.shipping.stop();
    }
}

fn new_shipping(config: &crate::config::Config) -> Shipping {
    Shipping::new(
        config.dir.clone(),
        u64::from(config.max_replication_mb) << 20,
        u64::from(config.repl_timeout_s) * 1000,
    )
}

impl Server {
    /// Clears away what an earlier process has left of copies: the database is open and the state file speaks of it.
    pub(super) fn begin_copying(&mut self) {
        let dir = self.node.config.dir.clone();
        let fetching = self.fetching.leftovers();
        self.workers.give(Job::new(move |sender| {
            // Also where no replacement is under way: the process may have ended while it removed the old data.
            if let Err(error) = swap::finish(&dir) {
                log::warn!("the data from before a full copy cannot be removed: {error}");
            }
            fetching.discard(&dir);
            if let Err(error) = checkpoint::remove(&dir) {
                log::warn!("an old checkpoint cannot be removed: {error}");
            }
            sender.send(LoopEvent::Copy(CopyEvent::Removed));
        }));
    }

    /// The settings that senders read have changed.
    pub(super) fn shipping_settings_changed(&mut self) {
        let config = &self.node.config;
        let shipping = &self.copying.shipping;
        shipping.set_bytes_per_second_max(u64::from(config.max_replication_mb) << 20);
        shipping.set_stall_ms(u64::from(config.repl_timeout_s) * 1000);
    }

    /// A replica asks for files, or for the list of them.
    pub(super) fn ship(&mut self, client: ClientKey, request: LinkRequest) {
        match request {
            LinkRequest::FetchMeta => {
                self.node.replication.copies.waiting.push(client);
                self.look_for_oldest();
            }
            LinkRequest::FetchFile { names } => {
                if !self.copying.checkpoint.is_served()
                    || self.copying.checkpoint.senders() >= SENDERS_MAX
                {
                    return self.refuse_files(client, NONE_NOW);
                }
                self.send_on_thread(client, "_fetch_file", move |shipping, stream, stops| {
                    let bytes = shipping.send_files(stream, &names, stops)?;
                    Ok(format!("{bytes} bytes of files"))
                });
            }
        }
    }

    /// Those who have asked for files while they could not be served.
    pub(super) fn serve_who_asked_meanwhile(&mut self) {
        if !self.node.replication.copies.waiting.is_empty() {
            self.look_for_oldest();
        }
    }

    fn look_for_oldest(&mut self) {
        let Ok(rocks) = self.node.view.database().cloned() else {
            // Looked for when it is open again.
            return;
        };
        self.workers.give(Job::new(move |sender| {
            let oldest = WalSource::new(rocks.db_dir())
                .oldest()
                .unwrap_or_else(|error| {
                    log::error!("the log cannot be read: {error}");
                    None
                });
            sender.send(LoopEvent::Copy(CopyEvent::Oldest(oldest)));
            drop(rocks);
        }));
    }

    fn refuse_files(&mut self, client: ClientKey, error: ReplyError) {
        parking::unblock_with_error(&mut self.node, client, &error);
        self.node.close_after_reply(client);
    }

    pub(super) fn copy_event(&mut self, event: CopyEvent) {
        let now = self.node.now();
        match event {
            CopyEvent::Oldest(oldest) => self.serve_waiting(oldest),
            CopyEvent::Made(maker, result) => {
                self.copying.maker = Some(maker);
                match result {
                    Ok(seq) => {
                        log::info!("a checkpoint for replicas was made at sequence {seq}");
                        self.copying.checkpoint.created(now, seq);
                        self.look_for_oldest();
                    }
                    Err(text) => {
                        log::error!("{text}");
                        self.copying.checkpoint.failed();
                        for client in std::mem::take(&mut self.node.replication.copies.waiting) {
                            self.refuse_files(client, NONE_NOW);
                        }
                    }
                }
            }
            CopyEvent::Removed => {
                self.copying.checkpoint.removed();
                self.serve_who_asked_meanwhile();
            }
            CopyEvent::SenderEnded(id, result) => {
                self.node.replication.copies.end(id);
                self.copying.checkpoint.sender_ended(now);
                match result {
                    Ok(what) => log::info!("a replica was sent {what}"),
                    // It has its reasons: a promotion, a restart.
                    Err(ShipError::Link(Halt::Closed)) => {
                        log::info!("a replica has closed its connection before it had all files");
                    }
                    Err(ShipError::Link(Halt::Cancelled)) => {
                        log::info!(
                            "a replica was not sent all files: the checkpoint goes with the database"
                        );
                    }
                    Err(error) => {
                        log::warn!("a replica could not be sent files: {error}");
                        // Somebody has cleaned up, or the disk is bad: whoever asks next gets another checkpoint.
                        if matches!(error, ShipError::Io { .. }) {
                            self.copying.checkpoint.forget();
                        }
                    }
                }
            }
            CopyEvent::Swapped(exchanged, id) => self.swapped(exchanged, id),
            CopyEvent::SwapRefused(rocks, why) => {
                self.take_database_back(*rocks);
                self.copy_failed(why);
            }
        }
    }

    fn serve_waiting(&mut self, oldest: Option<Seq>) {
        if self.node.replication.copies.waiting.is_empty() {
            return;
        }
        let now = self.node.now();
        let wal_ttl_ms = self.node.config.rocksdb.wal_ttl_ms();
        let last_seq = self.node.last_seq;
        let checkpoint = &mut self.copying.checkpoint;
        match checkpoint.request(now, oldest, last_seq, wal_ttl_ms) {
            Decision::Wait => {}
            Decision::TooOld => {
                for client in std::mem::take(&mut self.node.replication.copies.waiting) {
                    self.refuse_files(client, NONE_NOW);
                }
            }
            Decision::Serve => {
                for client in std::mem::take(&mut self.node.replication.copies.waiting) {
                    self.node.replication.full_syncs += 1;
                    self.send_on_thread(client, "_fetch_meta", |shipping, stream, stops| {
                        let files = shipping.send_list(stream, stops)?;
                        Ok(format!("the list of {files} files"))
                    });
                }
            }
            Decision::Create => {
                let (Ok(rocks), Some(mut maker)) = (
                    self.node.view.database().cloned(),
                    self.copying.maker.take(),
                ) else {
                    return self.copying.checkpoint.failed();
                };
                self.workers.give(Job::new(move |sender| {
                    let made = maker.create(&rocks).map_err(|error| error.to_string());
                    sender.send(LoopEvent::Copy(CopyEvent::Made(maker, made)));
                    // Behind the message: the database is not exchanged before this, nor the loop told so.
                    drop(rocks);
                }));
            }
        }
    }

    /// The log cannot be read from this update on, and never will be.
    pub(super) fn log_broken_at(&mut self, seq: Seq) {
        self.copying.checkpoint.log_broken_at(seq);
    }

    /// Takes a client's socket to a thread that sends on it, in answer to `command`, until it is done or the flag is set.
    fn send_on_thread(
        &mut self,
        client: ClientKey,
        command: &'static str,
        send: impl FnOnce(&Shipping, TcpStream, &Arc<AtomicBool>) -> Result<String, ShipError>
        + Send
        + 'static,
    ) {
        let Some(session) = self.node.clients.get(client) else {
            return;
        };
        if session.has(Flag::UnixSocket) {
            return self.refuse_files(client, OVER_UNIX_SOCKET);
        }
        let (link, options) = (Linked::of(session), session.link.clone());
        let id = link.id;
        // No other sort is left.
        let Some((Stream::Tcp(stream), ..)) = self.detach(client) else {
            return;
        };
        let stream = TcpStream::from(stream);
        self.copying.checkpoint.sender_began();
        let copies = &mut self.node.replication.copies;
        let stops = copies.began(link, options.as_deref(), command);
        let shipping = Arc::clone(&self.copying.shipping);
        let sender = self.sender.clone();
        let thread = std::thread::Builder::new().name("file-sender".to_owned());
        let started = thread.spawn(move || {
            let result = send(&shipping, stream, &stops);
            sender.send(LoopEvent::Copy(CopyEvent::SenderEnded(id, result)));
        });
        if let Err(error) = started {
            log::error!("no thread to send files: {error}");
            self.node.replication.copies.end(id);
            self.copying.checkpoint.sender_ended(self.node.now());
        }
    }

    /// Looks every few seconds whether the checkpoint should go.
    pub(super) fn remove_old_checkpoint(&mut self) {
        if !self.copying.checkpoint.remove_now(self.node.now()) {
            return;
        }
        let dir = self.node.config.dir.clone();
        self.workers.give(Job::new(move |sender| {
            if let Err(error) = checkpoint::remove(&dir) {
                log::warn!("an old checkpoint cannot be removed: {error}");
            }
            sender.send(LoopEvent::Copy(CopyEvent::Removed));
        }));
    }

    // ---- as a replica ----

    /// A copy is there: it takes the database's place as soon as nothing is on its way.
    pub(super) fn want_swap(&mut self) {
        self.copying.swap_wanted = true;
        if let Some(followed) = &mut self.node.replication.followed {
            followed.is_swapping = true;
        }
        self.node.is_reopening = true;
    }

    /// The copy that waits to be put in the place of the database is not wanted any more.
    pub(super) fn cancel_swap(&mut self) {
        if std::mem::take(&mut self.copying.swap_wanted) {
            self.node.is_reopening = false;
            self.node.waiting.release(Reason::Stalled);
        }
    }

    pub(super) fn swap_if_wanted(&mut self) {
        if !self.copying.swap_wanted || self.node.view.has_uncommitted() {
            return;
        }
        let is_idle = self
            .committer
            .as_ref()
            .is_some_and(|committer| committer.is_idle());
        if !is_idle || self.node.replication.change.is_some() {
            return;
        }
        self.copying.swap_wanted = false;
        let Some((committer, rocks)) = self.take_database() else {
            return;
        };
        self.feeding.tell(ToFeeder::Close(None));
        // It reads the log, which goes with the database; waiting for its threads is the worker's business.
        let feeder = self.feeding.take_feeder();
        self.copying.shipping.stop();
        let retired = committer.retire();
        let synced_before = self.durable.state.synced_seq;
        self.workers.give(Job::new(move |sender| {
            if let Some(feeder) = feeder {
                feeder.stop();
            }
            retired.join();
            let refused = |rocks: Rocks, why: String| {
                LoopEvent::Copy(CopyEvent::SwapRefused(Box::new(rocks), why))
            };
            if let Err(error) = swap::check_copy(rocks.options()) {
                return sender.send(refused(rocks, format!("the copy cannot be used: {error}")));
            }
            let closed = match rocks.close(PATIENCE) {
                Ok(closed) => closed,
                Err(rocks) => {
                    let why = "other threads still read from the database".to_owned();
                    return sender.send(refused(rocks, why));
                }
            };
            let exchanged = swap::exchange(closed, synced_before);
            let id = match &exchanged {
                Exchanged::New(rocks) | Exchanged::Old { rocks, .. } => last_record_id(rocks)
                    .unwrap_or_else(|text| {
                        log::error!("{text}");
                        None
                    }),
                Exchanged::Neither { .. } => None,
            };
            sender.send(LoopEvent::Copy(CopyEvent::Swapped(exchanged, id)));
        }));
    }

    fn swapped(&mut self, exchanged: Exchanged, id: Option<ReplicationId>) {
        match exchanged {
            Exchanged::New(rocks) => {
                let last = rocks.last_seq();
                log::info!("the copy is this node's database now, at sequence {last}");
                self.node.last_seq = last;
                self.node.replication.history.replace(id);
                self.node.dirty_all_watches();
                self.node.key_counting.forget();
                self.take_database_back(rocks);
                self.durable.state.synced_seq = Some(last);
                self.node.synced_seq = Some(last);
                self.copying.finish_after = Some(self.store_durable());
                self.tell_follower(ToFollower::Copied(Ok(self.batch_rules())));
            }
            Exchanged::Old { rocks, why } => {
                self.take_database_back(rocks);
                self.copy_failed(why);
            }
            Exchanged::Neither { why, .. } => {
                log::error!(
                    "a full copy has failed, and the data from before is not open either: {why}"
                );
                self.exit = Some(EXIT_STORAGE);
            }
        }
    }

    /// The database is open, whichever it is.
    fn take_database_back(&mut self, rocks: Rocks) {
        self.copying.checkpoint.forget();
        self.copying.shipping = Arc::new(new_shipping(&self.node.config));
        self.node.is_reopening = false;
        if let Some(followed) = &mut self.node.replication.followed {
            followed.is_swapping = false;
        }
        self.give_database(rocks);
        self.node.waiting.release(Reason::Stalled);
    }

    fn copy_failed(&mut self, why: String) {
        self.tell_follower(ToFollower::Copied(Err(why)));
    }

    /// The state file was written up to this version: what a copy has replaced is not needed any more, if it speaks of the copy.
    pub(super) fn finish_copy(&mut self, version: u64, is_ok: bool) {
        if !is_ok
            || self
                .copying
                .finish_after
                .is_none_or(|after| version < after)
        {
            return;
        }
        self.copying.finish_after = None;
        let dir = self.node.config.dir.clone();
        self.workers.give(Job::new(move |_| {
            if let Err(error) = swap::finish(&dir) {
                log::warn!("the data from before a full copy cannot be removed: {error}");
            }
        }));
    }
}
