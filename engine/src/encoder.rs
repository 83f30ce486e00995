//! The encoder thread: reads the image block by block ahead of need, computes
//! parity, and hands pre-encoded trains to the lanes.
//!
//! It works on one first transmission and one repair at a time, each at most
//! one block; what is encoded waits in trains of a bounded pool. A block that
//! needs repair after its trains are gone is read and encoded again.

use crate::image::ImageError;
use crate::nap::Nap;
use crate::shared::Shared;
use crate::source::Source;
use crate::surplus::{SURPLUS_SYMBOLS, Surplus};
use crate::train::{TrainBuffer, TrainPool};
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use linecast_fec::{Codec, Encoder as Fec, FecError};
use linecast_protocol::geometry::ObjectLayout;
use linecast_protocol::limits::PARITY_MAX;
use linecast_protocol::offer::{LEAVES_TOI, SessionShape};
use linecast_protocol::send::{Order, RepairOrder};
use linecast_protocol::wire::{DATA_HEADER_BYTES, DataHeader, Fti, PayloadId, SenderWord};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// First sleep while the lanes' queues are full: sixteen trains take longer on
/// the fastest path.
const QUEUES_FULL_MIN: Duration = Duration::from_micros(80);

/// A train for a lane.
#[derive(Debug)]
pub(crate) struct Work {
    /// Packets of one block.
    pub train: TrainBuffer,
    /// Set on the last train of an order: what its departure means.
    pub ends: Option<Sent>,
}

/// Everything of one order has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Object.
    pub toi: u16,
    /// Block.
    pub sbn: u32,
    /// One past the last parity index that left.
    pub parity_end: u16,
    /// Whether it was the first transmission of the block.
    pub first: bool,
    /// Source symbols, parity symbols sent with them, and repair symbols.
    pub symbols: Symbols,
}

/// Symbols of the image by what they were sent for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Symbols {
    /// Source symbols of first transmissions.
    pub source: u64,
    /// Parity symbols of first transmissions.
    pub parity: u64,
    /// Symbols of repairs.
    pub repair: u64,
}

/// Why the encoder cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    /// The image cannot be read, or is no longer the one that was hashed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The erasure code refused its input.
    #[error(transparent)]
    Fec(#[from] FecError),
}

/// The channels of one lane.
#[derive(Debug, Clone)]
pub(crate) struct LaneQueues {
    /// First transmissions.
    pub first: Sender<Work>,
    /// Repairs.
    pub repair: Sender<Work>,
}

/// What every packet header of the session has in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderFields {
    /// NORM source id.
    pub source_id: u32,
    /// NORM instance id.
    pub instance_id: u16,
    /// FEC instance id of the codec.
    pub fec_instance: u16,
    /// Ceiling of parity symbols a block.
    pub num_parity: u16,
}

impl HeaderFields {
    /// The header of one packet; a lane fills in sequence, flags, GRTT and
    /// group size when it leaves.
    pub(crate) fn data(&self, shape: &SessionShape, toi: u16, id: PayloadId) -> DataHeader {
        let layout = shape.layout(toi);
        DataHeader {
            sequence: 0,
            source_id: self.source_id,
            sender: SenderWord {
                instance_id: self.instance_id,
                grtt: 0,
                backoff: 0,
                gsize: 0,
            },
            flags: 0,
            toi,
            id,
            fti: layout.map(|layout| Fti {
                object_size: layout.size(),
                fec_instance: self.fec_instance,
                symbol_bytes: layout.symbol_bytes(),
                max_block_len: layout.block_len_max(),
                num_parity: self.num_parity,
            }),
        }
    }
}

/// The state of the encoder thread.
#[derive(Debug)]
pub(crate) struct Encoder {
    source: Source,
    shape: SessionShape,
    header: HeaderFields,
    image_fec: Fec,
    leaves_fec: Option<Fec>,
    pool: TrainPool,
    shared: Arc<Shared>,
    orders: Receiver<Order>,
    lanes: Vec<LaneQueues>,
    passes: VecDeque<(u16, Range<u32>)>,
    /// Orders, and whether somebody asked for them.
    repairs: VecDeque<(RepairOrder, bool)>,
    block: Vec<u8>,
    surplus: Surplus,
}

impl Encoder {
    /// An encoder that takes `orders` and serves `lanes`.
    ///
    /// # Errors
    /// The erasure code refuses the symbol size.
    pub(crate) fn new(
        source: Source,
        header: HeaderFields,
        pool: TrainPool,
        shared: Arc<Shared>,
        orders: Receiver<Order>,
        lanes: Vec<LaneQueues>,
    ) -> Result<Encoder, FecError> {
        let shape = *source.shape();
        let image_fec = fec(&shape.image)?;
        let leaves_fec = shape.leaves.as_ref().map(fec).transpose()?;
        Ok(Encoder {
            image_fec,
            leaves_fec,
            source,
            shape,
            header,
            pool,
            shared,
            orders,
            lanes,
            passes: VecDeque::new(),
            repairs: VecDeque::new(),
            block: Vec::new(),
            surplus: Surplus::default(),
        })
    }

