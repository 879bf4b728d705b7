//! Replies as the tests see them: a reader for RESP2 and RESP3, and their display.

use super::show;

/// One reply, typed as it came over the wire; RESP2 and RESP3 nulls stay distinct.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `+text`
    Simple(Vec<u8>),
    /// `-CODE text`
    Error(Vec<u8>),
    /// `:1`
    Int(i64),
    /// `$3`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `*2`
    Array(Vec<Value>),
    /// `_`
    Null,
    /// `#t`, `#f`
    Bool(bool),
    /// `,1.5`: the text as sent, so that formatting is compared too.
    Double(Vec<u8>),
    /// `(123`
    BigNumber(Vec<u8>),
    /// `=15 txt:...`: format and text.
    Verbatim([u8; 3], Vec<u8>),
    /// `!21`
    BlobError(Vec<u8>),
    /// `%1`: pairs in the order sent.
    Map(Vec<(Value, Value)>),
    /// `~2`: members in the order sent.
    Set(Vec<Value>),
    /// `>2`
    Push(Vec<Value>),
}

impl Value {
    /// Reads one value from the start of `bytes`: the value and its length in bytes, `None` if more bytes are needed, or
    /// what is malformed.
    pub fn read(bytes: &[u8]) -> Result<Option<(Value, usize)>, String> {
        let mut at = 0;
        Ok(read_at(bytes, &mut at)?.map(|value| (value, at)))
    }

    /// Reads all of `bytes` as values; what follows the last whole one comes back as the rest.
    pub fn read_all(mut bytes: &[u8]) -> Result<(Vec<Value>, Vec<u8>), String> {
        let mut values = Vec::new();
        while !bytes.is_empty() {
            match Value::read(bytes)? {
                Some((value, used)) => {
                    values.push(value);
                    bytes = &bytes[used..];
                }
                None => break,
            }
        }
        Ok((values, bytes.to_vec()))
    }

    /// The `+OK` reply.
    pub fn ok() -> Value {
        Value::simple("OK")
    }

    /// A `+text` reply.
    pub fn simple(text: &str) -> Value {
        Value::Simple(text.as_bytes().to_vec())
    }

    /// A `-text` reply, code included.
    pub fn error(text: &str) -> Value {
        Value::Error(text.as_bytes().to_vec())
    }

    /// A `$text` reply.
    pub fn bulk(text: impl AsRef<[u8]>) -> Value {
        Value::Bulk(text.as_ref().to_vec())
    }

    /// An array of bulk strings.
    pub fn bulks<A: AsRef<[u8]>>(items: &[A]) -> Value {
        Value::Array(items.iter().map(Value::bulk).collect())
    }

    /// Whether this is an error of either protocol.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_) | Value::BlobError(_))
    }

    /// Whether this is a null of any form.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::NullBulk | Value::NullArray)
    }

    /// The text of a string, error or number reply; panics on the others, which a test did not expect then.
    pub fn text(&self) -> String {
        match self {
            Value::Simple(bytes)
            | Value::Error(bytes)
            | Value::Bulk(bytes)
            | Value::BlobError(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Double(bytes) | Value::BigNumber(bytes) | Value::Verbatim(_, bytes) => {
                String::from_utf8_lossy(bytes).into_owned()
            }
            Value::Int(number) => number.to_string(),
            other => panic!("expected text, got {other}"),
        }
    }

    /// The bytes of a string reply, `None` for the others.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes) | Value::Bulk(bytes) | Value::Verbatim(_, bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number of an integer reply; panics on the others.
    pub fn int(&self) -> i64 {
        match self {
            Value::Int(number) => *number,
            other => panic!("expected an integer, got {other}"),
        }
    }

    /// The elements of an array, set or push; panics on the others.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => items,
            other => panic!("expected an array, got {other}"),
        }
    }
}

