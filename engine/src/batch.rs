//! The trains of one order: filled packet by packet, then handed to their lane.

use crate::encoder::{HeaderFields, Sent, Work};
use crate::image::ImageError;
use crate::source::Source;
use crate::train::{TrainBuffer, TrainPool};
use crossbeam_channel::Sender;
use linecast_protocol::geometry::ObjectLayout;
use linecast_protocol::wire::{DATA_HEADER_BYTES, PayloadId};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::ops::Range;

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
    /// Reads sources straight into the places that they leave from.
    pub(crate) fn read(&mut self, source: &Source, mut esis: Range<u16>) -> Result<(), ImageError> {
        while !esis.is_empty() {
            let mut train = self.trains.take();
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

    /// The symbols of all trains.
    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        let trains = self.batch.trains.iter();
        let payloads = trains.flat_map(|train| train.payloads(DATA_HEADER_BYTES));
        payloads.collect()
    }

    /// Puts parity symbols from index `first` on, back to back, behind the others.
    pub(crate) fn push_parity(&mut self, first: u16, symbols: &[u8]) {
        let first = self.layout.block_len(self.sbn) + first;
        let symbols = symbols.chunks(self.layout.symbol_bytes().into());
        (first..)
            .zip(symbols)
            .for_each(|(esi, symbol)| self.push(esi, symbol));
    }

    fn push(&mut self, esi: u16, symbol: &[u8]) {
        let mut train = match self.batch.trains.pop_back() {
            Some(train) if !train.is_full() => train,
            full => {
                self.batch.trains.extend(full);
                self.trains.take()
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
            self.fields.data(&self.layout, self.toi, id).emit(head);
        }
        payload
    }
}

/// Encoded trains of one order that wait for their lane.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    lane: usize,
    trains: VecDeque<TrainBuffer>,
    ends: Option<Sent>,
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
