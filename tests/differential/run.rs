//! Runs steps on both servers and stops at the first difference.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::conn::{NoReply, encode};
use crate::common::{Conn, Server, Value, show_args};
use crate::grammar::Args;
use crate::intended;
use crate::normalise::{self, Exchange};
use crate::step::{DATA_CONNS, SUBSCRIBERS, Step};

/// How long a reply may take: what is asked takes microseconds, so this only ends a test that has already failed.
pub const REPLY_LIMIT: Duration = Duration::from_secs(20);
/// Commands sent in one go, at most.
const PIPELINE_MAX: usize = 64;

/// What differed.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The index of the step, or of the last step if the state differed afterwards.
    pub step_idx: usize,
    /// The command, or what was compared.
    pub args: Args,
    /// The reply of the server under test, or why there is none.
    pub ours: String,
    /// The oracle's.
    pub theirs: String,
}

/// One server's connections.
pub struct Side {
    port: u16,
    pub(crate) data: Vec<Conn>,
    pub(crate) subscribers: Vec<Conn>,
    pub(crate) admin: Conn,
    /// Is told about keys, once a step says of which events.
    pub(crate) listener: Option<Conn>,
}

impl Side {
    fn connect(port: u16) -> Side {
        Side {
            port,
            data: (0..DATA_CONNS).map(|_| Conn::connect(port)).collect(),
            subscribers: (0..SUBSCRIBERS).map(|_| Conn::connect(port)).collect(),
            admin: Conn::connect(port),
            listener: None,
        }
    }

    /// A further connection.
    pub fn another(&self) -> Conn {
        Conn::connect(self.port)
    }
}

/// How often each command was compared, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By command name: replies compared, errors among them.
    pub commands: BTreeMap<String, (usize, usize)>,
    /// By intended difference: how often it explained one.
    pub intended: BTreeMap<&'static str, usize>,
}

/// Both servers, and what a comparison must remember between commands.
pub struct Run {
    pub(crate) ours: Side,
    pub(crate) theirs: Side,
    /// Whether intended differences count as differences.
    strict: bool,
    /// Commands queued in the transaction of each data connection, if one is open.
    queued: Vec<Option<Vec<Args>>>,
    before: Vec<Option<Exchange>>,
    fence: u64,
    /// The command that has set `notify-keyspace-events`.
    pub(crate) notifying: Args,
    /// What was compared.
    pub tally: Tally,
}

impl Run {
    /// Connects to both servers.
    pub fn new(ours: &Server, theirs: &Server, strict: bool) -> Run {
        let mut run = Run {
            ours: Side::connect(ours.port()),
            theirs: Side::connect(theirs.port()),
            strict,
            queued: vec![None; DATA_CONNS],
            before: vec![None; DATA_CONNS],
            fence: 0,
            notifying: Args::new(),
            tally: Tally::default(),
        };
        for side in [&mut run.ours, &mut run.theirs] {
            // Expired keys go when they are met, so that numbers of keys do not depend on the moment.
            side.admin.ok("DEBUG SET-ACTIVE-EXPIRE 0");
        }
        run.reset();
        run
    }

    /// Empties both servers and connects anew: the beginning of every list of steps.
    pub fn reset(&mut self) {
        for side in [&mut self.ours, &mut self.theirs] {
            *side = Side::connect(side.port);
            assert_eq!(side.admin.cmd(&crate::events::OFF), Value::ok());
            side.admin.ok("FLUSHALL");
        }
        self.queued = vec![None; DATA_CONNS];
        self.before = vec![None; DATA_CONNS];
    }

    /// Runs `steps` in order.
    pub fn steps(&mut self, steps: &[Step]) -> Result<(), Difference> {
        let mut at = 0;
        while at < steps.len() {
            let Step::Commands { conn, .. } = &steps[at] else {
                self.special(&steps[at])
                    .and_then(|()| self.compare_events(&steps[at]))
                    .map_err(|difference| Difference {
                        step_idx: at,
                        ..difference
                    })?;
                at += 1;
                continue;
            };
            let mut batch: Vec<(usize, &Args)> = Vec::new();
            while let Some(Step::Commands {
                conn: next,
                commands,
            }) = steps.get(at)
            {
                if next != conn || batch.len() + commands.len() > PIPELINE_MAX && !batch.is_empty()
                {
                    break;
                }
                batch.extend(commands.iter().map(|args| (at, args)));
                at += 1;
            }
            self.batch(*conn, &batch).and_then(|()| {
                self.compare_events(&steps[at - 1])
                    .map_err(|difference| Difference {
                        step_idx: at - 1,
                        ..difference
                    })
            })?;
        }
        Ok(())
    }

