//! What a batch from the socket brought: trains of symbols at once, every other
//! packet by itself.

use super::Reception;
use crate::acceptance::Refused;
use crate::assembly::{Again, Assembly, Kept};
use crate::inbox::Inbox;
use crate::receive::ReceiveError;
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::receiver::{OfferKey, Rejection, Verdict};
use linecast_protocol::time::Time;
use linecast_protocol::wire::{DATA_HEADER_BYTES, DataHeader, Message};
use std::net::SocketAddr;

/// The type of a NORM message is the low half of its first byte (RFC 5740 §4.1).
const TYPE_DATA: u8 = 2;

/// What is left to do with a batch once its symbols are settled.
#[derive(Default)]
struct Rest {
    /// Messages other than DATA, and who sent them.
    messages: Vec<(usize, SocketAddr)>,
    /// A session object that is complete.
    offered: Option<(OfferKey, Vec<u8>)>,
}

impl Reception<'_> {
    pub(super) fn handle_batch(&mut self) -> Result<(), ReceiveError> {
        let at = super::now();
        let mut rest = Rest::default();
        self.batch.kept.clear();
        self.batch.again.clear();
        let (mut next, all) = (0, self.inbox.datagrams().len());
        while next < all {
            let count = train(&self.inbox, next);
            if !self.take_train(at, next, count) {
                for i in next..next + usize::from(count) {
                    self.take_packet(at, i, &mut rest)?;
                }
            }
            next += usize::from(count);
        }
        self.settle(at)?;
        self.handle_messages(at, &rest.messages);
        match rest.offered {
            Some((key, object)) => self.consider(key, &object),
            None => Ok(()),
        }
    }

    /// Takes the `count` packets of a train from `first` on at once: false if
    /// they are to be taken one by one.
    fn take_train(&mut self, at: Time, first: usize, count: u16) -> bool {
        let head = self.inbox.datagram(first);
        let Ok((header, DATA_HEADER_BYTES)) = DataHeader::parse(head.header) else {
            return false;
        };
        if count == 1 {
            return false;
        }
        let held = self.receiver.handle_train(at, head.from, &header, count);
        if let Some(held) = held {
            self.batch.kept.push(Kept {
                first,
                count,
                toi: IMAGE_TOI,
                id: header.id,
                held,
            });
        }
        held.is_some()
    }

    fn take_packet(&mut self, at: Time, i: usize, rest: &mut Rest) -> Result<(), ReceiveError> {
        let datagram = self.inbox.datagram(i);
        let kind = datagram.header.first().map(|byte| byte & 15);
        if kind != Some(TYPE_DATA) {
            rest.messages.push((i, datagram.from));
            return Ok(());
        }
        let (header, offset) = match DataHeader::parse(datagram.header) {
            Ok(parsed) => parsed,
            Err(error) => {
                *self.refused.entry(error.reason()).or_default() += 1;
                return Ok(());
            }
        };
        let verdict = if offset == DATA_HEADER_BYTES {
            let payload = datagram.len - offset;
            self.receiver
                .handle_data(at, datagram.from, &header, payload)
        } else {
            Verdict::Refused(Rejection::NoFti)
        };
        match verdict {
            Verdict::Keep { toi, id, held } => self.batch.kept.push(Kept {
                first: i,
                count: 1,
                toi,
                id,
                held,
            }),
            Verdict::Duplicate => {}
            Verdict::Again { toi, id } => self.batch.again.push(Again {
                datagram: i,
                toi,
                id,
            }),
            Verdict::Refused(why) => {
                *self.refused.entry(why.name()).or_default() += 1;
                if let Rejection::TooLong(bytes) = why {
                    self.last_refusal = Some(Refused::too_long(bytes));
                }
            }
            Verdict::Offer { key, fti, id, held } => {
                let object = self.offers.keep(&self.inbox, i, key, fti, id, held)?;
                if let Some(object) = object {
                    rest.offered = Some((key, object));
                }
            }
        }
        Ok(())
    }

    fn settle(&mut self, at: Time) -> Result<(), ReceiveError> {
        let Some(assembly) = &mut self.assembly else {
            return Ok(());
        };
        if !self.batch.kept.is_empty() || !self.batch.again.is_empty() {
            self.first_symbol.get_or_insert(at);
            assembly.settle(at, &mut self.inbox, &self.batch, &mut self.receiver)?;
            self.moved += std::mem::take(&mut assembly.moved);
        }
        if let Some(session) = self.receiver.session_mut() {
            session.note_socket_drops(self.inbox.dropped());
        }
        Ok(())
    }

    fn handle_messages(&mut self, at: Time, messages: &[(usize, SocketAddr)]) {
        let mut memory = Vec::new();
        for &(i, from) in messages {
            let staging = self.assembly.as_mut().and_then(Assembly::staging);
            let bytes = self.inbox.whole(i, staging, &mut memory);
            match Message::parse(bytes) {
                Ok(message) => {
                    if !self.receiver.handle_message(at, from, &message) {
                        *self.refused.entry("other session").or_default() += 1;
                    }
                }
                Err(error) => *self.refused.entry(error.reason()).or_default() += 1,
            }
        }
    }
}

/// Datagrams from `first` on that follow each other in one train of full
/// symbols: one at least.
fn train(inbox: &Inbox, first: usize) -> u16 {
    let head = inbox.datagram(first);
    if head.len != inbox.packet_bytes() {
        return 1;
    }
    let rest = inbox.following(first).zip(1_u16..);
    let following = rest.take_while(|(next, by)| DataHeader::continues(head.header, next, *by));
    1 + following.count() as u16
}
