//! The messages of receivers, as attackers send them: sealed, or not.

use super::messages::{TERMINAL_TEXT, datagram, everything};
use super::overheard::{Place, Sender, Session};
use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::limits::{NAME_BYTES_MAX, PAGE_BYTES};
use linecast_protocol::message::{
    ACK_COMPLETE, ACK_PAGE, ACK_REFUSE, ACK_REGISTER, ACK_STATUS, COMPLETE_CONTEXT, Cause,
    Complete, PROFILE, Page, REFUSE_CONTEXT, REGISTER_CONTEXT, Refusal, Register, Status,
    sign_json, sign_text,
};
use linecast_protocol::offer::{IMAGE_TOI, SESSION_TOI};
use linecast_protocol::seal::Life;
use linecast_protocol::wire::{
    AUTH_TAG, Ack, Auth, Level, Message, Nack, PayloadId, RequestBuilder, Requests, Timestamp,
};
use serde_json::Value;

/// Who says something, and to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice {
    /// Whose feedback it is.
    pub(super) sender: Sender,
    /// Node id of the receiver.
    pub(super) node: u32,
    /// Of the probe that it answers.
    pub(super) stamp: Timestamp,
    /// To be sealed, if it is.
    pub(super) auth: Option<Auth>,
}

impl Voice {
    /// Of a receiver that seals nothing.
    pub(super) fn unsealed(sender: Sender, node: u32) -> Voice {
        Voice {
            sender,
            node,
            stamp: Timestamp::default(),
            auth: None,
        }
    }

    fn ack(&self, ack_type: u8, payload: &[u8]) -> Vec<u8> {
        datagram(&Message::Ack(Ack {
            sequence: 0,
            source_id: self.node,
            server_id: self.sender.source_id,
            instance_id: self.sender.word.instance_id,
            ack_type,
            ack_id: 0,
            grtt_response: self.stamp,
            auth: self.auth,
            cc: None,
            payload,
        }))
    }

    fn nack(&self, items: &[u8]) -> Vec<u8> {
        datagram(&Message::Nack(Nack {
            sequence: 0,
            source_id: self.node,
            server_id: self.sender.source_id,
            instance_id: self.sender.word.instance_id,
            grtt_response: self.stamp,
            auth: self.auth,
            cc: None,
            requests: Requests::parse(items).expect("requests of our own"),
        }))
    }

    fn room(&self, bytes: usize) -> usize {
        let auth = self.auth.map_or(0, |_| Auth::BYTES);
        bytes.saturating_sub(Nack::HEADER_BYTES + auth)
    }

    /// A request for all objects, again and again up to `bytes`.
    pub(super) fn greedy_nack(&self, bytes: usize) -> Vec<u8> {
        self.nack(&everything(self.room(bytes), usize::MAX))
    }

    /// A request for all of the image from one block on, then from the next, and
    /// so on: no two of its ranges are the same.
    pub(super) fn overlapping_nack(&self, place: &Place, first: u32, bytes: usize) -> Vec<u8> {
        let mut items = Vec::new();
        let mut builder = RequestBuilder::new(&mut items, self.room(bytes));
        let blocks = place.blocks().max(1);
        let id = |sbn| PayloadId {
            sbn,
            block_len: place.id.block_len,
            esi: 0,
        };
        let range = |from: u32| (id(from % blocks), id(blocks - 1));
        let mut ranges = (first..).map(range);
        while let Some((from, to)) = ranges.next()
            && builder.push_range(Level::BLOCK, IMAGE_TOI, from, to)
        {}
        self.nack(&items)
    }

    /// Asks for the session object, as who has heard nothing of it.
    pub(super) fn soliciting_nack(&self) -> Vec<u8> {
        let mut items = Vec::new();
        let mut builder = RequestBuilder::new(&mut items, self.room(64));
        let fits = builder.push_item(Level::OBJECT, SESSION_TOI, PayloadId::default());
        debug_assert!(fits);
        self.nack(&items)
    }

