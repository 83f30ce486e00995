//! A receiver that comes late hears symbols of a session it knows nothing of.
//! It asks for object 1 by a NACK instead of waiting for the next repetition.

use super::Group;
use crate::offer::SESSION_TOI;
use crate::random::Random;
use crate::receiver::OfferKey;
use crate::time::{Duration, Time};
use crate::wire::{Level, Nack, PayloadId, RequestBuilder, Requests, SenderWord, Timestamp};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Not asked for again before this.
const PATIENCE: Duration = Duration::from_millis(100);

/// When to ask whom for the session object.
#[derive(Debug)]
pub(in crate::receiver) struct Solicitation {
    random: Random,
    due: Option<(Time, OfferKey)>,
    quiet_until: Time,
}

impl Solicitation {
    pub(in crate::receiver) fn new(seed: u64) -> Solicitation {
        Solicitation {
            random: Random::new(seed),
            due: None,
            quiet_until: Time::ZERO,
        }
    }

    /// A symbol of an unknown session came.
    pub(in crate::receiver) fn heard(&mut self, now: Time, from: OfferKey, word: SenderWord) {
        if self.due.is_none() && now >= self.quiet_until {
            let spread = Group::of(word).spread();
            self.due = Some((now + self.random.within(spread), from));
        }
    }

    pub(in crate::receiver) fn poll_timeout(&self) -> Option<Time> {
        self.due.map(|(at, _)| at)
    }

    pub(in crate::receiver) fn poll(
        &mut self,
        now: Time,
        node: u32,
        out: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let (_, OfferKey { sender, from }) = self.due.take_if(|(at, _)| *at <= now)?;
        self.quiet_until = now + PATIENCE;
        let mut requests = Vec::new();
        let id = PayloadId {
            sbn: 0,
            block_len: 1,
            esi: 0,
        };
        let mut builder = RequestBuilder::new(&mut requests, 64);
        if !builder.push_item(Level::OBJECT, SESSION_TOI, id) {
            return None;
        }
        out.clear();
        let nack = Nack {
            sequence: 0,
            source_id: node,
            server_id: sender.0,
            instance_id: sender.1,
            grtt_response: Timestamp::default(),
            cc: None,
            requests: Requests::parse(&requests).ok()?,
        };
        nack.emit(out);
        Some(from)
    }
}
