//! Tells a sender that this device refuses its session, and why.

use crate::key::SigningKey;
use crate::message::{ACK_REFUSE, REFUSE_CONTEXT, Refusal, sign_text};
use crate::receiver::OfferKey;
use crate::time::{Duration, Time};
use crate::wire::{Ack, Timestamp};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Refusals that wait to be told, and how often each is.
const WAITING_MAX: usize = 4;
const TIMES: u8 = 3;
/// They may be lost together if they leave together.
const APART: Duration = Duration::from_millis(40);
/// No more than one signature in this time, whoever offers.
const GAP: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Waiting {
    to: SocketAddr,
    message: Vec<u8>,
    left: u8,
    due: Time,
}

/// Refusals on their way.
#[derive(Debug, Default)]
pub(in crate::receiver) struct Refusals {
    waiting: VecDeque<Waiting>,
    signed: Option<Time>,
}

impl Refusals {
    /// Refuses the session of `offer`.
    pub(in crate::receiver) fn tell(
        &mut self,
        now: Time,
        offer: OfferKey,
        node: u32,
        key: &SigningKey,
        refusal: &Refusal,
    ) {
        let soon = self.signed.is_some_and(|before| now.since(before) < GAP);
        if soon || self.waiting.len() >= WAITING_MAX {
            return;
        }
        self.signed = Some(now);
        let mut text = Vec::new();
        refusal.emit(&mut text);
        let mut message = Vec::new();
        Ack {
            sequence: 0,
            source_id: node,
            server_id: offer.sender.0,
            instance_id: offer.sender.1,
            ack_type: ACK_REFUSE,
            ack_id: 0,
            grtt_response: Timestamp::default(),
            auth: None,
            cc: None,
            payload: &sign_text(key, REFUSE_CONTEXT, &text),
        }
        .emit(&mut message);
        self.waiting.push_back(Waiting {
            to: offer.from,
            message,
            left: TIMES,
            due: now,
        });
    }

    pub(in crate::receiver) fn poll(&mut self, now: Time, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let at = self.waiting.iter().position(|waiting| waiting.due <= now)?;
        let waiting = &mut self.waiting[at];
        out.clear();
        out.extend_from_slice(&waiting.message);
        let to = waiting.to;
        (waiting.left, waiting.due) = (waiting.left - 1, now + APART);
        if waiting.left == 0 {
            self.waiting.remove(at);
        }
        Some(to)
    }

    pub(in crate::receiver) fn poll_timeout(&self) -> Option<Time> {
        self.waiting.iter().map(|waiting| waiting.due).min()
    }
}
