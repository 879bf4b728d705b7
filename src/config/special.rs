//! Settings with a form of their own: save points, percentiles, options of a shutdown, scores for the kernel.
//!
//! Errors are the texts of redis-server 7.0.15 (`config.c`).

use super::forms::not_one_of;
use super::numbers::parse_c_integer;
use super::setting::{Form, Origin};

/// `save`: pairs of seconds (at least 1) and changes (at least 0). The lines of a file add up; an empty word takes all back.
pub struct SavePoints;

impl Form for SavePoints {
    type Value = Vec<(u64, u64)>;

    const MANY: bool = true;

    fn read(
        &self,
        old: &Vec<(u64, u64)>,
        words: &[Vec<u8>],
        origin: Origin,
    ) -> Result<Vec<(u64, u64)>, String> {
        if words.iter().all(Vec::is_empty) && words.len() < 2 {
            return Ok(Vec::new());
        }
        let mut points = if origin == Origin::Line {
            old.clone()
        } else {
            Vec::new()
        };
        if !words.len().is_multiple_of(2) {
            return Err("Invalid save parameters".to_string());
        }
        for pair in words.chunks_exact(2) {
            let number =
                |word: &[u8], min: i64| parse_c_integer(word).filter(|&value| value >= min);
            match (number(&pair[0], 1), number(&pair[1], 0)) {
                (Some(seconds), Some(changes)) => {
                    points.push((seconds.unsigned_abs(), changes.unsigned_abs()))
                }
                _ => return Err("Invalid save parameters".to_string()),
            }
        }
        Ok(points)
    }

    fn show(&self, value: &Vec<(u64, u64)>) -> Vec<u8> {
        let pairs: Vec<String> = value
            .iter()
            .map(|(seconds, changes)| format!("{seconds} {changes}"))
            .collect();
        pairs.join(" ").into_bytes()
    }

    fn lines(&self, value: &Vec<(u64, u64)>) -> Vec<Vec<u8>> {
        if value.is_empty() {
            return vec![b"\"\"".to_vec()];
        }
        value
            .iter()
            .map(|(seconds, changes)| format!("{seconds} {changes}").into_bytes())
            .collect()
    }
}

/// `latency-tracking-info-percentiles`: numbers from 0 to 100.
pub struct Percentiles;

impl Form for Percentiles {
    type Value = Vec<f64>;

    const MANY: bool = true;

    fn read(
        &self,
        _old: &Vec<f64>,
        words: &[Vec<u8>],
        _origin: Origin,
    ) -> Result<Vec<f64>, String> {
        if let [only] = words
            && only.is_empty()
        {
            return Ok(Vec::new());
        }
        let percentile = |word: &Vec<u8>| {
            let text = std::str::from_utf8(word).ok();
            let value = text
                .and_then(|text| text.parse::<f64>().ok())
                .filter(|value| !value.is_nan());
            match value {
                Some(value) if (0.0..=100.0).contains(&value) => Ok(value),
                Some(_) => Err(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
                ),
                None => Err("Invalid latency-tracking-info-percentiles parameters"),
            }
        };
        words
            .iter()
            .map(percentile)
            .collect::<Result<_, _>>()
            .map_err(str::to_string)
    }

    fn show(&self, value: &Vec<f64>) -> Vec<u8> {
        let texts: Vec<String> = value
            .iter()
            .map(|&percentile| percentile_text(percentile))
            .collect();
        texts.join(" ").into_bytes()
    }

    fn lines(&self, value: &Vec<f64>) -> Vec<Vec<u8>> {
        vec![if value.is_empty() {
            b"\"\"".to_vec()
        } else {
            self.show(value)
        }]
    }
}

/// Six decimals without the zeros at their end, as `INFO latencystats` names its fields.
pub fn percentile_text(percentile: f64) -> String {
    let text = format!("{percentile:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// What SIGINT or SIGTERM adds to a shutdown: the options of `SHUTDOWN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOptions {
    /// `SAVE`.
    pub save: bool,
    /// `NOSAVE`.
    pub nosave: bool,
    /// `NOW`: do not wait for replicas.
    pub now: bool,
    /// `FORCE`: ignore errors that would otherwise keep the server up.
    pub force: bool,
    /// Hand over to a replica first (ours; Valkey has it for cluster nodes).
    pub failover: bool,
}

/// `shutdown-on-sigint` and `shutdown-on-sigterm`: `default`, or options.
pub struct ShutdownOptionsForm;

impl Form for ShutdownOptionsForm {
    type Value = ShutdownOptions;

    const MANY: bool = true;

    fn read(
        &self,
        _old: &ShutdownOptions,
        words: &[Vec<u8>],
        _origin: Origin,
    ) -> Result<ShutdownOptions, String> {
        let names =
            || not_one_of(["default", "save", "nosave", "now", "force", "failover"].into_iter());
        if words.is_empty() {
            return Err(names());
        }
        let mut options = ShutdownOptions::default();
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => options.save = true,
                b"nosave" => options.nosave = true,
                b"now" => options.now = true,
                b"force" => options.force = true,
                b"failover" => options.failover = true,
                _ => return Err(names()),
            }
        }
        if options.save && options.nosave {
            return Err(
                "shutdown options SAVE and NOSAVE can't be used simultaneously".to_string(),
            );
        }
        Ok(options)
    }

    fn show(&self, value: &ShutdownOptions) -> Vec<u8> {
        let options = [
            (value.save, "save"),
            (value.nosave, "nosave"),
            (value.now, "now"),
            (value.force, "force"),
            (value.failover, "failover"),
        ];
        let given: Vec<&str> = options
            .iter()
            .filter(|(given, _)| *given)
            .map(|(_, name)| *name)
            .collect();
        if given.is_empty() {
            b"default".to_vec()
        } else {
            given.join(" ").into_bytes()
        }
    }
}

