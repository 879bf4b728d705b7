//! The differential test: some hundred thousand seeded random commands over all families go to the server under test and
//! to redis-server 7.0 in the same order, and every reply must be equal. What the two hold is compared in between.
//!
//! The seed is printed. `DIFF_SEED=n` replays a run, `DIFF_COMMANDS=n` makes it longer or shorter, `DIFF_KEEP_GOING=n` goes
//! on after a difference and reports up to n of them, `DIFF_TALLY=1` prints how often each command was compared.
//! `DIFF_EPISODE=n` runs the one episode that a report names (with `DIFF_COMMANDS=1`, once).
//! `DIFF_WITHOUT=sort,memory` leaves commands out, by name.
//! `DIFF_STRICT=1` allows no intended difference: so redis-server is compared with itself
//! (`STILLPOINT_TEST_BIN=redis-server DIFF_STRICT=1`), which must show none at all.
//!
//! Reading order: `families.rs` and `scenarios.rs` (what is sent), `generate.rs` (in which order), `run.rs` and
//! `special.rs` (how it is sent and compared), `events.rs` (keyspace notifications), `normalise.rs` (what of a reply is defined), `intended.rs` (where Stillpoint
//! differs on purpose), `state.rs`, `shrink.rs`.

#[path = "../common/mod.rs"]
mod common;
mod events;
mod families;
mod generate;
mod grammar;
mod intended;
mod normalise;
mod pools;
mod run;
mod scenarios;
mod shrink;
mod special;
mod state;
mod step;
mod table;

use std::collections::BTreeSet;

use common::{Rng, Server, Setup, say};
use generate::{Book, Generator, Without};
use run::{Difference, Run};
use step::Step;

/// Commands compared by default.
const COMMANDS: u64 = 300_000;
/// Commands of one episode: afterwards the state is compared, and both servers are emptied.
const EPISODE_COMMANDS: u64 = 3000;
/// Commands shown that last touched the keys of a difference.
const SHOWN_MAX: usize = 15;
/// Steps shown of those that are left when a difference is made small.
const STEPS_SHOWN_MAX: usize = 60;

fn number_from_env(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text}")),
        Err(_) => default,
    }
}

/// The two servers, if the oracle is installed.
fn servers(test: &str) -> Option<(Server, Server)> {
    let oracle = Setup::oracle(test)?;
    Some((
        Setup::new().debug_commands().start(),
        oracle.debug_commands().start(),
    ))
}

#[test]
fn random_commands_get_the_replies_of_redis() {
    let Some((ours, theirs)) = servers("random_commands_get_the_replies_of_redis") else {
        return;
    };
    // Errors that random input earns are the client's business, but a server may well log a refused protocol.
    ours.expect_log("Protocol error");
    let seed = number_from_env("DIFF_SEED", 20_250_901);
    let commands = number_from_env("DIFF_COMMANDS", COMMANDS);
    let keep_going = number_from_env("DIFF_KEEP_GOING", 1) as usize;
    let strict = number_from_env("DIFF_STRICT", 0) == 1;
    say(&format!(
        "differential: DIFF_SEED={seed} DIFF_COMMANDS={commands}"
    ));
    let mut run = Run::new(&ours, &theirs, strict);
    let reports = differences(&mut run, seed, commands, keep_going);
    if number_from_env("DIFF_TALLY", 0) == 1 {
        for (name, (count, errors)) in &run.tally.commands {
            say(&format!(
                "{name:20} {count:7} compared, {errors:6} of them errors"
            ));
        }
    }
    for (what, count) in &run.tally.intended {
        let intended = intended::INTENDED
            .iter()
            .find(|intended| intended.what == *what)
            .expect("an entry of the list");
        say(&format!(
            "intended difference, {count} times: {what} ({})",
            intended.reason
        ));
    }
    assert!(
        reports.is_empty(),
        "{} difference(s), DIFF_SEED={seed}\n\n{}",
        reports.len(),
        reports.join("\n\n")
    );
}

/// Runs `commands` commands in episodes and returns a report of each difference, `keep_going` of them at most.
fn differences(run: &mut Run, seed: u64, commands: u64, keep_going: usize) -> Vec<String> {
    let book = Book::read(Without::from_env());
    let mut seeds = Rng::new(seed);
    let only = number_from_env("DIFF_EPISODE", 0);
    let mut reports = Vec::new();
    let mut known = BTreeSet::new();
    let mut done = 0;
    while done < commands {
        let episode_seed = if only == 0 { seeds.next() } else { only };
        let steps = episode(&book, episode_seed, &mut done);
        let mut from = 0;
        while from < steps.len() {
            run.reset();
            let outcome = run.steps(&steps[from..]).and_then(|()| {
                let step_idx = steps.len() - from - 1;
                run.compare_state().map_err(|difference| Difference {
                    step_idx,
                    ..difference
                })
            });
            let Err(difference) = outcome else { break };
            if keep_going > 1 {
                say(&format!(
                    "difference in episode {episode_seed}:\n{difference}"
                ));
            }
            let failing = &steps[from..=from + difference.step_idx];
            from += difference.step_idx + 1;
            // One report for each command and pair of replies is enough.
            let class = (
                shrink::subject(&difference.args),
                error_or_kind(&difference.ours),
                error_or_kind(&difference.theirs),
            );
            if known.insert(class) {
                reports.push(report(run, failing, &difference, episode_seed));
            }
            if reports.len() >= keep_going {
                return reports;
            }
        }
    }
    reports
}

