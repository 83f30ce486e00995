//! The hash of everything that happened: two runs that agree in it did the same.

/// Folds events into 64 bits. Fast rather than strong: it is fed for every
/// packet at every receiver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Trace(0x9E37_79B9_7F4A_7C15)
    }
}

impl Trace {
    /// Takes one event.
    #[inline]
    pub(crate) fn note(&mut self, kind: u64, at: u64, what: u64) {
        let mut x = self.0 ^ at.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        x = (x ^ (x >> 29)).wrapping_add(what.wrapping_mul(0xC4CE_B9FE_1A85_EC53));
        self.0 = (x ^ kind)
            .wrapping_mul(0xBF58_476D_1CE4_E5B9)
            .rotate_left(23);
    }

    /// Takes a message.
    pub(crate) fn note_bytes(&mut self, kind: u64, at: u64, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.note(kind, at, u64::from_le_bytes(word));
        }
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }
}
