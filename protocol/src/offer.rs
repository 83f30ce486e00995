//! Object 1 of a session: the descriptor of this push, the signed manifest of
//! the release, and its signature, in one object of at most 64 KiB.
//!
//! ```text
//! "LCS1" | u32 descriptor bytes | u32 manifest bytes | u32 signature bytes
//! descriptor (JSON) | manifest (exact signed bytes) | signature (sshsig)
//! ```
//!
//! The manifest says what the image is and is signed offline; the descriptor
//! says how this push carries it. A receiver believes the descriptor no
//! further than the limits checked here, and no byte of the image without the
//! root in the manifest.

use crate::limits::{LANES_MAX, PARITY_MAX, SESSION_OBJECT_BYTES_MAX};
use crate::object::tree::LEAF_BYTES;
use crate::object::{LayoutError, ObjectLayout};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// TOI of the session object.
pub const SESSION_TOI: u16 = 1;
/// TOI of the leaf list.
pub const LEAVES_TOI: u16 = 2;
/// TOI of the image.
pub const IMAGE_TOI: u16 = 3;

const MAGIC: &[u8; 4] = b"LCS1";
const HEAD_BYTES: usize = 16;

/// Why a session object is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Longer than 64 KiB, or shorter than its own head says.
    #[error("session object of {got} bytes: {want} expected, {limit} at most")]
    Length {
        /// Largest length.
        limit: usize,
        /// Length that the parts add up to.
        want: usize,
        /// Length of the object.
        got: usize,
    },
    /// It does not start with the magic of this version.
    #[error("session object does not start with LCS1")]
    Magic,
    /// The descriptor is not the JSON that it should be.
    #[error("session descriptor: {0}")]
    Descriptor(String),
    /// A field of the descriptor is outside its range.
    #[error("session descriptor: {field} is {got}, must be {low} to {high}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Least value.
        low: u64,
        /// Greatest value.
        high: u64,
        /// Value got.
        got: u64,
    },
    /// Sizes that cannot be laid out.
    #[error(transparent)]
    Geometry(#[from] LayoutError),
}

/// What belongs to one push rather than to the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Always `linecast.session.v1`.
    pub schema: String,
    /// Random identity of the session, 32 hexadecimal digits.
    pub session: String,
    /// Public key, 64 hexadecimal digits, that signs the end of the session.
    pub session_key: String,
    /// Bytes of a symbol; a multiple of 64.
    pub symbol_bytes: u16,
    /// Longest block, in source symbols.
    pub block_symbols: u16,
    /// Name of the erasure code, which only who computes with it knows.
    pub codec: String,
    /// Most parity symbols of a block.
    pub num_parity: u16,
    /// Transmit lanes: block `b` of the image is sent by lane `b mod lanes`.
    pub lanes: u8,
    /// Packets a lane may be ahead of the slowest receiver of a small group.
    pub window_packets: u16,
}

/// Schema of the descriptor.
pub const DESCRIPTOR_SCHEMA: &str = "linecast.session.v1";

impl Descriptor {
    /// Checks every field against its limits.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), OfferError> {
        let field = |field, low, high, got: u64| {
            if (low..=high).contains(&got) {
                return Ok(());
            }
            Err(OfferError::Field {
                field,
                low,
                high,
                got,
            })
        };
        if self.schema != DESCRIPTOR_SCHEMA {
            let text = alloc::format!("unknown schema {:?}", self.schema);
            return Err(OfferError::Descriptor(text));
        }
        field("symbol_bytes", 64, 65_000, self.symbol_bytes.into())?;
        field(
            "symbol_bytes modulo 64",
            0,
            0,
            u64::from(self.symbol_bytes % 64),
        )?;
        field("block_symbols", 1, 32_768, self.block_symbols.into())?;
        field("num_parity", 0, PARITY_MAX.into(), self.num_parity.into())?;
        field("lanes", 1, LANES_MAX as u64, self.lanes.into())?;
        field("window_packets", 64, 32_767, self.window_packets.into())?;
        let hex = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex(&self.session, 32) || !hex(&self.session_key, 64) {
            return Err(OfferError::Descriptor(
                "session or session_key is not hexadecimal".into(),
            ));
        }
        Ok(())
    }
}

