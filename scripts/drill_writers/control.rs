//! The conversation with the drill: `run` and `stop` on standard input, one line of JSON after each `stop`.
//!
//! Every line of output is an object: a report, or `{"failed": "words"}`, after which the program ends. Times are
//! seconds of CLOCK_MONOTONIC. Of pairs, only numbers are reported: key and value follow from them.

use std::fmt::{Display, Write as _};
use std::io::{self, BufRead, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use mio::Waker;

use crate::WriterFailed;
use crate::ledger::Ledger;

/// What the drill asks for.
#[derive(Debug, PartialEq)]
pub enum Order {
    /// Begin a phase.
    Run,
    /// End it when every pair in flight is over, and report.
    Stop,
}

/// Reads orders from standard input in a thread, and wakes the poll for each, and at the end of the input.
///
/// A thread, since standard input may be a terminal or a file too, which a poll cannot wait for.
pub fn orders(waker: Arc<Waker>) -> Receiver<Result<Order, WriterFailed>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let order = match line.as_str() {
                "run" => Ok(Order::Run),
                "stop" => Ok(Order::Stop),
                other => Err(WriterFailed(format!("told to \"{other}\""))),
            };
            if sender.send(order).is_err() || waker.wake().is_err() {
                return;
            }
        }
        // The loop learns of the end by the sender's end.
        drop(sender);
        let _ = waker.wake();
    });
    receiver
}

/// What the writers saw between two stops. Times are in nanoseconds of the monotonic clock.
#[derive(Default)]
pub struct Phase {
    /// Pairs that are over.
    pub pairs: u64,
    /// Writes whose reply is missing.
    pub unknown: u64,
    /// By node: the time of the first reply to a write in this phase, and of the last one.
    pub acks: Vec<Option<(u64, u64)>>,
    /// When each pair that took long was sent, and when it was over.
    pub waits: Vec<(u64, u64)>,
    /// By how much the writers were behind their pace at most: that much is this machine's.
    pub late_ns: u64,
}

/// The line that reports a phase. `ports` are those of the nodes, `ledgers` those of all writers.
pub fn report_line<'a>(
    phase: &Phase,
    ports: &[u16],
    ledgers: impl Iterator<Item = &'a Ledger>,
) -> String {
    let acks = ports.iter().zip(&phase.acks);
    let acks = acks.filter_map(|(port, times)| times.map(|(first, last)| (port, first, last)));
    let ledgers = ledgers.map(|ledger| {
        format!(
            "{{\"acked\":{},\"unknown\":{},\"incr_acked\":{},\"incr_unknown\":{}}}",
            array(ledger.acked()),
            array(ledger.unknown()),
            ledger.incr_acked,
            ledger.incr_unknown
        )
    });
    format!(
        "{{\"pairs\":{},\"unknown\":{},\"late_s\":{},\"first_ack\":{},\"last_ack\":{},\"waits\":{},\"ledgers\":{}}}",
        phase.pairs,
        phase.unknown,
        seconds(phase.late_ns),
        array(
            acks.clone()
                .map(|(port, first, _)| format!("[{port},{}]", seconds(first)))
        ),
        array(acks.map(|(port, _, last)| format!("[{port},{}]", seconds(last)))),
        array(phase.waits.iter().map(|&(sent, over)| format!(
            "[{},{}]",
            seconds(sent),
            seconds(over)
        ))),
        array(ledgers)
    )
}

/// The line that says why the program ends.
pub fn failure_line(failure: &WriterFailed) -> String {
    let mut line = "{\"failed\":\"".to_owned();
    for letter in failure.0.chars() {
        match letter {
            '"' | '\\' => line.extend(['\\', letter]),
            control if control < ' ' => {
                let _ = write!(line, "\\u{:04x}", u32::from(control));
            }
            other => line.push(other),
        }
    }
    line + "\"}"
}

/// Writes a line to the drill. That it is gone is no error: the end of the input says so too.
pub fn answer(line: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

fn array(items: impl Iterator<Item = impl Display>) -> String {
    let mut text = String::from("[");
    for item in items {
        let comma = if text.len() > 1 { "," } else { "" };
        let _ = write!(text, "{comma}{item}");
    }
    text + "]"
}

/// Nanoseconds as a decimal number of seconds, exactly.
fn seconds(ns: u64) -> String {
    format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_of_json() {
        let mut ledger = Ledger::default();
        ledger.set_acked(1);
        ledger.set_acked(2);
        ledger.set_unknown(3);
        ledger.incr_acked = 2;
        let phase = Phase {
            pairs: 3,
            unknown: 1,
            acks: vec![None, Some((1_000_000_001, 2_500_000_000))],
            waits: vec![(5, 2_000_000_000), (7, 8)],
            late_ns: 1_500_000,
        };
        assert_eq!(
            report_line(
                &phase,
                &[7001, 7002],
                [&ledger, &Ledger::default()].into_iter()
            ),
            concat!(
                r#"{"pairs":3,"unknown":1,"late_s":0.001500000,"first_ack":[[7002,1.000000001]],"#,
                r#""last_ack":[[7002,2.500000000]],"waits":[[0.000000005,2.000000000],[0.000000007,0.000000008]],"#,
                r#""ledgers":[{"acked":[1,2],"unknown":[3],"incr_acked":2,"incr_unknown":0},"#,
                r#"{"acked":[],"unknown":[],"incr_acked":0,"incr_unknown":0}]}"#
            )
        );
    }

    #[test]
    fn a_failure_in_any_words_is_json() {
        let failure = WriterFailed("said \"\\x00\"\n\té".to_owned());
        assert_eq!(
            failure_line(&failure),
            "{\"failed\":\"said \\\"\\\\x00\\\"\\u000a\\u0009é\"}"
        );
    }
}
