//! The way from the sender to the last branch before the receivers: a possible
//! bottleneck, the losses that many share, and the packets that are on their
//! way.

use crate::draw::stream;
use crate::link::Link;
use crate::loss::LossProcess;
use crate::packet::{Body, Origin, Packet};
use crate::scenario::{Drop, Scenario};
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::wire::{DATA_HEADER_BYTES, flag};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

/// A packet as its origin sends it.
#[derive(Debug, Clone)]
pub(crate) struct Departure {
    pub at: u64,
    pub origin: Origin,
    /// Who gets it; `None` is the group.
    pub to: Option<SocketAddr>,
    pub ordinal: u32,
    /// Whether somebody else than the sender made it.
    pub forged: bool,
    pub body: Body,
}

impl Departure {
    /// A packet of the sender to the group.
    pub(crate) fn new(at: u64, body: Body) -> Departure {
        Departure {
            at,
            origin: Origin::Sender,
            to: None,
            ordinal: 0,
            forged: false,
            body,
        }
    }
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
    pub bottleneck: Option<Link>,
    drops: BTreeSet<(u32, u16)>,
    air: VecDeque<Packet>,
    first: u64,
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
            bottleneck: network.bottleneck.map(Link::new),
            drops: shared.map(|&Drop { sbn, esi, .. }| (sbn, esi)).collect(),
            air: VecDeque::new(),
            first: 0,
        }
    }

    /// Takes a packet from its origin; packets come in the order of time.
    pub(crate) fn carry(&mut self, departure: Departure) {
        let Departure {
            at,
            origin,
            to,
            ordinal,
            body,
            ..
        } = departure;
        let passed = match &mut self.bottleneck {
            Some(link) => link.pass(at, body.bytes()),
            None => Some(at),
        };
        let Some(at) = passed else { return };
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
            to,
            lost_in,
            ordinal,
            body,
        });
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
