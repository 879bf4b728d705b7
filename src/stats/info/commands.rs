//! INFO commandstats, errorstats and latencystats.

use super::{Facts, Fields};
use crate::command::table::{self, Command};
use crate::config::percentile_text;

/// Every command and subcommand.
fn all_commands() -> impl Iterator<Item = &'static Command> {
    let commands = table::commands().iter();
    commands.flat_map(|command| std::iter::once(command).chain(&command.subcommands))
}

pub(super) fn command_stats(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    for command in all_commands() {
        let stats = facts.node.stats.of(command);
        if stats.calls == 0 && stats.failed == 0 && stats.rejected == 0 {
            continue;
        }
        let per_call = stats.usec as f64 / stats.calls.max(1) as f64;
        fields.line(format_args!(
            "cmdstat_{}:calls={},usec={},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
            command.spec.name, stats.calls, stats.usec, stats.rejected, stats.failed
        ));
    }
}

pub(super) fn error_stats(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    for (code, count) in &facts.node.stats.errors {
        // What would break a line apart is replaced, as in Redis: the code may be a client's own words.
        let code: String = String::from_utf8_lossy(code)
            .chars()
            .map(|char| if "#:\n\r".contains(char) { '_' } else { char })
            .collect();
        fields.line(format_args!("errorstat_{code}:count={count}"));
    }
}

pub(super) fn latency_stats(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let config = &facts.node.config;
    if !config.latency_tracking {
        return;
    }
    for command in all_commands() {
        let histogram = &facts.node.stats.of(command).histogram;
        if histogram.total() == 0 {
            continue;
        }
        let percentiles: Vec<String> = config
            .latency_tracking_info_percentiles
            .iter()
            .map(|&percent| {
                let us = histogram.percentile(percent);
                format!("p{}={us}.000", percentile_text(percent))
            })
            .collect();
        fields.line(format_args!(
            "latency_percentiles_usec_{}:{}",
            command.spec.name,
            percentiles.join(",")
        ));
    }
}
