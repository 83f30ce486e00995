//! `count`: a fixed number of operations, the same in every run, for tools that
//! count instructions. `scripts/instructions` runs it.

use crate::BenchError;
use linecast_fec::{Codec, Decoder, Encoder};
use linecast_protocol::object::tree::{LEAF_BYTES, leaf_hash};
use linecast_protocol::wire::{DATA_HEADER_BYTES, DataHeader, Fti, PayloadId, SenderWord};
use std::hint::black_box;

const SYMBOL_BYTES: usize = 1_408;
/// One symbol in twenty.
const LOST_PART: usize = 20;

/// What to do, and how often.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Operation
    operation: Operation,
    /// How often
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
}

/// One operation of the data path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Operation {
    /// Parity for 5 % of a block of 512 symbols over GF(2^16).
    Encode,
    /// Restoring 5 % of such a block.
    Decode,
    /// The same for 200 symbols over GF(2^8).
    EncodeGf8,
    /// Restoring 5 % of those.
    DecodeGf8,
    /// Writing and reading the header of one DATA packet.
    Header,
    /// BLAKE3 over one leaf.
    Hash,
}

/// What one operation is about.
#[derive(Debug, PartialEq, Eq)]
struct Extent {
    packets: usize,
    bytes: usize,
}

/// Does it, and prints packets and bytes of one operation.
///
/// # Errors
/// The codec refuses the block.
pub fn run(args: &Args) -> Result<(), BenchError> {
    let Extent { packets, bytes } = args.operation.repeat(args.times)?;
    println!("{packets} {bytes}");
    Ok(())
}

impl Operation {
    fn repeat(self, times: u32) -> Result<Extent, BenchError> {
        match self {
            Operation::Encode => encode(Codec::Gf16Low, 512, times),
            Operation::Decode => decode(Codec::Gf16Low, 512, times),
            Operation::EncodeGf8 => encode(Codec::Gf8, 200, times),
            Operation::DecodeGf8 => decode(Codec::Gf8, 200, times),
            Operation::Header => header(times),
            Operation::Hash => hash(times),
        }
    }
}

fn encode(codec: Codec, block_len: usize, times: u32) -> Result<Extent, BenchError> {
    let sources = block(block_len);
    let mut encoder = Encoder::new(codec, SYMBOL_BYTES, block_len).map_err(BenchError::other)?;
    for _ in 0..times {
        let sources = black_box(&sources).chunks_exact(SYMBOL_BYTES);
        encoder
            .parity(sources, 0..block_len / LOST_PART, |_, symbol| {
                black_box(symbol);
            })
            .map_err(BenchError::other)?;
    }
    Ok(extent(block_len))
}

fn decode(codec: Codec, block_len: usize, times: u32) -> Result<Extent, BenchError> {
    let (sources, lost) = (block(block_len), block_len / LOST_PART);
    let mut parity = Vec::new();
    Encoder::new(codec, SYMBOL_BYTES, block_len)
        .and_then(|mut encoder| {
            let sources = sources.chunks_exact(SYMBOL_BYTES);
            encoder.parity(sources, 0..lost, |index, symbol| {
                parity.push((index, symbol.to_vec()));
            })
        })
        .map_err(BenchError::other)?;
    let mut decoder = Decoder::new(codec, SYMBOL_BYTES, block_len).map_err(BenchError::other)?;
    for _ in 0..times {
        let kept = sources.chunks_exact(SYMBOL_BYTES).enumerate().skip(lost);
        let parity = parity
            .iter()
            .map(|(index, symbol)| (*index, symbol.as_slice()));
        decoder
            .restore(block_len, kept, parity, |_, symbol| {
                black_box(symbol);
            })
            .map_err(BenchError::other)?;
    }
    Ok(extent(block_len))
}

fn header(times: u32) -> Result<Extent, BenchError> {
    let mut packet = [0x5a; DATA_HEADER_BYTES + SYMBOL_BYTES];
    for sequence in 0..times {
        let head = packet.first_chunk_mut().expect("a packet has a header");
        black_box(&data_header(sequence as u16)).emit(head);
        let parsed = DataHeader::parse(black_box(&packet)).map_err(BenchError::other)?;
        black_box(parsed);
    }
    Ok(extent(1))
}

fn hash(times: u32) -> Result<Extent, BenchError> {
    let leaf = pattern(LEAF_BYTES as usize);
    for _ in 0..times {
        let hash = leaf_hash(LEAF_BYTES, 0, black_box(&leaf)).map_err(BenchError::other)?;
        black_box(hash);
    }
    Ok(Extent {
        packets: leaf.len().div_ceil(SYMBOL_BYTES),
        bytes: leaf.len(),
    })
}

fn extent(symbols: usize) -> Extent {
    Extent {
        packets: symbols,
        bytes: symbols * SYMBOL_BYTES,
    }
}

fn block(symbols: usize) -> Vec<u8> {
    pattern(symbols * SYMBOL_BYTES)
}

/// Bytes that are the same every time, and not all alike.
fn pattern(bytes: usize) -> Vec<u8> {
    let byte = |index: usize| (index.wrapping_mul(0x9e37_79b9) >> 13) as u8;
    (0..bytes).map(byte).collect()
}

/// A DATA header as it is on the wire, with every field set.
pub fn data_header(sequence: u16) -> DataHeader {
    DataHeader {
        sequence,
        source_id: 0x0a4d_0001,
        sender: SenderWord {
            instance_id: 0xbeef,
            grtt: 76,
            backoff: 6,
            gsize: 2,
        },
        flags: 0x14,
        toi: 3,
        id: PayloadId {
            sbn: 70_000,
            block_len: 512,
            esi: 17,
        },
        fti: Some(Fti {
            object_size: 4 << 30,
            fec_instance: 0xb35d,
            symbol_bytes: SYMBOL_BYTES as u16,
            max_block_len: 512,
            num_parity: 512,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_operation_says_what_it_is_about() {
        for operation in Operation::value_variants() {
            let Extent { packets, bytes } = operation.repeat(2).unwrap();
            assert!(
                packets > 0 && bytes <= packets * SYMBOL_BYTES,
                "{operation:?}"
            );
            // The last packet of a leaf is short.
            assert!(bytes > (packets - 1) * SYMBOL_BYTES, "{operation:?}");
        }
    }
}
