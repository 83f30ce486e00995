//! What a device proves by that it is the one that speaks.

use crate::key::{PublicKey, SigningKey};
use crate::message::WelcomeEntry;
use crate::offer::SessionShape;
use crate::seal::{Life, SealKey};
use crate::wire::Auth;

/// The life of this process in one session, and its keys.
#[derive(Debug)]
pub(in crate::receiver) struct Signet {
    pub life: Life,
    pub key: SigningKey,
    /// Node id that the sender knows it by, or that it would like.
    pub node: u32,
    /// Nonce of its welcome; 0: it is not welcome yet.
    pub nonce: u32,
    session: [u8; 16],
    sender: Option<PublicKey>,
    name: [u8; 8],
    welcome: Option<SealKey>,
    feedback: Option<SealKey>,
    count: u64,
}

impl Signet {
    pub(in crate::receiver) fn new(
        key: SigningKey,
        life: Life,
        node: u32,
        shape: &SessionShape,
    ) -> Signet {
        // A session without a usable key welcomes nobody.
        let sender = PublicKey::from_bytes(shape.session_key).ok();
        let welcome = sender.map(|sender| life.welcome_key(&shape.session, &key, &sender));
        Signet {
            name: life.name(),
            life,
            key,
            node,
            nonce: 0,
            session: shape.session,
            sender,
            welcome,
            feedback: None,
            count: 0,
        }
    }

    pub(in crate::receiver) fn is_welcome(&self) -> bool {
        self.feedback.is_some()
    }

    /// Takes a welcome, if it has one for this life that is the sender's own and no
    /// older than the one it has; whether it had.
    pub(in crate::receiver) fn take_welcome(&mut self, entries: &[u8]) -> bool {
        let (Some(welcome), Some(sender)) = (&self.welcome, &self.sender) else {
            return false;
        };
        let mut own = WelcomeEntry::find(entries, self.name);
        let proven = |entry: &WelcomeEntry| welcome.proves(&entry.proof, entry.node, entry.nonce);
        let Some(entry) = own.find(|entry| entry.nonce >= self.nonce && proven(entry)) else {
            return false;
        };
        if self.feedback.is_none() || entry.nonce > self.nonce {
            let key = (self.life).feedback_key(&self.session, &self.key, sender, entry.nonce);
            (self.feedback, self.count) = (Some(key), 0);
        }
        (self.node, self.nonce) = (entry.node, entry.nonce);
        true
    }

    /// EXT_AUTH of the next message, once it is welcome.
    pub(in crate::receiver) fn auth(&mut self) -> Option<Auth> {
        self.feedback.as_ref()?;
        self.count += 1;
        Some(Auth::unsealed(self.count))
    }

    /// Seals a message that carries EXT_AUTH.
    pub(in crate::receiver) fn seal(&self, message: &mut [u8]) {
        if let Some(key) = &self.feedback {
            key.seal(message);
        }
    }
}
