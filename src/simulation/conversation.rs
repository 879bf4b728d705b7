//! A client's connection: what was asked on it and not answered, how far that has come, and which replies are whose.

use std::collections::VecDeque;

use super::network::LinkId;
use super::resp::{self, Replies, Value};

struct Waiting<Q> {
    question: Q,
    replies: Vec<Value>,
    wanted: usize,
    /// Where its first command ends among the bytes sent on this connection.
    end: u64,
}

/// One connection after another of one client, and its questions `Q` on the one that there is.
pub struct Conversation<Q> {
    /// Whose, for messages.
    name: String,
    link: Option<LinkId>,
    replies: Replies,
    waiting: VecDeque<Waiting<Q>>,
    sent_bytes: u64,
    /// Of them, so many have reached the node.
    delivered_bytes: u64,
    /// It was answered on this connection: the node reads it in the turn after something has arrived.
    is_known: bool,
}

impl<Q> Conversation<Q> {
    pub fn new(name: String) -> Conversation<Q> {
        Conversation {
            name,
            link: None,
            replies: Replies::default(),
            waiting: VecDeque::new(),
            sent_bytes: 0,
            delivered_bytes: 0,
            is_known: false,
        }
    }

    /// The connection that there is.
    pub fn link(&self) -> Option<LinkId> {
        self.link
    }

    /// There is a new connection.
    pub fn begin(&mut self, link: LinkId) {
        self.link = Some(link);
        self.sent_bytes = 0;
        self.delivered_bytes = 0;
        self.is_known = false;
        self.replies = Replies::default();
    }

    /// The connection is gone; gives what was not answered.
    pub fn end(&mut self) -> Vec<Q> {
        self.link = None;
        let waiting = self.waiting.drain(..);
        waiting.map(|waiting| waiting.question).collect()
    }

    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What waits longest.
    pub fn oldest(&self) -> Option<&Q> {
        self.waiting.front().map(|waiting| &waiting.question)
    }

    /// Takes a question for sent, which is these commands; appends the bytes to send.
    pub fn ask(&mut self, question: Q, commands: &[Vec<String>], out: &mut Vec<u8>) {
        let before = out.len();
        let mut end = None;
        for command in commands {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            resp::encode(&words, out);
            end.get_or_insert(self.sent_bytes + (out.len() - before) as u64);
        }
        self.sent_bytes += (out.len() - before) as u64;
        self.waiting.push_back(Waiting {
            question,
            replies: Vec::new(),
            wanted: commands.len(),
            end: end.unwrap_or(self.sent_bytes),
        });
    }

    /// So many bytes have reached the node: gives the questions whose first command is whole there by the last of them, where it is
    /// known that the node reads them.
    pub fn delivered(&mut self, bytes: u64) -> impl Iterator<Item = &mut Q> {
        let is_known = self.is_known;
        let before = std::mem::replace(&mut self.delivered_bytes, bytes);
        let waiting = self.waiting.iter_mut();
        let whole =
            waiting.filter(move |waiting| is_known && before < waiting.end && waiting.end <= bytes);
        whole.map(|waiting| &mut waiting.question)
    }

    /// Bytes have come; gives what is answered by them. Replies without a question are a failure.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<(Q, Vec<Value>)> {
        self.replies.add(bytes);
        self.is_known = true;
        let mut answered = Vec::new();
        while let Some(value) = self.replies.take() {
            let Some(first) = self.waiting.front_mut() else {
                panic!("{} gets {value:?} unasked", self.name);
            };
            first.replies.push(value);
            if first.replies.len() == first.wanted
                && let Some(done) = self.waiting.pop_front()
            {
                answered.push((done.question, done.replies));
            }
        }
        answered
    }
}
