//! A small language for writing down every form of a command in one line.
//!
//! ```text
//! SET {ks} {v} [ NX | XX ] [ GET ] [ EX {rel_s} | PX {rel_ms} | KEEPTTL ]
//! ```
//!
//! `{pool}` draws an argument from a pool (`pools.rs`), `{x=pool}` keeps it as `x` and `{x}` repeats it within the
//! template. `[ a | b ]` is there in half of the cases, `( a | b )` always; `( ... )+` repeats one to four times,
//! `( ... )*` none to three times. A stand-alone `;` begins the next command: the commands of one template stay together,
//! on one connection, in one piece. `3: ` at the start makes a template three times as frequent. `""` is the empty argument.

use std::collections::HashMap;

use crate::common::Rng;

/// A command and its arguments.
pub type Args = Vec<Vec<u8>>;

/// Draws an argument from a named pool.
pub trait Pools {
    /// An argument from `pool`; panics on a name that does not exist, which is a mistake in a template.
    fn draw(&mut self, pool: &str, rng: &mut Rng) -> Vec<u8>;
}

/// A template, ready to expand.
#[derive(Clone, Debug)]
pub struct Template {
    /// How often it is chosen, relative to its neighbours.
    pub weight: u64,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Word(Vec<u8>),
    Pool {
        keep_as: Option<String>,
        pool: String,
    },
    Choice {
        branches: Vec<Vec<Node>>,
        times_min: usize,
        times_max: usize,
    },
    NextCommand,
}

impl Template {
    /// Reads a template; panics where it is malformed.
    pub fn parse(text: &str) -> Template {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let mut weight = 1;
        if let Some(number) = words[0]
            .strip_suffix(':')
            .and_then(|number| number.parse().ok())
        {
            weight = number;
            words.remove(0);
        }
        let mut at = 0;
        let mut branches = parse_branches(text, &words, &mut at);
        assert!(
            at == words.len() && branches.len() == 1,
            "unbalanced template: {text}"
        );
        Template {
            weight,
            nodes: branches.remove(0),
        }
    }

    /// The commands of one random expansion.
    pub fn expand(&self, pools: &mut dyn Pools, rng: &mut Rng) -> Vec<Args> {
        let mut out = vec![Args::new()];
        let mut kept = HashMap::new();
        expand_nodes(&self.nodes, pools, rng, &mut kept, &mut out);
        out
    }
}

fn parse_branches(text: &str, words: &[&str], at: &mut usize) -> Vec<Vec<Node>> {
    let mut branches = vec![Vec::new()];
    while let Some(&word) = words.get(*at) {
        let node = match word {
            "[" | "(" => {
                *at += 1;
                let inner = parse_branches(text, words, at);
                let (times_min, times_max) = match words.get(*at) {
                    Some(&"]") => (0, 1),
                    Some(&")") => (1, 1),
                    Some(&")+") => (1, 4),
                    Some(&")*") => (0, 3),
                    _ => panic!("unbalanced template: {text}"),
                };
                Node::Choice {
                    branches: inner,
                    times_min,
                    times_max,
                }
            }
            "]" | ")" | ")+" | ")*" => return branches,
            "|" => {
                branches.push(Vec::new());
                *at += 1;
                continue;
            }
            ";" => Node::NextCommand,
            "\"\"" => Node::Word(Vec::new()),
            _ => match word
                .strip_prefix('{')
                .and_then(|word| word.strip_suffix('}'))
            {
                Some(inside) => match inside.split_once('=') {
                    Some((name, pool)) => Node::Pool {
                        keep_as: Some(name.into()),
                        pool: pool.into(),
                    },
                    None => Node::Pool {
                        keep_as: None,
                        pool: inside.into(),
                    },
                },
                None => Node::Word(word.into()),
            },
        };
        branches.last_mut().expect("one branch at least").push(node);
        *at += 1;
    }
    branches
}

fn expand_nodes(
    nodes: &[Node],
    pools: &mut dyn Pools,
    rng: &mut Rng,
    kept: &mut HashMap<String, Vec<u8>>,
    out: &mut Vec<Args>,
) {
    for node in nodes {
        match node {
            Node::Word(word) => push(out, word.clone()),
            Node::NextCommand => out.push(Args::new()),
            Node::Pool {
                keep_as: Some(name),
                pool,
            } => {
                let value = pools.draw(pool, rng);
                kept.insert(name.clone(), value.clone());
                push(out, value);
            }
            Node::Pool {
                keep_as: None,
                pool,
            } => match kept.get(pool) {
                Some(value) => push(out, value.clone()),
                None => push(out, pools.draw(pool, rng)),
            },
            Node::Choice {
                branches,
                times_min,
                times_max,
            } => {
                let mut times = *times_min;
                while times < *times_max && rng.chance(50) {
                    times += 1;
                }
                for _ in 0..times {
                    let branch = &branches[rng.below(branches.len())];
                    expand_nodes(branch, pools, rng, kept, out);
                }
            }
        }
    }
}

fn push(out: &mut [Args], arg: Vec<u8>) {
    out.last_mut().expect("one command at least").push(arg);
}
