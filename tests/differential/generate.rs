//! Turns a seed into steps.

use crate::common::Rng;
use crate::events::CLASSES;
use crate::families::{FAMILIES, Family};
use crate::grammar::{Args, Pools, Template};
use crate::pools::{KeySpace, odd_number};
use crate::scenarios::{BLOCKED, BLOCKING, BLOCKING_IN_MULTI, RAW, SUBSCRIBER};
use crate::step::{DATA_CONNS, Payload, SUBSCRIBERS, Step};

/// All templates, read once.
pub struct Book {
    families: Vec<(&'static Family, Chapter)>,
    blocking: Chapter,
    blocking_in_multi: Chapter,
    subscriber: Chapter,
    without: Without,
}

/// Templates with the sum of their weights.
struct Chapter {
    templates: Vec<Template>,
    weight: u64,
}

impl Chapter {
    fn read(lines: &[&str], without: &Without) -> Chapter {
        let templates: Vec<Template> = lines
            .iter()
            .filter(|line| !without.is_in(line))
            .map(|line| Template::parse(line))
            .collect();
        let weight = templates.iter().map(|template| template.weight).sum();
        Chapter { templates, weight }
    }

    fn pick(&self, rng: &mut Rng) -> &Template {
        let mut at = rng.next() % self.weight;
        for template in &self.templates {
            if at < template.weight {
                return template;
            }
            at -= template.weight;
        }
        unreachable!("the weights sum up to the chapter's")
    }
}

impl Book {
    /// Reads every template that names no command of `without`; panics on a malformed one.
    pub fn read(without: Without) -> Book {
        Book {
            families: FAMILIES
                .iter()
                .map(|family| (family, Chapter::read(family.templates, &without)))
                .filter(|(_, chapter)| chapter.weight > 0)
                .collect(),
            blocking: Chapter::read(BLOCKING, &without),
            blocking_in_multi: Chapter::read(BLOCKING_IN_MULTI, &without),
            subscriber: Chapter::read(SUBSCRIBER, &without),
            without,
        }
    }
}

/// Commands that are not sent, to look at the others while these are known to differ.
#[derive(Clone, Debug, Default)]
pub struct Without(Vec<String>);

impl Without {
    /// The names in `DIFF_WITHOUT`, separated by commas.
    pub fn from_env() -> Without {
        let names = std::env::var("DIFF_WITHOUT").unwrap_or_default();
        Without(
            names
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_ascii_uppercase)
                .collect(),
        )
    }

    /// Whether `line` has one of the names among its words.
    pub fn is_in(&self, line: &str) -> bool {
        line.split_whitespace()
            .any(|word| self.0.iter().any(|name| name == word))
    }
}

/// Makes the steps of one episode, which begins with empty servers and new connections.
pub struct Generator<'a> {
    book: &'a Book,
    rng: Rng,
    pools: KeySpace,
    in_multi: [bool; DATA_CONNS],
    /// The data connection of the current run of commands, and how many more it gets.
    run: (usize, usize),
}

