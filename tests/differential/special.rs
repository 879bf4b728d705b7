//! The steps that are more than a command and its reply.

use std::collections::BTreeSet;

use crate::common::conn::NoReply;
use crate::common::{Conn, Value, holds_within, server};
use crate::generate::words;
use crate::grammar::Args;
use crate::normalise::{self, Exchange};
use crate::run::{Difference, REPLY_LIMIT, Run, Side, both, list};
use crate::step::{Payload, SHORT_LIFE_MS, Step};

/// Calls of one iteration, at most; the key space is small.
const SCAN_CALLS_MAX: usize = 10_000;
/// How long both servers have to find that a key of one millisecond has expired.
const EXPIRY_LIMIT: std::time::Duration = REPLY_LIMIT;

impl Run {
    /// Runs a step other than plain commands.
    pub(crate) fn special(&mut self, step: &Step) -> Result<(), Difference> {
        match step {
            Step::Commands { .. } => unreachable!("commands go in batches"),
            Step::Subscriber { conn, commands } => {
                if self.must_not_notify(commands) {
                    self.on_admin(
                        &crate::events::OFF
                            .map(|word| word.as_bytes().to_vec())
                            .to_vec(),
                    )?;
                    self.subscriber(*conn, commands)?;
                    self.on_admin(&self.notifying.clone())?;
                } else {
                    self.subscriber(*conn, commands)?;
                }
                // What it published went to the others as well.
                (0..crate::step::SUBSCRIBERS).try_for_each(|other| self.subscriber(other, &[]))
            }
            Step::Raw { bytes } => self.raw(bytes),
            Step::Scan { db, before, after } => self.scan(*db, before, after),
            Step::DumpRestore {
                db,
                source,
                target,
                options,
                payload,
            } => self.dump_restore(*db, source, target, options, *payload),
            Step::Blocked {
                resp3,
                db,
                clients,
                then,
            } => self.blocked(*resp3, *db, clients, then),
            Step::Expires { db, key } => self.expires(*db, key),
            Step::Notify { .. } => self.notify(&step.commands()[0]),
        }
    }

