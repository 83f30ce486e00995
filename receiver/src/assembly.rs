//! The image of one session while it is put together: symbols into places,
//! blocks restored, leaves hashed.

mod verification;

use crate::acceptance::{Accepted, Stage};
use crate::inbox::{Inbox, Landed};
use crate::journal::Journal;
use crate::prediction::Prediction;
use crate::stage_error::StageError;
use crate::staging::Staging;
use crate::symbols::{self, Bytes, SymbolError, Symbols};
use crate::target::Target;
use crate::workers::Workers;
use linecast_fec::{Codec, Decoder};
use linecast_protocol::key::PublicKey;
use linecast_protocol::object::ListLayout;
use linecast_protocol::object::tree;
use linecast_protocol::object::tree::LEAF_BYTES;
use linecast_protocol::offer::{IMAGE_TOI, LEAVES_TOI, SessionShape};
use linecast_protocol::receiver::{Held, Receiver, Session};
use linecast_protocol::time::{Duration, Time};
use linecast_protocol::wire::PayloadId;
use linecast_release::manifest::Manifest;
use std::collections::HashMap;
use std::ops::Range;
use verification::Patience;

/// Symbols that the session keeps, which follow each other, and where their
/// packets are in the batch.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Datagram of the first, in the batch; the others follow.
    pub first: usize,
    /// How many they are.
    pub count: u16,
    /// Object.
    pub toi: u16,
    /// Which symbol the first is.
    pub id: PayloadId,
    /// What they completed.
    pub held: Held,
}

impl Kept {
    /// Their datagrams in the batch.
    pub fn datagrams(&self) -> Range<usize> {
        self.first..self.first + usize::from(self.count)
    }

    fn is_source(&self) -> bool {
        self.id.esi < self.id.block_len
    }
}

/// A source symbol that is held and came again.
#[derive(Debug, Clone, Copy)]
pub struct Again {
    /// Its datagram in the batch.
    pub datagram: usize,
    /// Object.
    pub toi: u16,
    /// Which symbol.
    pub id: PayloadId,
}

/// What one batch from the socket brought for the image.
#[derive(Debug, Default)]
pub struct Batch {
    /// Symbols that are new.
    pub kept: Vec<Kept>,
    /// Symbols that may be other than those that came first.
    pub again: Vec<Again>,
}

/// So long may a leaf that does not match be put right by what comes next.
pub(crate) const DOUBT: Duration = Duration::from_millis(4);

/// An image being put together.
#[derive(Debug)]
pub struct Assembly {
    shape: SessionShape,
    /// The manifest.
    pub manifest: Manifest,
    /// Who signed it.
    pub signer: PublicKey,
    target: Target,
    journal: Journal,
    image: Symbols,
    list: Option<Symbols>,
    /// The verified leaf list; a single leaf's is the root itself.
    leaves: Option<Vec<u8>>,
    codec: Codec,
    /// Made when a block of the list has to be restored.
    list_decoder: Option<Decoder>,
    workers: Workers,
    /// Whether more symbols wait in the socket than are taken at once.
    behind: bool,
    /// Blocks that a worker restores. They count as held.
    restoring: Vec<u32>,
    /// Leaves that lack only what is being restored.
    held_back: Vec<u64>,
    /// Leaves that did not match, since when: what puts them right may be on its
    /// way, as the true symbol behind a forged one.
    doubted: Vec<(u64, Time)>,
    /// How often leaves did not match, of those that do not match yet.
    rounds: HashMap<u64, u32>,
    /// Symbols that came again and differed.
    pub replaced: u64,
    /// The leaf list as it is now has not been compared; or was, and was wrong.
    list_changed: bool,
    list_doubted: Option<Time>,
    /// Blocks that could not be restored, until nothing is with the workers.
    unrestored: Vec<u32>,
    prediction: Prediction,
    misplaced: Vec<usize>,
    /// Bytes that an earlier session had verified.
    pub resumed_bytes: u64,
    /// Symbols that did not land in their place.
    pub moved: u64,
    /// The newest leaf that did not match.
    pub damaged_leaf: Option<u64>,
}

impl Assembly {
    /// An assembly for an accepted offer on a reserved stage, with so many
    /// workers.
    pub fn new(accepted: Accepted, stage: Stage, target: Target, workers: usize) -> Assembly {
        let Accepted {
            shape,
            codec,
            manifest,
            signer,
        } = accepted;
        let size = shape.image.size();
        let single = (!tree::has_leaf_list(size)).then(|| shape.root.to_vec());
        let verified = stage.verified.iter().map(|&leaf| {
            let range = tree::leaf_range(size, leaf);
            range.end - range.start
        });
        Assembly {
            resumed_bytes: verified.sum(),
            list: shape
                .leaves
                .map(|layout| Symbols::new(layout, Bytes::memory(&layout))),
            leaves: stage.leaf_list.or(single),
            image: Symbols::new(shape.image, Bytes::Staged(stage.staging)),
            codec,
            list_decoder: None,
            workers: Workers::new(workers, codec, shape.image),
            behind: false,
            restoring: Vec::new(),
            held_back: Vec::new(),
            doubted: Vec::new(),
            rounds: HashMap::new(),
            replaced: 0,
            list_changed: false,
            list_doubted: None,
            unrestored: Vec::new(),
            journal: stage.journal,
            prediction: Prediction::default(),
            misplaced: Vec::new(),
            moved: 0,
            damaged_leaf: None,
            target,
            shape,
            manifest,
            signer,
        }
    }

