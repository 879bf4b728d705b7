//! Drawing at random from a collection that is too large to count off: seeking to random places in it.

use super::{Member, nth};
use crate::command::context::Rng;
use crate::command::halt::{Halt, Run};
use crate::storage::cf::Cf;
use crate::storage::scan::ScanRequest;
use crate::storage::store::{Elements, Store};

/// Entries looked at from each end.
const SURVEYED: usize = 8;

/// Random bytes of a place: more do not tell elements apart any better.
const RANDOM_BYTES: usize = 12;

/// Places looked at for each draw.
const PLACES: usize = 4;

/// Entries read at a place; one of them is drawn.
const READ_AT_PLACE: usize = 8;

/// Draws that [`Spread::sample`] makes.
const DRAWS_OF_SAMPLE: usize = 64;

/// What the elements of a collection are made of, as far as its two ends tell: what random places are made of.
///
/// A random place is what all elements have in common, then random bytes of the kinds that the elements near the ends
/// are made of (digits, letters, any bytes), so that counters, ids, words and hashes are all met. Where elements are
/// dense, few places lie between two of them: so a draw looks at several places and takes one with a probability that
/// grows with the density there. What remains is a preference for elements in sparse regions, by a factor that rarely
/// exceeds 3; an element behind a wide gap of its own is drawn too often, none is never drawn but some whose bytes are of
/// kinds that the ends do not show.
pub(super) struct Spread {
    /// What the first and the last element have in common, and so all between them.
    pub common: Vec<u8>,
    /// The bytes that may follow `common`, in order.
    pub first_bytes: Vec<u8>,
    /// The bytes of the rest, in order.
    pub alphabet: Vec<u8>,
}

impl Spread {
    /// Looks at the ends of the collection.
    pub fn survey(store: &mut Store<'_>, elements: &Elements) -> Run<Spread> {
        let mut ends: Vec<Box<[u8]>> = Vec::with_capacity(2 * SURVEYED);
        let request = ScanRequest::prefix(Cf::Default, elements.prefix()).at_most(SURVEYED);
        for request in [request.clone().reversed(), request] {
            let mut scan = store.view.scan(request)?;
            for _ in 0..SURVEYED {
                let Some((entry, _)) = scan.next()? else {
                    break;
                };
                ends.push(elements.element(entry).into());
            }
        }
        ends.sort_unstable();
        Ok(Spread::of(&ends))
    }

    /// What `ends`, in byte order, tell.
    pub fn of(ends: &[Box<[u8]>]) -> Spread {
        let (first, last) = match ends {
            [] => (&b""[..], &b""[..]),
            [first, .., last] => (&first[..], &last[..]),
            [only] => (&only[..], &only[..]),
        };
        let common_len = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let mut is_used = [false; 256];
        for byte in ends.iter().flat_map(|end| &end[common_len..]) {
            let kind = match byte {
                b'0'..=b'9' => b'0'..=b'9',
                b'a'..=b'f' => b'a'..=b'f',
                b'g'..=b'z' => b'a'..=b'z',
                b'A'..=b'F' => b'A'..=b'F',
                b'G'..=b'Z' => b'A'..=b'Z',
                b' '..=b'~' => *byte..=*byte,
                _ => 0..=255,
            };
            for used in kind {
                is_used[used as usize] = true;
            }
        }
        let lowest = first.get(common_len).copied().unwrap_or(0);
        let highest = last.get(common_len).copied().unwrap_or(0);
        let used = |bytes: std::ops::RangeInclusive<u8>| {
            bytes.filter(|&byte| is_used[byte as usize]).collect()
        };
        Spread {
            common: first[..common_len].to_vec(),
            first_bytes: used(lowest..=highest),
            alphabet: used(0..=255),
        }
    }

