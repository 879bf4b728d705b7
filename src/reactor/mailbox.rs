//! The one door into the loop: a channel and a waker in one, so that no message can lie unseen.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use mio::{Registry, Token, Waker};

/// The receiving end, owned by the loop.
pub struct Mailbox<T> {
    receiver: Receiver<T>,
    sender: LoopSender<T>,
    #[cfg(test)]
    simulated: Option<super::simulated::SimMail>,
}

/// The sending end, for helper threads. Unbounded: each helper bounds what it has under way itself.
pub struct LoopSender<T> {
    sender: Sender<T>,
    waker: Arc<Waker>,
    #[cfg(test)]
    simulated: Option<super::simulated::SimMail>,
}

impl<T> Clone for LoopSender<T> {
    fn clone(&self) -> LoopSender<T> {
        LoopSender {
            sender: self.sender.clone(),
            waker: self.waker.clone(),
            #[cfg(test)]
            simulated: self.simulated.clone(),
        }
    }
}

impl<T> LoopSender<T> {
    /// Sends and wakes in one call. After the loop has ended messages go nowhere.
    pub fn send(&self, message: T) {
        #[cfg(test)]
        if let Some(mail) = &self.simulated {
            if self.sender.send(message).is_ok() {
                mail.sent();
            }
            return;
        }
        if self.sender.send(message).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("the loop cannot be woken: {error}");
        }
    }
}

impl<T> Mailbox<T> {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Mailbox<T>> {
        let (sender, receiver) = mpsc::channel();
        let waker = Arc::new(Waker::new(registry, token)?);
        Ok(Mailbox {
            receiver,
            sender: LoopSender {
                sender,
                waker,
                #[cfg(test)]
                simulated: None,
            },
            #[cfg(test)]
            simulated: None,
        })
    }

    /// From now on the test says when a message may be seen; nothing wakes the loop. Senders taken before are as they were.
    #[cfg(test)]
    pub fn simulate(&mut self) -> super::simulated::SimMail {
        let mail = super::simulated::SimMail::default();
        self.simulated = Some(mail.clone());
        self.sender.simulated = Some(mail.clone());
        mail
    }

    /// A sending end.
    pub fn sender(&self) -> LoopSender<T> {
        self.sender.clone()
    }

    /// The next message, if one is there.
    pub fn take(&self) -> Option<T> {
        #[cfg(test)]
        if self.simulated.as_ref().is_some_and(|mail| !mail.take()) {
            return None;
        }
        self.receiver.try_recv().ok()
    }
}
