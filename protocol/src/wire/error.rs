//! Why a datagram is not a NORM message we can use.

/// What is wrong with a datagram. Small and `Copy`: it is made per packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The datagram ends before the structure it announces.
    #[error("truncated: need {need} bytes, got {got}")]
    Truncated {
        /// Bytes that the structure takes.
        need: usize,
        /// Bytes that are there.
        got: usize,
    },
    /// Not version 1 of the protocol.
    #[error("NORM version {0}, expected 1")]
    Version(u8),
    /// A message type that RFC 5740 does not define, or not the one asked for.
    #[error("unexpected message type {0}")]
    Type(u8),
    /// A CMD sub-type that RFC 5740 does not define.
    #[error("unknown command {0}")]
    Flavor(u8),
    /// `hdr_len` is less than the fixed part of the message.
    #[error("header length {got} bytes, the message type takes {min}")]
    HeaderLength {
        /// Bytes of the fixed part.
        min: usize,
        /// Bytes announced.
        got: usize,
    },
    /// A FEC Encoding ID other than 129.
    #[error("unsupported FEC Encoding ID {0}, expected 129")]
    UnsupportedFecId(u8),
    /// A header extension whose length is impossible.
    #[error("header extension {het} with length {words} words")]
    Extension {
        /// Header extension type.
        het: u8,
        /// Announced length in 32-bit words.
        words: u8,
    },
    /// A repair request form that RFC 5740 does not define.
    #[error("unknown repair request form {0}")]
    Form(u8),
    /// A list whose bytes do not divide into its entries.
    #[error("list of {got} bytes does not divide into entries of {unit}")]
    Uneven {
        /// Bytes of one entry.
        unit: usize,
        /// Bytes of the list.
        got: usize,
    },
}

impl WireError {
    /// A short name, without the numbers, to count this error under.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::Version(_) => "version",
            Self::Type(_) => "type",
            Self::Flavor(_) => "command",
            Self::HeaderLength { .. } => "header-length",
            Self::UnsupportedFecId(_) => "fec-id",
            Self::Extension { .. } => "extension",
            Self::Form(_) => "request-form",
            Self::Uneven { .. } => "uneven-list",
        }
    }
}
