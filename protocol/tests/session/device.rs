//! A device that says what a test wants, truly signed and sealed by its own key.

use crate::world::{SOURCE, World};
use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::message::{
    ACK_COMPLETE, ACK_REGISTER, ACK_STATUS, COMPLETE_CONTEXT, Complete, Notice, PROFILE,
    REGISTER_CONTEXT, Register, Status, WelcomeEntry, sign_json,
};
use linecast_protocol::seal::Life;
use linecast_protocol::sender::{Member, Transmit};
use linecast_protocol::wire::{Ack, Auth, CommandBody, Message, Nack, Requests, Timestamp};
use std::net::SocketAddr;

pub(crate) struct Device {
    pub(crate) key: SigningKey,
    pub(crate) life: Life,
    pub(crate) node: u32,
    pub(crate) address: SocketAddr,
    pub(crate) welcome: Option<WelcomeEntry>,
    count: u64,
    outcome: u32,
}

impl Device {
    /// A device with a key of this seed, in its first life.
    pub(crate) fn new(seed: u8) -> Device {
        let key = SigningKey::from_seed([seed; 32]);
        Device {
            life: Life {
                key: key.public(),
                installation: [seed; 8],
                number: [1; 8],
            },
            key,
            node: 9_000 + u32::from(seed),
            address: format!("10.0.1.{seed}:7600").parse().unwrap(),
            welcome: None,
            count: 0,
            outcome: 0,
        }
    }

    /// The same device after a restart.
    pub(crate) fn restarted(&self) -> Device {
        let mut next = Device::new(self.life.installation[0]);
        next.life.number[0] = self.life.number[0] + 1;
        next.outcome = 0;
        next
    }

    pub(crate) fn registration(&self, world: &World) -> Vec<u8> {
        let register = Register {
            profile: PROFILE,
            session: hex(&world.shape.session),
            installation: hex(&self.life.installation),
            life: hex(&self.life.number),
            node: self.node,
            name: "device".into(),
            buffer_packets: 4_000,
            held: 0,
        };
        let payload = sign_json(&self.key, REGISTER_CONTEXT, &register);
        self.ack(ACK_REGISTER, Timestamp::default(), None, &payload)
    }

    fn ack(
        &self,
        ack_type: u8,
        grtt_response: Timestamp,
        auth: Option<Auth>,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut out = Vec::new();
        Ack {
            sequence: 0,
            source_id: self.node,
            server_id: SOURCE.0,
            instance_id: SOURCE.1,
            ack_type,
            ack_id: 0,
            grtt_response,
            auth,
            cc: None,
            payload,
        }
        .emit(&mut out);
        out
    }

    fn auth(&mut self) -> Option<Auth> {
        self.count += 1;
        Some(Auth::unsealed(self.count))
    }

    fn seal(&self, world: &World, mut message: Vec<u8>) -> Vec<u8> {
        let nonce = self.welcome.map_or(0, |welcome| welcome.nonce);
        let sender = SigningKey::from_seed([9; 32]).public();
        let key = self
            .life
            .feedback_key(&world.shape.session, &self.key, &sender, nonce);
        key.seal(&mut message);
        message
    }

    /// Says it from its own address.
    pub(crate) fn say(&self, world: &mut World, message: &[u8]) {
        world
            .sender
            .handle_datagram(world.now, self.address, message);
    }

    /// Registers, and hears its welcome.
    pub(crate) fn register(&mut self, world: &mut World) {
        let registration = self.registration(world);
        self.say(world, &registration);
        self.hear_welcome(world);
    }

    pub(crate) fn hear_welcome(&mut self, world: &mut World) {
        let mut message = Vec::new();
        for _ in 0..1_000 {
            world.now = world.now + crate::world::TICK;
            world.sender.handle_timeout(world.now);
            while let Some(transmit) = world.sender.poll_transmit(&mut message) {
                if transmit == Transmit::Message
                    && let Ok(Message::Command(command)) = Message::parse(&message)
                    && let CommandBody::Application(content) = command.body
                    && let Some(Notice::Welcome(entries)) = Notice::parse(content)
                    && let Some(entry) = WelcomeEntry::find(entries, self.life.name()).last()
                {
                    self.node = entry.node;
                    self.welcome = Some(entry);
                }
            }
            if self.welcome.is_some() {
                return;
            }
        }
        panic!("no welcome");
    }

    pub(crate) fn status(&mut self, world: &World, status: &Status) -> Vec<u8> {
        self.stamped_status(world, status, Timestamp::default())
    }

    pub(crate) fn stamped_status(
        &mut self,
        world: &World,
        status: &Status,
        stamp: Timestamp,
    ) -> Vec<u8> {
        let mut payload = Vec::new();
        status.emit(&mut payload);
        let auth = self.auth();
        self.seal(world, self.ack(ACK_STATUS, stamp, auth, &payload))
    }

    pub(crate) fn nack(&mut self, world: &World, requests: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Nack {
            sequence: 0,
            source_id: self.node,
            server_id: SOURCE.0,
            instance_id: SOURCE.1,
            grtt_response: Timestamp::default(),
            auth: self.auth(),
            cc: None,
            requests: Requests::parse(requests).unwrap(),
        }
        .emit(&mut out);
        self.seal(world, out)
    }

    pub(crate) fn completion(&mut self, world: &World, error: Option<&str>) -> Vec<u8> {
        self.outcome += 1;
        let complete = Complete {
            session: hex(&world.shape.session),
            root: hex(&world.shape.root),
            life: hex(&self.life.number),
            nonce: self.welcome.map_or(0, |welcome| welcome.nonce),
            count: self.outcome,
            error: error.map(String::from),
            ..Complete::default()
        };
        let payload = sign_json(&self.key, COMPLETE_CONTEXT, &complete);
        let auth = self.auth();
        self.seal(
            world,
            self.ack(ACK_COMPLETE, Timestamp::default(), auth, &payload),
        )
    }

    /// Registers and proves that it is there.
    pub(crate) fn join(&mut self, world: &mut World) {
        self.register(world);
        let status = self.status(world, &Status::default());
        self.say(world, &status);
        assert!(self.member(world).is_proven());
    }

    pub(crate) fn member<'a>(&self, world: &'a World) -> &'a Member {
        let mut members = world.sender.membership().members().iter();
        let own = |member: &&Member| {
            member.key == self.life.key && member.installation == Some(self.life.installation)
        };
        members.find(own).expect("it is known")
    }
}
