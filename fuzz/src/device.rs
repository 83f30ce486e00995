//! A device as the sender hears it: it signs and seals with keys of its own, and
//! says whatever the tape has it say.

use crate::session::{SOURCE, session_key};
use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::message::{
    ACK_REFUSE, ACK_REGISTER, COMPLETE_CONTEXT, Complete, Notice, PROFILE, REFUSE_CONTEXT,
    REGISTER_CONTEXT, Refusal, Register, WelcomeEntry, sign_json, sign_text,
};
use linecast_protocol::seal::{Life, SealKey};
use linecast_protocol::wire::{
    Ack, Auth, Command, CommandBody, Message, Nack, Requests, Timestamp,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::LazyLock;

const SESSION: [u8; 16] = [3; 16];
const ROOT: [u8; 32] = [4; 32];

/// One device, in one of its lives.
#[derive(Debug, Clone)]
pub struct Device {
    number: u8,
    life: u8,
    /// Node id that it was welcomed with, or asks for.
    pub node: u32,
    /// Nonce of its welcome; 0 before.
    pub nonce: u32,
    count: u64,
}

impl Device {
    /// Devices 0 and 1 have one key: the disk of one is a clone of the other's.
    pub fn new(number: u8) -> Device {
        Device {
            number,
            life: 0,
            node: 1_000 + u32::from(number / 3),
            nonce: 0,
            count: 0,
        }
    }

    /// Its key.
    pub fn key(&self) -> &'static SigningKey {
        static KEYS: LazyLock<[SigningKey; 6]> =
            LazyLock::new(|| core::array::from_fn(|at| SigningKey::from_seed([at as u8 + 20; 32])));
        &KEYS[usize::from(self.number.saturating_sub(1)) % KEYS.len()]
    }

    /// Where it sends from: two behind each address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((
            [10, 0, 0, 2 + self.number / 2],
            7600 + u16::from(self.number % 2),
        ))
    }

    /// It starts anew.
    pub fn begin_life(&mut self) {
        self.life = (self.life + 1) % 8;
        (self.nonce, self.count) = (0, 0);
    }

    /// Who it is in this life.
    pub fn identity(&self) -> Life {
        Life {
            key: self.key().public(),
            installation: [self.number; 8],
            number: [self.life; 8],
        }
    }

    /// Takes what the sender says: it may be a welcome.
    pub fn hear(&mut self, message: &[u8]) {
        let Ok(Message::Command(Command {
            body: CommandBody::Application(content),
            ..
        })) = Message::parse(message)
        else {
            return;
        };
        let Some(Notice::Welcome(entries)) = Notice::parse(content) else {
            return;
        };
        if let Some(entry) = WelcomeEntry::find(entries, self.identity().name()).next()
            && entry.nonce > self.nonce
        {
            (self.node, self.nonce, self.count) = (entry.node, entry.nonce, 0);
        }
    }

    /// Its registration: there are few, so each is signed once.
    pub fn registration(&self, held: u64, name: &str) -> Vec<u8> {
        let register = Register {
            profile: PROFILE,
            session: hex(&SESSION),
            installation: hex(&[self.number; 8]),
            life: hex(&[self.life; 8]),
            node: self.node,
            name: name.into(),
            buffer_packets: 4_000 >> self.number,
            held,
        };
        let text = format!("{register:?}");
        let sign = || sign_json(self.key(), REGISTER_CONTEXT, &register);
        self.ack(ACK_REGISTER, Timestamp::default(), &kept(text, sign), false)
    }

    /// Its refusal.
    pub fn refusal(&self, refusal: &Refusal) -> Vec<u8> {
        let sign = || {
            let mut text = Vec::new();
            refusal.emit(&mut text);
            sign_text(self.key(), REFUSE_CONTEXT, &text)
        };
        let text = format!("{} {refusal:?}", self.number);
        self.ack(ACK_REFUSE, Timestamp::default(), &kept(text, sign), false)
    }

    /// How it ended, signed; the fields that say which session and life are its own.
    pub fn completion(&self, complete: Complete) -> Vec<u8> {
        let complete = Complete {
            session: hex(&SESSION),
            root: hex(&ROOT),
            life: hex(&[self.life; 8]),
            nonce: self.nonce,
            ..complete
        };
        let sign = || sign_json(self.key(), COMPLETE_CONTEXT, &complete);
        kept(format!("{} {complete:?}", self.number), sign)
    }

    /// An ACK, sealed.
    pub fn sealed_ack(&mut self, ack_type: u8, stamp: Timestamp, payload: &[u8]) -> Vec<u8> {
        self.count += 1;
        self.ack(ack_type, stamp, payload, true)
    }

    fn ack(&self, ack_type: u8, grtt_response: Timestamp, payload: &[u8], seal: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let ack = Ack {
            sequence: 0,
            source_id: self.node,
            server_id: SOURCE.0,
            instance_id: SOURCE.1,
            ack_type,
            ack_id: 0,
            grtt_response,
            auth: seal.then(|| Auth::unsealed(self.count)),
            cc: None,
            payload,
        };
        ack.emit(&mut out);
        if seal {
            self.seal_key().seal(&mut out);
        }
        out
    }

    /// A NACK, sealed.
    pub fn nack(&mut self, grtt_response: Timestamp, requests: Requests<'_>) -> Vec<u8> {
        self.count += 1;
        let mut out = Vec::new();
        let nack = Nack {
            sequence: 0,
            source_id: self.node,
            server_id: SOURCE.0,
            instance_id: SOURCE.1,
            grtt_response,
            auth: Some(Auth::unsealed(self.count)),
            cc: None,
            requests,
        };
        nack.emit(&mut out);
        self.seal_key().seal(&mut out);
        out
    }

    fn seal_key(&self) -> SealKey {
        thread_local! {
            static KEYS: RefCell<HashMap<(u8, u8, u32), SealKey>> = RefCell::default();
        }
        let make = || {
            let (session, life) = (session_key().public(), self.identity());
            life.feedback_key(&SESSION, self.key(), &session, self.nonce)
        };
        KEYS.with_borrow_mut(|keys| {
            if keys.len() > KEPT_MAX {
                keys.clear();
            }
            let name = (self.number, self.life, self.nonce);
            keys.entry(name).or_insert_with(make).clone()
        })
    }
}

/// What was signed before; most cases say the same again.
fn kept(text: String, sign: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    thread_local! {
        static SIGNED: RefCell<HashMap<String, Vec<u8>>> = RefCell::default();
    }
    SIGNED.with_borrow_mut(|signed| {
        if signed.len() > KEPT_MAX {
            signed.clear();
        }
        signed.entry(text).or_insert_with(sign).clone()
    })
}

const KEPT_MAX: usize = 4_096;
