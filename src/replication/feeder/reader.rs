//! The thread that reads the WAL for replicas that are behind: a piece at a time, each in answer to a request.

use std::sync::mpsc::{Receiver, Sender};

use super::{ToFeeder, WalPieces};
use crate::reactor::HelperWaker;
use crate::replication::progress::ReplicaId;
use crate::storage::seq::Seq;

/// A request for a piece of the WAL.
pub(super) struct Ask {
    pub id: ReplicaId,
    pub from: Seq,
    pub up_to: Seq,
}

/// What the reading thread is asked.
pub(super) enum ToReader {
    Read(Ask),
    Forget(ReplicaId),
}

/// The thread's state.
pub(super) struct Reader {
    wal: Box<dyn WalPieces>,
    asked: Receiver<ToReader>,
    answer: Sender<ToFeeder>,
    waker: HelperWaker,
}

impl Reader {
    /// Answers what is `asked` with pieces of `wal`, and wakes who waits for them.
    pub fn new(
        wal: impl WalPieces,
        asked: Receiver<ToReader>,
        answer: Sender<ToFeeder>,
        waker: HelperWaker,
    ) -> Reader {
        Reader {
            wal: Box::new(wal),
            asked,
            answer,
            waker,
        }
    }

    /// Until nobody can ask or nobody listens.
    pub fn run(mut self) {
        while let Ok(message) = self.asked.recv() {
            if !self.take(message) {
                return;
            }
        }
    }

    /// What was asked first, if it is there.
    #[cfg(test)]
    pub fn next(&self) -> Option<ToReader> {
        self.asked.try_recv().ok()
    }

    /// False when nobody listens any more.
    pub fn take(&mut self, message: ToReader) -> bool {
        match message {
            ToReader::Forget(id) => {
                self.wal.forget(id);
                true
            }
            ToReader::Read(Ask { id, from, up_to }) => {
                let piece = self.wal.read(id, from, up_to);
                self.answer.send(ToFeeder::Piece(id, piece)).is_ok() && self.waker.wake().is_ok()
            }
        }
    }
}
