//! Compares everything that two servers hold: keys, types, values and expiry, in every database in use.

use crate::common::Value;
use crate::generate::{Without, words};
use crate::grammar::Args;
use crate::normalise::Exchange;
use crate::run::{Difference, REPLY_LIMIT, Run, both};

/// How many databases the generator uses, edges included.
const DATABASES: usize = 16;

impl Run {
    /// Walks through all databases of both servers.
    pub fn compare_state(&mut self) -> Result<(), Difference> {
        for db in 0..DATABASES {
            self.on_admin(&words(&format!("SELECT {db}")))?;
            let keys = self.on_admin(&words("KEYS *"))?;
            for key in keys.theirs.items() {
                self.compare_key(key.bytes().expect("keys are strings"))?;
            }
            self.on_admin(&words("DBSIZE"))?;
        }
        if Without::from_env().is_in("INFO") {
            return Ok(());
        }
        let keyspace = |text: Value| -> Vec<String> {
            // The average time to live depends on the moment.
            let lines = text.text();
            let without_ttl = |line: &str| {
                line.split(",avg_ttl")
                    .next()
                    .unwrap_or_default()
                    .to_string()
            };
            lines
                .lines()
                .filter(|line| line.starts_with("db"))
                .map(without_ttl)
                .collect()
        };
        let ours = keyspace(self.ours.admin.call("INFO keyspace"));
        let theirs = keyspace(self.theirs.admin.call("INFO keyspace"));
        if ours != theirs {
            let args = vec![b"(state)".to_vec(), b"INFO".to_vec(), b"keyspace".to_vec()];
            return Err(Difference {
                step_idx: 0,
                args,
                ours: ours.join(" "),
                theirs: theirs.join(" "),
            });
        }
        Ok(())
    }

    /// Compares one key of the database selected on the admin connections.
    pub(crate) fn compare_key(&mut self, key: &[u8]) -> Result<(), Difference> {
        let on_key = |line: &str| -> Args {
            let mut args = words(line);
            args.insert(1, key.to_vec());
            args
        };
        let kind = self.on_admin(&on_key("TYPE"))?.theirs.text();
        self.on_admin(&on_key("PEXPIRETIME"))?;
        let (value, count) = match kind.as_str() {
            "string" => ("GET", "STRLEN"),
            "hash" => ("HGETALL", "HLEN"),
            "list" => ("LRANGE 0 -1", "LLEN"),
            "set" => ("SMEMBERS", "SCARD"),
            "zset" => ("ZRANGE 0 -1 WITHSCORES", "ZCARD"),
            _ => return Ok(()),
        };
        for args in [on_key(value), on_key(count)] {
            self.ours.admin.send(&args);
            self.theirs.admin.send(&args);
            let ours = self.ours.admin.try_read(REPLY_LIMIT);
            let theirs = self.theirs.admin.try_read(REPLY_LIMIT);
            let exchange: Exchange = both(args, ours, theirs)?;
            self.check(&exchange, None).map_err(|difference| {
                let args = [&[b"(state)".to_vec()], &difference.args[..]].concat();
                Difference { args, ..difference }
            })?;
        }
        Ok(())
    }
}
