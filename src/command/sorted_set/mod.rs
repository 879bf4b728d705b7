//! Sorted sets: the Z commands. Arguments and replies here, the data in `storage/types/zset`.

mod add;
mod bounds;
mod combine;
mod iterate;
mod pop;
mod range;
mod read;
mod remove;
#[cfg(test)]
mod tests;

use super::spec::Spec;
use crate::resp::reply::{Aggregate, Later};
use crate::resp::{Proto, Reply};
use crate::storage::store::{EventClass, Store};
use crate::storage::types::zset::Stored;

/// The sorted set commands.
pub const SPECS: &[Spec] = &[
    add::ZADD,
    add::ZINCRBY,
    remove::ZREM,
    remove::ZREMRANGEBYRANK,
    remove::ZREMRANGEBYSCORE,
    remove::ZREMRANGEBYLEX,
    read::ZCARD,
    read::ZSCORE,
    read::ZMSCORE,
    read::ZRANK,
    read::ZREVRANK,
    read::ZCOUNT,
    read::ZLEXCOUNT,
    range::ZRANGE,
    range::ZREVRANGE,
    range::ZRANGEBYSCORE,
    range::ZREVRANGEBYSCORE,
    range::ZRANGEBYLEX,
    range::ZREVRANGEBYLEX,
    range::ZRANGESTORE,
    pop::ZPOPMIN,
    pop::ZPOPMAX,
    pop::ZMPOP,
    pop::BZPOPMIN,
    pop::BZPOPMAX,
    pop::BZMPOP,
    combine::ZUNION,
    combine::ZINTER,
    combine::ZDIFF,
    combine::ZUNIONSTORE,
    combine::ZINTERSTORE,
    combine::ZDIFFSTORE,
    combine::ZINTERCARD,
    iterate::ZRANDMEMBER,
    iterate::ZSCAN,
];

/// The group of COMMAND DOCS.
const GROUP: &str = "sorted-set";

/// A list of members under construction, perhaps with scores: a flat array in RESP2; with scores, an array of pairs in RESP3.
struct MemberList {
    later: Later,
    with_scores: bool,
    len: usize,
}

impl MemberList {
    fn begin(reply: &mut Reply, with_scores: bool) -> MemberList {
        MemberList {
            later: reply.begin(),
            with_scores,
            len: 0,
        }
    }

    fn push(&mut self, reply: &mut Reply, member: &[u8], score: f64) {
        self.len += 1;
        if self.with_scores && reply.proto == Proto::Resp3 {
            reply.array(2);
        }
        reply.bulk(member);
        if self.with_scores {
            reply.double(score);
        }
    }

    fn end(self, reply: &mut Reply) {
        let flat = self.with_scores && reply.proto == Proto::Resp2;
        let len = if flat { self.len * 2 } else { self.len };
        reply.end(self.later, Aggregate::Array, len);
    }
}

/// Notes the events of a destination key that `event` wrote.
fn notify_stored(store: &mut Store<'_>, stored: Stored, event: &'static str, key: &[u8]) {
    match stored {
        Stored::Nothing => {}
        Stored::Deleted => store.notify(EventClass::GENERIC, "del", key),
        Stored::Created | Stored::Replaced => {
            if stored == Stored::Created {
                store.notify(EventClass::NEW, "new", key);
            }
            store.notify(EventClass::ZSET, event, key);
        }
    }
}