/// `oom-score-adj-values`: scores of a primary, a replica and a background child, from -2000 to 2000.
pub struct OomScores;

impl Form for OomScores {
    type Value = [i64; 3];

    const MANY: bool = true;

    fn read(
        &self,
        _old: &[i64; 3],
        words: &[Vec<u8>],
        _origin: Origin,
    ) -> Result<[i64; 3], String> {
        let [primary, replica, child] = words else {
            return Err("wrong number of arguments".to_string());
        };
        let score = |word: &[u8]| {
            parse_c_integer(word)
                .filter(|score| (-2000..=2000).contains(score))
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        };
        Ok([score(primary)?, score(replica)?, score(child)?])
    }

    fn show(&self, value: &[i64; 3]) -> Vec<u8> {
        value.map(|score| score.to_string()).join(" ").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        super::super::words::split(text.as_bytes()).unwrap()
    }

    #[test]
    fn save_points_add_up_over_lines_and_are_replaced_by_a_command() {
        let old = vec![(900, 1)];
        let read = |text: &str, origin| SavePoints.read(&old, &words(text), origin);
        assert_eq!(read("300 10", Origin::Line).unwrap(), [(900, 1), (300, 10)]);
        assert_eq!(
            read("300 10 60 0", Origin::Command).unwrap(),
            [(300, 10), (60, 0)]
        );
        assert_eq!(read("\"\"", Origin::Line).unwrap(), []);
        assert_eq!(SavePoints.read(&old, &[], Origin::Command).unwrap(), []);
        for text in ["1 2 3", "abc", "0 1", "1 -1", "-1 1", "60 1 \"\"", "1 2x"] {
            assert_eq!(
                read(text, Origin::Command).unwrap_err(),
                "Invalid save parameters",
                "{text:?}"
            );
        }
        let points = vec![(900, 1), (300, 10)];
        assert_eq!(SavePoints.show(&points), b"900 1 300 10");
        assert_eq!(
            SavePoints.lines(&points),
            [b"900 1".to_vec(), b"300 10".to_vec()]
        );
        assert_eq!(SavePoints.lines(&Vec::new()), [b"\"\"".to_vec()]);
    }

    #[test]
    fn percentiles_are_numbers_up_to_a_hundred() {
        let read = |text: &str| Percentiles.read(&Vec::new(), &words(text), Origin::Command);
        let percentiles = read("50.5000 99.99 100").unwrap();
        assert_eq!(Percentiles.show(&percentiles), b"50.5 99.99 100");
        assert_eq!(read("\"\"").unwrap(), []);
        assert_eq!(Percentiles.lines(&Vec::new()), [b"\"\"".to_vec()]);
        for text in ["50 101", "-1", "inf"] {
            let error =
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
            assert_eq!(read(text).unwrap_err(), error, "{text:?}");
        }
        for text in ["50.5 abc", "nan"] {
            let error = "Invalid latency-tracking-info-percentiles parameters";
            assert_eq!(read(text).unwrap_err(), error, "{text:?}");
        }
        for (percentile, text) in [
            (0.0, "0"),
            (10.0, "10"),
            (99.9, "99.9"),
            (0.000001, "0.000001"),
        ] {
            assert_eq!(percentile_text(percentile), text);
        }
    }

    #[test]
    fn shutdown_options_are_shown_in_redis_order() {
        let none = ShutdownOptions::default();
        let read = |text: &str| ShutdownOptionsForm.read(&none, &words(text), Origin::Command);
        for (text, shown) in [
            ("default", "default"),
            ("now nosave", "nosave now"),
            ("FORCE save now", "save now force"),
            ("default now", "now"),
            ("failover force", "force failover"),
        ] {
            assert_eq!(
                ShutdownOptionsForm.show(&read(text).unwrap()),
                shown.as_bytes(),
                "{text:?}"
            );
        }
        let error = "shutdown options SAVE and NOSAVE can't be used simultaneously";
        assert_eq!(read("save nosave").unwrap_err(), error);
        for text in ["", "maybe", "\"\""] {
            let error = "argument(s) must be one of the following: default, save, nosave, now, force, failover";
            assert_eq!(read(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn scores_are_three() {
        let read = |text: &str| OomScores.read(&[0, 0, 0], &words(text), Origin::Command);
        assert_eq!(read("-5 200 2000").unwrap(), [-5, 200, 2000]);
        assert_eq!(OomScores.show(&[-5, 200, 2000]), b"-5 200 2000");
        assert_eq!(read("1 2").unwrap_err(), "wrong number of arguments");
        for text in ["1 2 2001", "1 2 x", "-2001 0 0"] {
            let error = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
            assert_eq!(read(text).unwrap_err(), error, "{text:?}");
        }
    }
}
