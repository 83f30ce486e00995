//! Erasure codecs of linecast behind one interface.
#![warn(missing_docs)]

use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{LowRateDecoder, LowRateEncoder, RateDecoder, RateEncoder};
use std::ops::Range;

/// An erasure code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Reed-Solomon over GF(2^16).
    Gf16Low,
}

impl Codec {
    /// Name in session descriptors.
    pub fn name(self) -> &'static str {
        "gf16-low"
    }
    /// FEC instance id in EXT_FTI.
    pub fn fec_instance(self) -> u16 {
        0x4C43
    }
}

/// Error.
#[derive(Debug, thiserror::Error)]
pub enum FecError {
    /// Refused.
    #[error("erasure code: {0}")]
    Codec(#[from] reed_solomon_simd::Error),
}

/// Encoder.
pub struct Encoder {
    symbol_bytes: usize,
    inner: Option<LowRateEncoder<DefaultEngine>>,
    pad: Vec<u8>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// New.
    pub fn new(_codec: Codec, symbol_bytes: usize) -> Encoder {
        Encoder { symbol_bytes, inner: None, pad: vec![0; symbol_bytes] }
    }
    /// Parity.
    pub fn parity<'a>(
        &mut self,
        sources: impl ExactSizeIterator<Item = &'a [u8]>,
        parity: Range<usize>,
        mut sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        if parity.is_empty() {
            return Ok(());
        }
        let (k, r) = (sources.len(), parity.end);
        let encoder = match &mut self.inner {
            Some(encoder) => {
                encoder.reset(k, r, self.symbol_bytes)?;
                encoder
            }
            None => self.inner.insert(LowRateEncoder::new(k, r, self.symbol_bytes, DefaultEngine::new(), None)?),
        };
        for source in sources {
            if source.len() == self.symbol_bytes {
                encoder.add_original_shard(source)?;
            } else {
                self.pad.fill(0);
                self.pad[..source.len()].copy_from_slice(source);
                encoder.add_original_shard(&self.pad)?;
            }
        }
        let result = encoder.encode()?;
        for index in parity {
            if let Some(shard) = result.recovery(index) {
                sink(index, shard);
            }
        }
        Ok(())
    }
}

/// Decoder.
pub struct Decoder {
    symbol_bytes: usize,
    inner: Option<LowRateDecoder<DefaultEngine>>,
    pad: Vec<u8>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// New.
    pub fn new(_codec: Codec, symbol_bytes: usize) -> Decoder {
        Decoder { symbol_bytes, inner: None, pad: vec![0; symbol_bytes] }
    }
    /// Restore.
    pub fn restore<'a>(
        &mut self,
        block_len: usize,
        sources: impl Iterator<Item = (usize, &'a [u8])>,
        parity: impl Iterator<Item = (usize, &'a [u8])>,
        mut sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        let parity: Vec<_> = parity.collect();
        let r = parity.iter().map(|(i, _)| i + 1).max().unwrap_or(1);
        let decoder = match &mut self.inner {
            Some(decoder) => {
                decoder.reset(block_len, r, self.symbol_bytes)?;
                decoder
            }
            None => self.inner.insert(LowRateDecoder::new(block_len, r, self.symbol_bytes, DefaultEngine::new(), None)?),
        };
        for (index, source) in sources {
            if source.len() == self.symbol_bytes {
                decoder.add_original_shard(index, source)?;
            } else {
                self.pad.fill(0);
                self.pad[..source.len()].copy_from_slice(source);
                decoder.add_original_shard(index, &self.pad)?;
            }
        }
        for (index, shard) in parity {
            decoder.add_recovery_shard(index, shard)?;
        }
        let result = decoder.decode()?;
        for (index, shard) in result.restored_original_iter() {
            sink(index, shard);
        }
        Ok(())
    }
}