    fn select(&mut self, db: usize) -> Result<(), Difference> {
        self.on_admin(&words(&format!("SELECT {db}"))).map(|_| ())
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), Difference> {
        let one_side = |side: &Side| -> Result<Vec<Value>, NoReply> {
            let mut conn = side.another();
            // The server may close before it has read all.
            let _ = conn.try_send_raw(bytes);
            let _ = conn.try_send_raw(b"QUIT\r\n");
            let (mut frames, rest) = Value::read_all(&conn.try_read_to_close(REPLY_LIMIT)?)
                .map_err(NoReply::Malformed)?;
            if !rest.is_empty() {
                frames.push(Value::Bulk(rest));
            }
            Ok(frames)
        };
        let (ours, theirs) = (one_side(&self.ours), one_side(&self.theirs));
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) if normalise::frames_equal(ours, theirs) => Ok(()),
            (Ok(ours), Ok(theirs)) if !self.is_strict() && self.equal_but_hello(ours, theirs) => {
                Ok(())
            }
            _ => Err(Difference {
                step_idx: 0,
                args: vec![b"(raw input)".to_vec(), bytes.to_vec()],
                ours: list(&ours),
                theirs: list(&theirs),
            }),
        }
    }

    fn scan(&mut self, db: usize, before: &Args, after: &Args) -> Result<(), Difference> {
        self.select(db)?;
        let pair_len = if matches!(before[0].as_slice(), b"HSCAN" | b"ZSCAN") {
            2
        } else {
            1
        };
        let one_side = |conn: &mut Conn| -> Result<Value, NoReply> {
            let mut cursor = b"0".to_vec();
            let mut found = BTreeSet::new();
            for _ in 0..SCAN_CALLS_MAX {
                conn.send(&[&before[..], &[cursor.clone()], after].concat());
                let reply = conn.try_read(REPLY_LIMIT)?;
                let Value::Array(parts) = &reply else {
                    return Ok(reply);
                };
                let [Value::Bulk(next), Value::Array(items)] = parts.as_slice() else {
                    return Ok(reply);
                };
                found.extend(
                    items
                        .chunks(pair_len)
                        .map(|item| Value::Array(normalise::iterated(&before[0], item))),
                );
                if next == b"0" {
                    return Ok(Value::Array(found.into_iter().collect()));
                }
                cursor.clone_from(next);
            }
            Err(NoReply::Malformed(format!(
                "the iteration did not end in {SCAN_CALLS_MAX} calls"
            )))
        };
        let (ours, theirs) = (
            one_side(&mut self.ours.admin),
            one_side(&mut self.theirs.admin),
        );
        let args = [&before[..], &[b"(whole iteration)".to_vec()], after].concat();
        let exchange = both(args.clone(), ours, theirs)?;
        if exchange.ours == exchange.theirs {
            return Ok(());
        }
        Err(Difference {
            step_idx: 0,
            args,
            ours: exchange.ours.to_string(),
            theirs: exchange.theirs.to_string(),
        })
    }

    fn dump_restore(
        &mut self,
        db: usize,
        source: &[u8],
        target: &[u8],
        options: &Args,
        payload: Payload,
    ) -> Result<(), Difference> {
        self.select(db)?;
        let dump = vec![b"DUMP".to_vec(), source.to_vec()];
        let dumped = |side: &mut Side| {
            side.admin.send(&dump);
            side.admin.try_read(REPLY_LIMIT)
        };
        let exchange = both(
            dump.clone(),
            dumped(&mut self.ours),
            dumped(&mut self.theirs),
        )?;
        let (Value::Bulk(ours), Value::Bulk(theirs)) = (&exchange.ours, &exchange.theirs) else {
            // No such key, on both sides.
            return self.check(&exchange, None);
        };
        let (for_ours, for_theirs) = match payload {
            Payload::Own => (ours, theirs),
            Payload::Oracles => (theirs, theirs),
            Payload::Tested => (ours, ours),
        };
        let restore = |payload: &[u8]| -> Args {
            let mut args = vec![
                b"RESTORE".to_vec(),
                target.to_vec(),
                options[0].clone(),
                payload.to_vec(),
            ];
            args.extend_from_slice(&options[1..]);
            args
        };
        self.ours.admin.send(&restore(for_ours));
        self.theirs.admin.send(&restore(for_theirs));
        let ours = self.ours.admin.try_read(REPLY_LIMIT);
        let theirs = self.theirs.admin.try_read(REPLY_LIMIT);
        let mut args = restore(b"(payload)");
        args.push(format!("(payload: {payload:?}, of {})", source.escape_ascii()).into_bytes());
        let exchange = both(args, ours, theirs)?;
        self.check(&exchange, None)?;
        self.compare_key(target)
    }

    fn blocked(
        &mut self,
        resp3: bool,
        db: usize,
        clients: &[Args],
        then: &[Args],
    ) -> Result<(), Difference> {
        let (ours, theirs) = (
            blocked_on(&mut self.ours, resp3, db, clients, then),
            blocked_on(&mut self.theirs, resp3, db, clients, then),
        );
        let mut args = vec![b"(blocked)".to_vec()];
        for command in clients {
            args.extend_from_slice(command);
            args.push(b";".to_vec());
        }
        args.push(b"(then)".to_vec());
        for command in then {
            args.extend_from_slice(command);
            args.push(b";".to_vec());
        }
        if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
            let all = |replies: &[Value]| Value::Array(replies.to_vec());
            let exchange = Exchange {
                args: args.clone(),
                ours: all(ours),
                theirs: all(theirs),
            };
            if self.check(&exchange, None).is_ok() {
                return Ok(());
            }
        }
        Err(Difference {
            step_idx: 0,
            args,
            ours: list(&ours),
            theirs: list(&theirs),
        })
    }

    fn expires(&mut self, db: usize, key: &[u8]) -> Result<(), Difference> {
        self.select(db)?;
        self.on_admin(&vec![
            b"PEXPIRE".to_vec(),
            key.to_vec(),
            SHORT_LIFE_MS.to_vec(),
        ])?;
        let gone = |side: &mut Side| {
            let exists = [&b"EXISTS"[..], key];
            let zero = |conn: &mut Conn| conn.cmd(&exists) == Value::Int(0);
            let gone = holds_within(EXPIRY_LIMIT, || zero(&mut side.admin));
            Ok(Value::Bool(gone))
        };
        let args = vec![b"(expires)".to_vec(), key.to_vec()];
        let exchange = both(args, gone(&mut self.ours), gone(&mut self.theirs))?;
        self.check(
            &Exchange {
                theirs: Value::Bool(true),
                ..exchange
            },
            None,
        )
    }
}

/// All replies of a blocking scenario on one server, in a fixed order: the wakers', CLIENT UNBLOCK's, the clients'.
fn blocked_on(
    side: &mut Side,
    resp3: bool,
    db: usize,
    clients: &[Args],
    then: &[Args],
) -> Result<Vec<Value>, NoReply> {
    let mut waker = side.another();
    let select = format!("SELECT {db}");
    waker.call(&select);
    waker.call("DEL b1 b2 b3");
    let mut replies = Vec::new();
    let mut blocked: Vec<(Conn, i64)> = Vec::new();
    for args in clients {
        let mut conn = side.another();
        if resp3 {
            conn.call("HELLO 3");
        }
        conn.call(&select);
        let id = conn.call("CLIENT ID").int();
        conn.send(args);
        blocked.push((conn, id));
        // With a timeout, an earlier client may be done while this one begins.
        let settled = holds_within(REPLY_LIMIT, || {
            let answered = blocked
                .iter_mut()
                .filter_map(|(conn, _)| conn.has_reply_now().then_some(()))
                .count();
            server::blocked_count(&mut waker) + answered >= blocked.len()
        });
        if !settled {
            return Err(NoReply::TimedOut);
        }
    }
    for args in then {
        waker.send(args);
        replies.push(waker.try_read(REPLY_LIMIT)?);
    }
    for (conn, id) in &mut blocked {
        // Those that wait for their timeout are left to it.
        if !then.is_empty() {
            replies.push(waker.call(&format!("CLIENT UNBLOCK {id}")));
        }
        replies.push(conn.try_read(REPLY_LIMIT)?);
    }
    replies.push(waker.call("DEL b1 b2 b3"));
    Ok(replies)
}
