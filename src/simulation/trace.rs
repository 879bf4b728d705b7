//! What happened, as lines of text and as one number over all of them.

use std::fmt::Write;

/// A run's trace.
pub struct Trace {
    hash: u64,
    line: String,
    lines: Option<Vec<String>>,
    /// Prints each line at once: of a run that never ends, too.
    pub prints: bool,
}

impl Trace {
    /// An empty trace; the text is kept only where it is wanted.
    pub fn new(keeps_text: bool) -> Trace {
        Trace {
            hash: 0xcbf2_9ce4_8422_2325,
            line: String::new(),
            lines: keeps_text.then(Vec::new),
            prints: false,
        }
    }

    /// Appends a line.
    pub fn note(&mut self, now_us: u64, what: std::fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{:>10} {what}", now_us);
        for byte in self.line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.prints {
            println!("{}", self.line);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(self.line.clone());
        }
    }

    /// A number that two traces share only if they are the same (FNV-1a).
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, if they were kept.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
