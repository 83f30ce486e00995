//! A receiver's disk and memory: what it keeps of each symbol, what survives a
//! crash, and whether what it installed is the image.

use crate::draw::{below, chance};
use crate::image::Image;
use crate::packet::Payload;
use linecast_fec::{Codec, Decoder};
use linecast_protocol::object::ListLayout;
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::object::tree::{self, LEAF_BYTES};
use linecast_protocol::offer::{IMAGE_TOI, SessionShape};
use linecast_protocol::random::Random;
use linecast_protocol::receiver::{Blocks, Leaves, OfferKey};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Everything that one receiver has of one image.
#[derive(Debug)]
pub(crate) struct Store {
    shape: SessionShape,
    image: Symbols,
    leaf_list: Symbols,
    leaf_list_known: bool,
    /// The journal: leaves that were verified.
    claims: Vec<bool>,
    truth: Option<Arc<Image>>,
}

impl Store {
    /// Staging for the image of `shape`; with `truth` it holds real bytes.
    pub(crate) fn new(shape: SessionShape, truth: Option<Arc<Image>>) -> Store {
        let leaves = shape.image.size().div_ceil(LEAF_BYTES);
        let codec = truth.as_ref().map(|image| image.codec);
        let symbols = |layout: Option<ObjectLayout>| Symbols::new(layout, codec);
        Store {
            image: symbols(Some(shape.image)),
            leaf_list: symbols(shape.leaves),
            leaf_list_known: false,
            claims: vec![false; leaves as usize],
            shape,
            truth,
        }
    }

    fn symbols(&mut self, toi: u16) -> &mut Symbols {
        if toi == IMAGE_TOI {
            &mut self.image
        } else {
            &mut self.leaf_list
        }
    }

    /// Keeps a source symbol, except for bytes of `leaves` that are verified.
    pub(crate) fn keep_source(
        &mut self,
        toi: u16,
        index: u64,
        payload: &Payload,
        leaves: Option<&Leaves>,
    ) {
        self.symbols(toi).keep_source(index, payload, leaves);
    }

    pub(crate) fn keep_parity(&mut self, toi: u16, sbn: u32, index: u16, payload: &Payload) {
        self.symbols(toi).keep_parity(sbn, index, payload);
    }

    pub(crate) fn drop_parity(&mut self, toi: u16, sbn: u32) {
        self.symbols(toi).drop_parity(sbn);
    }

    /// Restores what block `sbn` lacks from what `blocks` says is held, except
    /// for bytes of `leaves` that are verified.
    pub(crate) fn restore(&mut self, toi: u16, sbn: u32, blocks: &Blocks, leaves: Option<&Leaves>) {
        self.symbols(toi).restore(sbn, blocks, leaves);
        self.drop_parity(toi, sbn);
    }

    /// The bytes of the leaf list that do not match the root.
    pub(crate) fn wrong_list(&mut self) -> Vec<Range<u64>> {
        let wrong = match (&self.leaf_list, &self.truth) {
            (Symbols::Bytes { data, .. }, Some(_)) => {
                ListLayout::new(self.shape.image.size()).wrong(data, &self.shape.root)
            }
            (marks, _) => marks.bad_ranges(),
        };
        self.leaf_list_known = wrong.is_empty();
        wrong
    }

    /// Whether leaf `leaf` has its hash; a match goes into the journal.
    pub(crate) fn leaf_matches(&mut self, leaf: u64) -> bool {
        let size = self.shape.image.size();
        let range = tree::leaf_range(size, leaf);
        let matches = match (&self.image, &self.leaf_list, &self.truth) {
            (Symbols::Bytes { data, .. }, list, Some(_)) => {
                let got =
                    tree::leaf_hash(size, leaf, &data[range.start as usize..range.end as usize]);
                let wanted = match list {
                    Symbols::Bytes { data, .. } if self.shape.leaves.is_some() => {
                        let hashes = ListLayout::new(size).leaf_hashes().start as usize;
                        data[hashes + leaf as usize * 32..][..32].to_vec()
                    }
                    _ => self.shape.root.to_vec(),
                };
                got.is_ok_and(|got| got[..] == wanted[..])
            }
            (marks, ..) => marks.is_good(self.shape.image.symbols_touching(&range)),
        };
        self.claims[leaf as usize] |= matches;
        matches
    }

