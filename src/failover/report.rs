//! What INFO shows of a failover: the one that runs, and the last one.

use crate::replication::takeover::wire::Address;
use crate::storage::seq::Seq;

/// How a failover ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target is the primary.
    TakenOver,
    /// This node stayed the primary; why.
    Aborted(String),
    /// The operator decided, while nobody knew whether the target had taken over.
    LeftToOperator,
}

/// The last failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// To whom.
    pub target: Address,
    /// How it ended.
    pub outcome: Outcome,
    /// The last update of the old primary; `None` if it was not reached, or before a restart.
    pub final_seq: Option<Seq>,
    /// Updates that the target did not hold when it took over: with FORCE only.
    pub given_up: u64,
    /// Microseconds from the pause to the end; `None` if writes were not paused, or before a restart.
    pub write_stop_us: Option<u64>,
}

/// Fields of `INFO replication`: name and value.
pub type Fields = Vec<(&'static str, String)>;

impl Report {
    /// The fields of the last failover.
    pub fn fields(&self) -> Fields {
        let result = match &self.outcome {
            Outcome::TakenOver => "taken-over".to_owned(),
            Outcome::Aborted(why) => format!("aborted: {}", one_line(why)),
            Outcome::LeftToOperator => "left-to-operator".to_owned(),
        };
        let known =
            |number: Option<u64>| number.map_or("-1".to_owned(), |number| number.to_string());
        vec![
            ("last_failover_target", one_line(&self.target.to_string())),
            ("last_failover_result", result),
            (
                "last_failover_final_seq",
                known(self.final_seq.map(Seq::get)),
            ),
            ("last_failover_given_up", self.given_up.to_string()),
            ("last_failover_write_stop_usec", known(self.write_stop_us)),
        ]
    }
}

/// Text without line ends: a field of INFO is one line.
pub fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_shown_in_one_line_a_field() {
        let mut report = Report {
            target: Address::new("b", 1),
            outcome: Outcome::Aborted("no\r\nroom".to_owned()),
            final_seq: None,
            given_up: 0,
            write_stop_us: None,
        };
        let values = |report: &Report| -> Vec<String> {
            report
                .fields()
                .into_iter()
                .map(|(_, value)| value)
                .collect()
        };
        assert_eq!(
            values(&report),
            ["b:1", "aborted: no  room", "-1", "0", "-1"]
        );
        report.outcome = Outcome::TakenOver;
        report.final_seq = Some(Seq::new(9));
        report.given_up = 2;
        report.write_stop_us = Some(1234);
        assert_eq!(values(&report), ["b:1", "taken-over", "9", "2", "1234"]);
        report.outcome = Outcome::LeftToOperator;
        assert_eq!(values(&report)[1], "left-to-operator");
    }
}
