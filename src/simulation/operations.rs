//! What clients of a scenario do, each with the replies that it may get.

/// The list that tokens are pushed to, in the order of their arrival.
pub const LOG: &str = "log";
/// The list that items are offered on and taken from.
pub const QUEUE: &str = "queue";
/// The channel that values are told on.
pub const CHANNEL: &str = "news";

/// One thing that a client asks for: one or more commands in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writes a register, whose values only grow; one client owns it.
    Set { register: String, value: i64 },
    /// Reads a register.
    Get { register: String },
    /// Counts by one.
    Incr { counter: String },
    /// Reads a counter.
    Read { counter: String },
    /// In a transaction: writes a register and tells the channel.
    Tell { register: String, value: i64 },
    /// In a transaction: counts and writes a register.
    IncrAndSet {
        counter: String,
        register: String,
        value: i64,
    },
    /// In a transaction: writes both halves of a pair.
    SetPair { pair: String, value: i64 },
    /// Reads both halves of a pair at once.
    GetPair { pair: String },
    /// WATCHes and reads a counter; [`Operation::Swap`] follows.
    Look { counter: String },
    /// Sets a counter to one more than [`Operation::Look`] saw, if nobody has written it since.
    Swap { counter: String, value: i64 },
    /// Forgets what it WATCHes: [`Operation::Look`] was refused in part.
    Unwatch,
    /// Appends to the log.
    Append { token: String },
    /// Puts an item on the queue.
    Offer { item: String },
    /// Takes an item from the queue, waiting for it so many milliseconds.
    Take { timeout_ms: u64 },
    /// Writes a key that expires soon; nobody reads it.
    Expiring { key: String, ms: u64 },
    /// Changes nothing, says its token.
    Echo { token: String },
    /// Counts the keys, which a worker does.
    Size,
}

impl Operation {
    /// The commands.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let one = |words: &[&str]| vec![words.iter().map(|&word| word.to_owned()).collect()];
        let exec = |commands: &[&[&str]]| {
            let all = [&[&["MULTI"][..]], commands, &[&["EXEC"][..]]].concat();
            all.iter()
                .map(|words| words.iter().map(|&word| word.to_owned()).collect())
                .collect()
        };
        match self {
            Operation::Set { register, value } => one(&["SET", register, &value.to_string()]),
            Operation::Get { register } => one(&["GET", register]),
            Operation::Incr { counter } => one(&["INCR", counter]),
            Operation::Read { counter } => one(&["GET", counter]),
            Operation::Tell { register, value } => {
                let value = value.to_string();
                let told = format!("{register} {value}");
                exec(&[&["SET", register, &value], &["PUBLISH", CHANNEL, &told]])
            }
            Operation::IncrAndSet {
                counter,
                register,
                value,
            } => exec(&[&["INCR", counter], &["SET", register, &value.to_string()]]),
            Operation::SetPair { pair, value } => {
                let (left, right, value) = (half(pair, 0), half(pair, 1), value.to_string());
                exec(&[&["SET", &left, &value], &["SET", &right, &value]])
            }
            Operation::GetPair { pair } => one(&["MGET", &half(pair, 0), &half(pair, 1)]),
            Operation::Look { counter } => {
                [one(&["WATCH", counter]), one(&["GET", counter])].concat()
            }
            Operation::Swap { counter, value } => exec(&[&["SET", counter, &value.to_string()]]),
            Operation::Append { token } => one(&["RPUSH", LOG, token]),
            Operation::Offer { item } => one(&["LPUSH", QUEUE, item]),
            Operation::Take { timeout_ms } => {
                let seconds = format!("{}.{:03}", timeout_ms / 1000, timeout_ms % 1000);
                one(&["BLPOP", QUEUE, &seconds])
            }
            Operation::Expiring { key, ms } => one(&["SET", key, "x", "PX", &ms.to_string()]),
            Operation::Echo { token } => one(&["ECHO", token]),
            Operation::Unwatch => one(&["UNWATCH"]),
            Operation::Size => one(&["DBSIZE"]),
        }
    }

    /// Whether a pause of writes holds it back.
    pub fn is_write(&self) -> bool {
        !matches!(
            self,
            Operation::Get { .. }
                | Operation::Read { .. }
                | Operation::GetPair { .. }
                | Operation::Look { .. }
                | Operation::Unwatch
                | Operation::Echo { .. }
                | Operation::Size
        )
    }

    /// Whether it may stand in a pipeline with others.
    pub fn is_pipelined(&self) -> bool {
        !matches!(
            self,
            Operation::Look { .. }
                | Operation::Unwatch
                | Operation::Swap { .. }
                | Operation::Append { .. }
                | Operation::Take { .. }
        )
    }
}

/// The key of one half of a pair.
pub fn half(pair: &str, side: usize) -> String {
    format!("{pair}:{side}")
}