    /// Whether the staged image is the image: what nobody but a simulator can
    /// know.
    pub(crate) fn is_image(&self) -> bool {
        match (&self.image, &self.truth) {
            (Symbols::Bytes { data, .. }, Some(truth)) => data == truth.object(IMAGE_TOI),
            (marks, _) => marks.is_good(0..marks.count()),
        }
    }

    /// What a new session may build on: whether the leaf list is known, and the
    /// claimed leaves whose bytes still have their hashes.
    pub(crate) fn resume(&mut self, shape: &SessionShape) -> (bool, Vec<u64>) {
        // A session with other symbols finds the same bytes.
        self.shape = *shape;
        let known = self.leaf_list_known || shape.leaves.is_none();
        if !known {
            return (false, Vec::new());
        }
        let claimed = (0..self.claims.len() as u64).filter(|&leaf| self.claims[leaf as usize]);
        let claimed: Vec<u64> = claimed.collect();
        let verified = claimed.into_iter().filter(|&leaf| self.leaf_matches(leaf));
        (known, verified.collect())
    }

    /// The machine goes down before anything was synced: each symbol and each
    /// claim is lost or torn with probability `loss`.
    pub(crate) fn crash(&mut self, random: &mut Random, loss: f64) {
        for index in 0..self.image.count() {
            if chance(random, loss) {
                self.image.damage(index);
            }
        }
        self.image.forget_parity();
        self.leaf_list.forget_parity();
        for claim in &mut self.claims {
            *claim = *claim && !chance(random, loss);
        }
        // The leaf list is written as a whole and kept only if it is synced.
        if !self.leaf_list_known || chance(random, loss) {
            self.leaf_list_known = false;
            self.leaf_list = Symbols::new(
                self.shape.leaves,
                self.truth.as_ref().map(|image| image.codec),
            );
        }
    }

    /// One symbol of a leaf that had been verified goes bad.
    pub(crate) fn rot(&mut self, random: &mut Random) {
        let claimed: Vec<u64> = (0..self.claims.len() as u64)
            .filter(|&leaf| self.claims[leaf as usize])
            .collect();
        if claimed.is_empty() {
            return;
        }
        let leaf = claimed[below(random, claimed.len() as u64) as usize];
        let range = tree::leaf_range(self.shape.image.size(), leaf);
        self.image
            .damage(self.shape.image.symbols_touching(&range).start);
    }
}

/// The symbols of one object.
#[derive(Debug)]
enum Symbols {
    /// Which symbols are there and right.
    Marks {
        layout: Option<ObjectLayout>,
        good: Vec<u64>,
        bad: BTreeSet<u64>,
        bad_parity: BTreeSet<(u32, u16)>,
    },
    /// Their bytes.
    Bytes {
        layout: ObjectLayout,
        codec: Codec,
        data: Vec<u8>,
        parity: BTreeMap<(u32, u16), Arc<[u8]>>,
    },
}

impl Symbols {
    /// No symbols of an object, coded with `codec` if they are to be real bytes.
    fn new(layout: Option<ObjectLayout>, codec: Option<Codec>) -> Symbols {
        match (layout, codec) {
            (Some(layout), Some(codec)) => Symbols::Bytes {
                layout,
                codec,
                data: vec![0; layout.size() as usize],
                parity: BTreeMap::new(),
            },
            (layout, _) => Symbols::Marks {
                good: vec![0; layout.map_or(0, |l| l.symbols().div_ceil(64)) as usize],
                layout,
                bad: BTreeSet::new(),
                bad_parity: BTreeSet::new(),
            },
        }
    }

