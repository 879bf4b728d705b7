//! The keys of the writers, and values that carry the number of their pair.
//!
//! The checker in `scripts/lib/drill_writers.py` has the same rules; a test here has it read what this writes.

/// The length of every value.
pub const VALUE_BYTES: usize = 2048;

/// A key comes round again after this many pairs of its writer: over a second, longer than a switch may take.
pub const KEYS_A_WRITER: u64 = 1000;

/// The key of a writer's pair.
pub fn set_key(writer: usize, number: u64) -> Vec<u8> {
    format!("w{writer}:{}", number % KEYS_A_WRITER).into_bytes()
}

/// The counter that a writer increments.
pub fn counter_key(writer: usize) -> Vec<u8> {
    format!("w{writer}:counter").into_bytes()
}

/// The value of a pair: its number, a colon, and padding.
pub fn value(number: u64) -> Vec<u8> {
    let mut value = format!("{number}:").into_bytes();
    value.resize(VALUE_BYTES, b'x');
    value
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// Prints what Python makes of a writer, a number and the value on its standard input.
    const PYTHON: &str = "import sys; from drill_writers import *; number = int(sys.argv[1]); \
        print(set_key(3, number).decode(), counter_key(3).decode(), value_number(sys.stdin.buffer.read()), KEYS_A_WRITER)";

    #[test]
    fn the_checker_agrees_on_keys_and_values() {
        for number in [1, 999, 1000, 1_234_567] {
            let mut python = Command::new("python3")
                .args(["-B", "-c", PYTHON, &number.to_string()])
                .env(
                    "PYTHONPATH",
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lib"),
                )
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("python3 is there");
            let mut stdin = python.stdin.take().expect("a pipe");
            stdin.write_all(&value(number)).expect("a reader");
            drop(stdin);
            let output = python.wait_with_output().expect("its output");
            let expected = format!(
                "{} {} {number} {KEYS_A_WRITER}\n",
                String::from_utf8_lossy(&set_key(3, number)),
                String::from_utf8_lossy(&counter_key(3)),
            );
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        }
    }

    #[test]
    fn values_have_one_length_and_keys_come_round() {
        assert_eq!(
            (value(7).len(), value(u64::MAX).len()),
            (VALUE_BYTES, VALUE_BYTES)
        );
        assert_eq!(&value(70)[..5], b"70:xx");
        assert_eq!(set_key(2, 5), b"w2:5");
        assert_eq!(set_key(2, 5 + KEYS_A_WRITER), b"w2:5");
    }
}
