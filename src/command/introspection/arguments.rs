//! The arguments of a command as COMMAND DOCS tells them, read off its line in `syntax.rs`.

use super::syntax;
use crate::resp::Reply;

/// One argument, or a choice or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub kind: Kind,
    /// The word that stands before it, or that it is.
    pub token: Option<&'static str>,
    pub is_optional: bool,
    pub is_multiple: bool,
    /// With each repetition the word comes again.
    pub repeats_token: bool,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value of the type with this name.
    Value(&'static str),
    /// Nothing but its word.
    PureToken,
    /// One of several.
    OneOf(Vec<Argument>),
    /// Several, one behind the other.
    Block(Vec<Argument>),
}

impl Argument {
    fn new(name: String, kind: Kind) -> Argument {
        Argument {
            name,
            kind,
            token: None,
            is_optional: false,
            is_multiple: false,
            repeats_token: false,
        }
    }

    /// The one argument that these are together.
    fn of(mut parts: Vec<Argument>) -> Argument {
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return only;
        }
        Argument::new(names(&parts), Kind::Block(parts))
    }

    fn inner(&self) -> &[Argument] {
        match &self.kind {
            Kind::OneOf(inner) | Kind::Block(inner) => inner,
            Kind::Value(_) | Kind::PureToken => &[],
        }
    }
}

fn names(parts: &[Argument]) -> String {
    let names: Vec<&str> = parts.iter().map(|part| &part.name[..]).collect();
    names.join("_")
}

/// The arguments of the command `name`; none if it takes none.
pub fn of(name: &str) -> Vec<Argument> {
    match syntax::LINES.binary_search_by_key(&name, |line| line.0) {
        Ok(at) => read(name, syntax::LINES[at].1),
        Err(_) => Vec::new(),
    }
}

/// Takes a line of `syntax.rs` apart.
fn read(command: &str, line: &'static str) -> Vec<Argument> {
    let mut reader = Reader {
        command,
        rest: line,
    };
    let arguments = reader.sequence();
    assert!(reader.rest.is_empty(), "{line}: {} is left", reader.rest);
    arguments
}

struct Reader<'a> {
    command: &'a str,
    rest: &'static str,
}

impl Reader<'_> {
    /// Arguments up to the end, or to what ends an alternative.
    fn sequence(&mut self) -> Vec<Argument> {
        let mut found: Vec<Argument> = Vec::new();
        loop {
            match self.peek() {
                "" | "]" | ">" | "|" => return found,
                "[" if self.is_repetition() => self.repeat(&mut found),
                "[" | "<" => found.push(self.alternatives()),
                word if is_token(word) => found.push(self.with_token()),
                _ => found.push(self.value()),
            }
        }
    }

    /// What is in brackets.
    fn alternatives(&mut self) -> Argument {
        let is_optional = self.take() == "[";
        let mut choices = vec![Argument::of(self.sequence())];
        while self.peek() == "|" {
            self.take();
            choices.push(Argument::of(self.sequence()));
        }
        self.take();
        let mut argument = if choices.len() == 1 {
            Argument::of(choices)
        } else {
            Argument::new(names(&choices), Kind::OneOf(choices))
        };
        argument.is_optional = is_optional;
        argument
    }

    /// A word in capitals and the values that belong to it.
    fn with_token(&mut self) -> Argument {
        let token = self.take();
        let mut values = Vec::new();
        if self.peek() == "<" {
            values.push(self.alternatives());
        }
        while !matches!(self.peek(), "" | "[" | "]" | "<" | ">" | "|") && !is_token(self.peek()) {
            values.push(self.value());
        }
        let mut argument = if values.is_empty() {
            Argument::new(token.to_ascii_lowercase(), Kind::PureToken)
        } else {
            Argument::of(values)
        };
        argument.token = Some(token);
        argument
    }

    fn value(&mut self) -> Argument {
        let name = self.take();
        let kind = Kind::Value(value_type(self.command, name));
        Argument::new(name.to_owned(), kind)
    }

    fn is_repetition(&self) -> bool {
        let end = self.rest.find(['|', ']']).unwrap_or(self.rest.len());
        self.rest[..end].trim_end().ends_with("...") && !self.rest[1..end].contains('[')
    }

    /// `[x y ...]`: the last arguments, of which there are as many, may come several times.
    fn repeat(&mut self, found: &mut Vec<Argument>) {
        self.take();
        let repeats_token = is_token(self.peek());
        let mut count = 0;
        while self.take() != "..." {
            count += 1;
        }
        self.take();
        let parts = if repeats_token || found.last().is_some_and(|last| last.token.is_some()) {
            1
        } else {
            count
        };
        let mut argument = Argument::of(found.split_off(found.len().saturating_sub(parts)));
        argument.is_multiple = true;
        argument.repeats_token = repeats_token;
        found.push(argument);
    }

    /// The next word or bracket; empty at the end.
    fn peek(&self) -> &'static str {
        let rest = self.rest;
        if rest.starts_with(['[', ']', '<', '>', '|']) {
            return &rest[..1];
        }
        let end = rest.find([' ', '[', ']', '<', '>', '|']);
        &rest[..end.unwrap_or(rest.len())]
    }

    fn take(&mut self) -> &'static str {
        let word = self.peek();
        self.rest = self.rest[word.len()..].trim_start();
        word
    }
}

/// Whether a word stands for itself.
fn is_token(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_ascii_uppercase())
}

