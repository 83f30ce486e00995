//! The trains of one order: filled packet by packet, then handed to their lane.

use crate::encoder::{HeaderFields, Sent, Work};
use crate::train::{TrainBuffer, TrainPool};
use crossbeam_channel::Sender;
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::wire::{DATA_HEADER_BYTES, DataHeader, PayloadId};
use std::collections::VecDeque;

/// Fills trains with packets of one block.
pub(crate) struct Filler<'a> {
    pub trains: &'a mut TrainPool,
    pub fields: HeaderFields,
    pub layout: ObjectLayout,
    pub toi: u16,
    pub sbn: u32,
    pub batch: Batch,
}

impl Filler<'_> {
    /// Puts symbols from `first` on, which lie back to back, behind the others,
    /// each behind its header. Only the last may be short.
    pub(crate) fn push(&mut self, first: u16, symbols: &[u8]) {
        let symbols = symbols.chunks(self.layout.symbol_bytes().into());
        for (esi, symbol) in (first..).zip(symbols) {
            let mut train = match self.batch.trains.pop_back() {
                Some(train) if !train.is_full() => train,
                full => {
                    self.batch.trains.extend(full);
                    self.trains.take()
                }
            };
            let slot = train.push_slot(DATA_HEADER_BYTES + symbol.len());
            let (head, payload) = slot.split_at_mut(DATA_HEADER_BYTES);
            if let Some(head) = head.first_chunk_mut() {
                self.header(esi).emit(head);
            }
            payload.copy_from_slice(symbol);
            self.batch.trains.push_back(train);
        }
    }

    fn header(&self, esi: u16) -> DataHeader {
        let id = PayloadId {
            sbn: self.sbn,
            block_len: self.layout.block_len(self.sbn),
            esi,
        };
        self.fields.data(&self.layout, self.toi, id)
    }
}

/// Encoded trains of one order that wait for their lane.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    lane: usize,
    trains: VecDeque<TrainBuffer>,
    ends: Option<Sent>,
}

#[cfg(test)]
impl Batch {
    /// The packets of all trains.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        let trains = self.trains.iter();
        trains.flat_map(|train| (0..train.len_packets()).map(|packet| train.slot(packet)))
    }
}

impl Batch {
    /// Nothing yet, for this lane.
    pub(crate) fn new(lane: usize) -> Batch {
        Batch {
            lane,
            ..Batch::default()
        }
    }

    /// Whether no train is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.trains.is_empty()
    }

    /// What the departure of the last train means.
    pub(crate) fn end_with(&mut self, sent: Sent) {
        self.ends = Some(sent);
    }

    /// Hands over as many trains as the lane takes; whether it took any.
    pub(crate) fn push<'a>(&mut self, queue: impl Fn(usize) -> &'a Sender<Work>) -> bool {
        let mut any = false;
        while let Some(train) = self.trains.pop_front() {
            let ends = if self.trains.is_empty() {
                self.ends
            } else {
                None
            };
            match queue(self.lane).try_send(Work { train, ends }) {
                Ok(()) => any = true,
                Err(refused) => {
                    self.trains.push_front(refused.into_inner().train);
                    return any;
                }
            }
        }
        any
    }
}
