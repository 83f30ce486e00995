//! What an attacker says as a receiver: validly signed with keys of its own, or
//! unsigned in the name of another.

use super::{Attacker, Known, own_address};
use crate::draw::below;
use crate::keys::attacker_key;
use crate::lanes::SOURCE_ID;
use crate::noise::flip_bit;
use crate::receiver::receiver_address;
use crate::scenario::Guise;
use crate::sender::Feedback;
use linecast_protocol::hex;
use linecast_protocol::key::PublicKey;
use linecast_protocol::message::{
    ACK_COMPLETE, ACK_REFUSE, ACK_REGISTER, ACK_STATUS, Activity, COMPLETE_CONTEXT, Cause,
    Complete, PROFILE, REFUSE_CONTEXT, REGISTER_CONTEXT, Refusal, Register, Signed, Status,
};
use linecast_protocol::random::Random;
use linecast_protocol::seal::Life;
use linecast_protocol::wire::{Ack, Auth, Message, Nack, Timestamp};
use serde::Serialize;

/// Node ids of its own begin here.
const OWN_NODES: u32 = 5_000_000;
/// What a seal that nobody can make says that it counts.
pub(super) const FORGED_COUNT: u64 = 1 << 30;
/// Every so many messages it registers again, in case that it was forgotten.
const REGISTRATION_EVERY: u64 = 64;

impl Attacker {
    /// A message with a key of its own, which is registered for it, or in the name
    /// of a receiver; `said` makes it for a node id.
    pub(super) fn speak_as(
        &self,
        known: &Known<'_>,
        at: u64,
        guise: Guise,
        random: &mut Random,
        said: impl FnOnce(&Attacker, u32) -> Option<Vec<u8>>,
    ) -> Option<Feedback> {
        match guise {
            Guise::Own if self.made.is_multiple_of(REGISTRATION_EVERY) => Some(Feedback {
                at,
                from: own_address(),
                bytes: self.registration(known, (0, 0), 0, 0),
            }),
            Guise::Own => Some(Feedback {
                at,
                from: own_address(),
                bytes: self.sealed(known, 0, &said(self, OWN_NODES)?)?,
            }),
            Guise::Forged => {
                let node = device_node(known, random);
                Some(Feedback {
                    at,
                    from: receiver_address(node - FIRST_NODE),
                    bytes: said(self, node)?,
                })
            }
        }
    }

    /// A registration of one of the machines that have own key number `key`, validly
    /// signed.
    pub(super) fn registration(
        &self,
        known: &Known<'_>,
        (key, machine): (u32, u32),
        node: u32,
        held: u32,
    ) -> Vec<u8> {
        let (node, mut life) = (OWN_NODES + node, own_life(key));
        life.installation[4..].copy_from_slice(&machine.to_be_bytes());
        let register = Register {
            profile: PROFILE,
            session: hex(&known.shape.session),
            installation: hex(&life.installation),
            life: hex(&life.number),
            node,
            name: format!("stranger-{key}"),
            buffer_packets: 4_096,
            held: held.into(),
        };
        let payload = signed(key, REGISTER_CONTEXT, &register);
        ack(known, node, ACK_REGISTER, Timestamp::default(), &payload)
    }

    /// A completion, validly signed and sealed by own key number `key`, once it is
    /// welcome.
    pub(super) fn completion(&self, known: &Known<'_>, key: u32) -> Option<Vec<u8>> {
        let life = own_life(key);
        let welcome = self.ear.welcomes.get(&life.name())?;
        let complete = Complete {
            session: hex(&known.shape.session),
            root: hex(&known.shape.root),
            life: hex(&life.number),
            nonce: welcome.nonce,
            count: 1,
            ..Complete::default()
        };
        let payload = signed(key, COMPLETE_CONTEXT, &complete);
        let node = welcome.node;
        let said = ack(known, node, ACK_COMPLETE, Timestamp::default(), &payload);
        self.sealed(known, key, &said)
    }

    /// The same message, sealed by own key number `key` under the node id that it
    /// was given, once it is welcome.
    fn sealed(&self, known: &Known<'_>, key: u32, said: &[u8]) -> Option<Vec<u8>> {
        let life = own_life(key);
        let welcome = self.ear.welcomes.get(&life.name())?;
        let auth = Some(Auth::unsealed(self.made + 1));
        let mut bytes = Vec::new();
        match Message::parse(said).ok()? {
            Message::Ack(ack) => Ack {
                source_id: welcome.node,
                auth,
                ..ack
            }
            .emit(&mut bytes),
            Message::Nack(nack) => Nack {
                source_id: welcome.node,
                auth,
                ..nack
            }
            .emit(&mut bytes),
            _ => return None,
        }
        let sender = PublicKey::from_bytes(known.shape.session_key).ok()?;
        let session = &known.shape.session;
        life.feedback_key(session, &attacker_key(key), &sender, welcome.nonce)
            .seal(&mut bytes);
        Some(bytes)
    }

