//! Devices that an attacker makes up: full members, which register, hear their
//! welcome and seal what they say, as honest ones do.

use super::overheard::{Overheard, Sender, Session};
use super::replies::Voice;
use linecast_protocol::key::SigningKey;
use linecast_protocol::seal::{Life, SealKey};
use linecast_protocol::wire::{Auth, Timestamp};
use serde_json::Value;

/// One such device, or one life of it.
#[derive(Clone)]
pub(super) struct Device {
    key: SigningKey,
    life: Life,
    /// What a welcome names it by.
    name: [u8; 8],
    /// Node id that it would like.
    node: u32,
    seal: Option<Seal>,
}

/// What a welcome gave it.
#[derive(Clone)]
struct Seal {
    session: [u8; 16],
    node: u32,
    nonce: u32,
    key: SealKey,
    count: u64,
}

impl Device {
    /// The device of this number, in its only life.
    pub(super) fn new(number: u32) -> Device {
        let mut seed = [0xa7; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let key = SigningKey::from_seed(seed);
        let life = Life {
            key: key.public(),
            installation: [0x15; 8],
            number: [0x11; 8],
        };
        Device {
            key,
            life,
            name: life.name(),
            node: 0x0a00_0000 | number,
            seal: None,
        }
    }

    /// The same device under another node id.
    pub(super) fn renamed(mut self, number: u32) -> Device {
        self.node = 0x0a00_0000 | number;
        self
    }

    /// The same device, started again.
    pub(super) fn reborn(mut self, number: u32) -> Device {
        self.life.number[..4].copy_from_slice(&number.to_be_bytes());
        self.name = self.life.name();
        self
    }

    /// A clone of the device, on a machine of its own.
    pub(super) fn cloned(mut self, number: u32) -> Device {
        self.life.installation[..4].copy_from_slice(&number.to_be_bytes());
        self.name = self.life.name();
        self
    }

    /// Introduces itself; `change` may make anything of it.
    pub(super) fn register(
        &self,
        sender: Sender,
        session: &Session,
        change: impl FnOnce(&mut Value),
    ) -> Vec<u8> {
        let voice = Voice::unsealed(sender, self.node);
        voice.registration(session, &self.key, &self.life, change)
    }

    /// Refuses the session, with these words.
    pub(super) fn refuse(
        &self,
        sender: Sender,
        session: &Session,
        words: (&str, &str),
    ) -> Option<Vec<u8>> {
        let voice = Voice::unsealed(sender, self.node);
        voice.refusal(session, &self.key, &self.life, words)
    }

    /// Says something sealed, `None` before it was welcome. `stamp` is that of the
    /// probe it claims to answer.
    pub(super) fn say(
        &mut self,
        overheard: &Overheard,
        stamp: Timestamp,
        what: impl FnOnce(&Voice) -> Vec<u8>,
    ) -> Option<Vec<u8>> {
        let sender = overheard.sender?;
        let seal = self.hear_welcome(overheard)?;
        let mut bytes = what(&Voice {
            sender,
            node: seal.node,
            stamp,
            auth: Some(seal.next()),
        });
        seal.key.seal(&mut bytes);
        Some(bytes)
    }

    /// Says sealed that it has the image.
    pub(super) fn complete(&mut self, overheard: &Overheard) -> Option<Vec<u8>> {
        let (sender, session) = (overheard.sender?, overheard.session.as_ref()?);
        let (key, life) = (self.key.clone(), self.life);
        let seal = self.hear_welcome(overheard)?;
        let voice = Voice {
            sender,
            node: seal.node,
            stamp: Timestamp::default(),
            auth: Some(seal.next()),
        };
        let mut bytes = voice.completion(session, &key, &life, seal.nonce)?;
        seal.key.seal(&mut bytes);
        Some(bytes)
    }

    /// What its newest welcome in this session gave it, if that is the sender's.
    fn hear_welcome(&mut self, overheard: &Overheard) -> Option<&mut Seal> {
        let session = overheard.session.as_ref()?;
        let entry = overheard.welcomes.get(&self.name)?;
        let id = session.id()?;
        let fits = |seal: &Seal| seal.session == id && seal.nonce == entry.nonce;
        if !self.seal.as_ref().is_some_and(fits) {
            let other = session.key()?;
            let welcome = self.life.welcome_key(&id, &self.key, &other);
            if !welcome.proves(&entry.proof, entry.node, entry.nonce) {
                return None;
            }
            self.seal = Some(Seal {
                session: id,
                node: entry.node,
                nonce: entry.nonce,
                key: (self.life).feedback_key(&id, &self.key, &other, entry.nonce),
                count: 0,
            });
        }
        self.seal.as_mut()
    }
}

impl Seal {
    fn next(&mut self) -> Auth {
        self.count += 1;
        Auth::unsealed(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::own_sender;
    use super::*;
    use linecast_protocol::hex;
    use linecast_protocol::message::WelcomeEntry;
    use linecast_protocol::offer::{DESCRIPTOR_SCHEMA, Descriptor};

    fn overheard(key: &SigningKey) -> Overheard {
        let descriptor = Descriptor {
            schema: DESCRIPTOR_SCHEMA.into(),
            session: hex(&[9; 16]),
            session_key: hex(key.public().as_bytes()),
            symbol_bytes: 64,
            block_symbols: 4,
            codec: "any".into(),
            num_parity: 1,
            lanes: 1,
            window_packets: 64,
        };
        Overheard {
            sender: Some(own_sender(3)),
            session: Some(Session {
                text: descriptor.to_bytes().unwrap(),
                descriptor,
                manifest: br#"{"root_b3": "0"}"#.to_vec(),
                signature: Vec::new(),
            }),
            ..Overheard::default()
        }
    }

    #[test]
    fn what_a_welcome_device_says_is_sealed_as_the_sender_opens_it() {
        let session_key = SigningKey::from_seed([1; 32]);
        let mut device = Device::new(4).reborn(5).cloned(6);
        let mut heard = overheard(&session_key);
        let say = |device: &mut Device, heard: &Overheard| {
            device.say(heard, Timestamp::default(), |voice| voice.page(1))
        };
        assert!(say(&mut device, &heard).is_none(), "it is not welcome yet");
        let life = device.life;
        let proof = life.welcome_key(&[9; 16], &session_key, &life.key);
        let mut entry = WelcomeEntry {
            life: life.name(),
            node: 77,
            nonce: 2,
            proof: [0; 8],
        };
        heard.welcomes.insert(entry.life, entry);
        assert!(say(&mut device, &heard).is_none(), "the welcome is forged");
        entry.proof = proof.welcome_proof(77, 2);
        heard.welcomes.insert(entry.life, entry);
        let theirs = life.feedback_key(&[9; 16], &session_key, &life.key, 2);
        let (first, second) = (say(&mut device, &heard), device.complete(&heard));
        assert!(theirs.opens(&first.unwrap()) && theirs.opens(&second.unwrap()));
        let lives = [
            Device::new(4),
            Device::new(4).reborn(1),
            Device::new(4).cloned(1),
        ];
        let names: Vec<_> = lives.iter().map(|device| device.life.name()).collect();
        assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2]);
    }
}