impl<'a> Generator<'a> {
    /// The generator of the episode that `seed` names.
    pub fn new(book: &'a Book, seed: u64) -> Generator<'a> {
        let rng = Rng::new(seed);
        Generator {
            book,
            rng,
            pools: KeySpace::default(),
            in_multi: [false; DATA_CONNS],
            run: (0, 0),
        }
    }

    /// The next step.
    pub fn next(&mut self) -> Step {
        match self.rng.below(2000) {
            0..40 => self.subscriber(),
            40..46 => Step::Raw {
                bytes: self.rng.pick(RAW).to_vec(),
            },
            46..54 => self.scan(),
            54..62 if !self.book.without.is_in("DUMP RESTORE") => self.dump_restore(),
            // INFO says when all clients block.
            62..64 if !self.book.without.is_in("INFO SORT") => self.blocked(),
            64..66 => Step::Expires {
                db: self.rng.below(2),
                key: self.draw("k"),
            },
            66 if !self.book.without.is_in("NOTIFY") => Step::Notify {
                classes: (*self.rng.pick(CLASSES)).into(),
            },
            _ => self.data(),
        }
    }

    fn draw(&mut self, pool: &str) -> Vec<u8> {
        self.pools.draw(pool, &mut self.rng)
    }

    fn data(&mut self) -> Step {
        if self.run.1 == 0 {
            self.run = (self.rng.below(DATA_CONNS), 1 + self.rng.below(40));
        }
        self.run.1 -= 1;
        let conn = self.run.0;
        let commands = if self.in_multi[conn] {
            self.in_transaction()
        } else {
            self.outside_transaction()
        };
        for args in &commands {
            match args
                .first()
                .map(|name| name.to_ascii_uppercase())
                .as_deref()
            {
                Some(b"MULTI") if args.len() == 1 => self.in_multi[conn] = true,
                Some(b"EXEC" | b"DISCARD" | b"RESET") if args.len() == 1 => {
                    self.in_multi[conn] = false
                }
                _ => {}
            }
        }
        Step::Commands { conn, commands }
    }

    fn in_transaction(&mut self) -> Vec<Args> {
        match self.rng.below(100) {
            0..10 => vec![words("EXEC")],
            10..12 => vec![words("DISCARD")],
            12 => vec![words(self.rng.pick::<&str>(&[
                "MULTI",
                "EXEC x",
                "WATCH a",
                "UNWATCH",
                "DISCARD x",
                "MULTI x",
            ]))],
            13..16 => {
                let book = self.book;
                book.blocking_in_multi
                    .pick(&mut self.rng)
                    .expand(&mut self.pools, &mut self.rng)
            }
            _ => self.plain(),
        }
    }

    fn outside_transaction(&mut self) -> Vec<Args> {
        match self.rng.below(1000) {
            0..25 => vec![words("MULTI")],
            25..45 => {
                let mut watch = words("WATCH");
                for _ in 0..1 + self.rng.below(3) {
                    watch.push(self.draw("k"));
                }
                vec![watch, words("MULTI")]
            }
            45..50 => vec![words(self.rng.pick::<&str>(&[
                "EXEC", "DISCARD", "UNWATCH", "WATCH", "MULTI x", "EXEC x",
            ]))],
            50..65 => {
                let book = self.book;
                book.blocking
                    .pick(&mut self.rng)
                    .expand(&mut self.pools, &mut self.rng)
            }
            _ => self.plain(),
        }
    }

    fn plain(&mut self) -> Vec<Args> {
        let book = self.book;
        let total: u64 = book.families.iter().map(|(family, _)| family.weight).sum();
        let mut at = self.rng.next() % total;
        for (family, chapter) in &book.families {
            if at >= family.weight {
                at -= family.weight;
                continue;
            }
            let mut commands = chapter
                .pick(&mut self.rng)
                .expand(&mut self.pools, &mut self.rng);
            // Several commands belong together, and the last may put right what they must not leave behind.
            if family.mutable && commands.len() == 1 && self.rng.chance(5) {
                self.damage(&mut commands[0]);
            }
            if self.rng.chance(5) {
                flip_case(&mut commands[0][0], &mut self.rng);
            }
            return commands;
        }
        unreachable!("the weights sum up to the total")
    }

    /// Makes one thing wrong with a command: wrong arity, a bad number, an option twice, an unknown one.
    fn damage(&mut self, args: &mut Args) {
        // A negative count makes these answer as many members as asked for, and SPOP must not take members at random
        // from a key that stays.
        let random = [&b"SRANDMEMBER"[..], b"ZRANDMEMBER", b"HRANDFIELD", b"SPOP"]
            .contains(&args[0].as_slice());
        let at = 1 + self.rng.below(args.len());
        match self.rng.below(10) {
            0..3 if at < args.len() && !random => {
                args.remove(at);
            }
            3..5 => args.push(
                self.rng
                    .pick(&[&b"BOGUS"[..], b"NX", b"", b"WITHSCORES", b"GET"])
                    .to_vec(),
            ),
            5 if at < args.len() && !random => {
                let again = args[at].clone();
                args.push(again);
            }
            6..10 if at < args.len() && !random => args[at] = odd_number(&mut self.rng),
            _ => args.truncate(1),
        }
    }

    fn subscriber(&mut self) -> Step {
        let book = self.book;
        let conn = self.rng.below(SUBSCRIBERS);
        let commands = book
            .subscriber
            .pick(&mut self.rng)
            .expand(&mut self.pools, &mut self.rng);
        Step::Subscriber { conn, commands }
    }

    fn scan(&mut self) -> Step {
        let db = self.rng.below(2);
        let before = match self.rng.below(4) {
            0 => words("SCAN"),
            1 => vec![b"HSCAN".to_vec(), self.draw("kh")],
            2 => vec![b"SSCAN".to_vec(), self.draw("kt")],
            _ => vec![b"ZSCAN".to_vec(), self.draw("kz")],
        };
        let mut after = Args::new();
        if self.rng.chance(70) {
            after.extend([
                b"COUNT".to_vec(),
                self.rng.within(1, 20).to_string().into_bytes(),
            ]);
        }
        if self.rng.chance(40) {
            after.extend([b"MATCH".to_vec(), self.draw("pat")]);
        }
        if before.len() == 1 && self.rng.chance(30) {
            after.extend([
                b"TYPE".to_vec(),
                self.rng
                    .pick(&["string", "hash", "zset"])
                    .as_bytes()
                    .to_vec(),
            ]);
        }
        Step::Scan { db, before, after }
    }

    fn dump_restore(&mut self) -> Step {
        let db = self.rng.below(2);
        let options = match self.rng.below(6) {
            0 => words("0"),
            1 => vec![self.draw("rel_ms")],
            2 => vec![self.draw("abs_ms"), b"ABSTTL".to_vec()],
            3 => vec![self.draw("rel_ms"), b"REPLACE".to_vec()],
            4 => words("0 REPLACE IDLETIME 100"),
            _ => words("0 REPLACE"),
        };
        let payload = *self
            .rng
            .pick(&[Payload::Own, Payload::Oracles, Payload::Tested]);
        Step::DumpRestore {
            db,
            source: self.draw("k"),
            target: self.draw("k"),
            options,
            payload,
        }
    }

    fn blocked(&mut self) -> Step {
        let scenario = self.rng.pick(BLOCKED);
        let list = |lines: &[&str]| lines.iter().map(|line| words(line)).collect();
        let resp3 = self.rng.chance(30);
        Step::Blocked {
            resp3,
            db: self.rng.below(2),
            clients: list(scenario.clients),
            then: list(scenario.then),
        }
    }
}

/// A command from words separated by blanks.
pub fn words(line: &str) -> Args {
    line.split_whitespace()
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

fn flip_case(word: &mut [u8], rng: &mut Rng) {
    for byte in word {
        if rng.chance(50) {
            *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 };
        }
    }
}
