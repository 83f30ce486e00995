//! Somebody who listens to the network, knows the session and talks into it.

mod burst;
mod commands;
mod ear;
mod identity;
mod nacks;
mod session;
mod symbols;

use crate::image::{Image, Objects};
use crate::packet::{Body, Origin};
use crate::scenario::{Assault, Attack, Guise, Scenario};
use crate::sender::Feedback;
use crate::trunk::Departure;
use ear::Ear;
use linecast_protocol::offer::SessionShape;
use linecast_protocol::random::Random;
use std::net::SocketAddr;
use std::sync::Arc;

/// Packets of so long are made together.
const SLICE_NS: u64 = 2_000_000;

/// What an attacker knows of the present session.
pub(crate) struct Known<'a> {
    pub now: u64,
    pub instance_id: u16,
    pub shape: SessionShape,
    pub receivers: u32,
    pub scenario: &'a Scenario,
    pub image: &'a Option<Arc<Image>>,
}

/// What is sent together.
#[derive(Debug, Default)]
pub(crate) struct Volley {
    /// To the group.
    pub packets: Vec<Departure>,
    /// To the sender.
    pub feedback: Vec<Feedback>,
    /// Sessions that are offered, by instance id.
    pub shapes: Vec<(u16, SessionShape)>,
}

/// The attacker.
#[derive(Debug, Default)]
pub(crate) struct Attacker {
    ear: Ear,
    /// Packets made so far.
    made: u64,
    /// A session of its own.
    own: Option<Objects>,
}

impl Attacker {
    /// Hears a packet of the sender.
    pub(crate) fn overhear(&mut self, packet: &Departure) {
        self.ear.hear_packet(packet);
    }

    /// Hears a datagram of a receiver.
    pub(crate) fn overhear_feedback(&mut self, feedback: &Feedback) {
        self.ear.hear_feedback(feedback);
    }

    /// The next packets of an attack, and when those after them are made; `None`
    /// when it is over.
    pub(crate) fn act(
        &mut self,
        known: &Known<'_>,
        assault: &Assault,
        random: &mut Random,
    ) -> (Volley, Option<u64>) {
        let gap = 1_000_000_000 / u64::from(assault.per_s.max(1));
        let end = (assault.at + assault.length).as_nanos() as u64;
        let mut volley = Volley::default();
        let mut at = known.now;
        for ahead in 0..(SLICE_NS / gap).max(1) {
            if at >= end {
                return (volley, None);
            }
            self.strike(known, at, assault.attack, ahead, random, &mut volley);
            self.made += 1;
            at += gap;
        }
        (volley, (at < end).then_some(at))
    }

    /// One packet of an attack, `ahead` of what was overheard last.
    fn strike(
        &mut self,
        known: &Known<'_>,
        at: u64,
        attack: Attack,
        ahead: u64,
        random: &mut Random,
        volley: &mut Volley,
    ) {
        let own = |bytes| Feedback {
            at,
            from: own_address(),
            bytes,
        };
        match attack {
            Attack::Replay { guise } => self.replay(at, guise, random, volley),
            Attack::Lives { guise } => volley.feedback.extend(self.old_life(at, guise, random)),
            Attack::Tamper => volley.feedback.extend(self.tamper(at, random)),
            Attack::Clones { count } => {
                let machine = (self.made % u64::from(count.max(1))) as u32;
                let bytes = self.registration(known, (0, machine), machine, 0);
                volley.feedback.push(own(bytes));
            }
            Attack::Refuse { keys } => {
                let (key, node) = self.turn(keys, 1);
                let bytes = self.refusal(known, key, node);
                volley.feedback.push(own(bytes));
            }
            Attack::Register {
                keys,
                nodes,
                ranges,
            } => {
                let (key, node) = self.turn(keys, nodes);
                let bytes = self.registration(known, (key, 0), node, ranges);
                volley.feedback.push(own(bytes));
            }
            Attack::Complete { keys } => {
                let (key, node) = self.turn(keys, 1);
                let completes = self.made / u64::from(keys) % 2 == 1;
                let bytes = if completes {
                    match self.completion(known, key) {
                        Some(bytes) => bytes,
                        None => return,
                    }
                } else {
                    self.registration(known, (key, 0), node, 0)
                };
                volley.feedback.push(own(bytes));
            }
            Attack::Status {
                received,
                lost,
                guise,
            } => {
                let said = self.speak_as(known, at, guise, random, |attacker, node| {
                    Some(attacker.status(known, node, received, lost))
                });
                volley.feedback.extend(said);
            }
            Attack::Nack { ask, bytes, guise } => {
                let mut draw = random.clone();
                let said = self.speak_as(known, at, guise, random, |_, node| {
                    nacks::nack(known, node, ask, usize::from(bytes), &mut draw)
                });
                volley.feedback.extend(said);
            }
            Attack::Overheard { ask, bytes } => {
                let node = identity::device_node(known, random);
                let nack = nacks::nack(known, node, ask, usize::from(bytes), random);
                let packet = |bytes: Vec<u8>| Body::Message(bytes.into());
                let packet = nack.map(|nack| forged(at, Origin::Stranger, packet(nack)));
                volley.packets.extend(packet);
            }
            Attack::Stamp { offset_ms } if self.made % 2 == 1 => {
                volley.feedback.extend(self.stamped(at, offset_ms, random));
            }
            Attack::Takeover { guise, ends } => self.take_over(known, (at, guise), ends, volley),
            Attack::Symbols { parity } => {
                let body = self.symbol(known, parity, ahead, random);
                let packet = body.map(|body| forged(at, Origin::Sender, body));
                volley.packets.extend(packet);
            }
            Attack::Header { .. }
            | Attack::Stamp { .. }
            | Attack::Flush
            | Attack::Welcome { .. }
            | Attack::Poll
            | Attack::Advertise => {
                let body = self.command(known, at, attack, random);
                let packet = body.map(|body| forged(at, Origin::Sender, body));
                volley.packets.extend(packet);
            }
        }
    }

    fn replay(&self, at: u64, guise: Guise, random: &mut Random, volley: &mut Volley) {
        if self.made.is_multiple_of(2) {
            let Some(old) = self.ear.old_packet(random) else {
                return;
            };
            let origin = match guise {
                Guise::Own => Origin::Stranger,
                Guise::Forged => Origin::Sender,
            };
            volley.packets.push(forged(at, origin, old.body));
        } else if let Some(old) = self.ear.old_datagram(random) {
            let from = match guise {
                Guise::Own => own_address(),
                Guise::Forged => old.from,
            };
            volley.feedback.push(Feedback { at, from, ..old });
        }
    }

    /// The key and the node id whose turn it is.
    fn turn(&self, keys: u32, nodes: u32) -> (u32, u32) {
        let (keys, nodes) = (u64::from(keys.max(1)), u64::from(nodes.max(1)));
        let key = self.made % keys;
        let node = self.made / keys % nodes;
        (key as u32, (key * nodes + node) as u32)
    }
}

/// A packet to the group that the sender did not make.
fn forged(at: u64, origin: Origin, body: Body) -> Departure {
    Departure {
        origin,
        forged: true,
        ..Departure::new(at, body)
    }
}

/// What an attacker's own feedback comes from.
fn own_address() -> SocketAddr {
    SocketAddr::from(([10, 254, 0, 2], 7600))
}