    fn batch(&mut self, conn: usize, batch: &[(usize, &Args)]) -> Result<(), Difference> {
        let mut bytes = Vec::new();
        for (_, args) in batch {
            encode(args, &mut bytes);
        }
        for side in [&mut self.ours, &mut self.theirs] {
            // A server that closed the connection is found out when its reply is missing.
            let _ = side.data[conn].try_send_raw(&bytes);
        }
        let mut published = false;
        for (step_idx, args) in batch {
            let name = args[0].to_ascii_uppercase();
            published |= name.ends_with(b"PUBLISH") || name == b"EXEC";
            let ours = self.ours.data[conn].try_read(REPLY_LIMIT);
            let theirs = self.theirs.data[conn].try_read(REPLY_LIMIT);
            let exchange = both((*args).clone(), ours, theirs);
            let exchange = exchange.map_err(|difference| Difference {
                step_idx: *step_idx,
                ..difference
            })?;
            self.judge(conn, exchange)
                .map_err(|difference| Difference {
                    step_idx: *step_idx,
                    ..difference
                })?;
        }
        if published {
            let step_idx = batch.last().map_or(0, |(step_idx, _)| *step_idx);
            self.compare_subscribers()
                .map_err(|difference| Difference {
                    step_idx,
                    ..difference
                })?;
        }
        Ok(())
    }

    /// Compares one exchange on a data connection, the replies inside EXEC's one by one.
    fn judge(&mut self, conn: usize, exchange: Exchange) -> Result<(), Difference> {
        let name = exchange.args[0].to_ascii_uppercase();
        let alone = exchange.args.len() == 1;
        if name == b"MULTI" && exchange.ours == Value::ok() && exchange.theirs == Value::ok() {
            self.queued[conn] = Some(Vec::new());
        } else if exchange.theirs == Value::simple("QUEUED") {
            self.queued[conn]
                .get_or_insert_default()
                .push(exchange.args.clone());
        } else if name == b"EXEC" && alone {
            let queued = self.queued[conn].take().unwrap_or_default();
            if let (Value::Array(ours), Value::Array(theirs)) = (&exchange.ours, &exchange.theirs)
                && ours.len() == theirs.len()
                && ours.len() == queued.len()
            {
                let mut before = None;
                for ((args, ours), theirs) in queued.into_iter().zip(ours).zip(theirs) {
                    let inner = Exchange {
                        args,
                        ours: ours.clone(),
                        theirs: theirs.clone(),
                    };
                    self.check(&inner, before.as_ref())?;
                    before = Some(inner);
                }
                self.before[conn] = None;
                return Ok(());
            }
        } else if matches!(name.as_slice(), b"DISCARD" | b"RESET") && alone {
            self.queued[conn] = None;
        }
        let before = self.before[conn].take();
        self.check(&exchange, before.as_ref())?;
        self.before[conn] = Some(exchange);
        Ok(())
    }

    /// Compares one exchange; `before` is what went before it on the connection.
    pub(crate) fn check(
        &mut self,
        exchange: &Exchange,
        before: Option<&Exchange>,
    ) -> Result<(), Difference> {
        let name = String::from_utf8_lossy(&exchange.args[0]).to_ascii_uppercase();
        if name.len() < 20
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        {
            let count = self.tally.commands.entry(name).or_default();
            count.0 += 1;
            count.1 += usize::from(exchange.theirs.is_error());
        }
        if normalise::equal(exchange, before) {
            return Ok(());
        }
        if !self.strict
            && let Some(intended) = intended::explanation(exchange)
        {
            *self.tally.intended.entry(intended.what).or_default() += 1;
            return Ok(());
        }
        Err(Difference {
            step_idx: 0,
            args: exchange.args.clone(),
            ours: exchange.ours.to_string(),
            theirs: exchange.theirs.to_string(),
        })
    }

    /// Sends one command on both admin connections and compares the replies.
    pub(crate) fn on_admin(&mut self, args: &Args) -> Result<Exchange, Difference> {
        for side in [&mut self.ours, &mut self.theirs] {
            side.admin.send(args);
        }
        let ours = self.ours.admin.try_read(REPLY_LIMIT);
        let theirs = self.theirs.admin.try_read(REPLY_LIMIT);
        let exchange = both(args.clone(), ours, theirs)?;
        self.check(&exchange, None)?;
        Ok(exchange)
    }