/// A parsed session object: the descriptor, and the manifest and its signature
/// as bytes that nobody has looked into yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<'a> {
    /// How this push carries the image.
    pub descriptor: Descriptor,
    /// Exact signed bytes.
    pub manifest: &'a [u8],
    /// Armoured sshsig.
    pub signature: &'a [u8],
}

impl<'a> Offer<'a> {
    /// Takes a session object apart.
    ///
    /// # Errors
    /// Wrong lengths (trailing bytes too), magic, or descriptor.
    pub fn parse(bytes: &'a [u8]) -> Result<Offer<'a>, OfferError> {
        let limit = SESSION_OBJECT_BYTES_MAX;
        let got = bytes.len();
        if got > limit || got < HEAD_BYTES {
            return Err(OfferError::Length {
                limit,
                want: HEAD_BYTES,
                got,
            });
        }
        if &bytes[..4] != MAGIC {
            return Err(OfferError::Magic);
        }
        let len = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
        };
        let (a, b, c) = (len(4), len(8), len(12));
        let want = HEAD_BYTES
            .saturating_add(a)
            .saturating_add(b)
            .saturating_add(c);
        if want != got {
            return Err(OfferError::Length { limit, want, got });
        }
        let rest = &bytes[HEAD_BYTES..];
        let descriptor: Descriptor = serde_json::from_slice(&rest[..a])
            .map_err(|e| OfferError::Descriptor(alloc::format!("{e}")))?;
        descriptor.check()?;
        Ok(Offer {
            descriptor,
            manifest: &rest[a..a + b],
            signature: &rest[a + b..],
        })
    }

    /// Puts a session object together.
    ///
    /// # Errors
    /// The parts are more than 64 KiB, or the descriptor is out of range.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OfferError> {
        self.descriptor.check()?;
        let descriptor = serde_json::to_vec(&self.descriptor)
            .map_err(|e| OfferError::Descriptor(alloc::format!("{e}")))?;
        let parts = [&descriptor[..], self.manifest, self.signature];
        let got = HEAD_BYTES + parts.iter().map(|p| p.len()).sum::<usize>();
        let limit = SESSION_OBJECT_BYTES_MAX;
        if got > limit {
            return Err(OfferError::Length {
                limit,
                want: limit,
                got,
            });
        }
        let mut out = Vec::with_capacity(got);
        out.extend_from_slice(MAGIC);
        for part in parts {
            out.extend_from_slice(&(part.len() as u32).to_be_bytes());
        }
        parts.iter().for_each(|part| out.extend_from_slice(part));
        Ok(out)
    }
}

/// The shape of a session, which both ends derive from descriptor and manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionShape {
    /// Random identity of the session.
    pub session: [u8; 16],
    /// BLAKE3 root of the image.
    pub root: [u8; 32],
    /// Public key that signs the end of the session.
    pub session_key: [u8; 32],
    /// Layout of the leaf list; `None` for an image of at most one leaf.
    pub leaves: Option<ObjectLayout>,
    /// Layout of the image.
    pub image: ObjectLayout,
    /// Transmit lanes.
    pub lanes: u8,
    /// Packets that a lane may be ahead in a small group.
    pub window_packets: u16,
}

impl SessionShape {
    /// Derives the shape of a session that carries `size` bytes with `root`.
    ///
    /// # Errors
    /// The descriptor is out of range or the size cannot be laid out.
    pub fn new(descriptor: &Descriptor, size: u64, root: [u8; 32]) -> Result<Self, OfferError> {
        descriptor.check()?;
        let layout = |size| {
            ObjectLayout::new(size, descriptor.symbol_bytes, descriptor.block_symbols)
                .map(|layout| layout.with_parity_max(descriptor.num_parity))
        };
        let leaves = size.div_ceil(LEAF_BYTES);
        let mut session = [0; 16];
        let mut session_key = [0; 32];
        unhex(&descriptor.session, &mut session);
        unhex(&descriptor.session_key, &mut session_key);
        Ok(SessionShape {
            session,
            root,
            session_key,
            leaves: if leaves > 1 {
                Some(layout(leaves * 32)?)
            } else {
                None
            },
            image: layout(size)?,
            lanes: descriptor.lanes,
            window_packets: descriptor.window_packets,
        })
    }