    fn count(&self) -> u64 {
        match self {
            Symbols::Marks { layout, .. } => layout.map_or(0, |l| l.symbols()),
            Symbols::Bytes { layout, .. } => layout.symbols(),
        }
    }

    fn mark(&mut self, index: u64, right: bool) {
        if let Symbols::Marks { good, bad, .. } = self {
            let bit = 1 << (index % 64);
            if right {
                good[(index / 64) as usize] |= bit;
                if !bad.is_empty() {
                    bad.remove(&index);
                }
            } else {
                good[(index / 64) as usize] &= !bit;
                bad.insert(index);
            }
        }
    }

    fn keep_source(&mut self, index: u64, payload: &Payload, leaves: Option<&Leaves>) {
        if let (Symbols::Bytes { layout, data, .. }, Payload::Bytes(bytes)) = (&mut *self, payload)
        {
            return write_unverified(layout, data, index, bytes, leaves);
        }
        self.mark(index, matches!(payload, Payload::Good));
    }

    fn keep_parity(&mut self, sbn: u32, index: u16, payload: &Payload) {
        match (self, payload) {
            (Symbols::Bytes { parity, .. }, Payload::Bytes(bytes)) => {
                parity.insert((sbn, index), bytes.clone());
            }
            (Symbols::Marks { bad_parity, .. }, Payload::Damaged) => {
                bad_parity.insert((sbn, index));
            }
            _ => {}
        }
    }

    fn drop_parity(&mut self, sbn: u32) {
        match self {
            Symbols::Bytes { parity, .. } => parity.retain(|&(at, _), _| at != sbn),
            Symbols::Marks { bad_parity, .. } => {
                if !bad_parity.is_empty() {
                    bad_parity.retain(|&(at, _)| at != sbn);
                }
            }
        }
    }

    fn forget_parity(&mut self) {
        match self {
            Symbols::Bytes { parity, .. } => parity.clear(),
            Symbols::Marks { bad_parity, .. } => bad_parity.clear(),
        }
    }

    fn restore(&mut self, sbn: u32, blocks: &Blocks, leaves: Option<&Leaves>) {
        let layout = *blocks.layout();
        let first = layout.first_symbol(sbn);
        let indices = first..first + u64::from(layout.block_len(sbn));
        match self {
            Symbols::Bytes {
                codec,
                data,
                parity,
                ..
            } => restore_bytes(*codec, data, parity, sbn, blocks, leaves),
            Symbols::Marks {
                bad, bad_parity, ..
            } => {
                let spoilt = bad.range(indices.clone()).any(|&index| blocks.holds(index))
                    || blocks
                        .parity(sbn)
                        .iter()
                        .any(|&index| bad_parity.contains(&(sbn, index)));
                for index in indices.filter(|&index| !blocks.holds(index)) {
                    self.mark(index, !spoilt);
                }
            }
        }
    }

    /// The bytes of the object that are not right.
    fn bad_ranges(&self) -> Vec<Range<u64>> {
        let Symbols::Marks {
            layout: Some(layout),
            ..
        } = self
        else {
            return Vec::new();
        };
        let bad = (0..layout.symbols()).filter(|&index| !self.is_good(index..index + 1));
        bad.map(|index| layout.symbol_range(index)).collect()
    }

    fn is_good(&self, mut indices: std::ops::Range<u64>) -> bool {
        match self {
            Symbols::Marks { good, .. } => {
                indices.all(|index| good[(index / 64) as usize] >> (index % 64) & 1 == 1)
            }
            Symbols::Bytes { .. } => false,
        }
    }

    fn damage(&mut self, index: u64) {
        match self {
            Symbols::Bytes { layout, data, .. } => {
                let start = layout.symbol_range(index).start as usize;
                data[start] ^= 0x55;
            }
            Symbols::Marks { good, .. } => {
                if good[(index / 64) as usize] >> (index % 64) & 1 == 1 {
                    self.mark(index, false);
                }
            }
        }
    }
}

