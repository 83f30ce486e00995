//! The encoder thread: reads the image block by block ahead of need, computes
//! parity, and hands pre-encoded trains to the lanes.
//!
//! It works on one first transmission and one repair at a time, each at most
//! one block; what is encoded waits in trains of a bounded pool. A block that
//! needs repair after its trains are gone is read and encoded again.

use crate::batch::{Batch, Filler};
use crate::image::ImageError;
use crate::nap::Nap;
use crate::shared::Shared;
use crate::source::Source;
use crate::surplus::{Surplus, surplus_symbols};
use crate::train::{TrainBuffer, TrainPool};
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use linecast_fec::{Codec, Encoder as Fec, FecError};
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::offer::{IMAGE_TOI, LEAVES_TOI, SessionShape};
use linecast_protocol::sender::{Order, RepairOrder};
use linecast_protocol::wire::{DataHeader, Fti, PayloadId, SenderWord};
use std::collections::VecDeque;
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
    /// The erasure code.
    pub codec: Codec,
}

impl HeaderFields {
    /// The header of one packet; a lane fills in sequence, flags, GRTT and
    /// group size when it leaves.
    pub(crate) fn data(&self, layout: &ObjectLayout, toi: u16, id: PayloadId) -> DataHeader {
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
            fti: Some(Fti {
                object_size: layout.size(),
                fec_instance: self.codec.fec_instance(),
                symbol_bytes: layout.symbol_bytes(),
                max_block_len: layout.block_len_max(),
                num_parity: layout.parity_max(),
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
    trains: TrainPool,
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
        trains: TrainPool,
        shared: Arc<Shared>,
        orders: Receiver<Order>,
        lanes: Vec<LaneQueues>,
    ) -> Result<Encoder, FecError> {
        let shape = *source.shape();
        let fec = |layout| fec(header.codec, layout);
        let image_fec = fec(&shape.image)?;
        let leaves_fec = shape.leaves.as_ref().map(fec).transpose()?;
        Ok(Encoder {
            image_fec,
            leaves_fec,
            source,
            shape,
            header,
            trains,
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
        let Some(layout) = self.shape.layout(toi).copied() else {
            return Ok(Batch::default());
        };
        let len = layout.block_len(sbn);
        let parity = self.shared.loss().parity_of(toi, &layout, sbn);
        let mut batch = self.encode(&layout, toi, sbn, 0..len + parity)?;
        let mut symbols = Symbols::default();
        if toi == IMAGE_TOI {
            symbols.source = len.into();
            symbols.parity = parity.into();
        }
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
        let Some(layout) = self.shape.layout(toi).copied() else {
            return Ok(Batch::default());
        };
        let end = first + count;
        let mut batch = self.encode(&layout, toi, sbn, first..end)?;
        let mut symbols = Symbols::default();
        match asked {
            _ if toi != IMAGE_TOI => {}
            true => symbols.repair = count.into(),
            false => symbols.parity = count.into(),
        }
        batch.end_with(Sent {
            toi,
            sbn,
            parity_end: end.saturating_sub(layout.block_len(sbn)),
            first: false,
            symbols,
        });
        Ok(batch)
    }

    /// Trains with symbols `esis` of a block. What they need of it is read at
    /// once and is still in the cache when it is put into trains: reading
    /// straight into them, symbol by symbol, is slower.
    fn encode(
        &mut self,
        layout: &ObjectLayout,
        toi: u16,
        sbn: u32,
        esis: Range<u16>,
    ) -> Result<Batch, EncodeError> {
        let mut filler = Filler {
            trains: &mut self.trains,
            fields: self.header,
            layout: *layout,
            toi,
            sbn,
            batch: Batch::new(self.shape.lane(toi, sbn)),
        };
        let len = layout.block_len(sbn);
        let sources = esis.start.min(len)..esis.end.min(len);
        let parity = esis.start.max(len) - len..esis.end.max(len) - len;
        let width = usize::from(layout.symbol_bytes());
        let kept = self.surplus.find(toi, sbn, parity.clone(), width);
        let needed = match kept {
            None if !parity.is_empty() => 0..len,
            _ => sources.clone(),
        };
        let read = layout.source_range(sbn, needed);
        if !read.is_empty() {
            self.source.read(toi, read.clone(), &mut self.block)?;
        }
        let sent = layout.source_range(sbn, sources.clone());
        let [from, to] = [sent.start, sent.end].map(|offset| (offset - read.start) as usize);
        filler.push(sources.start, &self.block[from..to]);
        if let Some(kept) = kept {
            filler.push(len + parity.start, kept);
        } else if !parity.is_empty() {
            let fec = match &mut self.leaves_fec {
                Some(fec) if toi == LEAVES_TOI => fec,
                _ => &mut self.image_fec,
            };
            let surplus = surplus_symbols(fec.codec(), parity.len() as u16);
            let end = (parity.end + surplus).min(layout.parity_max());
            let mut symbols = Vec::with_capacity(usize::from(end - parity.start) * width);
            let range = parity.start.into()..end.into();
            fec.parity(self.block.chunks(width), range, |_, symbol: &[u8]| {
                symbols.extend_from_slice(symbol);
            })?;
            let kept = symbols.split_off(parity.len() * width);
            filler.push(len + parity.start, &symbols);
            self.surplus.keep(toi, sbn, parity.end, kept);
        }
        Ok(filler.batch)
    }
}

/// The erasure code of an object; of one without blocks, of blocks of one
/// symbol.
fn fec(codec: Codec, layout: &ObjectLayout) -> Result<Fec, FecError> {
    let block_len_max = layout.block_len_max().max(1);
    Fec::new(codec, layout.symbol_bytes().into(), block_len_max.into())
}

#[cfg(test)]
mod tests;