    /// The staging, and the offsets in it where the next symbols are expected.
    pub fn places(&mut self, inbox: &Inbox, session: &Session) -> (Option<&mut Staging>, &[u64]) {
        let (count, train) = (inbox.wanted(), inbox.train_packets());
        let offsets = match (session.blocks(IMAGE_TOI), session.leaves()) {
            (Some(blocks), Some(leaves)) => {
                self.prediction
                    .offsets(count, train, blocks, leaves, &self.image)
            }
            _ => &[],
        };
        (self.image.staging_mut(), offsets)
    }

    /// Puts the kept symbols of a batch where they belong, and has the blocks
    /// restored that can be, and the leaves hashed that are whole.
    ///
    /// # Errors
    /// The disk or the erasure code fails: the session cannot go on.
    pub fn settle(
        &mut self,
        now: Time,
        inbox: &mut Inbox,
        batch: &Batch,
        receiver: &mut Receiver,
    ) -> Result<(), SymbolError> {
        self.behind = inbox.is_behind();
        self.lift(inbox, batch);
        let Some(session) = receiver.session_mut() else {
            return Ok(());
        };
        let kept = &batch.kept[..];
        for symbol in kept {
            self.place(inbox, symbol, session)?;
        }
        for symbol in &batch.again {
            self.replace(inbox, symbol)?;
        }
        for symbol in kept {
            match symbol.held {
                Held::Restorable if symbol.toi == IMAGE_TOI => {
                    self.give_block(symbol.id.sbn, session)?;
                }
                Held::Restorable => self.restore_list(now, symbol.id.sbn, session)?,
                Held::Done => self.symbols(symbol.toi).drop_parity(symbol.id.sbn),
                Held::New | Held::Duplicate => {}
            }
        }
        if session.leaf_list_complete() && self.is_list_due(now) {
            self.check_leaf_list(now, session)?;
        }
        self.verify(now, receiver, Patience::None)
    }

    fn lift(&mut self, inbox: &mut Inbox, batch: &Batch) {
        self.misplaced.clear();
        let width = u64::from(self.shape.image.symbol_bytes());
        for again in &batch.again {
            if matches!(inbox.landed(again.datagram), Landed::Place(_)) {
                self.misplaced.push(again.datagram);
            }
        }
        for symbols in &batch.kept {
            let mut right = self.right_place(symbols);
            for i in symbols.datagrams() {
                if let Landed::Place(offset) = inbox.landed(i)
                    && Some(offset) != right
                {
                    self.misplaced.push(i);
                }
                right = right.map(|offset| offset + width);
            }
        }
        if let Some(staging) = self.image.staging_mut() {
            inbox.lift(staging, &self.misplaced);
        }
    }

    /// The offset of the first of these source symbols of the image.
    fn right_place(&self, symbols: &Kept) -> Option<u64> {
        let source = symbols.toi == IMAGE_TOI && symbols.is_source();
        source.then(|| {
            let index = self.shape.image.first_symbol(symbols.id.sbn) + u64::from(symbols.id.esi);
            index * u64::from(self.shape.image.symbol_bytes())
        })
    }

    fn symbols(&mut self, toi: u16) -> &mut Symbols {
        match &mut self.list {
            Some(list) if toi != IMAGE_TOI => list,
            _ => &mut self.image,
        }
    }

    fn place(&mut self, inbox: &Inbox, kept: &Kept, session: &Session) -> Result<(), SymbolError> {
        let Kept { toi, id, .. } = *kept;
        let Some(blocks) = session.blocks(toi) else {
            return Ok(());
        };
        let leaves = session.leaves().filter(|_| toi == IMAGE_TOI);
        if toi == IMAGE_TOI {
            self.note(kept);
        }
        let (symbols, mut moved) = (self.symbols(toi), 0);
        for (i, esi) in kept.datagrams().zip(id.esi..) {
            let Some(payload) = inbox.payload(i) else {
                continue;
            };
            moved += 1;
            if kept.is_source() {
                symbols.keep_source(id.sbn, esi, payload, blocks, leaves)?;
            } else {
                symbols.keep_parity(id.sbn, esi - id.block_len, payload, blocks, leaves)?;
            }
        }
        self.moved += moved;
        Ok(())
    }