    /// A status of so many packets received and lost, at one sequence.
    pub(super) fn status(&self, counts: (u64, u64), sequence: u16) -> Vec<u8> {
        let mut payload = Vec::new();
        Status {
            received: counts.0,
            lost: counts.1,
            sequences: vec![sequence],
            ..Status::default()
        }
        .emit(&mut payload);
        self.ack(ACK_STATUS, &payload)
    }

    /// A page of leaves that all are lacking.
    pub(super) fn page(&self, number: u32) -> Vec<u8> {
        let mut payload = Vec::new();
        Page {
            number,
            lacking: [0xff; PAGE_BYTES],
        }
        .emit(&mut payload);
        self.ack(ACK_PAGE, &payload)
    }

    /// A registration; `change` may make anything of it before it is signed.
    pub(super) fn registration(
        &self,
        session: &Session,
        key: &SigningKey,
        life: &Life,
        change: impl FnOnce(&mut Value),
    ) -> Vec<u8> {
        let register = Register {
            profile: PROFILE,
            session: session.descriptor.session.clone(),
            installation: hex(&life.installation),
            life: hex(&life.number),
            node: self.node,
            name: format!("stranger-{}", self.node),
            buffer_packets: 3_072,
            held: 0,
        };
        let mut text = serde_json::to_value(&register).expect("a plain structure");
        change(&mut text);
        self.ack(ACK_REGISTER, &sign_json(key, REGISTER_CONTEXT, &text))
    }

    /// A completion without an image.
    pub(super) fn completion(
        &self,
        session: &Session,
        key: &SigningKey,
        life: &Life,
        nonce: u32,
    ) -> Option<Vec<u8>> {
        let manifest: Value = serde_json::from_slice(&session.manifest).ok()?;
        let complete = Complete {
            session: session.descriptor.session.clone(),
            root: manifest["root_b3"].as_str()?.to_owned(),
            life: hex(&life.number),
            nonce,
            count: 1,
            ..Complete::default()
        };
        let payload = sign_json(key, COMPLETE_CONTEXT, &complete);
        Some(self.ack(ACK_COMPLETE, &payload))
    }

    /// A refusal with these words.
    pub(super) fn refusal(
        &self,
        session: &Session,
        key: &SigningKey,
        life: &Life,
        (name, detail): (&str, &str),
    ) -> Option<Vec<u8>> {
        let refusal = Refusal {
            profile: PROFILE,
            cause: Cause::UNTRUSTED,
            session: session.id()?,
            installation: life.installation,
            life: life.number,
            name: name.into(),
            detail: detail.into(),
        };
        let mut text = Vec::new();
        refusal.emit(&mut text);
        Some(self.ack(ACK_REFUSE, &sign_text(key, REFUSE_CONTEXT, &text)))
    }
}

/// Makes a registration as large as `bytes` lets it be: the longest name, and
/// fields that nobody knows, nested as deep as JSON is read.
pub(super) fn enlarge(register: &mut Value, bytes: usize) {
    const DEPTH: usize = 100;
    const OTHER_BYTES: usize = 560;
    register["name"] = Value::from("n".repeat(NAME_BYTES_MAX));
    register["held"] = Value::from(u64::MAX);
    register["buffer_packets"] = Value::from(u32::MAX);
    let deep = (0..DEPTH).fold(Value::from(0), |inner, _| Value::from(vec![inner]));
    register["deep"] = deep;
    let rest = bytes.saturating_sub(OTHER_BYTES + 2 * DEPTH);
    // Two bytes each: as many values as fit.
    register["many"] = Value::from(vec![7; rest / 2]);
}

/// Makes a registration say what a terminal would act on.
pub(super) fn name_for_terminals(register: &mut Value) {
    register["name"] = Value::from(TERMINAL_TEXT);
}

/// The same datagram with another stamp in its header, which nobody signs: it is
/// NORM's, at a fixed place (RFC 5740 §4.3.2).
pub(super) fn restamp(datagram: &[u8], stamp: Timestamp) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    if let Some(field) = bytes.get_mut(16..24) {
        field[..4].copy_from_slice(&stamp.sec.to_be_bytes());
        field[4..].copy_from_slice(&stamp.usec.to_be_bytes());
    }
    bytes
}