    /// Runs until it is stopped or the session hangs up.
    ///
    /// # Errors
    /// The image changed or cannot be read; the session must end.
    pub(crate) fn run(mut self) -> Result<(), EncodeError> {
        let (mut first, mut repair) = (Batch::default(), Batch::default());
        let mut nap = Nap::new(QUEUES_FULL_MIN);
        while !self.shared.is_stopped() {
            loop {
                match self.orders.try_recv() {
                    Ok(order) => self.take(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            if repair.is_empty()
                && let Some((order, asked)) = self.repairs.pop_front()
            {
                repair = self.encode_repair(order, asked)?;
            }
            if first.is_empty()
                && let Some((toi, sbn)) = self.next_first()
            {
                first = self.encode_first(toi, sbn)?;
            }
            let pushed = [
                first.push(|lane| &self.lanes[lane].first),
                repair.push(|lane| &self.lanes[lane].repair),
            ];
            match pushed {
                [false, false] => nap.sleep(),
                _ => nap.over(),
            }
        }
        Ok(())
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::FirstPass { toi, blocks } => self.passes.push_back((toi, blocks)),
            Order::Repair(order) => self.repairs.push_back((order, true)),
            Order::Parity(order) => self.repairs.push_back((order, false)),
        }
    }

    fn next_first(&mut self) -> Option<(u16, u32)> {
        loop {
            let (toi, blocks) = self.passes.front_mut()?;
            if let Some(sbn) = blocks.next() {
                return Some((*toi, sbn));
            }
            self.passes.pop_front();
        }
    }

    fn encode_first(&mut self, toi: u16, sbn: u32) -> Result<Batch, EncodeError> {
        let Some(len) = self.shape.layout(toi).map(|layout| layout.block_len(sbn)) else {
            return Ok(Batch::default());
        };
        let parity = self.shared.loss().parity_of(toi, len);
        let mut batch = self.encode(toi, sbn, 0..len)?;
        batch.append(self.encode(toi, sbn, len..len + parity)?);
        let counted = toi == linecast_protocol::offer::IMAGE_TOI;
        let symbols = Symbols {
            source: if counted { len.into() } else { 0 },
            parity: if counted { parity.into() } else { 0 },
            repair: 0,
        };
        batch.end_with(Sent {
            toi,
            sbn,
            parity_end: parity,
            first: true,
            symbols,
        });
        Ok(batch)
    }

    fn encode_repair(&mut self, order: RepairOrder, asked: bool) -> Result<Batch, EncodeError> {
        let RepairOrder {
            toi,
            sbn,
            first,
            count,
        } = order;
        let Some(len) = self.shape.layout(toi).map(|layout| layout.block_len(sbn)) else {
            return Ok(Batch::default());
        };
        let end = first + count;
        let mut batch = Batch::default();
        if first < len {
            batch.append(self.encode(toi, sbn, first..end.min(len))?);
        }
        if end > len {
            batch.append(self.encode(toi, sbn, first.max(len)..end)?);
        }
        let counted = toi == linecast_protocol::offer::IMAGE_TOI;
        let mut symbols = Symbols::default();
        if counted {
            let kind = if asked {
                &mut symbols.repair
            } else {
                &mut symbols.parity
            };
            *kind = count.into();
        }
        batch.end_with(Sent {
            toi,
            sbn,
            parity_end: end.saturating_sub(len),
            first: false,
            symbols,
        });
        Ok(batch)
    }

    /// Trains with symbols `esis` of a block: all sources, or all parity.
    fn encode(&mut self, toi: u16, sbn: u32, esis: Range<u16>) -> Result<Batch, EncodeError> {
        let Some(layout) = self.shape.layout(toi).copied() else {
            return Ok(Batch::default());
        };
        if esis.is_empty() {
            return Ok(Batch::default());
        }
        let mut filler = Filler {
            pool: &self.pool,
            fields: self.header,
            shape: self.shape,
            layout,
            toi,
            sbn,
            batch: Batch::default(),
        };
        let len = layout.block_len(sbn);
        if esis.start < len {
            filler.read(&self.source, esis)?;
        } else {
            let width = usize::from(layout.symbol_bytes());
            let parity = esis.start - len..esis.end - len;
            if let Some(kept) = self.surplus.find(toi, sbn, parity.clone(), width) {
                for (esi, symbol) in esis.zip(kept.chunks(width)) {
                    filler.push(esi, symbol);
                }
            } else {
                self.source.read_block(toi, sbn, &mut self.block)?;
                let fec = match &mut self.leaves_fec {
                    Some(fec) if toi == LEAVES_TOI => fec,
                    _ => &mut self.image_fec,
                };
                let kept = filler.compute(fec, &self.block, parity.clone())?;
                self.surplus.keep(toi, sbn, parity.end, kept);
            }
        }
        filler.batch.lane = Some(self.shape.lane(toi, sbn));
        Ok(filler.batch)
    }
}

/// The erasure code of an object; of one without blocks, of blocks of one
/// symbol.
fn fec(layout: &ObjectLayout) -> Result<Fec, FecError> {
    let block_len_max = layout.block_len_max().max(1);
    Fec::new(
        Codec::Gf16Low,
        layout.symbol_bytes().into(),
        block_len_max.into(),
    )
}

/// Fills trains with packets of one block.
struct Filler<'a> {
    pool: &'a TrainPool,
    fields: HeaderFields,
    shape: SessionShape,
    layout: ObjectLayout,
    toi: u16,
    sbn: u32,
    batch: Batch,
}

impl Filler<'_> {
    /// Reads sources straight into the places that they leave from.
    fn read(&mut self, source: &Source, mut esis: Range<u16>) -> Result<(), ImageError> {
        while !esis.is_empty() {
            let mut train = self.pool.get();
            let first = esis.start;
            while !esis.is_empty() && !train.is_full() {
                let esi = esis.start;
                self.slot(&mut train, esi, self.layout.symbol_len(self.sbn, esi));
                esis.start += 1;
            }
            let mut payloads: Vec<IoSliceMut<'_>> = train
                .payloads_mut(DATA_HEADER_BYTES)
                .map(IoSliceMut::new)
                .collect();
            let symbol = self.layout.first_symbol(self.sbn) + u64::from(first);
            let offset = symbol * u64::from(self.layout.symbol_bytes());
            source.read_scattered(self.toi, offset, &mut payloads)?;
            self.batch.trains.push_back(train);
        }
        Ok(())
    }

