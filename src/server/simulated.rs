//! A server without threads, sockets and disk, for simulations: the shipped node, turn and commit path, stepped from outside.
//!
//! What a helper thread would do by itself happens here when it is called: [`SimServer::step_flusher`], [`SimServer::step_syncer`],
//! [`SimServer::run_job`]. What they say to the loop is on its way until [`SimServer::deliver_message`], and the loop sees nothing before
//! its next [`SimServer::turn`].

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::durable::{Durable, SteppedWriter};
use super::engine_options::open_options;
use super::start::{EXIT_START, EXIT_STORAGE, Parts, StartError, failure};
use super::workers::{Job, Workers};
use super::{LoopEvent, Server};
use crate::clock::{Clock, SimClock};
use crate::config::Config;
use crate::failover::machine::action::LinkId;
use crate::logging::Log;
use crate::node::Node;
use crate::reactor::simulated::{SimDialer, SimDoor, SimMail, SimPoll};
use crate::reactor::{Listener, LoopSender, Reactor};
use crate::replication::follower::Fetch;
use crate::replication::runner::Runner;
use crate::stats::process::Process;
use crate::storage::rocks::Rocks;
use crate::supervised::Supervisor;

/// A simulated server process. Dropping it is a `kill -9`.
pub struct SimServer {
    server: Server,
    poll: SimPoll,
    mail: SimMail,
    sender: LoopSender<LoopEvent>,
    writer: SteppedWriter,
    clock: Rc<SimClock>,
    /// Jobs that a worker has taken and not finished, in the order in which they were taken.
    jobs: Vec<Job>,
}

/// A helper of replication.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Helper {
    Feeder,
    WalReader,
    Follower,
    OfferLink(LinkId),
}

/// Has the simulated world fetch full copies of the node at this address.
pub(super) fn fetcher(dialer: &SimDialer, host: &str, port: u16) -> Fetch {
    let desk = dialer.desk();
    let addr = format!("{host}:{port}");
    let mut order = None;
    Box::new(move |_, _, stops| {
        if stops.load(Ordering::Acquire) {
            if let Some(number) = order.take() {
                desk.cancel(number);
            }
            return Poll::Ready(Err("it was cancelled".to_owned()));
        }
        let number = *order.get_or_insert_with(|| desk.order(&addr));
        let outcome = desk.take_outcome(number);
        if outcome.is_some() {
            order = None;
        }
        outcome.map_or(Poll::Pending, Poll::Ready)
    })
}

/// Jobs that workers have taken at a time.
const WORKERS: usize = 2;

impl SimServer {
    /// Starts over the simulated disk mounted at `config.dir`, as [`Server::start`] does over a real one, and serves who comes to `door`,
    /// which stands for the address `addr` (`ip:port`).
    pub fn start(
        config: Config,
        clock: Rc<SimClock>,
        seed: u64,
        door: &SimDoor,
        dialer: &SimDialer,
        addr: &str,
    ) -> Result<SimServer, StartError> {
        let mut durable = Durable::load(&config)?;
        let mut options = open_options(&config);
        options.last_synced_seq = durable.state.synced_seq;
        let rocks = Rocks::open(&options).map_err(|error| failure(EXIT_STORAGE, error))?;
        durable.found(&rocks);
        let cannot = |error| failure(EXIT_START, error);
        let mut reactor = Reactor::new().map_err(cannot)?;
        let poll = reactor.simulate();
        let mut mailbox = reactor.mailbox().map_err(cannot)?;
        let mail = mailbox.simulate();
        let listener = Listener::simulated(door.clone(), poll.clone(), addr.to_owned());
        reactor.listeners().add(listener).map_err(cannot)?;
        let sender = mailbox.sender();
        let writer = durable.begin_stepped(&config, &sender)?;
        let server = Server::assemble(Parts {
            rocks,
            durable,
            reactor,
            mailbox,
            runner: Runner::Stepped(dialer.clone()),
            workers: Workers::stepped(),
            readers: Workers::stepped(),
            supervisor: Supervisor::from_environment(config.supervised).map_err(cannot)?,
            process: Process::default(),
            clock: Box::new(Rc::clone(&clock)),
            seed,
            log: Log::of_a_test(),
            config,
        })?;
        Ok(SimServer {
            server,
            poll,
            mail,
            sender,
            writer,
            clock,
            jobs: Vec::new(),
        })
    }

    /// One turn of the loop; gives the exit status when it was the last one.
    pub fn turn(&mut self) -> Option<i32> {
        self.server.turn(Some(Duration::ZERO))
    }

    /// How long the loop would sleep now if nothing woke it; `None` for ever.
    pub fn sleep_time(&self) -> Option<Duration> {
        if self.poll.has_events() || self.mail.visible() > 0 {
            return Some(Duration::ZERO);
        }
        self.server.sleep_time()
    }