/// The same datagram to another sender or instance (RFC 5740 §4.3).
pub(super) fn readdress(datagram: &mut [u8], sender: Sender) {
    if let Some(field) = datagram.get_mut(8..14) {
        field[..4].copy_from_slice(&sender.source_id.to_be_bytes());
        field[4..].copy_from_slice(&sender.word.instance_id.to_be_bytes());
    }
}

/// The same datagram with the count of its seal moved on, as if it were new.
pub(super) fn recount(datagram: &[u8], by: u8) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    // The count's lowest byte is right before the tag.
    if let Some(count) = bytes.get_mut(AUTH_TAG.start - 1) {
        *count = count.wrapping_add(by);
    }
    bytes
}

/// The same datagram without its seal, if it has one: EXT_AUTH is the first
/// extension, and the header's length is counted in words (RFC 5740 §4.1).
pub(super) fn unseal(datagram: &[u8]) -> Option<Vec<u8>> {
    let auth = match Message::parse(datagram).ok()? {
        Message::Ack(ack) => ack.auth?,
        Message::Nack(nack) => nack.auth?,
        _ => return None,
    };
    let mut bytes = datagram.to_vec();
    debug_assert_eq!(bytes[AUTH_TAG], auth.tag);
    bytes.drain(AUTH_TAG.end - Auth::BYTES..AUTH_TAG.end);
    bytes[1] -= (Auth::BYTES / 4) as u8;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::messages::own_sender;
    use super::*;
    use linecast_protocol::limits::MESSAGE_BYTES_MAX;

    fn sealed() -> Voice {
        Voice {
            auth: Some(Auth::unsealed(9)),
            ..Voice::unsealed(own_sender(1), 7)
        }
    }

    #[test]
    fn a_seal_can_be_taken_off_and_its_count_be_changed() {
        let status = sealed().status((1, 2), 3);
        let bare = unseal(&status).unwrap();
        assert_eq!(bare, Voice::unsealed(own_sender(1), 7).status((1, 2), 3));
        assert_eq!(unseal(&bare), None);
        let later = Voice {
            auth: Some(Auth::unsealed(11)),
            ..sealed()
        };
        assert_eq!(recount(&status, 2), later.status((1, 2), 3));
    }

    #[test]
    fn requests_fill_a_message_and_do_not_repeat() {
        let place = Place {
            id: PayloadId {
                sbn: 0,
                block_len: 4,
                esi: 0,
            },
            sequence: 0,
            fti: linecast_protocol::wire::Fti {
                object_size: 4_000 * 64,
                symbol_bytes: 64,
                max_block_len: 4,
                ..Default::default()
            },
        };
        for nack in [
            sealed().greedy_nack(MESSAGE_BYTES_MAX),
            sealed().overlapping_nack(&place, 3, MESSAGE_BYTES_MAX),
        ] {
            assert!(nack.len() <= MESSAGE_BYTES_MAX && nack.len() > MESSAGE_BYTES_MAX - 28);
        }
        let bytes = sealed().overlapping_nack(&place, 990, MESSAGE_BYTES_MAX);
        let Ok(Message::Nack(nack)) = Message::parse(&bytes) else {
            panic!("no NACK");
        };
        let spans: Vec<_> = nack.requests.iter().flat_map(|r| r.spans()).collect();
        let firsts: std::collections::BTreeSet<_> = spans.iter().map(|span| span.0).collect();
        assert_eq!(firsts.len(), spans.len());
    }

    #[test]
    fn a_registration_can_be_just_as_large_as_a_message_may_be() {
        let mut register = serde_json::json!({"session": "s".repeat(32)});
        enlarge(&mut register, MESSAGE_BYTES_MAX);
        let bytes = register.to_string().len();
        assert!((700..MESSAGE_BYTES_MAX - 200).contains(&bytes), "{bytes}");
        enlarge(&mut register, 60 << 10);
        assert!(register.to_string().len() > 55 << 10);
    }
}