/// One line, nested parts in brackets.
impl std::fmt::Display for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |out: &mut std::fmt::Formatter<'_>, open: &str, items: &[Value]| {
            write!(out, "{open}")?;
            for (idx, item) in items.iter().enumerate() {
                if idx == 40 {
                    return write!(out, " ... {} in all]", items.len());
                }
                write!(out, "{}{item}", if idx == 0 { "" } else { ", " })?;
            }
            write!(out, "]")
        };
        match self {
            Value::Simple(text) => write!(out, "+{}", show(text)),
            Value::Error(text) => write!(out, "-{}", show(text)),
            Value::Int(number) => write!(out, ":{number}"),
            Value::Bulk(text) if text.len() > 300 => {
                write!(out, "\"{}...\"<{} bytes>", show(&text[..200]), text.len())
            }
            Value::Bulk(text) => write!(out, "\"{}\"", show(text)),
            Value::NullBulk => write!(out, "(nil bulk)"),
            Value::NullArray => write!(out, "(nil array)"),
            Value::Null => write!(out, "(null)"),
            Value::Bool(flag) => write!(out, "#{flag}"),
            Value::Double(text) => write!(out, ",{}", show(text)),
            Value::BigNumber(text) => write!(out, "({}", show(text)),
            Value::Verbatim(format, text) => write!(out, "={}:{}", show(format), show(text)),
            Value::BlobError(text) => write!(out, "!{}", show(text)),
            Value::Array(items) => list(out, "[", items),
            Value::Set(items) => list(out, "~[", items),
            Value::Push(items) => list(out, ">[", items),
            Value::Map(pairs) => {
                write!(out, "%[")?;
                for (key, value) in pairs {
                    write!(out, "{key} => {value}, ")?;
                }
                write!(out, "]")
            }
        }
    }
}

/// Reads one value at `at` and moves `at` behind it.
fn read_at(bytes: &[u8], at: &mut usize) -> Result<Option<Value>, String> {
    let Some(line) = read_line(bytes, at) else {
        return Ok(None);
    };
    let Some((&kind, rest)) = line.split_first() else {
        return Err("an empty line instead of a reply".into());
    };
    match kind {
        b'+' => Ok(Some(Value::Simple(rest.to_vec()))),
        b'-' => Ok(Some(Value::Error(rest.to_vec()))),
        b':' => Ok(Some(Value::Int(number(rest)?))),
        b',' => Ok(Some(Value::Double(rest.to_vec()))),
        b'(' => Ok(Some(Value::BigNumber(rest.to_vec()))),
        b'_' if rest.is_empty() => Ok(Some(Value::Null)),
        b'#' if rest == b"t" || rest == b"f" => Ok(Some(Value::Bool(rest == b"t"))),
        b'$' | b'!' | b'=' => read_blob(kind, number(rest)?, bytes, at),
        b'*' if rest == b"-1" => Ok(Some(Value::NullArray)),
        b'*' => Ok(read_items(number(rest)?, bytes, at)?.map(Value::Array)),
        b'~' => Ok(read_items(number(rest)?, bytes, at)?.map(Value::Set)),
        b'>' => Ok(read_items(number(rest)?, bytes, at)?.map(Value::Push)),
        b'%' => {
            let Some(flat) = read_items(2 * number(rest)?, bytes, at)? else {
                return Ok(None);
            };
            let mut flat = flat.into_iter();
            let mut pairs = Vec::new();
            while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
                pairs.push((key, value));
            }
            Ok(Some(Value::Map(pairs)))
        }
        _ => Err(format!("a reply cannot start with \"{}\"", show(line))),
    }
}

fn read_line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = &bytes[*at..];
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    Some(&rest[..end])
}

fn number(text: &[u8]) -> Result<i64, String> {
    let text = String::from_utf8_lossy(text);
    text.parse()
        .map_err(|_| format!("\"{text}\" instead of a number"))
}

fn read_blob(kind: u8, len: i64, bytes: &[u8], at: &mut usize) -> Result<Option<Value>, String> {
    if len == -1 && kind == b'$' {
        return Ok(Some(Value::NullBulk));
    }
    let len = usize::try_from(len).map_err(|_| format!("a string of {len} bytes"))?;
    let Some(body) = bytes.get(*at..*at + len + 2) else {
        return Ok(None);
    };
    if &body[len..] != b"\r\n" {
        return Err(format!(
            "a string of {len} bytes is followed by \"{}\"",
            show(&body[len..])
        ));
    }
    *at += len + 2;
    let body = &body[..len];
    match kind {
        b'$' => Ok(Some(Value::Bulk(body.to_vec()))),
        b'!' => Ok(Some(Value::BlobError(body.to_vec()))),
        _ => match body {
            [a, b, c, b':', text @ ..] => Ok(Some(Value::Verbatim([*a, *b, *c], text.to_vec()))),
            _ => Err("a verbatim string without its format".into()),
        },
    }
}

fn read_items(count: i64, bytes: &[u8], at: &mut usize) -> Result<Option<Vec<Value>>, String> {
    let count = usize::try_from(count).map_err(|_| format!("an array of {count} elements"))?;
    let mut items = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        match read_at(bytes, at)? {
            Some(item) => items.push(item),
            None => return Ok(None),
        }
    }
    Ok(Some(items))
}