    /// An element from one of several random places.
    pub fn draw(
        &self,
        store: &mut Store<'_>,
        elements: &Elements,
        rng: &mut Rng,
    ) -> Run<Option<Member>> {
        let at = rng.below(READ_AT_PLACE as u64) as usize;
        let mut read = self.read_somewhere(store, elements, rng)?;
        if at < read.len() {
            return Ok(Some(read.swap_remove(at)));
        }
        // Too near the end: count from there.
        let whole = ScanRequest::prefix(Cf::Default, elements.prefix());
        nth(store, elements, whole.reversed(), at)
    }

    /// Elements for later draws: everything read at the places where so many draws end. As even as those are, but neighbours
    /// come together.
    pub fn sample(
        &self,
        store: &mut Store<'_>,
        elements: &Elements,
        rng: &mut Rng,
    ) -> Run<Vec<Member>> {
        let mut sample = Vec::with_capacity(DRAWS_OF_SAMPLE * READ_AT_PLACE);
        for _ in 0..DRAWS_OF_SAMPLE {
            match self.read_somewhere(store, elements, rng) {
                Ok(read) => sample.extend(read),
                // What was found in memory will do.
                Err(Halt::Wait(_)) if !sample.is_empty() => break,
                Err(halt) => return Err(halt),
            }
        }
        Ok(sample)
    }

    /// What stands at one of several random places, drawn by how dense elements lie there.
    fn read_somewhere(
        &self,
        store: &mut Store<'_>,
        elements: &Elements,
        rng: &mut Rng,
    ) -> Run<Vec<Member>> {
        let mut drawn = Vec::new();
        let mut weight_of_all = 0.0;
        for _ in 0..PLACES {
            let place = self.place(rng);
            let (read, density) = self.look(store, elements, &place)?;
            weight_of_all += density;
            if !read.is_empty() && unit(rng) * weight_of_all < density {
                drawn = read;
            }
        }
        Ok(drawn)
    }

    /// A random place among the elements.
    fn place(&self, rng: &mut Rng) -> Vec<u8> {
        let mut place = self.common.clone();
        let rest = std::iter::repeat_n(&self.alphabet, RANDOM_BYTES - 1);
        for alphabet in std::iter::once(&self.first_bytes).chain(rest) {
            if !alphabet.is_empty() {
                place.push(alphabet[rng.below(alphabet.len() as u64) as usize]);
            }
        }
        place
    }

    /// The elements from `place` on, and how dense they lie there.
    fn look(
        &self,
        store: &mut Store<'_>,
        elements: &Elements,
        place: &[u8],
    ) -> Run<(Vec<Member>, f64)> {
        let whole = ScanRequest::prefix(Cf::Default, elements.prefix());
        let lower = [elements.prefix(), place].concat();
        let upwards = ScanRequest { lower, ..whole }.at_most(READ_AT_PLACE);
        let mut scan = store.view.scan(upwards)?;
        let mut read: Vec<Member> = Vec::with_capacity(READ_AT_PLACE);
        while read.len() < READ_AT_PLACE
            && let Some((entry, value)) = scan.next()?
        {
            read.push((elements.element(entry).into(), value.into()));
        }
        let Some((last, _)) = read.last() else {
            return Ok((read, 0.0));
        };
        let way = self.position(last) - self.position(place);
        // Two elements may be told apart only by bytes too far back to count.
        let density = read.len() as f64 / way.max(f64::EPSILON);
        Ok((read, density))
    }

    /// Where `element` lies, from 0 to 1, if all bytes of the alphabet were as frequent everywhere.
    fn position(&self, element: &[u8]) -> f64 {
        let radix = self.alphabet.len() as f64 + 1.0;
        let mut position = 0.0;
        let mut unit = 1.0;
        for byte in element.iter().skip(self.common.len()).take(RANDOM_BYTES) {
            let rank = self.alphabet.partition_point(|used| used < byte) + 1;
            unit /= radix;
            position += rank as f64 * unit;
        }
        position
    }
}

/// A number from 0 up to, not including, 1.
fn unit(rng: &mut Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}
