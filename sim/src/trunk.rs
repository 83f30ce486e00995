//! The way from the sender to the last branch before the receivers: a possible
//! bottleneck, the losses that many share, and the packets that are on their
//! way.

use crate::draw::stream;
use crate::loss::LossProcess;
use crate::packet::{Body, Origin, Packet};
use crate::scenario::{Bottleneck, Drop, Scenario};
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::pacer::l2_bytes;
use linecast_protocol::wire::{DATA_HEADER_BYTES, flag};
use std::collections::{BTreeSet, VecDeque};

/// A packet as its origin sends it.
#[derive(Debug, Clone)]
pub(crate) struct Departure {
    pub at: u64,
    pub origin: Origin,
    pub ordinal: u32,
    pub body: Body,
}

impl Body {
    /// Bytes of UDP payload.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Body::Data { len, .. } => DATA_HEADER_BYTES + usize::from(*len),
            Body::Message(bytes) => bytes.len(),
        }
    }

    /// The first transmission of this image symbol, if it is one.
    pub(crate) fn first_source(&self) -> Option<(u32, u16)> {
        match self {
            Body::Data { header, .. }
                if header.toi == IMAGE_TOI
                    && header.flags & flag::REPAIR == 0
                    && header.id.is_source() =>
            {
                Some((header.id.sbn, header.id.esi))
            }
            _ => None,
        }
    }
}

/// Packets on their way, oldest first, numbered from the start of the run.
#[derive(Debug)]
pub(crate) struct Trunk {
    loss: LossProcess,
    subtrees: Vec<LossProcess>,
    bottleneck: Option<Bottleneck>,
    free_at: u64,
    drops: BTreeSet<(u32, u16)>,
    air: VecDeque<Packet>,
    first: u64,
    pub queue_bytes_max: u64,
}

impl Trunk {
    pub(crate) fn new(scenario: &Scenario) -> Trunk {
        let network = &scenario.network;
        let subtree =
            |n: u64| LossProcess::new(network.subtree_loss, stream(scenario.seed, 2_000 + n));
        let shared = network.drops.iter().filter(|drop| drop.receiver.is_none());
        Trunk {
            loss: LossProcess::new(network.trunk_loss, stream(scenario.seed, 1_999)),
            subtrees: (0..network.subtrees.into()).map(subtree).collect(),
            bottleneck: network.bottleneck,
            free_at: 0,
            drops: shared.map(|&Drop { sbn, esi, .. }| (sbn, esi)).collect(),
            air: VecDeque::new(),
            first: 0,
            queue_bytes_max: 0,
        }
    }

    /// Takes a packet from its origin; packets come in the order of time.
    pub(crate) fn carry(&mut self, departure: Departure) {
        let Departure {
            at,
            origin,
            ordinal,
            body,
        } = departure;
        let Some(at) = self.queue(at, body.bytes()) else {
            return;
        };
        let dropped = !self.drops.is_empty()
            && body
                .first_source()
                .is_some_and(|symbol| self.drops.remove(&symbol));
        if self.loss.next() || dropped {
            return;
        }
        let mut lost_in = 0;
        for (n, subtree) in self.subtrees.iter_mut().enumerate() {
            lost_in |= u64::from(subtree.next()) << n;
        }
        self.air.push_back(Packet {
            at,
            origin,
            lost_in,
            ordinal,
            body,
        });
    }

    /// When a packet leaves the bottleneck; `None` if its queue is full.
    fn queue(&mut self, at: u64, bytes: usize) -> Option<u64> {
        let Some(Bottleneck {
            rate_bps,
            queue_bytes,
        }) = self.bottleneck
        else {
            return Some(at);
        };
        let bytes = l2_bytes(bytes, false) as u64;
        let waiting_ns = self.free_at.saturating_sub(at);
        let waiting = (u128::from(waiting_ns) * u128::from(rate_bps) / 8_000_000_000) as u64;
        if waiting + bytes > queue_bytes {
            return None;
        }
        self.queue_bytes_max = self.queue_bytes_max.max(waiting + bytes);
        let tx_ns = (u128::from(bytes) * 8_000_000_000 / u128::from(rate_bps)) as u64;
        self.free_at = self.free_at.max(at) + tx_ns;
        Some(self.free_at)
    }

    /// Packet number `n`, if it has left.
    #[inline]
    pub(crate) fn packet(&self, n: u64) -> Option<&Packet> {
        self.air.get((n - self.first) as usize)
    }

    /// The number that the next packet will have.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.air.len() as u64
    }

    /// Lets go of packets before number `n`.
    pub(crate) fn forget_before(&mut self, n: u64) {
        let gone = (n - self.first) as usize;
        self.air.drain(..gone.min(self.air.len()));
        self.first = n;
    }
}
