//! What became of tokens: remembered on disk, and bounded.
//!
//! Only the newest tokens are kept, but none that is cancelled is honored again: within a run, a token that is older than one
//! that is remembered counts as cancelled. Beyond that, what is forgotten is of a run that is [`TOKENS_MAX`] tokens of
//! other runs ago; its connections have ended with its process.

use super::wire::Token;
use crate::storage::seq::Seq;
use crate::text::int::parse_u64;

/// Tokens remembered.
pub const TOKENS_MAX: usize = 64;

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The node became a primary at this sequence because of it.
    Taken(Seq),
    /// It is never honored.
    Cancelled,
}

/// The fates of the newest tokens, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    entries: Vec<(Token, Fate)>,
}

impl Fates {
    /// The fate of `token`; `None` for one that nothing is known of.
    pub fn of(&self, token: &Token) -> Option<Fate> {
        if let Some((_, fate)) = self.entries.iter().find(|(known, _)| known == token) {
            return Some(*fate);
        }
        let is_newer = |known: &Token| known.run_id == token.run_id && known.count > token.count;
        let passed_over = self.entries.iter().any(|(known, _)| is_newer(known));
        passed_over.then_some(Fate::Cancelled)
    }

    /// Remembers a fate. Beyond the bound the oldest is forgotten, but not the token that was taken last: the node is a
    /// primary because of it.
    pub fn record(&mut self, token: Token, fate: Fate) {
        if let Some(entry) = self.entries.iter_mut().find(|(known, _)| *known == token) {
            entry.1 = fate;
            return;
        }
        self.entries.push((token, fate));
        if self.entries.len() > TOKENS_MAX {
            let is_taken = |(_, fate): &(Token, Fate)| matches!(fate, Fate::Taken(_));
            let last_taken = self.entries.iter().rposition(is_taken);
            let oldest = usize::from(last_taken == Some(0));
            self.entries.remove(oldest);
        }
    }

    /// One line of words for each token, without line ends: `<token> taken <seq>`, `<token> cancelled`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.entries.iter().map(|(token, fate)| match fate {
            Fate::Taken(seq) => format!("{token} taken {seq}"),
            Fate::Cancelled => format!("{token} cancelled"),
        })
    }

    /// Takes a line's words back in; `None` if they are not what [`Fates::lines`] writes.
    pub fn read_line(&mut self, words: &[&str]) -> Option<()> {
        let (token, fate) = match words {
            [token, "taken", seq] => {
                let seq = Seq::new(parse_u64(seq.as_bytes())?);
                (token, Fate::Taken(seq))
            }
            [token, "cancelled"] => (token, Fate::Cancelled),
            _ => return None,
        };
        self.record(Token::parse(token.as_bytes())?, fate);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::RunId;
    use super::*;

    fn token(run: u8, count: u64) -> Token {
        let run_id = RunId::parse(format!("{run:040x}").as_bytes()).unwrap();
        Token { run_id, count }
    }

    #[test]
    fn fates_are_known_by_token() {
        let mut fates = Fates::default();
        fates.record(token(1, 2), Fate::Cancelled);
        fates.record(token(2, 1), Fate::Taken(Seq::new(9)));
        assert_eq!(fates.of(&token(1, 2)), Some(Fate::Cancelled));
        assert_eq!(fates.of(&token(2, 1)), Some(Fate::Taken(Seq::new(9))));
        assert_eq!(fates.of(&token(2, 2)), None, "a later one");
        assert_eq!(fates.of(&token(3, 1)), None, "another run's");
        assert_eq!(fates.of(&token(1, 1)), Some(Fate::Cancelled), "passed over");
    }

    #[test]
    fn a_fate_is_corrected_in_place() {
        let mut fates = Fates::default();
        fates.record(token(1, 1), Fate::Taken(Seq::new(5)));
        fates.record(token(1, 1), Fate::Taken(Seq::new(6)));
        assert_eq!(fates.lines().count(), 1);
        assert_eq!(fates.of(&token(1, 1)), Some(Fate::Taken(Seq::new(6))));
    }

    #[test]
    fn the_oldest_is_forgotten_but_not_the_last_taken() {
        let mut fates = Fates::default();
        fates.record(token(0, 1), Fate::Taken(Seq::new(5)));
        for run in 1..=TOKENS_MAX as u8 {
            fates.record(token(run, 1), Fate::Cancelled);
        }
        assert_eq!(fates.lines().count(), TOKENS_MAX);
        assert_eq!(fates.of(&token(0, 1)), Some(Fate::Taken(Seq::new(5))));
        assert_eq!(fates.of(&token(1, 1)), None);
        assert_eq!(fates.of(&token(2, 1)), Some(Fate::Cancelled));
        fates.record(token(100, 1), Fate::Taken(Seq::new(7)));
        assert_eq!(fates.of(&token(0, 1)), None, "another was taken since");
    }

    #[test]
    fn within_a_run_a_forgotten_token_stays_cancelled() {
        let mut fates = Fates::default();
        for count in 1..=2 * TOKENS_MAX as u64 {
            fates.record(token(1, count), Fate::Cancelled);
        }
        for count in 1..=2 * TOKENS_MAX as u64 {
            assert_eq!(fates.of(&token(1, count)), Some(Fate::Cancelled));
        }
    }

    #[test]
    fn lines_come_back() {
        let mut fates = Fates::default();
        fates.record(token(1, 2), Fate::Cancelled);
        fates.record(token(2, 1), Fate::Taken(Seq::new(9)));
        let mut read = Fates::default();
        for line in fates.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(read.read_line(&words), Some(()));
        }
        assert_eq!(read, fates);
        let name = token(1, 1).to_string();
        for words in [
            &[name.as_str()][..],
            &[&name, "taken"],
            &[&name, "taken", "x"],
            &[&name, "lost"],
            &["x", "cancelled"],
        ] {
            assert_eq!(read.read_line(words), None);
        }
        assert_eq!(read, fates);
    }
}
