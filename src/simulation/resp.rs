//! RESP2 as a client sees it: commands to bytes, bytes to replies.

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Option<String>),
    Array(Option<Vec<Value>>),
}

impl Value {
    /// Its text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Simple(text) | Value::Bulk(Some(text)) => Some(text),
            _ => None,
        }
    }

    /// The texts in it, where it is an array.
    pub fn texts(&self) -> Vec<String> {
        let Value::Array(Some(items)) = self else {
            panic!("{self:?} is no list")
        };
        let texts = items.iter().filter_map(Value::text);
        texts.map(str::to_owned).collect()
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }
}

/// Replies as they come in, in pieces.
#[derive(Default)]
pub struct Replies(Vec<u8>);

impl Replies {
    /// Bytes have come.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Takes the first reply, if it is whole.
    pub fn take(&mut self) -> Option<Value> {
        let (value, used) = decode(&self.0)?;
        self.0.drain(..used);
        Some(value)
    }
}

/// A command as its bytes.
pub fn encode(args: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        out.extend_from_slice(format!("${}\r\n{arg}\r\n", arg.len()).as_bytes());
    }
}

/// The first reply in `bytes` and how many bytes it took; `None` while it is not whole. A server that sends anything else is broken.
fn decode(bytes: &[u8]) -> Option<(Value, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(&bytes[1..end]).expect("a reply is text here");
    let number = || -> i64 { line.parse().expect("a number in a reply") };
    let mut used = end + 2;
    let value = match bytes[0] {
        b'+' => Value::Simple(line.to_owned()),
        b'-' => Value::Error(line.to_owned()),
        b':' => Value::Int(number()),
        b'$' if number() < 0 => Value::Bulk(None),
        b'$' => {
            let len = number() as usize;
            let text = bytes.get(used..used + len + 2)?;
            used += len + 2;
            let text = std::str::from_utf8(&text[..len]).expect("a reply is text here");
            Value::Bulk(Some(text.to_owned()))
        }
        b'*' if number() < 0 => Value::Array(None),
        b'*' => {
            let mut parts = Vec::new();
            for _ in 0..number() {
                let (part, taken) = decode(&bytes[used..])?;
                used += taken;
                parts.push(part);
            }
            Value::Array(Some(parts))
        }
        other => panic!("a reply begins with {other}"),
    };
    Some((value, used))
}