/// The steps of the episode that `seed` names; `done` counts their commands.
fn episode(book: &Book, seed: u64, done: &mut u64) -> Vec<Step> {
    let mut generator = Generator::new(book, seed);
    let mut steps = Vec::new();
    let mut count = 0;
    while count < EPISODE_COMMANDS {
        let step = generator.next();
        count += step.commands().len().max(1) as u64;
        steps.push(step);
    }
    *done += count;
    steps
}

/// The error text, or the first character of what else it is.
fn error_or_kind(reply: &str) -> String {
    reply
        .chars()
        .take(if reply.starts_with('-') { 24 } else { 1 })
        .collect()
}

fn report(run: &mut Run, steps: &[Step], difference: &Difference, episode_seed: u64) -> String {
    let touching = shrink::last_touching(steps, difference, SHOWN_MAX);
    let mut out = format!(
        "difference in episode {episode_seed}, step {}:\n{difference}\n",
        difference.step_idx
    );
    out.push_str("the last steps that mention its arguments:\n");
    for step in touching {
        out.push_str(&format!("    {step}\n"));
    }
    let (smallest, again) = shrink::shrink(run, steps, difference);
    out.push_str(&format!(
        "the same with {} of {} steps:\n",
        smallest.len(),
        steps.len()
    ));
    // The last of them is the one that differs.
    for step in &smallest[smallest.len().saturating_sub(STEPS_SHOWN_MAX)..] {
        out.push_str(&format!("    {step}\n"));
    }
    out.push_str(&format!("{again}"));
    out
}

#[test]
fn command_info_says_what_redis_says() {
    let Some((ours, theirs)) = servers("command_info_says_what_redis_says") else {
        return;
    };
    let (mut ours, mut theirs) = (ours.connect(), theirs.connect());
    let without = Without::from_env();
    let differences: Vec<String> = table::names()
        .iter()
        .filter(|name| !without.is_in(name))
        .filter_map(|name| table::info_difference(&mut ours, &mut theirs, name))
        .collect();
    assert!(
        differences.is_empty(),
        "{} commands differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn calls_with_too_few_or_too_many_arguments_get_the_errors_of_redis() {
    let test = "calls_with_too_few_or_too_many_arguments_get_the_errors_of_redis";
    let Some((ours, theirs)) = servers(test) else {
        return;
    };
    let (mut ours, mut theirs) = (ours.connect(), theirs.connect());
    let names = table::names();
    assert!(
        names.len() > 150,
        "only {} commands found in the templates",
        names.len()
    );
    let without = Without::from_env();
    let differences: Vec<String> = names
        .iter()
        .filter(|name| !without.is_in(name))
        .flat_map(|name| table::call_differences(&mut ours, &mut theirs, name))
        .collect();
    assert!(
        differences.is_empty(),
        "{} calls differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn the_same_seed_gives_the_same_steps() {
    let book = Book::read(Without::default());
    let (mut count_a, mut count_b) = (0, 0);
    let (a, b) = (
        episode(&book, 7, &mut count_a),
        episode(&book, 7, &mut count_b),
    );
    assert_eq!(a, b);
    assert_ne!(a, episode(&book, 8, &mut count_b));
}

/// The test must be able to fail: an oracle with other settings is found out, and the report is short.
#[test]
fn an_oracle_with_another_setting_is_found_out() {
    let test = "an_oracle_with_another_setting_is_found_out";
    let Some(plain) = Setup::oracle(test) else {
        return;
    };
    let Some(changed) = Setup::oracle(test) else {
        return;
    };
    let plain = plain.debug_commands().start();
    let changed = changed
        .debug_commands()
        .arg("--set-max-intset-entries", "1")
        .start();
    let mut run = Run::new(&plain, &changed, true);
    let reports = differences(&mut run, 1, 20_000, 1);
    let report = reports.first().expect("a difference");
    assert!(
        report.contains("OBJECT ENCODING") && report.contains("intset"),
        "{report}"
    );
    let steps: usize = report
        .split("the same with ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|count| count.parse().ok())
        .expect("a count of steps");
    assert!(steps <= 3, "shrunk to {steps} steps only:\n{report}");
}