    /// Compares all frames that each subscriber was sent since the last time.
    fn compare_subscribers(&mut self) -> Result<(), Difference> {
        (0..SUBSCRIBERS).try_for_each(|conn| self.subscriber(conn, &[]))
    }

    /// Sends `commands` on a subscriber connection and compares every frame up to the fence behind them.
    pub(crate) fn subscriber(&mut self, conn: usize, commands: &[Args]) -> Result<(), Difference> {
        let fence = self.next_fence();
        let mut bytes = Vec::new();
        for args in commands {
            encode(args, &mut bytes);
        }
        // PING answers in every state that a subscriber can be in.
        encode(&[b"PING", fence.as_bytes()], &mut bytes);
        let mut frames = Vec::new();
        for side in [&mut self.ours, &mut self.theirs] {
            let _ = side.subscribers[conn].try_send_raw(&bytes);
        }
        for side in [&mut self.ours, &mut self.theirs] {
            frames.push(frames_until(&mut side.subscribers[conn], &fence, false));
        }
        let theirs = frames.pop().expect("two sides");
        let ours = frames.pop().expect("two sides");
        let mut args = vec![format!("(frames of subscriber {conn})").into_bytes()];
        args.extend(commands.iter().flatten().cloned());
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) if normalise::frames_equal(&ours, &theirs) => Ok(()),
            (Ok(ours), Ok(theirs)) if !self.strict && self.equal_but_hello(&ours, &theirs) => {
                Ok(())
            }
            (ours, theirs) => Err(Difference {
                step_idx: 0,
                args,
                ours: list(&ours),
                theirs: list(&theirs),
            }),
        }
    }

    /// Whether all frames are equal, HELLO's but for what is intended.
    pub(crate) fn equal_but_hello(&self, ours: &[Value], theirs: &[Value]) -> bool {
        let blank = |frames: &[Value], others: &[Value]| -> Vec<Value> {
            let pairs = frames.iter().zip(others);
            pairs
                .map(|(frame, other)| {
                    if intended::hello_equal(frame, other) {
                        Value::Null
                    } else {
                        frame.clone()
                    }
                })
                .collect()
        };
        ours.len() == theirs.len()
            && normalise::frames_equal(&blank(ours, theirs), &blank(theirs, ours))
    }

    /// A text that no reply has held yet.
    pub(crate) fn next_fence(&mut self) -> String {
        self.fence += 1;
        format!("fence {}", self.fence)
    }

    /// Whether intended differences count as differences.
    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }
}

/// One exchange, or the difference that one side gave no reply.
pub fn both(
    args: Args,
    ours: Result<Value, NoReply>,
    theirs: Result<Value, NoReply>,
) -> Result<Exchange, Difference> {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => Ok(Exchange { args, ours, theirs }),
        (ours, theirs) => {
            let text = |reply: Result<Value, NoReply>| match reply {
                Ok(value) => value.to_string(),
                Err(error) => format!("no reply: {error:?}"),
            };
            Err(Difference {
                step_idx: 0,
                args,
                ours: text(ours),
                theirs: text(theirs),
            })
        }
    }
}

/// Frames up to and with the answer to `PING fence`, those that tell about keys only if so wanted.
pub fn frames_until(
    conn: &mut Conn,
    fence: &str,
    keeps_events: bool,
) -> Result<Vec<Value>, NoReply> {
    let mut frames = Vec::new();
    loop {
        let frame = conn.try_read(REPLY_LIMIT)?;
        let is_fence = match &frame {
            Value::Bulk(text) => text == fence.as_bytes(),
            Value::Array(items) => items.last() == Some(&Value::bulk(fence)),
            _ => false,
        };
        if !crate::events::is_event(&frame) || keeps_events {
            frames.push(frame);
        }
        if is_fence {
            return Ok(frames);
        }
    }
}

/// Frames as text, one a line.
pub fn list(frames: &Result<Vec<Value>, NoReply>) -> String {
    match frames {
        Ok(frames) => frames
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join("\n         "),
        Err(error) => format!("no reply: {error:?}"),
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "  command: {}", show_args(&self.args))?;
        writeln!(out, "  tested:  {}", self.ours)?;
        write!(out, "  oracle:  {}", self.theirs)
    }
}
