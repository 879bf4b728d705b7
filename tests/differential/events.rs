//! Keyspace notifications: a client on each server subscribes to all of them, and is told the same by both, in the same order.

use crate::common::Value;
use crate::common::conn::NoReply;
use crate::grammar::Args;
use crate::run::{Difference, Run, Side, frames_until, list};
use crate::step::Step;

/// Values of `notify-keyspace-events` that steps set. Misses (`m`) are left out: SORT looks up in the order of a hash table.
pub const CLASSES: &[&str] = &[
    "KEA", "AKE", "KEA", "KEAn", "Eg$lz", "Kshx", "KElg", "KEn", "A", "",
];
/// Sets it back.
pub const OFF: [&str; 4] = ["CONFIG", "SET", "notify-keyspace-events", ""];

impl Run {
    /// Whether a subscriber's `commands` are to run without notifications: Redis 7.0 writes a push that the client's own EXEC causes
    /// in the middle of EXEC's array, where no client can tell it from a reply.
    pub(crate) fn must_not_notify(&self, commands: &[Args]) -> bool {
        self.ours.listener.is_some()
            && commands
                .iter()
                .any(|args| args[0].eq_ignore_ascii_case(b"EXEC"))
    }

    /// Sets which events are told, listens from then on, and compares how each server spells the setting.
    pub(crate) fn notify(&mut self, setting: &Args) -> Result<(), Difference> {
        self.on_admin(setting)?;
        self.notifying.clone_from(setting);
        self.on_admin(&crate::generate::words("CONFIG GET notify-keyspace-events"))?;
        for side in [&mut self.ours, &mut self.theirs] {
            if side.listener.is_none() {
                let mut listener = side.another();
                listener.call("PSUBSCRIBE __key*__:*");
                side.listener = Some(listener);
            }
        }
        Ok(())
    }

    /// Compares what was told about keys since the last time, after `step`: clients that block on several keys, filled by one EXEC,
    /// are not served in one order (`intended.rs`).
    pub(crate) fn compare_events(&mut self, step: &Step) -> Result<(), Difference> {
        let is_exec = |args: &Args| args[0] == b"EXEC";
        let has_order = !matches!(step, Step::Blocked { then, .. } if then.iter().any(is_exec));
        if self.ours.listener.is_none() {
            return Ok(());
        }
        let fence = self.next_fence();
        for side in [&mut self.ours, &mut self.theirs] {
            if let Some(listener) = &mut side.listener {
                listener.send(&["PING", &fence]);
            }
        }
        let told = |side: &mut Side| -> Result<Vec<Value>, NoReply> {
            let listener = side.listener.as_mut().ok_or(NoReply::TimedOut)?;
            let mut frames = frames_until(listener, &fence, true)?;
            // When a key that has expired goes is each server's own affair.
            frames.retain(|frame| !is_about_expiry(frame));
            if !has_order {
                frames.sort();
            }
            Ok(frames)
        };
        let (ours, theirs) = (told(&mut self.ours), told(&mut self.theirs));
        if let (Ok(ours), Ok(theirs)) = (&ours, &theirs)
            && ours == theirs
        {
            return Ok(());
        }
        Err(Difference {
            step_idx: 0,
            args: vec![b"(events)".to_vec()],
            ours: list(&ours),
            theirs: list(&theirs),
        })
    }
}

/// Whether a message tells about a key. A subscriber to patterns that match anything gets these as well, and expiry among them.
pub fn is_event(frame: &Value) -> bool {
    let is_so_named = |item: &Value| item.bytes().is_some_and(|text| text.starts_with(b"__key"));
    matches!(frame, Value::Array(_) | Value::Push(_))
        && frame.items().get(2).is_some_and(is_so_named)
}

/// Whether a message says that a key has expired, as the event or as the message about the key.
fn is_about_expiry(frame: &Value) -> bool {
    let ends_in = |item: Option<&Value>, end: &[u8]| {
        item.and_then(Value::bytes)
            .is_some_and(|text| text.ends_with(end))
    };
    let items = frame.items();
    ends_in(items.get(2), b"__:expired") || items.get(3).and_then(Value::bytes) == Some(b"expired")
}
