//! Erasure codecs of linecast behind one interface.
//!
//! A block of `k` source symbols gets up to [`Codec::max_parity`] parity
//! symbols; any `k` of them all restore the block. [`Encoder`] makes parity,
//! [`Decoder`] restores sources. Both keep their work space from block to
//! block, so one of each per thread serves blocks of every length.
//!
//! Parity is *prefix-stable*: symbol `i` depends on the sources and on `i`
//! only, not on how many are made or when. More can be made for a repair
//! without making wrong what was sent before.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod decoder;
mod encoder;
mod solver;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// A way to make parity. Sender and receivers must use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Reed-Solomon over GF(2^16) by additive FFT, as `LowRate` of the
    /// `reed-solomon-simd` crate computes it. Not the code of RFC 5510.
    Gf16Low,
}

impl Codec {
    /// All codecs.
    pub const ALL: [Self; 1] = [Self::Gf16Low];

    /// The name in session descriptors and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gf16Low => "gf16-low",
        }
    }

    /// The codec of a [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// The FEC instance id under FEC Encoding ID 129. Not registered: the name
    /// in the session descriptor is what decides.
    pub const fn fec_instance(self) -> u16 {
        match self {
            Self::Gf16Low => 0xb35d,
        }
    }

    /// The codec of a [`fec_instance`](Self::fec_instance).
    pub fn from_fec_instance(id: u16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.fec_instance() == id)
    }

    /// Most source symbols a block can have.
    pub const fn max_block_len(self) -> usize {
        match self {
            Self::Gf16Low => 1 << 15,
        }
    }

    /// Most parity symbols that a block of `block_len` sources can have; with
    /// them every encoding symbol id still fits 16 bits. 0 if there is no such
    /// block.
    pub const fn max_parity(self, block_len: usize) -> usize {
        if block_len == 0 || block_len > self.max_block_len() {
            return 0;
        }
        match self {
            Self::Gf16Low => (1 << 16) - block_len.next_power_of_two(),
        }
    }

    /// Checks `symbol_bytes`: at least 2, even. Multiples of 64 are processed
    /// without remainder and are what to use.
    fn check_symbol_bytes(self, symbol_bytes: usize) -> Result<(), FecError> {
        if symbol_bytes == 0 || !symbol_bytes.is_multiple_of(2) {
            return Err(FecError::SymbolBytes { got: symbol_bytes });
        }
        Ok(())
    }

    fn check_block_len(self, block_len: usize) -> Result<(), FecError> {
        if block_len == 0 || block_len > self.max_block_len() {
            return Err(FecError::BlockLen {
                limit: self.max_block_len(),
                got: block_len,
            });
        }
        Ok(())
    }

    /// Checks that parity `..end` exists.
    fn check_parity(self, block_len: usize, end: usize) -> Result<(), FecError> {
        let limit = self.max_parity(block_len);
        if end > limit {
            return Err(FecError::Parity { limit, got: end });
        }
        Ok(())
    }
}

/// Why a block could not be coded.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FecError {
    /// Symbols must have an even number of bytes and at least two.
    #[error("symbols of {got} bytes, expected an even number above zero")]
    SymbolBytes {
        /// Bytes asked for.
        got: usize,
    },
    /// A block length that the codec does not have.
    #[error("block of {got} symbols, the codec takes 1 to {limit}")]
    BlockLen {
        /// Longest block.
        limit: usize,
        /// Symbols of this one.
        got: usize,
    },
    /// More parity than the codec has for a block of this length.
    #[error("{got} parity symbols, the codec has {limit} for this block")]
    Parity {
        /// Number of parity symbols there are.
        limit: usize,
        /// Number that the request or the highest index amounts to.
        got: usize,
    },
    /// A source index outside the block.
    #[error("source {got} in a block of {limit}")]
    SourceIndex {
        /// Symbols of the block.
        limit: usize,
        /// Index given.
        got: usize,
    },
    /// A source longer than a symbol, or parity of another length.
    #[error("{got} bytes in a symbol of {limit}")]
    SymbolLength {
        /// Bytes of a symbol.
        limit: usize,
        /// Bytes given.
        got: usize,
    },
    /// The same symbol was given twice.
    #[error("symbol {index} was given twice")]
    Duplicate {
        /// Index among the sources or among the parity.
        index: usize,
    },
    /// Fewer symbols than the block has sources.
    #[error("{got} symbols, the block takes {limit}")]
    TooFew {
        /// Symbols of the block.
        limit: usize,
        /// Symbols given, sources and parity.
        got: usize,
    },
    /// A refusal by the library that this crate's own checks should have made.
    #[error("codec: {0}")]
    Codec(reed_solomon_simd::Error),
}

impl From<reed_solomon_simd::Error> for FecError {
    fn from(error: reed_solomon_simd::Error) -> Self {
        use reed_solomon_simd::Error;
        match error {
            Error::DuplicateOriginalShardIndex { index }
            | Error::DuplicateRecoveryShardIndex { index } => Self::Duplicate { index },
            other => Self::Codec(other),
        }
    }
}

/// `bytes` as a whole symbol, in `padded` if it is short.
fn whole<'s>(bytes: &'s [u8], padded: &'s mut [u8]) -> Result<&'s [u8], FecError> {
    if bytes.len() == padded.len() {
        return Ok(bytes);
    }
    let limit = padded.len();
    let Some((head, tail)) = padded.split_at_mut_checked(bytes.len()) else {
        return Err(FecError::SymbolLength {
            limit,
            got: bytes.len(),
        });
    };
    head.copy_from_slice(bytes);
    tail.fill(0);
    Ok(padded)
}