    /// A source symbol that is held, and not verified, came again: if it differs, what
    /// came last is kept, and what rests on it is judged anew.
    fn replace(&mut self, inbox: &Inbox, again: &Again) -> Result<(), SymbolError> {
        let (toi, id) = (again.toi, again.id);
        let Some(payload) = inbox.payload(again.datagram) else {
            return Ok(());
        };
        if toi == IMAGE_TOI && self.leaves_of(id).any(|leaf| self.keeps_first(leaf)) {
            return Ok(());
        }
        let changed = self.symbols(toi).replace_source(id.sbn, id.esi, payload)?;
        if !changed {
            return Ok(());
        }
        self.replaced += 1;
        if toi != IMAGE_TOI {
            self.list_changed = true;
            return Ok(());
        }
        let leaves = self.leaves_of(id);
        // Whoever was found wrong before this came may be right now.
        let doubted = self
            .doubted
            .iter()
            .position(|(leaf, _)| leaves.contains(leaf));
        if let Some(at) = doubted {
            let (leaf, _) = self.doubted.swap_remove(at);
            self.held_back.push(leaf);
        }
        Ok(())
    }

    /// The leaves that source symbol `id` of the image touches.
    fn leaves_of(&self, id: PayloadId) -> Range<u64> {
        let layout = &self.shape.image;
        let index = layout.first_symbol(id.sbn) + u64::from(id.esi);
        let bytes = layout.symbol_range(index);
        bytes.start / LEAF_BYTES..bytes.end.div_ceil(LEAF_BYTES)
    }

    /// Whether of two symbols for one place of this leaf the first is kept: each time
    /// that it did not match, the other way is tried. Somebody may forge ahead of the
    /// sender or behind it.
    fn keeps_first(&self, leaf: u64) -> bool {
        self.rounds.get(&leaf).is_some_and(|rounds| rounds % 2 == 1)
    }

    /// Symbols of the image have come: others will follow them.
    fn note(&mut self, kept: &Kept) {
        let id = kept.id;
        if kept.is_source() {
            let last = u64::from(id.esi) + u64::from(kept.count) - 1;
            let index = self.shape.image.first_symbol(id.sbn) + last;
            self.prediction.note_source(index, id.esi == 0);
        } else {
            self.prediction.note_parity();
        }
    }

    /// The leaf list is short, and rarely lost: no worker is asked for it.
    fn restore_list(
        &mut self,
        now: Time,
        sbn: u32,
        session: &mut Session,
    ) -> Result<(), SymbolError> {
        let mut restored = Ok(());
        if let (Some(list), Some(blocks)) = (&mut self.list, session.blocks(LEAVES_TOI)) {
            let decoder = match &mut self.list_decoder {
                Some(decoder) => decoder,
                empty => empty.insert(symbols::decoder(self.codec, blocks.layout())?),
            };
            restored = list.restore(sbn, decoder, blocks);
        }
        session.handle_restored(LEAVES_TOI, sbn);
        match restored {
            // What the code refuses is fetched again, as what does not match.
            Err(SymbolError::Fec(_)) => {
                let all = 0..ListLayout::new(self.shape.image.size()).bytes();
                self.refetch_list(now, &[all], session);
            }
            other => other?,
        }
        Ok(())
    }

    /// Whether the list has not been compared as it is now; or was found wrong, and
    /// nothing has come to put it right.
    fn is_list_due(&self, now: Time) -> bool {
        self.list_changed
            || self
                .list_doubted
                .is_none_or(|since| now.since(since) >= DOUBT)
    }

    fn refetch_list(&mut self, now: Time, wrong: &[Range<u64>], session: &mut Session) {
        if let (Some(list), Some(blocks)) = (&mut self.list, session.blocks(LEAVES_TOI)) {
            (0..blocks.layout().blocks()).for_each(|sbn| list.drop_parity(sbn));
        }
        session.handle_leaf_list(now, wrong);
    }

    fn check_leaf_list(&mut self, now: Time, session: &mut Session) -> Result<(), StageError> {
        let Some(list) = &self.list else {
            return Ok(());
        };
        let layout = ListLayout::new(self.shape.image.size());
        let bytes = list.bytes().get(0..layout.bytes())?;
        let wrong = layout.wrong(bytes, &self.shape.root);
        let changed = std::mem::take(&mut self.list_changed);
        if !wrong.is_empty() {
            match self.list_doubted {
                Some(since) if !changed && now.since(since) >= DOUBT => {
                    self.list_doubted = None;
                    self.refetch_list(now, &wrong, session);
                }
                _ => _ = self.list_doubted.get_or_insert(now),
            }
            return Ok(());
        }
        let hashes = layout.leaf_hashes();
        let bytes = bytes[hashes.start as usize..hashes.end as usize].to_vec();
        session.handle_leaf_list(now, &[]);
        self.target.keep_leaf_list(&self.shape.root, &bytes)?;
        self.leaves = Some(bytes);
        Ok(())
    }

    /// The staged image.
    pub fn staging(&mut self) -> Option<&Staging> {
        self.image.staging_mut().map(|staging| &*staging)
    }

    /// The root of the image.
    pub fn root(&self) -> [u8; 32] {
        self.shape.root
    }

    /// Gives the staged image up, to be finished. The journal stays on disk
    /// until the image is in place.
    pub fn into_staging(self) -> Option<Staging> {
        match self.image.into_bytes() {
            Bytes::Staged(staging) => Some(staging),
            Bytes::Memory(_) => None,
        }
    }
}
