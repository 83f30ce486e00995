//! A case as a tape that decisions are read from.

use arbitrary::Unstructured;

/// Reads decisions from the front, so that a mutation of one leaves those before it
/// as they were. Past the end everything is zero.
#[derive(Debug)]
pub struct Tape<'a>(Unstructured<'a>);

impl<'a> Tape<'a> {
    /// The bytes of a case.
    pub fn new(bytes: &'a [u8]) -> Tape<'a> {
        Tape(Unstructured::new(bytes))
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number of the type's own width.
    pub fn take<T: arbitrary::Arbitrary<'a> + Default>(&mut self) -> T {
        self.0.arbitrary().unwrap_or_default()
    }

    /// A number below `end`, which is 1 at least, by one byte.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.take::<u8>()) % end
    }

    /// One of these, by one byte.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// By one byte: mostly a number below `likely`, seldom any.
    pub fn index(&mut self, likely: u32) -> u32 {
        match self.take::<u8>() {
            0xff => self.take(),
            small => u32::from(small) % likely.max(1),
        }
    }

    /// So many bytes, or what is left.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let count = most.min(self.0.len());
        self.0.bytes(count).unwrap_or_default()
    }
}