    /// A status report of `node`, which has read nothing.
    pub(super) fn status(&self, known: &Known<'_>, node: u32, received: u64, lost: u64) -> Vec<u8> {
        let status = Status {
            activity: Activity::Receiving,
            received,
            lost,
            sequences: vec![0; known.shape.lanes.into()],
            ..Status::default()
        };
        let mut payload = Vec::new();
        status.emit(&mut payload);
        ack(known, node, ACK_STATUS, Timestamp::default(), &payload)
    }

    /// A refusal of the session, validly signed by own key number `key`.
    pub(super) fn refusal(&self, known: &Known<'_>, key: u32, node: u32) -> Vec<u8> {
        let life = own_life(key);
        let refusal = Refusal {
            profile: PROFILE,
            cause: Cause::ROOM,
            session: known.shape.session,
            installation: life.installation,
            life: life.number,
            name: format!("stranger-{key}"),
            detail: String::new(),
        };
        let mut text = Vec::new();
        refusal.emit(&mut text);
        let payload = signed_text(key, REFUSE_CONTEXT, &text);
        let node = OWN_NODES + node;
        ack(known, node, ACK_REFUSE, Timestamp::default(), &payload)
    }

    /// A registration that was overheard, of whatever life.
    pub(super) fn old_life(&self, at: u64, guise: Guise, random: &mut Random) -> Option<Feedback> {
        let old = self.ear.registration(random)?;
        let from = match guise {
            Guise::Own => own_address(),
            Guise::Forged => old.from,
        };
        Some(Feedback { at, from, ..old })
    }

    /// A datagram that was overheard, with one bit changed or without its seal.
    pub(super) fn tamper(&self, at: u64, random: &mut Random) -> Option<Feedback> {
        let mut old = self.ear.datagram(random)?;
        if self.made.is_multiple_of(2) {
            flip_bit(&mut old.bytes, random);
            return Some(Feedback { at, ..old });
        }
        let mut bytes = Vec::new();
        match Message::parse(&old.bytes).ok()? {
            Message::Ack(ack) => Ack { auth: None, ..ack }.emit(&mut bytes),
            Message::Nack(nack) => Nack { auth: None, ..nack }.emit(&mut bytes),
            _ => return None,
        }
        Some(Feedback { at, bytes, ..old })
    }

    /// An acknowledgement that was overheard, with another time stamp.
    pub(super) fn stamped(&self, at: u64, offset_ms: i64, random: &mut Random) -> Option<Feedback> {
        let old = self.ear.old_datagram(random)?;
        let clock = self.ear.clock(at)?;
        let Ok(Message::Ack(heard)) = Message::parse(&old.bytes) else {
            return None;
        };
        let stamped = Ack {
            grtt_response: Timestamp::from_ns(shifted(clock, offset_ms)),
            ..heard
        };
        let mut bytes = Vec::new();
        stamped.emit(&mut bytes);
        Some(Feedback { at, bytes, ..old })
    }
}

/// The life of own key number `key`.
fn own_life(key: u32) -> Life {
    let [a, b, c, d] = key.to_be_bytes();
    Life {
        key: attacker_key(key).public(),
        installation: [a, b, c, d, 0, 0, 0, 0],
        number: [a, b, c, d, 2, 2, 2, 2],
    }
}

/// Node id that the first receiver asks for.
const FIRST_NODE: u32 = 1_000;

/// The node id of some receiver.
pub(super) fn device_node(known: &Known<'_>, random: &mut Random) -> u32 {
    FIRST_NODE + below(random, known.receivers.into()) as u32
}

/// A clock's time moved by so many milliseconds.
pub(super) fn shifted(clock: u64, offset_ms: i64) -> u64 {
    clock.saturating_add_signed(offset_ms.saturating_mul(1_000_000))
}

fn signed(key: u32, context: &[u8], message: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_vec(message).expect("messages have a JSON form");
    signed_text(key, context, &text)
}

fn signed_text(key: u32, context: &[u8], text: &[u8]) -> Vec<u8> {
    let key = attacker_key(key);
    let public = key.public();
    let signature = key.sign(context, text);
    let signed = Signed {
        key: public.as_bytes(),
        signature: &signature,
        text,
    };
    let mut out = Vec::new();
    signed.emit(&mut out);
    out
}

fn ack(
    known: &Known<'_>,
    node: u32,
    ack_type: u8,
    grtt_response: Timestamp,
    payload: &[u8],
) -> Vec<u8> {
    let ack = Ack {
        sequence: 0,
        source_id: node,
        server_id: SOURCE_ID,
        instance_id: known.instance_id,
        ack_type,
        ack_id: 0,
        grtt_response,
        auth: (ack_type == ACK_STATUS).then(|| Auth::unsealed(FORGED_COUNT)),
        cc: None,
        payload,
    };
    let mut out = Vec::new();
    ack.emit(&mut out);
    out
}
