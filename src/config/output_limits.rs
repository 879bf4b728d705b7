//! `client-output-buffer-limit`: how much output may wait for a client, by its class.
//!
//! Errors are the texts of redis-server 7.0.15 (`config.c`).

use super::numbers::{memory_text, parse_c_integer, parse_memory};
use super::setting::{Form, Origin};

/// Output limits of one class of clients. 0 means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes of waiting output above which a client is closed at once.
    pub hard_bytes: u64,
    /// Bytes of waiting output above which a client is closed after `soft_seconds`.
    pub soft_bytes: u64,
    /// Seconds that a client may stay above `soft_bytes` without a break.
    pub soft_seconds: u64,
}

impl OutputLimit {
    /// No limit.
    pub const NONE: OutputLimit = OutputLimit {
        hard_bytes: 0,
        soft_bytes: 0,
        soft_seconds: 0,
    };
}

/// `client-output-buffer-limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Ordinary clients, MONITOR included.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Clients with a subscription.
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    /// Redis's.
    fn default() -> Self {
        OutputLimits {
            normal: OutputLimit::NONE,
            replica: OutputLimit {
                hard_bytes: 256 << 20,
                soft_bytes: 64 << 20,
                soft_seconds: 60,
            },
            pubsub: OutputLimit {
                hard_bytes: 32 << 20,
                soft_bytes: 8 << 20,
                soft_seconds: 60,
            },
        }
    }
}

/// Groups of four words: class, hard limit, soft limit, seconds. Classes that are not named keep their limits.
pub struct OutputLimitsForm;

impl Form for OutputLimitsForm {
    type Value = OutputLimits;

    const MANY: bool = true;

    fn read(
        &self,
        old: &OutputLimits,
        words: &[Vec<u8>],
        _origin: Origin,
    ) -> Result<OutputLimits, String> {
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".to_string());
        }
        let mut limits = *old;
        for group in words.chunks_exact(4) {
            let class = match group[0].to_ascii_lowercase().as_slice() {
                b"normal" => &mut limits.normal,
                b"slave" | b"replica" => &mut limits.replica,
                b"pubsub" => &mut limits.pubsub,
                _ => {
                    return Err(
                        "Invalid client class specified in buffer limit configuration.".to_string(),
                    );
                }
            };
            let seconds =
                parse_c_integer(&group[3]).and_then(|seconds| u64::try_from(seconds).ok());
            match (parse_memory(&group[1]), parse_memory(&group[2]), seconds) {
                (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds)) => {
                    *class = OutputLimit {
                        hard_bytes,
                        soft_bytes,
                        soft_seconds,
                    };
                }
                _ => {
                    let error = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
                    return Err(error.to_string());
                }
            }
        }
        Ok(limits)
    }

    fn show(&self, value: &OutputLimits) -> Vec<u8> {
        let classes = [
            ("normal", value.normal),
            ("slave", value.replica),
            ("pubsub", value.pubsub),
        ];
        let texts = classes.map(|(class, limit)| {
            format!(
                "{class} {} {} {}",
                limit.hard_bytes, limit.soft_bytes, limit.soft_seconds
            )
        });
        texts.join(" ").into_bytes()
    }

    fn lines(&self, value: &OutputLimits) -> Vec<Vec<u8>> {
        output_limit_classes(value)
            .map(|(class, limit)| output_limit_line(class, limit))
            .to_vec()
    }

    fn lines_unlike(&self, value: &OutputLimits, default: &OutputLimits) -> Vec<Vec<u8>> {
        let classes = output_limit_classes(value)
            .into_iter()
            .zip(output_limit_classes(default));
        classes
            .filter(|(own, default)| own != default)
            .map(|((class, limit), _)| output_limit_line(class, limit))
            .collect()
    }
}

/// The classes under the names that a config file has for them.
fn output_limit_classes(limits: &OutputLimits) -> [(&'static str, OutputLimit); 3] {
    [
        ("normal", limits.normal),
        ("replica", limits.replica),
        ("pubsub", limits.pubsub),
    ]
}

fn output_limit_line(class: &str, limit: OutputLimit) -> Vec<u8> {
    let hard = memory_text(limit.hard_bytes);
    let soft = memory_text(limit.soft_bytes);
    format!("{class} {hard} {soft} {}", limit.soft_seconds).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(old: &OutputLimits, text: &str) -> Result<OutputLimits, String> {
        let words: Vec<Vec<u8>> = text
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        OutputLimitsForm.read(old, &words, Origin::Command)
    }

    #[test]
    fn only_the_classes_that_are_named_change() {
        let default = OutputLimits::default();
        let limits = read(&default, "Normal 1mb 512kb 10 replica 0 0 0").unwrap();
        assert_eq!(
            limits.normal,
            OutputLimit {
                hard_bytes: 1 << 20,
                soft_bytes: 512 << 10,
                soft_seconds: 10
            }
        );
        assert_eq!(limits.replica, OutputLimit::NONE);
        assert_eq!(limits.pubsub, default.pubsub);
        let shown = "normal 1048576 524288 10 slave 0 0 0 pubsub 33554432 8388608 60";
        assert_eq!(OutputLimitsForm.show(&limits), shown.as_bytes());
        assert_eq!(
            OutputLimitsForm.read(&limits, &[], Origin::Command),
            Ok(limits)
        );
    }

    #[test]
    fn lines_read_back_and_leave_out_defaults_where_they_may() {
        let default = OutputLimits::default();
        let limits = read(&default, "pubsub 64mb 16mb 90").unwrap();
        assert_eq!(
            OutputLimitsForm.lines_unlike(&limits, &default),
            [b"pubsub 64mb 16mb 90".to_vec()]
        );
        let lines = OutputLimitsForm.lines(&limits);
        assert_eq!(lines[0], b"normal 0 0 0");
        assert_eq!(lines[1], b"replica 256mb 64mb 60");
        let none = OutputLimits {
            normal: OutputLimit::NONE,
            replica: OutputLimit::NONE,
            pubsub: OutputLimit::NONE,
        };
        let text = lines
            .iter()
            .map(|line| String::from_utf8(line.clone()).unwrap());
        assert_eq!(read(&none, &text.collect::<Vec<_>>().join(" ")), Ok(limits));
    }

    #[test]
    fn bad_limits_are_refused_whole() {
        let default = OutputLimits::default();
        for (text, error) in [
            (
                "normal 1",
                "Wrong number of arguments in buffer limit configuration.",
            ),
            (
                "normal  1 1 1",
                "Wrong number of arguments in buffer limit configuration.",
            ),
            (
                "foo 1 1 1",
                "Invalid client class specified in buffer limit configuration.",
            ),
            (
                "master 1 1 1",
                "Invalid client class specified in buffer limit configuration.",
            ),
            (
                "normal x 1 1",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
            (
                "normal 1 1 -1",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
            (
                "normal 1 1 1 pubsub 1 -1 1",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
        ] {
            assert_eq!(read(&default, text).unwrap_err(), error, "{text:?}");
        }
    }
}
