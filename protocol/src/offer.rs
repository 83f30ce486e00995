//! Object 1 of a session: the descriptor of this push, the signed manifest of
//! the release, and its signature, in one object of at most 64 KiB.
//!
//! ```text
//! "LCS2" | u32 descriptor bytes | u32 manifest bytes | u32 signature bytes | u32 sender's bytes
//! descriptor (JSON) | manifest (exact signed bytes) | signature (sshsig) | sender's signature (sshsig)
//! ```
//!
//! The manifest says what the image is and is signed offline; the descriptor
//! says how this push carries it, and may be signed by the sender. Without that a
//! session is a hint: a receiver believes the descriptor no further than the
//! limits checked here, and no byte of the image without the root in the manifest.

use crate::limits::{LANES_MAX, PARITY_MAX, SESSION_OBJECT_BYTES_MAX};
use crate::message::PROFILE;
use crate::object::{LayoutError, ListLayout, ObjectLayout, tree};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// TOI of the session object.
pub const SESSION_TOI: u16 = 1;
/// TOI of the leaf list.
pub const LEAVES_TOI: u16 = 2;
/// TOI of the image.
pub const IMAGE_TOI: u16 = 3;

const MAGIC: &[u8; 3] = b"LCS";
const HEAD_BYTES: usize = 20;

/// Namespace that senders sign sessions in.
pub const SESSION_NAMESPACE: &str = "linecast-session@v1";

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
    /// It is none of ours.
    #[error("session object does not start with LCS{PROFILE}")]
    Magic,
    /// It is of another version.
    #[error("session of profile {got}: this version of linecast speaks {PROFILE}")]
    Profile {
        /// Profile of the session.
        got: u8,
    },
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
    /// Always `linecast.session.v2`.
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
pub const DESCRIPTOR_SCHEMA: &str = "linecast.session.v2";

impl Descriptor {
    /// Reads the bytes of a descriptor, and checks every field.
    ///
    /// # Errors
    /// It is not the JSON that it should be, or a field is out of range.
    pub fn parse(text: &[u8]) -> Result<Descriptor, OfferError> {
        let descriptor: Descriptor = serde_json::from_slice(text)
            .map_err(|e| OfferError::Descriptor(alloc::format!("{e}")))?;
        descriptor.check()?;
        Ok(descriptor)
    }

    /// Its bytes, as they are offered and signed.
    ///
    /// # Errors
    /// A field is out of range.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OfferError> {
        self.check()?;
        serde_json::to_vec(self).map_err(|e| OfferError::Descriptor(alloc::format!("{e}")))
    }

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
    /// How this push carries the image: the exact bytes of its descriptor.
    pub descriptor: &'a [u8],
    /// Exact signed bytes.
    pub manifest: &'a [u8],
    /// Armoured sshsig.
    pub signature: &'a [u8],
    /// Armoured sshsig of the sender over [`session_text`]; empty: unsigned.
    pub sender_signature: &'a [u8],
}

/// The text that a sender signs: which push of which manifest this is.
pub fn session_text(descriptor: &[u8], manifest: &[u8]) -> Vec<u8> {
    [descriptor, blake3::hash(manifest).as_bytes()].concat()
}

impl<'a> Offer<'a> {
    /// Takes a session object apart.
    ///
    /// # Errors
    /// Wrong lengths (trailing bytes too), magic or version.
    pub fn parse(bytes: &'a [u8]) -> Result<Offer<'a>, OfferError> {
        let limit = SESSION_OBJECT_BYTES_MAX;
        let got = bytes.len();
        match bytes {
            [magic @ .., _] if magic.starts_with(MAGIC) && bytes[3] != b'0' + PROFILE => {
                let got = bytes[3].wrapping_sub(b'0');
                return Err(OfferError::Profile { got });
            }
            _ => {}
        }
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
            let want = HEAD_BYTES;
            return Err(OfferError::Length { limit, want, got });
        };
        if !head.starts_with(MAGIC) {
            return Err(OfferError::Magic);
        }
        let part = |i: usize| {
            let length: [u8; 4] = core::array::from_fn(|byte| head[4 * (i + 1) + byte]);
            u32::from_be_bytes(length) as usize
        };
        let parts: [usize; PARTS] = core::array::from_fn(part);
        let want = parts
            .iter()
            .fold(HEAD_BYTES, |sum, part| sum.saturating_add(*part));
        if want != got || got > limit {
            return Err(OfferError::Length { limit, want, got });
        }
        let mut rest = rest;
        let [descriptor, manifest, signature, sender_signature] = parts.map(|bytes| {
            let (part, more) = rest.split_at(bytes);
            rest = more;
            part
        });
        Ok(Offer {
            descriptor,
            manifest,
            signature,
            sender_signature,
        })
    }

    /// Puts a session object together.
    ///
    /// # Errors
    /// The parts are more than 64 KiB.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OfferError> {
        let parts: [&[u8]; PARTS] = [
            self.descriptor,
            self.manifest,
            self.signature,
            self.sender_signature,
        ];
        let got = HEAD_BYTES + parts.iter().map(|p| p.len()).sum::<usize>();
        let limit = SESSION_OBJECT_BYTES_MAX;
        if got > limit {
            let want = limit;
            return Err(OfferError::Length { limit, want, got });
        }
        let mut out = Vec::with_capacity(got);
        out.extend_from_slice(MAGIC);
        out.push(b'0' + PROFILE);
        for part in parts {
            out.extend_from_slice(&(part.len() as u32).to_be_bytes());
        }
        parts.iter().for_each(|part| out.extend_from_slice(part));
        Ok(out)
    }
}

