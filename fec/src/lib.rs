//! Erasure codecs of linecast behind one interface.
//!
//! A block of `k` source symbols gets up to [`Codec::max_parity`] parity
//! symbols; any `k` of them all restore the block. [`Encoder`] makes parity,
//! [`Decoder`] restores sources. Both keep their work space from block to
//! block, so one of each per object and thread serves all its blocks. Both
//! are made for the object's longest block, on which the code may depend.
//!
//! Parity is *prefix-stable*: symbol `i` depends on the sources and on `i`
//! only, not on how many are made or when. More can be made for a repair
//! without making wrong what was sent before.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod decoder;
mod encoder;
mod gf16;
mod gf8;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// A way to make parity. Sender and receivers must use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Reed-Solomon over GF(2^16) by additive FFT, as `LowRate` of the
    /// `reed-solomon-simd` crate computes it. Not the code of RFC 5510.
    Gf16Low,
    /// Reed-Solomon over GF(2^8) with the generator of L. Rizzo: the code of
    /// NRL's NORM under FEC Encoding ID 129, instance 0. Sources and parity of
    /// a block are at most 255. The code depends on the longest block.
    Gf8,
}

impl Codec {
    /// All codecs.
    pub const ALL: [Self; 2] = [Self::Gf16Low, Self::Gf8];

    /// The name in session descriptors and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gf16Low => "gf16-low",
            Self::Gf8 => "gf8",
        }
    }

    /// The codec of a [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// The FEC instance id under FEC Encoding ID 129. That of `Gf16Low` is not
    /// registered, and 0 is what NRL's NORM uses: the name in the session
    /// descriptor is what decides.
    pub const fn fec_instance(self) -> u16 {
        match self {
            Self::Gf16Low => 0xb35d,
            Self::Gf8 => 0,
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
            Self::Gf8 => gf8::SYMBOLS_MAX,
        }
    }

    /// What the number of bytes of a symbol must be a multiple of.
    pub const fn symbol_unit(self) -> usize {
        match self {
            Self::Gf16Low => 2,
            Self::Gf8 => 1,
        }
    }

    /// Most parity symbols that a block of an object can have whose longest
    /// block has `block_len_max` sources. 0 if there is no such block.
    ///
    /// With them every encoding symbol id still fits 16 bits.
    pub const fn max_parity(self, block_len_max: usize) -> usize {
        if block_len_max == 0 || block_len_max > self.max_block_len() {
            return 0;
        }
        match self {
            Self::Gf16Low => (1 << 16) - block_len_max.next_power_of_two(),
            Self::Gf8 => gf8::SYMBOLS_MAX - block_len_max,
        }
    }

    /// [`Codec::max_parity`] as EXT_FTI's `num_parity` can say it, `limit` at most.
    pub fn num_parity(self, block_len_max: u16, limit: u16) -> u16 {
        let most = self.max_parity(block_len_max.into());
        u16::try_from(most).map_or(limit, |most| most.min(limit))
    }

    /// Checks that there are such symbols and such blocks.
    fn check(self, symbol_bytes: usize, block_len_max: usize) -> Result<(), FecError> {
        let unit = self.symbol_unit();
        if symbol_bytes == 0 || !symbol_bytes.is_multiple_of(unit) {
            return Err(FecError::SymbolBytes {
                unit,
                got: symbol_bytes,
            });
        }
        encoder::check_block_len(block_len_max, self.max_block_len())
    }

    /// Checks that parity `..end` exists.
    fn check_parity(self, block_len_max: usize, end: usize) -> Result<(), FecError> {
        let limit = self.max_parity(block_len_max);
        if end > limit {
            return Err(FecError::Parity { limit, got: end });
        }
        Ok(())
    }
}

/// Why a block could not be coded.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FecError {
    /// A symbol size that the codec does not have.
    #[error("symbols of {got} bytes, expected a multiple of {unit} above zero")]
    SymbolBytes {
        /// What the number of bytes must be a multiple of.
        unit: usize,
        /// Bytes asked for.
        got: usize,
    },
    /// A block longer than the codec or the object has, or an empty one.
    #[error("block of {got} symbols, expected 1 to {limit}")]
    BlockLen {
        /// Longest block of the codec, or of the object.
        limit: usize,
        /// Symbols of this one.
        got: usize,
    },
    /// More parity than the codec has for such blocks.
    #[error("{got} parity symbols, the codec has {limit} for such blocks")]
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
