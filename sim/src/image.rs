//! The image that is pushed, when a run carries real bytes.

use crate::packet::Payload;
use crate::scenario::Scenario;
use linecast_fec::{Codec, Encoder};
use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::limits::{PARITY_MAX, WINDOW_PACKETS};
use linecast_protocol::object::tree;
use linecast_protocol::object::{ListLayout, ObjectLayout};
use linecast_protocol::offer::{
    DESCRIPTOR_SCHEMA, Descriptor, IMAGE_TOI, Offer, SESSION_TOI, SessionShape,
};
use linecast_protocol::random::Random;
use linecast_release::manifest::Manifest;
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a session object whose content nobody looks at.
const NOMINAL_OBJECT_BYTES: u64 = 1_000;
/// Root of an image whose content nobody looks at.
const NOMINAL_ROOT: [u8; 32] = [4; 32];
const RELEASE_KEY_SEED: [u8; 32] = [11; 32];
/// Parity symbols made at once for a block.
const PARITY_STEP: u16 = 32;

/// The image, its hashes and its signed manifest.
#[derive(Debug)]
pub(crate) struct Image {
    bytes: Vec<u8>,
    leaf_list: Vec<u8>,
    pub codec: Codec,
    pub root: [u8; 32],
    manifest: Vec<u8>,
    signature: Vec<u8>,
}

impl Image {
    pub(crate) fn random(size: u64, codec: Codec, random: &mut Random) -> Image {
        let words = (0..size.div_ceil(8)).flat_map(|_| random.next_u64().to_le_bytes());
        let bytes: Vec<u8> = words.take(size as usize).collect();
        let (root, hashes) = tree::hash_bytes(&bytes);
        let leaf_list = match tree::has_leaf_list(size) {
            true => {
                let zeros = vec![0; tree::leaf_count(size).div_ceil(8) as usize];
                ListLayout::new(size).compose(&hashes, &zeros)
            }
            false => Vec::new(),
        };
        let manifest = Manifest {
            name: "image.bin".into(),
            version: 1,
            hardware: Vec::new(),
            target: None,
            size_bytes: size,
            root_b3: root,
            sha256: None,
            created: 1_700_000_000,
            expires: None,
        };
        let manifest = manifest.to_bytes();
        let key = SigningKey::from_seed(RELEASE_KEY_SEED);
        let signature = sshsig::sign(&key, MANIFEST_NAMESPACE, &manifest).into_bytes();
        Image {
            bytes,
            leaf_list,
            codec,
            root,
            manifest,
            signature,
        }
    }

    /// The bytes of object `toi`.
    pub(crate) fn object(&self, toi: u16) -> &[u8] {
        if toi == IMAGE_TOI {
            &self.bytes
        } else {
            &self.leaf_list
        }
    }

    fn session_object(&self, descriptor: &Descriptor) -> Vec<u8> {
        let text = descriptor.to_bytes().expect("a descriptor in range");
        let offer = Offer {
            descriptor: &text,
            manifest: &self.manifest,
            signature: &self.signature,
            sender_signature: b"",
        };
        offer.to_bytes().expect("a simulated manifest is short")
    }

    /// The shape of the session that `object` offers, if its manifest is signed
    /// by the release key.
    pub(crate) fn accept(object: &[u8]) -> Option<SessionShape> {
        let offer = Offer::parse(object).ok()?;
        let signer = sshsig::verify(offer.signature, MANIFEST_NAMESPACE, offer.manifest).ok()?;
        if signer != SigningKey::from_seed(RELEASE_KEY_SEED).public() {
            return None;
        }
        let manifest = Manifest::parse(offer.manifest).ok()?;
        let descriptor = Descriptor::parse(offer.descriptor).ok()?;
        SessionShape::new(&descriptor, manifest.size_bytes, manifest.root_b3).ok()
    }
}

/// One session's objects as the sender cuts them.
pub(crate) struct Objects {
    pub shape: SessionShape,
    /// Layout of object 1.
    pub session_layout: ObjectLayout,
    image: Option<Arc<Image>>,
    session_object: Vec<u8>,
    encoders: BTreeMap<u16, Encoder>,
    parity: BTreeMap<(u16, u32), Vec<Arc<[u8]>>>,
}

