//! What becomes of facts.

use super::hear::Moment;
use super::membership::Fresh;
use super::pace::{Link, OnSlow, PaceReport, RateReport};
use super::{MemberState, Phase, Sender};
use crate::fact::{Asked, Feedback, Unheard};
use crate::message::{Complete, Page, Status};
use crate::time::{Duration, Time};
use core::net::SocketAddr;

impl Sender {
    /// Takes a datagram from the feedback socket.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        let positions = self.window.positions();
        let moment = Moment {
            now,
            from,
            positions: &positions,
            ending: self.phase >= Phase::Ending,
        };
        match self.hearing.hear(&moment, bytes, &mut self.membership) {
            Ok(fact) => {
                self.feedback.bytes_heard += bytes.len() as u64;
                self.take(now, fact);
            }
            Err(cause) => self.refuse(cause),
        }
    }

    fn refuse(&mut self, cause: Unheard) {
        self.feedback.refused += 1;
        self.feedback.unheard.add(cause);
    }

    fn take(&mut self, now: Time, fact: Feedback) {
        match fact {
            Feedback::Solicited => return self.announce_at = now,
            Feedback::Asked { place, asked, trip } => {
                return self.take_asked(now, place, &asked, trip);
            }
            Feedback::Registered { fresh } => {
                if fresh {
                    self.newest_registration = now;
                }
                self.answer_due = true;
            }
            Feedback::Known => self.answer_due |= self.membership.has_welcomes_due(),
            Feedback::Reported {
                place,
                status,
                plausible,
                trip,
            } => {
                self.sample_trip(now, place, trip);
                if plausible {
                    self.take_report(now, place, &status);
                } else {
                    // It is there and reads on; what it counts cannot be.
                    self.refuse(Unheard::Implausible);
                    self.take_positions(now, place, &status);
                }
            }
            Feedback::Lacking { place, page } => self.take_lacking(now, place, &page),
            Feedback::Completed {
                place,
                complete,
                trip,
            } => {
                self.sample_trip(now, place, trip);
                self.take_completion(now, place, complete);
            }
            Feedback::Refused => {}
        }
        self.feedback.acks_heard += 1;
    }

    /// The queue of a path that is too slow is no part of the others' trips.
    fn sample_trip(&mut self, now: Time, place: usize, trip: Option<Duration>) {
        let weighs = self.membership.weighs(&self.membership.members()[place]);
        if let Some(trip) = trip.filter(|_| weighs && self.membership.is_served(place)) {
            self.grtt.sample(now, trip);
        }
    }

    fn take_asked(&mut self, now: Time, place: usize, asked: &Asked, trip: Option<Duration>) {
        if !self.membership.is_served(place) {
            return;
        }
        let grtt = self.grtt();
        let mut served = false;
        for span in asked.spans() {
            let blocks = self.ledger.blocks_of(span);
            let member = self.membership.member_mut(place);
            if !member.blocks.take_many(now, blocks) {
                self.refuse(Unheard::Budget);
                break;
            }
            served |= self.ledger.request(now, grtt, span);
        }
        self.feedback.nacks_heard += 1;
        self.feedback.nacks_served += u64::from(served);
        self.sample_trip(now, place, trip);
    }

    fn take_lacking(&mut self, now: Time, place: usize, page: &Page) {
        if self.membership.is_served(place) {
            self.lacking.answer(now, page);
        }
    }

    fn take_report(&mut self, now: Time, place: usize, status: &Status) {
        let member = self.membership.member_mut(place);
        member.reported = now;
        let fresh = member.note_counts(status);
        let members = &self.membership;
        if !members.is_served(place) || !members.weighs(&members.members()[place]) {
            // What it gets now is no measure of what it gets in its turn.
            return;
        }
        let (holds, behind) = self.window.holds(&self.membership, place);
        let alone = self.membership.alone().is_some();
        let waited = self.membership.member_mut(place).turn.is_some();
        self.take_positions(now, place, status);
        self.loss_due = true;
        if waited {
            self.membership.member_mut(place).loss.begin_anew();
            return;
        }
        self.pooled.add(fresh.received, fresh.usual_lost);
        // Repairs for a group are too few to find a rate by.
        if self.phase == Phase::Sending || alone {
            self.steer(now, if alone { 0 } else { place }, &fresh);
        }
        let pace = PaceReport {
            member: place,
            received: fresh.received,
            lost: fresh.lost,
            holds,
            behind,
        };
        self.judge_pace(now, &pace);
    }

    /// How far it has read: the window must not wait for what has come.
    fn take_positions(&mut self, now: Time, place: usize, status: &Status) {
        let members = &self.membership;
        if !members.is_served(place) || !members.weighs(&members.members()[place]) {
            return;
        }
        let grtt = self.grtt();
        let member = self.membership.member_mut(place);
        for lane in 0..member.read.len() {
            let sequence = status.sequences.get(lane).copied();
            let told = sequence.and_then(|sequence| self.window.told(lane, sequence));
            let turn = member.turn.as_ref();
            if turn.is_some_and(|turn| told > Some(turn[lane])) {
                member.turn = None;
            }
            member.read[lane] = self.window.read(now, grtt, lane, told, member.read[lane]);
        }
        member.note_activity(status.activity);
    }

    fn steer(&mut self, now: Time, member: usize, fresh: &Fresh) {
        let report = RateReport {
            member,
            received: fresh.received,
            lost: fresh.lost,
            socket_dropped: fresh.dropped,
        };
        let link = Link {
            grtt: self.grtt(),
            least_trip: self.grtt.least(),
            packet_bits: self.packet_bits(),
        };
        self.rate.report(now, &link, &report);
    }

    fn judge_pace(&mut self, now: Time, report: &PaceReport) {
        let serving = matches!(self.phase, Phase::Sending | Phase::Flushing);
        // Who has its turn holds nobody up.
        let serving = serving && self.membership.alone().is_none();
        if !serving || !self.membership.member_mut(report.member).is_open() {
            return;
        }
        let Some(sustained_bps) = self.stragglers.report(now, report) else {
            return;
        };
        let member = self.membership.member_mut(report.member);
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
        self.membership.set_state(report.member, state);
        self.stragglers.forget(report.member);
        // The others are not bound to its pace, nor is what was found of it.
        self.stragglers.begin(now);
        self.rate = self.config.rate.clone();
        self.loss_due = true;
    }

    /// Packets to the receiver that has its turn by unicast cannot be sent: the
    /// next gets its turn.
    pub fn handle_unreachable(&mut self) {
        let Some(place) = self
            .membership
            .alone()
            .filter(|_| self.phase < Phase::Ending)
        else {
            return;
        };
        if self.membership.member_mut(place).is_open() {
            let error = "cannot be sent to by unicast".into();
            self.membership.set_state(place, MemberState::Failed(error));
        }
    }

    fn take_completion(&mut self, now: Time, place: usize, complete: Complete) {
        let whole = complete.error.is_none() && complete.figures.resumed_bytes == 0;
        if self.membership.complete(now, place, complete) {
            self.stragglers.complete(now, place, whole);
        }
    }
}
