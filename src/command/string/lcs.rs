//! LCS: the longest common subsequence of two strings.

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{Spec, TWO_KEYS};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;
use crate::resp::reply::Aggregate;
use crate::storage::metadata::Type;

pub(super) const LCS: Spec = Spec::read("lcs", -3, TWO_KEYS, lcs).doc(
    GROUP,
    "7.0.0",
    "O(N*M) where N and M are the lengths of s1 and s2, respectively",
    "Find longest common substring",
);

/// What the client wants to know.
#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    with_match_len: bool,
    min_match_len: i64,
}

fn lcs(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const NOT_STRINGS: ReplyError =
        ReplyError::fixed("ERR The specified keys must contain string values");
    const BOTH: ReplyError =
        ReplyError::fixed("ERR If you want both the length and indexes, please just use IDX.");
    const TOO_LARGE: ReplyError = ReplyError::fixed(
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
    );
    let mut values = [Vec::new(), Vec::new()];
    let mut are_strings = true;
    for (at, value) in values.iter_mut().enumerate() {
        let key = args.at(1 + at);
        let found = ctx.store.meta(key)?;
        ctx.store.looked_up(key, found.is_some());
        if let Some(meta) = found {
            are_strings &= meta.header.kind() == Type::String;
            *value = meta.rest;
        }
    }
    if !are_strings {
        return Err(NOT_STRINGS.into());
    }
    let options = options(args)?;
    if options.len && options.idx {
        return Err(BOTH.into());
    }
    let [a, b] = values;
    let cells = (a.len() as u64 + 1).checked_mul(b.len() as u64 + 1);
    if cells.is_none_or(|cells| cells > ctx.settings.proto_max_bulk_len / size_of::<u32>() as u64) {
        return Err(TOO_LARGE.into());
    }
    let table = Table::new(&a, &b);
    let reply = &mut *ctx.reply;
    if options.idx {
        reply.map(2);
        reply.bulk(b"matches");
        let matches = reply.begin();
        let mut count = 0;
        table.each_match(|run| {
            if (run.len as i64) < options.min_match_len {
                return;
            }
            count += 1;
            reply.array(if options.with_match_len { 3 } else { 2 });
            for start in [run.a, run.b] {
                reply.array(2);
                reply.count(start);
                reply.count(start + run.len - 1);
            }
            if options.with_match_len {
                reply.count(run.len);
            }
        });
        reply.end(matches, Aggregate::Array, count);
        reply.bulk(b"len");
        reply.count(table.len());
    } else if options.len {
        reply.count(table.len());
    } else {
        reply.bulk(&table.subsequence());
    }
    Ok(())
}

fn options(args: Args<'_>) -> Result<Options, ReplyError> {
    let mut options = Options::default();
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "idx") {
            options.idx = true;
        } else if args.is(at, "len") {
            options.len = true;
        } else if args.is(at, "withmatchlen") {
            options.with_match_len = true;
        } else if args.is(at, "minmatchlen") && at + 1 < args.len() {
            options.min_match_len = parse::integer(args.at(at + 1))?;
            at += 1;
        } else {
            return Err(SYNTAX);
        }
        at += 1;
    }
    Ok(options)
}

/// A stretch that both strings have in the subsequence.
struct Match {
    a: usize,
    b: usize,
    len: usize,
}

/// The lengths of the longest common subsequences of all pairs of beginnings.
struct Table<'s> {
    a: &'s [u8],
    b: &'s [u8],
    /// Row by row, a row for each length of `a`.
    cells: Vec<u32>,
}

impl<'s> Table<'s> {
    fn new(a: &'s [u8], b: &'s [u8]) -> Table<'s> {
        let width = b.len() + 1;
        let mut cells = vec![0u32; (a.len() + 1) * width];
        for (row, &byte) in a.iter().enumerate() {
            let (above, below) = cells[row * width..].split_at_mut(width);
            for (column, &other) in b.iter().enumerate() {
                below[column + 1] = if byte == other {
                    above[column] + 1
                } else {
                    above[column + 1].max(below[column])
                };
            }
        }
        Table { a, b, cells }
    }

    fn at(&self, a_len: usize, b_len: usize) -> u32 {
        self.cells[a_len * (self.b.len() + 1) + b_len]
    }

    fn len(&self) -> usize {
        self.at(self.a.len(), self.b.len()) as usize
    }

    /// Walks the subsequence from its end: the positions in both strings of each of its bytes. Of equally long ways, the
    /// one that shortens `b` first, as redis-server takes.
    fn walk(&self, mut each: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        while i > 0 && j > 0 {
            if self.a[i - 1] == self.b[j - 1] {
                i -= 1;
                j -= 1;
                each(i, j);
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }

    fn subsequence(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.walk(|i, _| bytes.push(self.a[i]));
        bytes.reverse();
        bytes
    }

    /// The stretches of the subsequence that lie together in both strings, last one first.
    fn each_match(&self, mut each: impl FnMut(Match)) {
        let mut run: Option<Match> = None;
        self.walk(|i, j| match &mut run {
            Some(run) if run.a == i + 1 && run.b == j + 1 => {
                run.a = i;
                run.b = j;
                run.len += 1;
            }
            _ => {
                let next = Match { a: i, b: j, len: 1 };
                if let Some(done) = run.replace(next) {
                    each(done);
                }
            }
        });
        if let Some(last) = run {
            each(last);
        }
    }
}