impl Objects {
    /// Cuts the objects of session number `session`.
    pub(crate) fn new(
        session: u32,
        scenario: &Scenario,
        image: Option<Arc<Image>>,
        session_key: &SigningKey,
    ) -> Objects {
        let Scenario {
            size_bytes,
            symbol_bytes,
            codec,
            block_symbols,
            lanes,
            ..
        } = *scenario;
        let mut id = [3; 16];
        id[..4].copy_from_slice(&session.to_be_bytes());
        let descriptor = Descriptor {
            schema: DESCRIPTOR_SCHEMA.into(),
            session: hex(&id),
            session_key: hex(session_key.public().as_bytes()),
            symbol_bytes,
            block_symbols,
            codec: codec.name().into(),
            num_parity: codec.num_parity(block_symbols, PARITY_MAX),
            lanes,
            window_packets: WINDOW_PACKETS as u16,
        };
        let root = image.as_ref().map_or(NOMINAL_ROOT, |image| image.root);
        let shape =
            SessionShape::new(&descriptor, size_bytes, root).expect("the scenario was checked");
        let session_object = image
            .as_ref()
            .map_or_else(Vec::new, |image| image.session_object(&descriptor));
        let object_bytes = if session_object.is_empty() {
            NOMINAL_OBJECT_BYTES
        } else {
            session_object.len() as u64
        };
        let symbols = object_bytes.div_ceil(symbol_bytes.into()).max(1) as u16;
        Objects {
            shape,
            session_layout: ObjectLayout::new(object_bytes, symbol_bytes, symbols)
                .expect("a session object is one block"),
            encoders: BTreeMap::new(),
            image,
            session_object,
            parity: BTreeMap::new(),
        }
    }

    /// The layout of any object.
    pub(crate) fn layout(&self, toi: u16) -> &ObjectLayout {
        match self.shape.layout(toi) {
            Some(layout) if toi != SESSION_TOI => layout,
            _ => &self.session_layout,
        }
    }

    fn bytes(&self, toi: u16, range: Range<u64>) -> &[u8] {
        let object = match &self.image {
            Some(image) if toi != SESSION_TOI => image.object(toi),
            _ => &self.session_object,
        };
        &object[range.start as usize..range.end as usize]
    }

    /// Symbol `esi` of a block, source or parity.
    pub(crate) fn symbol(&mut self, toi: u16, sbn: u32, esi: u16) -> Payload {
        if self.image.is_none() {
            return Payload::Good;
        }
        let layout = *self.layout(toi);
        let len = layout.block_len(sbn);
        if esi < len {
            let range = layout.symbol_range(layout.first_symbol(sbn) + u64::from(esi));
            return Payload::Bytes(self.bytes(toi, range).into());
        }
        let index = esi - len;
        let made = self.parity.get(&(toi, sbn)).map_or(0, Vec::len);
        if usize::from(index) >= made {
            self.make_parity(toi, sbn, &layout, index + PARITY_STEP);
        }
        Payload::Bytes(self.parity[&(toi, sbn)][usize::from(index)].clone())
    }

    /// The erasure code of object `toi`. Blocks of object 1 may be long.
    pub(crate) fn codec(&self, toi: u16) -> Codec {
        match &self.image {
            Some(image) if toi != SESSION_TOI => image.codec,
            _ => Codec::Gf16Low,
        }
    }

    fn make_parity(&mut self, toi: u16, sbn: u32, layout: &ObjectLayout, end: u16) {
        let block = self.bytes(toi, layout.block_range(sbn)).to_vec();
        let width = usize::from(layout.symbol_bytes());
        let codec = self.codec(toi);
        let end = end.min(layout.parity_max());
        let encoder = self.encoders.entry(toi).or_insert_with(|| {
            let block_len_max = layout.block_len_max().into();
            Encoder::new(codec, width, block_len_max).expect("a layout with blocks")
        });
        let mut symbols = Vec::new();
        let sources = block.chunks(width);
        encoder
            .parity(sources, 0..end.into(), |_, symbol| {
                symbols.push(symbol.into())
            })
            .expect("blocks and parity are within the codec's limits");
        self.parity.insert((toi, sbn), symbols);
    }
}