    /// Computes `parity` of the block and some beyond it, which is given back.
    fn compute(
        &mut self,
        fec: &mut Fec,
        block: &[u8],
        parity: Range<u16>,
    ) -> Result<Vec<u8>, FecError> {
        let len = self.layout.block_len(self.sbn);
        let width = usize::from(self.layout.symbol_bytes());
        let end = parity.end.saturating_add(SURPLUS_SYMBOLS).min(PARITY_MAX);
        let mut kept = Vec::with_capacity(usize::from(SURPLUS_SYMBOLS) * width);
        let range = usize::from(parity.start)..usize::from(end);
        fec.parity(block.chunks(width), range, |index, symbol| {
            if index < usize::from(parity.end) {
                self.push(len + index as u16, symbol);
            } else {
                kept.extend_from_slice(symbol);
            }
        })?;
        Ok(kept)
    }

    fn push(&mut self, esi: u16, symbol: &[u8]) {
        let mut train = match self.batch.trains.pop_back() {
            Some(train) if !train.is_full() => train,
            full => {
                self.batch.trains.extend(full);
                self.pool.get()
            }
        };
        self.slot(&mut train, esi, symbol.len())
            .copy_from_slice(symbol);
        self.batch.trains.push_back(train);
    }

    /// The next place of a train for symbol `esi`, behind its header.
    fn slot<'t>(&self, train: &'t mut TrainBuffer, esi: u16, bytes: usize) -> &'t mut [u8] {
        let id = PayloadId {
            sbn: self.sbn,
            block_len: self.layout.block_len(self.sbn),
            esi,
        };
        let slot = train.push_slot(DATA_HEADER_BYTES + bytes);
        let (head, payload) = slot.split_at_mut(DATA_HEADER_BYTES);
        if let Some(head) = head.first_chunk_mut() {
            self.fields.data(&self.shape, self.toi, id).emit(head);
        }
        payload
    }
}

/// Encoded trains of one order that wait for their lane.
#[derive(Debug, Default)]
struct Batch {
    lane: Option<usize>,
    trains: VecDeque<TrainBuffer>,
    ends: Option<Sent>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.trains.is_empty()
    }

    fn append(&mut self, other: Batch) {
        self.lane = other.lane.or(self.lane);
        self.trains.extend(other.trains);
    }

    fn end_with(&mut self, sent: Sent) {
        self.ends = Some(sent);
    }

    /// Hands over as many trains as the lane takes; whether it took any.
    fn push<'a>(&mut self, queue: impl Fn(usize) -> &'a Sender<Work>) -> bool {
        let Some(lane) = self.lane else { return false };
        let mut any = false;
        while let Some(train) = self.trains.pop_front() {
            let ends = if self.trains.is_empty() {
                self.ends
            } else {
                None
            };
            match queue(lane).try_send(Work { train, ends }) {
                Ok(()) => any = true,
                Err(refused) => {
                    self.trains.push_front(refused.into_inner().train);
                    return any;
                }
            }
        }
        self.lane = None;
        any
    }
}
