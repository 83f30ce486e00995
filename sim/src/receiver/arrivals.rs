//! Which packets come to a receiver, and when.

use super::{Arrived, Power, ReceiverNode, Surroundings};
use crate::draw::{below, chance};
use crate::packet::Packet;
use crate::scenario::{Direction, Scenario, Scope};
use std::cmp::Reverse;

impl ReceiverNode {
    /// The next packet that reaches the process before `end`.
    pub(super) fn arrive(&mut self, end: u64, around: &Surroundings<'_>) -> Option<(u64, Arrived)> {
        let network = &around.scenario.network;
        let straight =
            network.jitter.is_zero() && network.reorder == 0.0 && network.duplicate == 0.0;
        loop {
            let (arrival, number) = if straight {
                let packet = around.trunk.packet(self.cursor)?;
                let arrival = packet.at + self.way_ns;
                if arrival >= end {
                    return None;
                }
                self.cursor += 1;
                if !self.is_for_me(packet) || self.is_lost(packet, arrival, around) {
                    continue;
                }
                (arrival, self.cursor - 1)
            } else {
                self.scatter(end, around);
                let Reverse(first) = *self.late.peek()?;
                if first.0 >= end {
                    return None;
                }
                self.late.pop();
                first
            };
            let Some(arrival) = self.pass_port(arrival, number, around) else {
                continue;
            };
            if self.power != Power::Up {
                continue;
            }
            if let Some(at) = self.socket.accept(arrival) {
                let altered = self.alter(number, around);
                return Some((at, Arrived { number, altered }));
            }
        }
    }

    /// Whether a packet comes this way at all.
    fn is_for_me(&self, packet: &Packet) -> bool {
        packet.to.is_none_or(|to| to == self.address)
    }

    /// When a packet has passed the slow port, if there is one and it has room.
    fn pass_port(&mut self, arrival: u64, number: u64, around: &Surroundings<'_>) -> Option<u64> {
        match &mut self.port {
            Some(port) => port.pass(arrival, around.trunk.packet(number)?.body.bytes()),
            None => Some(arrival),
        }
    }

    /// Draws the arrivals of the packets that left before `end`, in a network
    /// that delays each by something else.
    pub(super) fn scatter(&mut self, end: u64, around: &Surroundings<'_>) {
        let network = &around.scenario.network;
        while let Some(packet) = around.trunk.packet(self.cursor)
            && packet.at + self.way_ns < end
        {
            let arrival = packet.at + self.way_ns;
            self.cursor += 1;
            if !self.is_for_me(packet) || self.is_lost(packet, arrival, around) {
                continue;
            }
            let copies = 1 + u32::from(chance(&mut self.random, network.duplicate));
            for _ in 0..copies {
                let mut delay = self.random.within(network.jitter).as_nanos() as u64;
                if chance(&mut self.random, network.reorder) {
                    delay += below(&mut self.random, 2_000_000);
                }
                self.late.push(Reverse((arrival + delay, self.cursor - 1)));
            }
        }
    }

    pub(super) fn is_lost(
        &mut self,
        packet: &Packet,
        arrival: u64,
        around: &Surroundings<'_>,
    ) -> bool {
        let scenario = around.scenario;
        let lost = self.loss.next() || packet.lost_in & self.subtree != 0;
        if lost {
            return true;
        }
        if !scenario.network.drops.is_empty()
            && let Some((sbn, esi)) = packet.body.first_source()
        {
            let own = scenario.network.drops.iter();
            let mut own = own.filter(|drop| drop.receiver == Some(self.index));
            if own.any(|drop| (drop.sbn, drop.esi) == (sbn, esi)) {
                return true;
            }
        }
        !scenario.faults.is_empty() && self.is_cut(arrival, Direction::Down, scenario)
    }

    /// Whether an outage cuts this receiver's path at `at`.
    pub(super) fn is_cut(&self, at: u64, way: Direction, scenario: &Scenario) -> bool {
        scenario.outages().any(|outage| {
            let begins = outage.at.as_nanos() as u64;
            let during = (begins..begins + outage.length.as_nanos() as u64).contains(&at);
            let mine = match outage.scope {
                Scope::All => true,
                Scope::Receiver(receiver) => receiver == self.index,
                Scope::Subtree(subtree) => self.subtree == 1 << subtree,
            };
            during && mine && (outage.direction == way || outage.direction == Direction::Both)
        })
    }

    pub(super) fn alter(&mut self, number: u64, around: &Surroundings<'_>) -> Option<Box<Packet>> {
        if !chance(&mut self.random, around.scenario.network.flip) {
            return None;
        }
        let mut packet = around.trunk.packet(number)?.clone();
        crate::noise::flip(&mut packet.body, &mut self.random);
        Some(Box::new(packet))
    }
}
