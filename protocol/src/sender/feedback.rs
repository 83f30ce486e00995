//! What receivers say to the sender. Cheap checks come first: a stranger costs
//! a parse, and only a bounded number of signature checks a second.

use super::pace::{Link, OnSlow, PaceReport, RateReport};
use super::{MemberState, Phase, Roster, Sender};
use crate::hex;
use crate::key::PublicKey;
use crate::limits::{ERROR_BYTES_MAX, GRTT_MAX, NAME_BYTES_MAX, WINDOW_PACKETS};
use crate::message::{
    ACK_COMPLETE, ACK_REGISTER, ACK_STATUS, COMPLETE_CONTEXT, Complete, REGISTER_CONTEXT, Register,
    Signed, Status,
};
use crate::object::spans;
use crate::offer::SESSION_TOI;
use crate::time::Time;
use crate::wire::{Ack, Message, Nack, Timestamp};
use alloc::string::String;
use core::net::SocketAddr;
use serde::de::DeserializeOwned;

/// The lanes may have sent so much more than they have told so far.
const SLACK_PACKETS: u64 = WINDOW_PACKETS;

impl Sender {
    /// Takes a datagram from the feedback socket.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        let taken = match Message::parse(bytes) {
            Ok(Message::Nack(nack)) => self.handle_nack(now, from, &nack),
            Ok(Message::Ack(ack)) => self.handle_ack(now, from, &ack),
            _ => false,
        };
        if taken {
            self.feedback.bytes_heard += bytes.len() as u64;
        } else {
            self.feedback.refused += 1;
        }
    }

    fn is_ours(&self, server_id: u32, instance_id: u16) -> bool {
        (server_id, instance_id) == (self.config.source_id, self.config.instance_id)
    }

    fn handle_nack(&mut self, now: Time, from: SocketAddr, nack: &Nack<'_>) -> bool {
        if !self.is_ours(nack.server_id, nack.instance_id) || self.phase >= Phase::Ending {
            return false;
        }
        if spans(&nack.requests).any(|span| span.toi == SESSION_TOI) {
            return self.announce_soon(now);
        }
        let Some((place, member)) = self.roster.by_node(nack.source_id) else {
            return false;
        };
        if !member.recognise(from) || !member.nacks.take(now) {
            return false;
        }
        member.heard = now;
        if !self.roster.is_served(place) {
            return true;
        }
        let grtt = self.grtt();
        let mut served = false;
        for span in spans(&nack.requests) {
            served |= self.ledger.request(now, grtt, &span);
        }
        self.feedback.nacks_heard += 1;
        self.feedback.nacks_served += u64::from(served);
        self.sample_grtt(now, nack.grtt_response);
        true
    }

    fn sample_grtt(&mut self, now: Time, stamp: Timestamp) {
        let then = Time::from_ns(stamp.as_ns());
        if !stamp.is_zero() && then <= now && now.since(then) < GRTT_MAX {
            self.grtt.sample(now, now.since(then));
        }
    }

    fn handle_ack(&mut self, now: Time, from: SocketAddr, ack: &Ack<'_>) -> bool {
        if !self.is_ours(ack.server_id, ack.instance_id) {
            return false;
        }
        let taken = match ack.ack_type {
            ACK_REGISTER => self.handle_register(now, from, ack.payload),
            ACK_STATUS => self.handle_status(now, from, ack),
            ACK_COMPLETE => self.handle_complete(now, ack.payload),
            _ => false,
        };
        if taken {
            self.feedback.acks_heard += 1;
            // The queue of a path that is too slow is no part of the others' trips.
            let member = self.roster.by_node(ack.source_id).map(|(place, _)| place);
            if member.is_none_or(|place| self.roster.is_served(place)) {
                self.sample_grtt(now, ack.grtt_response);
            }
        }
        taken
    }

    fn signed<T: DeserializeOwned>(
        &mut self,
        now: Time,
        context: &[u8],
        payload: &[u8],
    ) -> Option<(PublicKey, T)> {
        let signed = Signed::parse(payload)?;
        let message = serde_json::from_slice(signed.text).ok()?;
        if !self.verify.take(now) {
            return None;
        }
        let key = PublicKey::from_bytes(*signed.key).ok()?;
        key.verify(context, signed.text, signed.signature).ok()?;
        Some((key, message))
    }

    fn handle_register(&mut self, now: Time, from: SocketAddr, payload: &[u8]) -> bool {
        if self.phase >= Phase::Ending {
            return false;
        }
        let Some((key, register)) = self.signed::<Register>(now, REGISTER_CONTEXT, payload) else {
            return false;
        };
        let short = register.name.len() <= NAME_BYTES_MAX;
        let printable = !register.name.chars().any(char::is_control);
        if register.session != hex(&self.config.shape.session) || !short || !printable {
            return false;
        }
        let positions = self.window.positions();
        let Some((_, fresh)) = self.roster.register(now, from, key, register, &positions) else {
            return false;
        };
        if fresh {
            self.newest_registration = now;
        }
        self.answer_due = true;
        true
    }

    fn handle_status(&mut self, now: Time, from: SocketAddr, ack: &Ack<'_>) -> bool {
        let Some(status) = Status::parse(ack.payload) else {
            return false;
        };
        let grtt = self.grtt();
        let Some((place, member)) = self.roster.by_node(ack.source_id) else {
            return false;
        };
        if !member.recognise(from) {
            return false;
        }
        member.heard = now;
        if status.received.saturating_add(status.lost) > self.window.numbered() + SLACK_PACKETS {
            return false;
        }
        if !self.roster.is_served(place) {
            // What it gets now is no measure of what it gets in its turn.
            self.roster.member_mut(place).note_counts(&status);
            return true;
        }
        let (holds, behind) = self.window.holds(&self.roster, place);
        let alone = self.roster.alone().is_some();
        let member = self.roster.member_mut(place);
        let waited = member.turn.is_some();
        let fresh_lost = status.lost.saturating_sub(member.lost);
        let dropped = status.socket_drops > member.socket_drops;
        let (received, lost) = member.note_counts(&status);
        for lane in 0..member.read.len() {
            let sequence = status.sequences.get(lane).copied();
            let told = sequence.and_then(|sequence| self.window.told(lane, sequence));
            if member
                .turn
                .as_ref()
                .is_some_and(|turn| told > Some(turn[lane]))
            {
                member.turn = None;
            }
            member.read[lane] = self.window.read(now, grtt, lane, told, member.read[lane]);
        }
        Roster::note_activity(member, status.activity);
        self.loss_due = true;
        if waited {
            member.loss.begin_anew();
            return true;
        }
        self.pooled.add(received, lost);
        // Repairs for a group are too few to find a rate by.
        if self.phase == Phase::Sending || alone {
            let report = RateReport {
                member: if alone { 0 } else { place },
                received,
                lost: fresh_lost,
                socket_dropped: dropped,
            };
            let link = Link {
                grtt,
                least_trip: self.grtt.least(),
                packet_bits: self.packet_bits(),
            };
            self.rate.report(now, &link, &report);
        }
        let pace = PaceReport {
            member: place,
            received,
            lost: fresh_lost,
            holds,
            behind,
        };
        self.judge_pace(now, &pace);
        true
    }

    fn judge_pace(&mut self, now: Time, report: &PaceReport) {
        let serving = matches!(self.phase, Phase::Sending | Phase::Flushing);
        // Who has its turn holds nobody up.
        let serving = serving && self.roster.alone().is_none();
        if !serving || !self.roster.member_mut(report.member).is_open() {
            return;
        }
        let Some(sustained_bps) = self.stragglers.report(now, report) else {
            return;
        };
        let member = self.roster.member_mut(report.member);
        if member.state == MemberState::Finishing {
            // It has all it needs, and is only asked to say so.
            return;
        }
        member.sustained_bps = Some(sustained_bps);
        let state = match self.config.on_slow {
            OnSlow::Wait => return,
            OnSlow::Drop => MemberState::Slow { sustained_bps },
            OnSlow::Unicast => MemberState::Aside,
        };
        self.roster.set_state(report.member, state);
        self.stragglers.forget(report.member);
        // The others are not bound to its pace, nor is what was found of it.
        self.stragglers.begin(now);
        self.rate = self.config.rate.clone();
        self.loss_due = true;
    }

    /// Packets to the receiver that has its turn by unicast cannot be sent: the
    /// next gets its turn.
    pub fn handle_unreachable(&mut self) {
        let Some(place) = self.roster.alone().filter(|_| self.phase < Phase::Ending) else {
            return;
        };
        if self.roster.member_mut(place).is_open() {
            let error = "cannot be sent to by unicast".into();
            self.roster.set_state(place, MemberState::Failed(error));
        }
    }

    fn handle_complete(&mut self, now: Time, payload: &[u8]) -> bool {
        let Some((key, complete)) = self.signed::<Complete>(now, COMPLETE_CONTEXT, payload) else {
            return false;
        };
        let root = hex(&self.config.shape.root);
        if complete.session != hex(&self.config.shape.session)
            || (complete.error.is_none() && complete.root != root)
        {
            return false;
        }
        let shown =
            |error: &String| error.len() <= ERROR_BYTES_MAX && !error.chars().any(char::is_control);
        if !complete.error.as_ref().is_none_or(shown) {
            return false;
        }
        let whole = complete.error.is_none() && complete.figures.resumed_bytes == 0;
        if let Some(place) = self.roster.complete(now, &key, complete) {
            self.stragglers.complete(now, place, whole);
        }
        true
    }
}