    /// The layout of object `toi`, if the session has it.
    pub fn layout(&self, toi: u16) -> Option<&ObjectLayout> {
        match toi {
            LEAVES_TOI => self.leaves.as_ref(),
            IMAGE_TOI if self.image.size() > 0 => Some(&self.image),
            _ => None,
        }
    }

    /// The lane that sends block `sbn` of object `toi`.
    pub fn lane(&self, toi: u16, sbn: u32) -> usize {
        if toi == IMAGE_TOI {
            (sbn % u32::from(self.lanes)) as usize
        } else {
            0
        }
    }
}

/// Reads checked hexadecimal text; `Descriptor::check` has seen it.
fn unhex(text: &str, out: &mut [u8]) {
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |c: u8| (c as char).to_digit(16).unwrap_or(0) as u8;
        *byte = digit(pair[0]) << 4 | digit(*pair.get(1).unwrap_or(&b'0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    fn descriptor() -> Descriptor {
        Descriptor {
            schema: DESCRIPTOR_SCHEMA.into(),
            session: hex(&[0xab; 16]),
            session_key: hex(&[7; 32]),
            symbol_bytes: 1408,
            block_symbols: 512,
            codec: "gf16-low".into(),
            num_parity: 64,
            lanes: 1,
            window_packets: 3072,
        }
    }

    #[test]
    fn a_session_object_survives_the_round_trip() {
        let offer = Offer {
            descriptor: descriptor(),
            manifest: b"{}",
            signature: b"sig",
        };
        let bytes = offer.to_bytes().unwrap();
        assert_eq!(Offer::parse(&bytes).unwrap(), offer);
    }

    #[test]
    fn trailing_and_missing_bytes_are_refused() {
        let offer = Offer {
            descriptor: descriptor(),
            manifest: b"{}",
            signature: b"sig",
        };
        let mut bytes = offer.to_bytes().unwrap();
        bytes.push(0);
        assert!(matches!(
            Offer::parse(&bytes),
            Err(OfferError::Length { .. })
        ));
        for cut in 0..bytes.len() - 1 {
            assert!(Offer::parse(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn more_than_64_kib_is_refused_by_both_ends() {
        let manifest = alloc::vec![b' '; SESSION_OBJECT_BYTES_MAX];
        let offer = Offer {
            descriptor: descriptor(),
            manifest: &manifest,
            signature: b"",
        };
        assert!(matches!(offer.to_bytes(), Err(OfferError::Length { .. })));
        let long = alloc::vec![b'L'; SESSION_OBJECT_BYTES_MAX + 1];
        assert!(matches!(
            Offer::parse(&long),
            Err(OfferError::Length { .. })
        ));
    }

    #[test]
    fn a_descriptor_out_of_range_is_refused() {
        for change in [
            |d: &mut Descriptor| d.symbol_bytes = 1409,
            |d: &mut Descriptor| d.block_symbols = 0,
            |d: &mut Descriptor| d.lanes = 9,
            |d: &mut Descriptor| d.window_packets = 40_000,
            |d: &mut Descriptor| d.num_parity = PARITY_MAX + 1,
            |d: &mut Descriptor| d.session = "zz".into(),
        ] {
            let mut bad = descriptor();
            change(&mut bad);
            assert!(bad.check().is_err());
        }
    }

    #[test]
    fn small_images_have_no_leaf_list() {
        let shape = |size| SessionShape::new(&descriptor(), size, [0; 32]).unwrap();
        assert!(shape(0).layout(IMAGE_TOI).is_none());
        assert!(shape(LEAF_BYTES).leaves.is_none());
        assert_eq!(shape(LEAF_BYTES + 1).leaves.unwrap().size(), 64);
    }
}
