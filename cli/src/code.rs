//! `--codec` and `--block-symbols`: the erasure code of a session.

use linecast_fec::Codec;
use linecast_net::command::Failure;

/// Source symbols of a block, if nobody says how many.
const GF16_BLOCK_SYMBOLS: u16 = 512;
/// Four trains of 45 packets at MTU 1500.
const GF8_BLOCK_SYMBOLS: u16 = 180;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CodeArgs {
    /// Erasure code: gf8 is quick to decode, gf16 takes long blocks
    #[arg(long, value_enum, default_value_t = Choice::Auto, value_name = "CODE")]
    codec: Choice,
    /// Source symbols of a block: at most 254 with gf8, 32768 with gf16
    /// [default: 180 with gf8, 512 with gf16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32_768))]
    block_symbols: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    /// gf8, or gf16 if blocks are to be longer than gf8 has them
    Auto,
    /// Reed-Solomon over GF(2^16) by additive FFT
    Gf16,
    /// Reed-Solomon over GF(2^8), the code of NRL's NORM
    Gf8,
}

impl CodeArgs {
    /// The codec, and the source symbols of a block. Whether the codec has such
    /// blocks is checked with the rest of a scenario.
    pub(crate) fn choose(&self) -> (Codec, u16) {
        let is_long = |len: u16| Codec::Gf8.max_parity(len.into()) == 0;
        let (codec, default) = match self.codec {
            Choice::Auto if self.block_symbols.is_some_and(is_long) => {
                (Codec::Gf16Low, GF16_BLOCK_SYMBOLS)
            }
            Choice::Gf16 => (Codec::Gf16Low, GF16_BLOCK_SYMBOLS),
            Choice::Gf8 | Choice::Auto => (Codec::Gf8, GF8_BLOCK_SYMBOLS),
        };
        (codec, self.block_symbols.unwrap_or(default))
    }

    /// [`CodeArgs::choose`], checked.
    pub(crate) fn resolve(&self) -> Result<(Codec, u16), Failure> {
        let (codec, block_symbols) = self.choose();
        if codec.max_parity(block_symbols.into()) == 0 {
            return Err(Failure::usage(format!(
                "--block-symbols {block_symbols}: --codec gf8 has blocks of 1 to {} symbols",
                codec.max_block_len() - 1
            )));
        }
        Ok((codec, block_symbols))
    }
}
