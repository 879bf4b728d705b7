//! Worker threads: what may block or take long, away from the loop. A worker gets a job and a way to answer, nothing else.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::{LoopEvent, Server};
use crate::command::parked_scans;
use crate::node::WorkerJob;
use crate::reactor::LoopSender;
use crate::storage::cf::Cf;
use crate::storage::rocks::KeyRange;
use crate::storage::{cold, counting, expiry, scan};

/// Something to do on a worker.
pub struct Job(Box<Work>);

type Work = dyn FnOnce(&LoopSender<LoopEvent>) + Send;

impl Job {
    /// A job that answers through the sender it is given.
    pub fn new(job: impl FnOnce(&LoopSender<LoopEvent>) + Send + 'static) -> Job {
        Job(Box::new(job))
    }

    /// Does the job.
    #[cfg(test)]
    pub fn run(self, sender: &LoopSender<LoopEvent>) {
        (self.0)(sender);
    }
}

/// The pool.
pub struct Workers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    /// Jobs that no thread takes.
    #[cfg(test)]
    stepped: Option<Receiver<Job>>,
}

impl Workers {
    /// Starts `count` threads whose names begin with `name`.
    pub fn start(
        name: &str,
        count: usize,
        sender: &LoopSender<LoopEvent>,
    ) -> std::io::Result<Workers> {
        let (jobs, receiver) = mpsc::channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let receiver = Arc::clone(&receiver);
            let sender = sender.clone();
            let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
            threads.push(thread.spawn(move || work(&receiver, &sender))?);
        }
        Ok(Workers {
            jobs: Some(jobs),
            threads,
            #[cfg(test)]
            stepped: None,
        })
    }

    /// A pool without threads: jobs wait until [`Workers::next_job`] takes them.
    #[cfg(test)]
    pub fn stepped() -> Workers {
        let (jobs, receiver) = mpsc::channel();
        Workers {
            jobs: Some(jobs),
            threads: Vec::new(),
            stepped: Some(receiver),
        }
    }

    /// The job that was given first, if one waits.
    #[cfg(test)]
    pub fn next_job(&self) -> Option<Job> {
        self.stepped.as_ref()?.try_recv().ok()
    }

    /// Queues a job. Jobs are started in order.
    pub fn give(&self, job: Job) {
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_err()
        {
            log::error!("no worker is left to take a job");
        }
    }

    /// Ends the pool once the jobs under way are done; those still queued are dropped.
    pub fn stop(mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a worker panicked");
            }
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, sender: &LoopSender<LoopEvent>) {
    loop {
        // Held while waiting: one worker waits at the channel, the others at the lock.
        let job = match jobs.lock() {
            Ok(receiver) => receiver.recv(),
            Err(_) => return,
        };
        match job {
            Ok(Job(job)) => job(sender),
            Err(_) => return,
        }
    }
}

impl Server {
    /// Gives a node's job to a worker, with the snapshot that it needs.
    pub(super) fn start_work(&mut self, job: WorkerJob) {
        // A closed database has nothing parked on workers, and the search for expired keys is tried again later.
        let Ok(rocks) = self.node.view.database().cloned() else {
            return;
        };
        match job {
            WorkerJob::Scan {
                client,
                ticket,
                wanted,
            } => {
                let number = parked_scans::begin(&mut self.node, client, ticket, &wanted.request);
                let Some(number) = number else {
                    return;
                };
                let pool = if wanted.is_beginning {
                    &self.readers
                } else {
                    &self.workers
                };
                pool.give(Job::new(move |sender| {
                    sender.send(match scan::read_range(&rocks, wanted, number) {
                        Ok(pinned) => LoopEvent::Scanned {
                            client,
                            ticket,
                            pinned,
                        },
                        Err(error) => LoopEvent::ScanFailed {
                            client,
                            ticket,
                            text: error.to_string(),
                        },
                    });
                }));
            }
            WorkerJob::FindExpired { limit } => {
                let codec = self.node.codec;
                let now = self.node.turn.unix();
                let from = self.expiring.position.clone();
                self.workers.give(Job::new(move |sender| {
                    sender.send(LoopEvent::Expired(expiry::find(
                        &rocks, codec, from, now, limit,
                    )));
                }));
            }
        }
    }

    /// Asks the readers for the keys that this turn's commands lack. They are threads of their own, so that no long scan or compaction
    /// stands before a short read.
    pub(super) fn send_cold_reads(&mut self) {
        if self.node.cold_reads.is_idle() {
            return;
        }
        // While the database is closed they wait here.
        let Ok(rocks) = self.node.view.database().cloned() else {
            return;
        };
        for requests in self.node.cold_reads.take_messages() {
            let rocks = rocks.clone();
            let room = self.node.cold_reads.room.clone();
            self.readers.give(Job::new(move |sender| {
                cold::read_all(&rocks, &requests, &room, |answers| {
                    sender.send(LoopEvent::ColdRead(answers));
                });
            }));
        }
    }

    /// Begins a count of the keys that commands wait for, once what they have written is committed.
    pub(super) fn count_keys_if_due(&mut self) {
        let now = self.node.turn.now();
        if !self.node.key_counting.is_due(&self.node.view, now) {
            return;
        }
        let Ok(rocks) = self.node.view.database().cloned() else {
            return;
        };
        self.node.key_counting.begin(&self.node.view, now);
        let codec = self.node.codec;
        let now = self.node.turn.unix();
        self.workers.give(Job::new(move |sender| {
            sender.send(LoopEvent::Counted(counting::count_keys(&rocks, codec, now)));
        }));
    }

    pub(super) fn start_compaction(&mut self) {
        let Ok(rocks) = self.node.view.database().cloned() else {
            return;
        };
        self.workers.give(Job::new(move |sender| {
            for cf in Cf::ALL {
                rocks.compact_range(
                    cf,
                    KeyRange {
                        lower: b"",
                        upper: None,
                    },
                );
            }
            sender.send(LoopEvent::Compacted);
        }));
    }
}
