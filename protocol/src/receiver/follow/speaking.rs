//! What a session says to the sender.

use super::Session;
use super::lane::LaneView;
use crate::limits::LANES_MAX;
use crate::message::{self, Activity};
use crate::object::Leaves;
use crate::receiver::tell::LINGER;
use crate::time::Time;
use crate::timer::Timer;
use crate::wire::{Ack, Nack, Requests as WireRequests};
use alloc::vec::Vec;
use core::net::SocketAddr;

impl Session {
    pub(in crate::receiver) fn poll_transmit(
        &mut self,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        if self.over {
            return None;
        }
        self.sweep(now);
        if let Some(message) = self.outbox.pop_front() {
            *out = message;
            return Some(self.from);
        }
        let sent = self.poll_completion(now, out)
            || self.poll_registration(now, out)
            || self.poll_status(now, out)
            || self.poll_page(now, out)
            || self.poll_requests(now, out);
        sent.then_some(self.from)
    }

    fn poll_completion(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let past = self.timers.is_due(Timer::Linger, now, self.group);
        if past && now.since(self.heard) >= LINGER {
            self.end();
            return false;
        }
        let (group, timers) = (self.group, &mut self.timers);
        let Some(payload) = self.completion.poll(now, group, &self.signet, timers) else {
            return false;
        };
        self.emit_ack(now, message::ACK_COMPLETE, &payload, out);
        true
    }

    fn poll_registration(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let welcome = self.signet.is_welcome();
        let told = self.activity == Activity::Complete && welcome;
        let (random, timers) = (&mut self.random, &mut self.timers);
        if told || !(self.registration).poll(now, self.group, welcome, random, timers) {
            return false;
        }
        let payload = self.registration.payload(&self.signet, &self.shape);
        self.emit_ack(now, message::ACK_REGISTER, &payload, out);
        true
    }

    fn poll_status(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        if !self.signet.is_welcome() || self.activity == Activity::Complete {
            return false;
        }
        let counters = self.counters();
        let (random, timers) = (&mut self.random, &mut self.timers);
        if !(self.reports).poll(now, self.group, counters, random, timers) {
            return false;
        }
        let verified = self.leaves.as_ref().map_or(0, Leaves::verified) as u32;
        let heard = self.lanes.iter().all(LaneView::is_heard);
        let sequences = self.lanes.iter().map(LaneView::sequence).take(LANES_MAX);
        let sequences = if heard {
            sequences.collect()
        } else {
            Vec::new()
        };
        let status = self
            .reports
            .take(now, self.activity, counters, verified, sequences);
        let mut payload = Vec::new();
        status.emit(&mut payload);
        self.emit_ack(now, message::ACK_STATUS, &payload, out);
        true
    }

    fn poll_page(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        if !self.signet.is_welcome() {
            return false;
        }
        let page = self.lacking.poll(now, self.group, &mut self.timers);
        if let Some(payload) = &page {
            self.emit_ack(now, message::ACK_PAGE, payload, out);
        }
        page.is_some()
    }

    /// Only who is welcome is answered.
    fn poll_requests(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        if !self.signet.is_welcome() {
            return false;
        }
        let contents = self
            .requests
            .poll(now, self.group, &mut self.random, &self.objects);
        for requests in contents {
            self.counters.nacks_sent += 1;
            let mut message = Vec::new();
            let Ok(requests) = WireRequests::parse(&requests) else {
                continue;
            };
            let nack = Nack {
                sequence: 0,
                source_id: self.node(),
                server_id: self.sender.0,
                instance_id: self.sender.1,
                grtt_response: self.probes.response(now),
                auth: self.signet.auth(),
                cc: None,
                requests,
            };
            nack.emit(&mut message);
            self.signet.seal(&mut message);
            self.outbox.push_back(message);
        }
        match self.outbox.pop_front() {
            Some(message) => {
                *out = message;
                true
            }
            None => false,
        }
    }

    fn emit_ack(&mut self, now: Time, ack_type: u8, payload: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let ack = Ack {
            sequence: 0,
            source_id: self.node(),
            server_id: self.sender.0,
            instance_id: self.sender.1,
            ack_type,
            ack_id: 0,
            grtt_response: self.probes.response(now),
            auth: self.signet.auth(),
            cc: None,
            payload,
        };
        ack.emit(out);
        self.signet.seal(out);
    }
}