/// The type of a value by its name, and where commands differ by the command's.
fn value_type(command: &str, name: &str) -> &'static str {
    let is_blocking = command.starts_with('b') && command != "bgsave";
    match name {
        "key" | "key1" | "key2" | "newkey" | "source" | "src" | "destination" | "dst" => "key",
        "unix-time-seconds" | "unix-time-milliseconds" => "unix-time",
        "pattern" => "pattern",
        "score" | "weight" => "double",
        "increment" if command.ends_with("float") || command == "zincrby" => "double",
        "timeout" if is_blocking => "double",
        "min" | "max" if command == "zcount" || command.ends_with("byscore") => "double",
        "start" | "stop" if command == "zrange" => "string",
        "bits" | "client-id" | "cluster_bus_port" | "config-epoch" | "count" | "cursor" | "db"
        | "decrement" | "destination-db" | "end" | "end-slot" | "frequency" | "increment"
        | "index" | "index1" | "index2" | "len" | "limit" | "milliseconds" | "num-matches"
        | "numkeys" | "numreplicas" | "offset" | "port" | "protover" | "rank" | "seconds"
        | "slot" | "start" | "start-slot" | "stop" | "timeout" | "ttl" | "version" => "integer",
        _ => "string",
    }
}

/// Arguments as COMMAND DOCS lists them.
pub fn tell(reply: &mut Reply, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        let flags: Vec<&str> = [
            (argument.is_optional, "optional"),
            (argument.is_multiple, "multiple"),
            (argument.repeats_token, "multiple_token"),
        ]
        .iter()
        .filter_map(|&(is_set, flag)| is_set.then_some(flag))
        .collect();
        let inner = argument.inner();
        let more = [
            argument.token.is_some(),
            !flags.is_empty(),
            !inner.is_empty(),
        ];
        reply.map(2 + more.iter().filter(|&&is_told| is_told).count());
        let kind = match argument.kind {
            Kind::Value(name) => name,
            Kind::PureToken => "pure-token",
            Kind::OneOf(_) => "oneof",
            Kind::Block(_) => "block",
        };
        let texts = [("name", &argument.name[..]), ("type", kind)];
        let token = argument.token.map(|token| ("token", token));
        for (field, text) in texts.into_iter().chain(token) {
            reply.bulk(field.as_bytes());
            reply.bulk(text.as_bytes());
        }
        if !flags.is_empty() {
            reply.bulk(b"flags");
            super::describe::words(reply, &flags);
        }
        if !inner.is_empty() {
            reply.bulk(b"arguments");
            tell(reply, inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::spec::Spec;
    use crate::command::table;

    /// The fewest words that stand for these arguments, and whether there may be more.
    fn words(arguments: &[Argument]) -> (usize, bool) {
        let mut fewest = 0;
        let mut is_open = false;
        for argument in arguments {
            let (count, may_vary) = match &argument.kind {
                Kind::Value(_) => (1, false),
                Kind::PureToken => (0, false),
                Kind::Block(parts) => words(parts),
                Kind::OneOf(choices) => {
                    let counts: Vec<_> = choices
                        .iter()
                        .map(|choice| words(std::slice::from_ref(choice)))
                        .collect();
                    let fewest = counts.iter().map(|count| count.0).min().unwrap_or(0);
                    (fewest, counts.iter().any(|count| *count != (fewest, false)))
                }
            };
            let count = count + usize::from(argument.token.is_some());
            fewest += if argument.is_optional { 0 } else { count };
            is_open |= may_vary || argument.is_optional || argument.is_multiple;
        }
        (fewest, is_open)
    }

    #[test]
    fn lines_are_sorted_and_of_commands_whose_arity_they_explain() {
        assert!(syntax::LINES.is_sorted_by(|one, next| one.0 < next.0));
        let specs = || table::all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands));
        for (name, line) in syntax::LINES {
            assert!(specs().any(|spec| spec.name == *name), "{name}: {line}");
        }
        let differs = |spec: &&Spec| {
            let own = 1 + spec.name.matches('|').count();
            let (fewest, is_open) = words(&of(spec.name));
            let arity = (own + fewest) as i64 * if is_open { -1 } else { 1 };
            i64::from(spec.arity) != arity
        };
        let differing: Vec<&str> = specs()
            .filter(|spec| spec.subcommands.is_empty())
            .filter(differs)
            .map(|spec| spec.name)
            .collect();
        assert_eq!(differing, LOOSE);
    }

    /// Commands that take fewer or more words, by their arity, than they can be called with.
    const LOOSE: &[&str] = &[
        "quit",
        "client|kill",
        "clusterx",
        "debug",
        "command|getkeys",
        "command|getkeysandflags",
        "replconf",
    ];

    #[test]
    fn a_line_is_taken_apart() {
        let arguments = read(
            "x",
            "key [NX|XX a b] [LIMIT offset count] field value [field value ...]",
        );
        let [key, choice, limit, pairs] = &arguments[..] else {
            panic!("{arguments:?}");
        };
        assert_eq!((&key.name[..], &key.kind), ("key", &Kind::Value("key")));
        assert!(choice.is_optional && !choice.is_multiple);
        assert_eq!(choice.name, "nx_a_b");
        let [nx, xx] = choice.inner() else {
            panic!("{choice:?}");
        };
        assert_eq!((nx.token, &nx.kind), (Some("NX"), &Kind::PureToken));
        assert_eq!((xx.token, xx.inner().len()), (Some("XX"), 2));
        assert_eq!(
            (limit.token, &limit.name[..]),
            (Some("LIMIT"), "offset_count")
        );
        assert!(pairs.is_multiple && !pairs.repeats_token && !pairs.is_optional);
        let again = read("x", "[GET pattern [GET pattern ...]]");
        assert!(again[0].is_optional && again[0].is_multiple && again[0].repeats_token);
        let weights = read("x", "[WEIGHTS weight [weight ...]]");
        assert!(weights[0].is_multiple && !weights[0].repeats_token);
        assert_eq!(weights[0].token, Some("WEIGHTS"));
    }
}