/// Writes a symbol into its place, as far as no leaf there is verified.
fn write_unverified(
    layout: &ObjectLayout,
    data: &mut [u8],
    index: u64,
    symbol: &[u8],
    leaves: Option<&Leaves>,
) {
    let whole = layout.symbol_range(index);
    let mut write = |range: Range<u64>| {
        let from = (range.start - whole.start) as usize..(range.end - whole.start) as usize;
        data[range.start as usize..range.end as usize].copy_from_slice(&symbol[from]);
    };
    match leaves {
        Some(leaves) => leaves.unverified(index).for_each(write),
        None => write(whole.clone()),
    }
}

fn restore_bytes(
    codec: Codec,
    data: &mut [u8],
    parity: &BTreeMap<(u32, u16), Arc<[u8]>>,
    sbn: u32,
    blocks: &Blocks,
    leaves: Option<&Leaves>,
) {
    let layout = blocks.layout();
    let width = usize::from(layout.symbol_bytes());
    let mut decoder =
        Decoder::new(codec, width, layout.block_len_max().into()).expect("a layout with blocks");
    let (first, len) = (layout.first_symbol(sbn), layout.block_len(sbn));
    let range = |esi: usize| {
        let range = layout.symbol_range(first + esi as u64);
        range.start as usize..range.end as usize
    };
    let mut restored = Vec::new();
    let sources = (0..usize::from(len)).filter(|&esi| blocks.holds(first + esi as u64));
    let sources = sources.map(|esi| (esi, &data[range(esi)]));
    let held = blocks.parity(sbn).iter();
    let held = held.map(|&index| (usize::from(index), &parity[&(sbn, index)][..]));
    decoder
        .restore(len.into(), sources, held, |esi, symbol| {
            restored.push((esi, symbol.to_vec()));
        })
        .expect("the machine says that enough symbols are held");
    for (esi, symbol) in restored {
        write_unverified(layout, data, first + esi as u64, &symbol, leaves);
    }
}

/// The session objects that a receiver collects before it follows one.
#[derive(Debug, Default)]
pub(crate) struct OfferBytes(BTreeMap<OfferKey, BTreeMap<u16, Arc<[u8]>>>);

impl OfferBytes {
    /// Keeps symbol `esi`, source or parity, of one offer.
    pub(crate) fn keep(&mut self, key: OfferKey, esi: u16, payload: &Payload) {
        if let Payload::Bytes(bytes) = payload {
            self.0.entry(key).or_default().insert(esi, bytes.clone());
        }
    }

    /// The object, from its `len` source symbols and its parity.
    pub(crate) fn assemble(&mut self, key: OfferKey, layout: &ObjectLayout) -> Option<Vec<u8>> {
        let len = layout.block_len(0);
        let width = usize::from(layout.symbol_bytes());
        let held = self.0.remove(&key)?;
        let mut decoder = Decoder::new(Codec::Gf16Low, width, len.into()).ok()?;
        let mut object = vec![0; usize::from(len) * width];
        for (&esi, bytes) in held.iter().filter(|(esi, _)| **esi < len) {
            object[usize::from(esi) * width..][..bytes.len()].copy_from_slice(bytes);
        }
        let sources = held.iter().filter(|(esi, _)| **esi < len);
        let parity = held.iter().filter(|(esi, _)| **esi >= len);
        let restored = decoder.restore(
            len.into(),
            sources.map(|(esi, bytes)| (usize::from(*esi), &bytes[..])),
            parity.map(|(esi, bytes)| (usize::from(esi - len), &bytes[..])),
            |esi, symbol| object[esi * width..][..width].copy_from_slice(symbol),
        );
        restored.ok()?;
        object.truncate(layout.size() as usize);
        Some(object)
    }
}
