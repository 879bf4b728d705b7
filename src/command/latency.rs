//! LATENCY: the latency monitor, and the histograms of commands.

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use super::table::{self, Command};
use crate::config::WalSync;
use crate::error::ReplyError;
use crate::node::Node;
use crate::resp::Args;
use crate::resp::reply::{Aggregate, Reply};
use crate::stats::latency::Event;
use crate::stats::latency_advice::{self, Circumstances};
use crate::stats::{graph, os};

const ADMIN: Flags = Flags::ADMIN
    .and(Flags::NOSCRIPT)
    .and(Flags::LOADING)
    .and(Flags::STALE);

/// The declaration.
pub const LATENCY: Spec = Spec::container(
    "latency",
    &[
        Spec::control("latency|doctor", 2, doctor).flags(ADMIN).doc(
            "server",
            "2.8.13",
            "O(1)",
            "Returns a human-readable latency analysis report.",
        ),
        Spec::control("latency|graph", 3, graph).flags(ADMIN).doc(
            "server",
            "2.8.13",
            "O(1)",
            "Returns a latency graph for an event.",
        ),
        Spec::control("latency|help", 2, help)
            .flags(Flags::LOADING.and(Flags::STALE))
            .doc(
                "server",
                "2.8.13",
                "O(1)",
                "Returns helpful text about the different subcommands.",
            ),
        Spec::control("latency|histogram", -2, histogram)
            .flags(ADMIN)
            .doc(
                "server",
                "7.0.0",
                "O(N) where N is the number of commands with latency information being retrieved.",
                "Returns the cumulative distribution of latencies of a subset or all commands.",
            ),
        Spec::control("latency|history", 3, history)
            .flags(ADMIN)
            .doc(
                "server",
                "2.8.13",
                "O(1)",
                "Returns timestamp-latency samples for an event.",
            ),
        Spec::control("latency|latest", 2, latest).flags(ADMIN).doc(
            "server",
            "2.8.13",
            "O(1)",
            "Returns the latest latency samples for all events.",
        ),
        Spec::control("latency|reset", -2, reset).flags(ADMIN).doc(
            "server",
            "2.8.13",
            "O(1)",
            "Resets the latency data for one or more events.",
        ),
    ],
)
.doc(
    "server",
    "2.8.13",
    "Depends on subcommand.",
    "A container for latency diagnostics commands.",
);

fn latest(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let events = ctx.node.stats.latency.events();
    ctx.reply.array(events.len());
    for (name, event) in events {
        let (unix_s, ms) = event
            .latest()
            .map_or((0, 0), |sample| (sample.unix_s, sample.ms));
        ctx.reply.array(4);
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.int(unix_s as i64);
        ctx.reply.int(ms as i64);
        ctx.reply.int(event.max_ms as i64);
    }
    Ok(())
}

fn history(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let Some((_, event)) = ctx.node.stats.latency.event(args.at(2)) else {
        ctx.reply.array(0);
        return Ok(());
    };
    ctx.reply.array(event.samples.len());
    for sample in &event.samples {
        ctx.reply.array(2);
        ctx.reply.int(sample.unix_s as i64);
        ctx.reply.int(sample.ms as i64);
    }
    Ok(())
}

fn reset(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let monitor = &mut ctx.node.stats.latency;
    let forgotten = if args.len() == 2 {
        monitor.forget_all()
    } else {
        let names = args.from(2);
        names.iter().filter(|name| monitor.forget(name)).count()
    };
    ctx.reply.count(forgotten);
    Ok(())
}

fn graph(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let now_s = ctx.turn.unix_us / 1_000_000;
    let Some((name, event)) = ctx.node.stats.latency.event(args.at(2)) else {
        let mut text = b"ERR No samples available for event '".to_vec();
        text.extend_from_slice(args.at(2));
        text.push(b'\'');
        return Err(ReplyError::new(text).into());
    };
    ctx.reply
        .verbatim("txt", draw(name, event, now_s).as_bytes());
    Ok(())
}

fn draw(name: &str, event: &Event, now_s: u64) -> String {
    let summary = event.summary(now_s);
    let points: Vec<(u64, String)> = event
        .samples
        .iter()
        .map(|sample| (sample.ms, age(now_s.saturating_sub(sample.unix_s))))
        .collect();
    format!(
        "{name} - high {} ms, low {} ms (all time high {} ms)\n{}\n{}",
        summary.max_ms,
        summary.min_ms,
        event.max_ms,
        "-".repeat(graph::WIDTH),
        graph::draw(&points)
    )
}

/// Seconds as a label: in the largest unit that gives a number.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn doctor(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let config = &ctx.node.config;
    let circumstances = Circumstances {
        slowlog_slower_than_us: config.slowlog_log_slower_than_us,
        hz: config.hz,
        wal_sync_always: config.wal_sync == WalSync::Always,
        huge_page_bytes: os::huge_page_bytes().unwrap_or(0),
    };
    let now_s = ctx.turn.unix_us / 1_000_000;
    let text = latency_advice::report(&ctx.node.stats.latency, &circumstances, now_s);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn histogram(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let asked: Vec<&'static Command> = if args.len() == 2 {
        table::commands().iter().collect()
    } else {
        // Unknown names are passed over.
        args.from(2).iter().filter_map(by_full_name).collect()
    };
    let begun = ctx.reply.begin();
    let mut shown = 0;
    for command in asked {
        for each in std::iter::once(command).chain(&command.subcommands) {
            shown += usize::from(distribution(ctx.node, each, ctx.reply));
        }
    }
    ctx.reply.end(begun, Aggregate::Map, shown);
    Ok(())
}

/// The command, or the subcommand as `container|sub`, that a name stands for.
fn by_full_name(name: &[u8]) -> Option<&'static Command> {
    match memchr::memchr(b'|', name) {
        None => table::lookup(name),
        Some(bar) => table::lookup(&name[..bar])?.subcommand(&name[bar + 1..]),
    }
}

/// Adds a command's distribution if it was called; says whether it did.
fn distribution(node: &Node, command: &Command, reply: &mut Reply) -> bool {
    let histogram = &node.stats.of(command).histogram;
    if histogram.total() == 0 {
        return false;
    }
    reply.bulk(command.spec.name.as_bytes());
    reply.map(2);
    reply.bulk(b"calls");
    reply.int(histogram.total() as i64);
    reply.bulk(b"histogram_usec");
    let doublings = histogram.doublings();
    reply.map(doublings.len());
    for (us, calls) in doublings {
        reply.int(us as i64);
        reply.int(calls as i64);
    }
    true
}

fn help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    super::help(
        ctx.reply,
        "LATENCY",
        &[
            "DOCTOR",
            "    Report what was slow, and what could be done about it.",
            "GRAPH <event>",
            "    Draw the samples of the <event>.",
            "HISTORY <event>",
            "    Return the samples of the <event>: time and milliseconds.",
            "LATEST",
            "    Return the newest sample of every event.",
            "RESET [<event> ...]",
            "    Forget the samples of these events, or of all.",
            "HISTOGRAM [<command> ...]",
            "    Return how long the calls of these commands took, or of all, as a cumulative",
            "    distribution in microseconds.",
        ],
    );
    Ok(())
}
