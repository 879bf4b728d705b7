//! A command's arguments as spans of the bytes that the client sent: nothing is copied until a command must wait.

use std::ops::Index;

use super::parse::Span;

/// The arguments of one command, name first. Cheap to copy; borrowed from the buffer that they were read into.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// The arguments that `spans` marks in `bytes`. Every span must lie within `bytes`.
    pub fn new(bytes: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args { bytes, spans }
    }

    /// How many arguments there are, the command's name counted.
    #[allow(clippy::len_without_is_empty, reason = "there is always a name")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Argument `index`. Panics beyond the end: the gate has checked the arity.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.bytes[span.start as usize..(span.start + span.len) as usize]
    }

    /// Argument `index`, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let span = self.spans.get(index)?;
        Some(&self.bytes[span.start as usize..(span.start + span.len) as usize])
    }

    /// The arguments from `index` on; `index` at or beyond the end gives none.
    pub fn from(&self, index: usize) -> Args<'a> {
        Args {
            bytes: self.bytes,
            spans: &self.spans[index.min(self.spans.len())..],
        }
    }

    /// The first `count` arguments; all when there are no more.
    pub fn up_to(&self, count: usize) -> Args<'a> {
        Args {
            bytes: self.bytes,
            spans: &self.spans[..count.min(self.spans.len())],
        }
    }

    /// All arguments, name first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + use<'a> {
        let bytes = self.bytes;
        self.spans
            .iter()
            .map(move |span| &bytes[span.start as usize..(span.start + span.len) as usize])
    }

    /// Whether argument `index` is the word `word` (given in lower case), in any case.
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.at(index).eq_ignore_ascii_case(word.as_bytes())
    }

    /// A copy that outlives the buffer, in as few bytes as it takes.
    pub fn to_owned(&self) -> OwnedArgs {
        let total: usize = self.spans.iter().map(|span| span.len as usize).sum();
        let mut bytes = Vec::with_capacity(total);
        let mut spans = Vec::with_capacity(self.spans.len());
        for arg in self.iter() {
            spans.push(Span {
                start: bytes.len() as u32,
                len: arg.len() as u32,
            });
            bytes.extend_from_slice(arg);
        }
        OwnedArgs {
            bytes: bytes.into_boxed_slice(),
            spans: spans.into_boxed_slice(),
        }
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

/// Arguments that a waiting client or a transaction keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedArgs {
    bytes: Box<[u8]>,
    spans: Box<[Span]>,
}

impl OwnedArgs {
    /// Arguments made from parts, for commands that the server runs itself and for tests.
    pub fn from_parts(parts: &[&[u8]]) -> OwnedArgs {
        let mut bytes = Vec::new();
        let mut spans = Vec::with_capacity(parts.len());
        for part in parts {
            spans.push(Span {
                start: bytes.len() as u32,
                len: part.len() as u32,
            });
            bytes.extend_from_slice(part);
        }
        OwnedArgs {
            bytes: bytes.into_boxed_slice(),
            spans: spans.into_boxed_slice(),
        }
    }

    /// The arguments.
    pub fn as_args(&self) -> Args<'_> {
        Args {
            bytes: &self.bytes,
            spans: &self.spans,
        }
    }

    /// Bytes that this copy holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.len() + self.spans.len() * size_of::<Span>()
    }
}
