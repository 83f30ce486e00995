//! Registrations: the one thing that a device says before it can seal.

use super::{Hearing, Moment};
use crate::bytes_from_hex;
use crate::fact::{Feedback, Unheard};
use crate::key::PublicKey;
use crate::limits::NAME_BYTES_MAX;
use crate::message::{PROFILE, REGISTER_CONTEXT, Register, Signed};
use crate::seal::{Counts, Life};
use crate::sender::membership::{Membership, Proof, Registered};
use crate::text::is_printable;

impl Hearing {
    pub(super) fn hear_registration(
        &mut self,
        moment: &Moment<'_>,
        payload: &[u8],
        members: &mut Membership,
    ) -> Result<Feedback, Unheard> {
        let malformed = Unheard::Malformed("registration");
        let signed = Signed::parse(payload).ok_or(malformed)?;
        let register: Register = serde_json::from_slice(signed.text).map_err(|_| malformed)?;
        if register.profile != PROFILE {
            return Err(Unheard::Profile);
        }
        let printable = register.name.chars().all(is_printable);
        if register.name.len() > NAME_BYTES_MAX || !printable {
            return Err(malformed);
        }
        if register.session != self.session_hex {
            return Err(Unheard::OtherSession);
        }
        let key = PublicKey::from_bytes(*signed.key).map_err(|_| Unheard::Signature)?;
        let life = Life {
            key,
            installation: bytes_from_hex(&register.installation).ok_or(malformed)?,
            number: bytes_from_hex(&register.life).ok_or(malformed)?,
        };
        let known = members.place_of_device(&(key, life.installation));
        if let Some(place) = known
            && knows(members, place, &life)
        {
            members.welcome_again(moment.now, place);
            return Ok(Feedback::Known);
        }
        self.take_signature(moment, &key, life.installation, members)?;
        let checked = key.verify(REGISTER_CONTEXT, signed.text, signed.signature);
        checked.map_err(|_| Unheard::Signature)?;
        let nonce = members.next_nonce();
        let proof = Proof {
            number: life.number,
            nonce,
            address: moment.from,
            welcome: life.welcome_key(&self.session, &self.key, &key),
            feedback: life.feedback_key(&self.session, &self.key, &key, nonce),
            counts: Counts::default(),
            node: register.node,
            buffer_packets: register.buffer_packets,
            held: register.held,
        };
        let registered = Registered {
            identity: (key, life.installation),
            name: register.name,
            life: proof,
        };
        let entered = members.register(moment.now, registered, moment.positions);
        let (_, fresh) = entered.ok_or(Unheard::Budget)?;
        Ok(Feedback::Registered { fresh })
    }
}

/// Whether this life has registered before.
fn knows(members: &mut Membership, place: usize, life: &Life) -> bool {
    let member = members.member_mut(place);
    let mut lives = member.life.iter().chain(&member.pending);
    lives.any(|known| known.number == life.number)
}
