//! Where the symbols of one object are kept while it is incomplete.
//!
//! Source symbols go to their final place at once. A parity symbol that is held
//! for a block waits in the place of a source symbol that is missing: a block
//! never needs more parity than it lacks sources, so the image needs no memory
//! beyond its own file.

use crate::stage_error::StageError;
use crate::staging::Staging;
use linecast_fec::{Codec, Decoder, FecError};
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::receiver::{Blocks, Leaves};
use std::collections::HashMap;
use std::ops::Range;

/// Why a symbol could not be kept or a block not restored.
#[derive(Debug, thiserror::Error)]
pub enum SymbolError {
    /// The staging refused an offset.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The erasure code refused its input.
    #[error(transparent)]
    Fec(#[from] FecError),
}

/// The bytes of an object.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// A small object, rounded up to whole symbols.
    Memory(Vec<u8>),
    /// The image.
    Staged(Staging),
}

impl Bytes {
    /// Memory for an object of this layout.
    pub(crate) fn memory(layout: &ObjectLayout) -> Bytes {
        let bytes = layout.symbols() * u64::from(layout.symbol_bytes());
        Bytes::Memory(vec![0; bytes as usize])
    }

    /// The bytes in `range`.
    ///
    /// # Errors
    /// The range lies outside the object.
    pub(crate) fn get(&self, range: Range<u64>) -> Result<&[u8], StageError> {
        match self {
            Bytes::Staged(staging) => staging.bytes(range),
            Bytes::Memory(memory) => {
                let reserved_bytes = memory.len() as u64;
                memory.get(range.start as usize..range.end as usize).ok_or(
                    StageError::OutOfBounds {
                        start: range.start,
                        end: range.end,
                        reserved_bytes,
                    },
                )
            }
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StageError> {
        match self {
            Bytes::Staged(staging) => staging.write_at(offset, bytes),
            Bytes::Memory(memory) => {
                let reserved_bytes = memory.len() as u64;
                let (start, end) = (offset, offset + bytes.len() as u64);
                let place = memory.get_mut(start as usize..end as usize);
                let place = place.ok_or(StageError::OutOfBounds {
                    start,
                    end,
                    reserved_bytes,
                })?;
                place.copy_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// The erasure decoder of an object; of one without blocks, of blocks of one
/// symbol.
///
/// # Errors
/// The code has no such symbols or blocks.
pub(crate) fn decoder(codec: Codec, layout: &ObjectLayout) -> Result<Decoder, FecError> {
    let block_len_max = layout.block_len_max().max(1);
    Decoder::new(codec, layout.symbol_bytes().into(), block_len_max.into())
}

/// One parity symbol that waits for its block.
#[derive(Debug)]
struct Parked {
    index: u16,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// In the place of this missing source symbol.
    Hole(u16),
    /// No place of the block may be written to.
    Heap(Vec<u8>),
}

/// The symbols of one object.
#[derive(Debug)]
pub(crate) struct Symbols {
    layout: ObjectLayout,
    bytes: Bytes,
    parked: HashMap<u32, Vec<Parked>>,
}

impl Symbols {
    /// No symbols yet.
    pub(crate) fn new(layout: ObjectLayout, bytes: Bytes) -> Symbols {
        Symbols {
            layout,
            bytes,
            parked: HashMap::new(),
        }
    }

    /// The bytes of the object.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The staging, if this is the image.
    pub(crate) fn staging_mut(&mut self) -> Option<&mut Staging> {
        match &mut self.bytes {
            Bytes::Staged(staging) => Some(staging),
            Bytes::Memory(_) => None,
        }
    }

    /// Gives the bytes back.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Whether parity of block `sbn` waits in places of the block.
    pub(crate) fn is_parked_in(&self, sbn: u32) -> bool {
        !self.parked.is_empty() && self.parked.contains_key(&sbn)
    }

    fn offset(&self, sbn: u32, esi: u16) -> u64 {
        (self.layout.first_symbol(sbn) + u64::from(esi)) * u64::from(self.layout.symbol_bytes())
    }

    /// Parity that waits where source `esi` belongs moves on. Call it before
    /// the source is written, or its place is posted to the kernel.
    fn vacate(
        &mut self,
        sbn: u32,
        esi: u16,
        blocks: &Blocks,
        leaves: Option<&Leaves>,
    ) -> Result<(), StageError> {
        let Some(parked) = self.parked.get(&sbn) else {
            return Ok(());
        };
        let Some(at) = parked
            .iter()
            .position(|p| matches!(p.place, Place::Hole(hole) if hole == esi))
        else {
            return Ok(());
        };
        let width = u64::from(self.layout.symbol_bytes());
        let offset = self.offset(sbn, esi);
        let symbol = self.bytes.get(offset..offset + width)?.to_vec();
        let place = self.park(sbn, symbol, blocks, leaves)?;
        if let Some(parked) = self.parked.get_mut(&sbn) {
            parked[at].place = place;
        }
        Ok(())
    }

    fn park(
        &mut self,
        sbn: u32,
        symbol: Vec<u8>,
        blocks: &Blocks,
        leaves: Option<&Leaves>,
    ) -> Result<Place, StageError> {
        if matches!(self.bytes, Bytes::Memory(_)) {
            return Ok(Place::Heap(symbol));
        }
        let first = self.layout.first_symbol(sbn);
        let taken = self.parked.get(&sbn).map_or(&[][..], Vec::as_slice);
        let free = |esi: &u16| {
            let index = first + u64::from(*esi);
            let taken = taken
                .iter()
                .any(|p| matches!(p.place, Place::Hole(hole) if hole == *esi));
            !taken && !blocks.holds(index) && !touches_verified(leaves, index)
        };
        // From the back: first transmissions fill a block from the front.
        match (0..self.layout.block_len(sbn)).rev().find(free) {
            Some(hole) => match self.bytes.write(self.offset(sbn, hole), &symbol) {
                Err(StageError::Lent { .. }) => Ok(Place::Heap(symbol)),
                written => written.map(|()| Place::Hole(hole)),
            },
            None => Ok(Place::Heap(symbol)),
        }
    }

    /// Keeps source symbol `esi` of block `sbn`, except for bytes of leaves
    /// that are verified already.
    ///
    /// # Errors
    /// The object has no such place.
    pub(crate) fn keep_source(
        &mut self,
        sbn: u32,
        esi: u16,
        symbol: &[u8],
        blocks: &Blocks,
        leaves: Option<&Leaves>,
    ) -> Result<(), StageError> {
        if !self.parked.is_empty() {
            self.vacate(sbn, esi, blocks, leaves)?;
        }
        let offset = self.offset(sbn, esi);
        self.write_unverified(
            offset,
            symbol,
            self.layout.first_symbol(sbn) + u64::from(esi),
            leaves,
        )
    }

    /// Writes source `esi` of block `sbn`, which is held, anew if it differs; whether
    /// it did. What is lent to be hashed stays as it is.
    ///
    /// # Errors
    /// The object has no such place.
    pub(crate) fn replace_source(
        &mut self,
        sbn: u32,
        esi: u16,
        symbol: &[u8],
    ) -> Result<bool, StageError> {
        let offset = self.offset(sbn, esi);
        let range = offset..offset + symbol.len() as u64;
        if self.bytes.get(range)? == symbol {
            return Ok(false);
        }
        match self.bytes.write(offset, symbol) {
            Err(StageError::Lent { .. }) => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn write_unverified(
        &mut self,
        offset: u64,
        symbol: &[u8],
        index: u64,
        leaves: Option<&Leaves>,
    ) -> Result<(), StageError> {
        let Some(leaves) = leaves.filter(|_| touches_verified(leaves, index)) else {
            return self.write_unless_lent(offset, symbol);
        };
        for range in leaves.unverified(index) {
            let part = (range.start - offset) as usize..(range.end - offset) as usize;
            self.write_unless_lent(range.start, &symbol[part])?;
        }
        Ok(())
    }

    /// A neighbour that did not match may have opened what is being hashed or decoded
    /// now. That stays as it is: if it is wrong its leaf does not match, and is fetched
    /// again.
    fn write_unless_lent(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StageError> {
        match self.bytes.write(offset, bytes) {
            Err(StageError::Lent { .. }) => Ok(()),
            written => written,
        }
    }

    /// Keeps parity symbol `index` of block `sbn` until the block can be
    /// restored.
    ///
    /// # Errors
    /// The object has no such block.
    pub(crate) fn keep_parity(
        &mut self,
        sbn: u32,
        index: u16,
        symbol: &[u8],
        blocks: &Blocks,
        leaves: Option<&Leaves>,
    ) -> Result<(), StageError> {
        let place = self.park(sbn, symbol.to_vec(), blocks, leaves)?;
        self.parked
            .entry(sbn)
            .or_default()
            .push(Parked { index, place });
        Ok(())
    }

    /// The block is complete, or its parity is not trusted any more.
    pub(crate) fn drop_parity(&mut self, sbn: u32) {
        if !self.parked.is_empty() {
            self.parked.remove(&sbn);
        }
    }

    /// What it takes to restore block `sbn`, whose parity is not kept here any
    /// longer.
    pub(crate) fn restoration(&mut self, sbn: u32, blocks: &Blocks) -> Restoration {
        let (layout, first) = (&self.layout, self.layout.first_symbol(sbn));
        let esis = 0..layout.block_len(sbn);
        let bytes_of = |esi| layout.symbol_len(sbn, esi);
        Restoration {
            sbn,
            symbol_bytes: layout.symbol_bytes().into(),
            sources: esis
                .map(|esi| blocks.holds(first + u64::from(esi)).then(|| bytes_of(esi)))
                .collect(),
            parity: self.parked.remove(&sbn).unwrap_or_default(),
        }
    }

    /// Restores the missing sources of block `sbn` on this thread.
    ///
    /// # Errors
    /// The erasure code refuses the symbols.
    pub(crate) fn restore(
        &mut self,
        sbn: u32,
        decoder: &mut Decoder,
        blocks: &Blocks,
    ) -> Result<(), SymbolError> {
        let restoration = self.restoration(sbn, blocks);
        let block = self.bytes.get(self.places_of(sbn))?;
        let restored = restoration.run(block, decoder)?;
        self.keep_restored(sbn, &restored, None)?;
        Ok(())
    }

    /// Where the sources of block `sbn` are, the last with a full place.
    pub(crate) fn places_of(&self, sbn: u32) -> Range<u64> {
        self.offset(sbn, 0)..self.offset(sbn, self.layout.block_len(sbn))
    }

    /// Keeps the sources of block `sbn` that were restored.
    ///
    /// # Errors
    /// The object has no such places.
    pub(crate) fn keep_restored(
        &mut self,
        sbn: u32,
        restored: &Restored,
        leaves: Option<&Leaves>,
    ) -> Result<(), StageError> {
        for (esi, symbol) in restored {
            let bytes = self.layout.symbol_len(sbn, *esi);
            let index = self.layout.first_symbol(sbn) + u64::from(*esi);
            self.write_unverified(self.offset(sbn, *esi), &symbol[..bytes], index, leaves)?;
        }
        Ok(())
    }
}

/// Source symbols by their number in the block.
pub(crate) type Restored = Vec<(u16, Vec<u8>)>;

/// What restoring a block takes beside its bytes, for any thread.
#[derive(Debug)]
pub(crate) struct Restoration {
    /// The block.
    pub(crate) sbn: u32,
    symbol_bytes: usize,
    /// Bytes of each source; `None`: it is missing.
    sources: Vec<Option<usize>>,
    parity: Vec<Parked>,
}

impl Restoration {
    /// The missing sources. `block` is what there is at [`Symbols::places_of`].
    ///
    /// # Errors
    /// The erasure code refuses the symbols.
    pub(crate) fn run(&self, block: &[u8], decoder: &mut Decoder) -> Result<Restored, FecError> {
        let place = |esi: usize| &block[esi * self.symbol_bytes..][..self.symbol_bytes];
        let sources = self.sources.iter().enumerate();
        let held = sources.filter_map(|(esi, bytes)| Some((esi, &place(esi)[..(*bytes)?])));
        let parity = self.parity.iter().map(|parked| {
            let symbol = match &parked.place {
                Place::Hole(esi) => place((*esi).into()),
                Place::Heap(symbol) => symbol,
            };
            (usize::from(parked.index), symbol)
        });
        let mut restored = Vec::new();
        decoder.restore(self.sources.len(), held, parity, |esi, symbol| {
            restored.push((esi as u16, symbol.to_vec()));
        })?;
        Ok(restored)
    }
}

/// Whether symbol `index` holds bytes of a leaf that was verified.
pub(crate) fn touches_verified(leaves: Option<&Leaves>, index: u64) -> bool {
    leaves.is_some_and(|leaves| {
        leaves
            .touched_by(index)
            .any(|leaf| leaves.is_verified(leaf))
    })
}