const PARTS: usize = 4;

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
        check_proportions(descriptor, size)?;
        let mut session = [0; 16];
        let mut session_key = [0; 32];
        unhex(&descriptor.session, &mut session);
        unhex(&descriptor.session_key, &mut session_key);
        Ok(SessionShape {
            session,
            root,
            session_key,
            leaves: match tree::has_leaf_list(size) {
                true => Some(layout(ListLayout::new(size).bytes())?),
                false => None,
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

/// An image may have symbols and blocks of any size up to this.
const SMALL_IMAGE_BYTES: u64 = 16 << 20;
/// Beyond it, symbols have so many bytes at least, and blocks: what a receiver keeps
/// in mind of each is then a small part of it.
const SYMBOL_BYTES_LARGE_MIN: u64 = 512;
const BLOCK_BYTES_LARGE_MIN: u64 = 16 << 10;

/// Nobody makes receivers remember more than a small part of the image.
fn check_proportions(descriptor: &Descriptor, size: u64) -> Result<(), OfferError> {
    if size <= SMALL_IMAGE_BYTES {
        return Ok(());
    }
    let symbol = u64::from(descriptor.symbol_bytes);
    let block = symbol * u64::from(descriptor.block_symbols);
    for (field, low, got) in [
        (
            "symbol_bytes of a large image",
            SYMBOL_BYTES_LARGE_MIN,
            symbol,
        ),
        (
            "bytes of a block of a large image",
            BLOCK_BYTES_LARGE_MIN,
            block,
        ),
    ] {
        if got < low {
            let high = u64::MAX;
            return Err(OfferError::Field {
                field,
                low,
                high,
                got,
            });
        }
    }
    Ok(())
}

/// Reads checked hexadecimal text; `Descriptor::check` has seen it.
fn unhex(text: &str, out: &mut [u8]) {
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |c: u8| (c as char).to_digit(16).unwrap_or(0) as u8;
        *byte = digit(pair[0]) << 4 | digit(*pair.get(1).unwrap_or(&b'0'));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::hex;
    use crate::key::SigningKey;

    /// The shape of a session whose key has the seed of nines.
    pub(crate) fn shape(size: u64) -> SessionShape {
        let key = SigningKey::from_seed([9; 32]).public();
        let descriptor = Descriptor {
            session_key: hex(key.as_bytes()),
            ..descriptor()
        };
        SessionShape::new(&descriptor, size, [4; 32]).unwrap()
    }

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

    fn offer(manifest: &[u8], then: impl FnOnce(Offer<'_>)) {
        let text = descriptor().to_bytes().unwrap();
        then(Offer {
            descriptor: &text,
            manifest,
            signature: b"sig",
            sender_signature: b"",
        });
    }

    #[test]
    fn a_session_object_survives_the_round_trip() {
        offer(b"{}", |mut offer| {
            for signature in [&b""[..], b"sender"] {
                offer.sender_signature = signature;
                let bytes = offer.to_bytes().unwrap();
                assert_eq!(Offer::parse(&bytes).unwrap(), offer);
                assert_eq!(Descriptor::parse(offer.descriptor).unwrap(), descriptor());
            }
        });
    }

    #[test]
    fn trailing_and_missing_bytes_are_refused() {
        offer(b"{}", |offer| {
            let mut bytes = offer.to_bytes().unwrap();
            bytes.push(0);
            let parsed = Offer::parse(&bytes);
            assert!(matches!(parsed, Err(OfferError::Length { .. })));
            for cut in 0..bytes.len() - 1 {
                assert!(Offer::parse(&bytes[..cut]).is_err());
            }
        });
    }

    #[test]
    fn another_version_is_named() {
        offer(b"{}", |offer| {
            let mut bytes = offer.to_bytes().unwrap();
            for (version, got) in [(b'1', 1), (b'3', 3)] {
                bytes[3] = version;
                let parsed = Offer::parse(&bytes).unwrap_err();
                assert!(matches!(parsed, OfferError::Profile { got: g } if g == got));
            }
            bytes[0] = b'X';
            assert!(matches!(Offer::parse(&bytes), Err(OfferError::Magic)));
        });
    }

    #[test]
    fn more_than_64_kib_is_refused_by_both_ends() {
        offer(&alloc::vec![b' '; SESSION_OBJECT_BYTES_MAX], |offer| {
            assert!(matches!(offer.to_bytes(), Err(OfferError::Length { .. })));
        });
        let mut long = alloc::vec![0; SESSION_OBJECT_BYTES_MAX + 1];
        long[..4].copy_from_slice(b"LCS2");
        long[4..8].copy_from_slice(&(SESSION_OBJECT_BYTES_MAX as u32 - 19).to_be_bytes());
        let parsed = Offer::parse(&long);
        assert!(matches!(parsed, Err(OfferError::Length { .. })));
    }

    /// S5: symbols of 64 bytes and blocks of one took 640 MiB for a GiB.
    #[test]
    fn a_large_image_has_symbols_and_blocks_in_proportion() {
        let shape = |symbol_bytes, block_symbols, size| {
            let odd = Descriptor {
                symbol_bytes,
                block_symbols,
                ..super::tests::descriptor()
            };
            SessionShape::new(&odd, size, [0; 32]).is_ok()
        };
        assert!(shape(64, 1, 16 << 20));
        assert!(!shape(64, 512, 1 << 30) && !shape(1408, 1, 1 << 30));
        assert!(shape(512, 32, 1 << 40));
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
        let leaf = tree::LEAF_BYTES;
        assert!(shape(0).layout(IMAGE_TOI).is_none());
        assert!(shape(leaf).leaves.is_none());
        // Two hashes, and a byte of the zero map.
        assert_eq!(shape(leaf + 1).leaves.unwrap().size(), 65);
    }
}