    /// The flusher does its next round. Gives whether it had anything to do.
    pub fn step_flusher(&mut self) -> bool {
        let committer = self.server.committer.as_mut();
        committer.is_some_and(|committer| committer.step_flusher())
    }

    /// Whether the flusher may have something to do.
    pub fn has_flusher_work(&self) -> bool {
        let committer = self.server.committer.as_ref();
        committer.is_some_and(|committer| !committer.is_idle())
    }

    /// Whether the loop has heard of a stall and not of its end.
    pub fn is_stalled(&self) -> bool {
        let committer = self.server.committer.as_ref();
        committer.is_some_and(|committer| committer.is_stalled())
    }

    /// The syncer does what it does once a second.
    pub fn step_syncer(&mut self) -> bool {
        let committer = self.server.committer.as_mut();
        committer.is_some_and(|committer| committer.step_syncer())
    }

    /// Jobs that workers could be at now.
    pub fn job_count(&mut self) -> usize {
        let Server {
            workers, readers, ..
        } = &self.server;
        while self.jobs.len() < WORKERS
            && let Some(job) = readers.next_job().or_else(|| workers.next_job())
        {
            self.jobs.push(job);
        }
        self.jobs.len()
    }

    /// Finishes the job at `place` among [`SimServer::job_count`].
    pub fn run_job(&mut self, place: usize) {
        if place < self.job_count() {
            self.jobs.remove(place).run(&self.sender);
        }
    }

    /// The helpers of replication that there are, and for how long each would sleep now.
    pub fn helpers(&mut self) -> Vec<(Helper, Duration)> {
        let now = self.clock.turn().now();
        let mut found = Vec::new();
        if let Some(feeder) = self.server.feeding.feeder() {
            found.extend(feeder.sleep_time(now).map(|time| (Helper::Feeder, time)));
            if feeder.has_reading() {
                found.push((Helper::WalReader, Duration::ZERO));
            }
        }
        if let Some(follower) = self.server.follower() {
            let sleep = follower.sleep_time(now);
            found.extend(sleep.map(|time| (Helper::Follower, time)));
        }
        for (link, offer) in self.server.failing_over.links() {
            if offer.has_work() {
                found.push((Helper::OfferLink(*link), Duration::ZERO));
            }
        }
        found
    }

    /// A helper does a round, if it is still there.
    pub fn step_helper(&mut self, helper: Helper) {
        let now = self.clock.turn().now();
        match helper {
            Helper::Feeder => {
                if let Some(feeder) = self.server.feeding.feeder() {
                    feeder.step(now);
                }
            }
            Helper::WalReader => {
                if let Some(feeder) = self.server.feeding.feeder() {
                    feeder.step_reading();
                }
            }
            Helper::Follower => {
                if let Some(follower) = self.server.follower() {
                    follower.step(now);
                }
            }
            Helper::OfferLink(number) => {
                let mut links = self.server.failing_over.links();
                if let Some((_, offer)) = links.find(|(link, _)| **link == number) {
                    offer.step();
                }
            }
        }
    }

    /// Whether a version of the state waits to be written.
    pub fn has_state_to_write(&self) -> bool {
        self.writer.is_behind(self.server.durable.version())
    }

    /// The state file's writer does its round; gives whether there was anything.
    pub fn step_writer(&self) -> bool {
        self.writer.step()
    }

    /// Whether the second copy of the state is to be written, which has time.
    pub fn has_copy_of_state_to_write(&self) -> bool {
        self.writer.is_unmirrored()
    }

    /// Writes the second copy of the state, unless something else is to be written first.
    pub fn mirror_state(&self) {
        if !self.has_state_to_write() {
            self.writer.mirror();
        }
    }

    /// Before the process ends without its doing: a write of the state that could be under way has got this far. Gives whether there
    /// was one.
    pub fn tear_state(&self, bytes: usize) -> bool {
        self.writer.tear(bytes)
    }

    /// Messages on their way to the loop.
    pub fn messages_under_way(&self) -> u64 {
        self.mail.under_way()
    }

    /// Lets the loop see the oldest of them.
    pub fn deliver_message(&self) {
        self.mail.deliver();
    }

    /// The node inside, to look at.
    pub fn node(&self) -> &Node {
        &self.server.node
    }

    /// The server inside, to do things to between two turns.
    pub(super) fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// A signal arrives (SIGTERM and the like).
    pub fn signal(&self, signal: i32) {
        self.sender.send(LoopEvent::Signal(signal));
    }

    /// Ends in order after the last turn gave `status`, as the shipped server does.
    pub fn stop(self, status: i32) -> i32 {
        self.server.stop(status)
    }
}
