//! The border before the sender: a datagram becomes a bounded, attributed fact,
//! or a count of why it is none.
//!
//! Cheap checks come first: length, form, session, node id; then the seal, which
//! takes a microsecond; then budgets; signatures last. Nothing here takes time in
//! proportion to the image, and nothing is kept of a stranger but a registration
//! whose signature matched.

mod registration;

use super::membership::Membership;
use crate::budget::Budget;
use crate::fact::{Asked, Feedback, Unheard};
use crate::hex;
use crate::key::{PublicKey, SigningKey};
use crate::limits::{ERROR_BYTES_MAX, GRTT_MAX, MESSAGE_BYTES_MAX, WINDOW_PACKETS};
use crate::message::{
    ACK_COMPLETE, ACK_PAGE, ACK_REFUSE, ACK_REGISTER, ACK_STATUS, COMPLETE_CONTEXT, Complete, Page,
    REFUSE_CONTEXT, Refusal, Signed, Status,
};
use crate::offer::{SESSION_TOI, SessionShape};
use crate::text::is_printable;
use crate::time::{Duration, Time};
use crate::wire::{Ack, Auth, Message, Nack, Timestamp};
use alloc::boxed::Box;
use alloc::string::String;
use core::net::SocketAddr;

/// Signatures of unknown devices that are checked in a second, and refusals.
const STRANGERS_PER_S: u64 = 2_000;
/// The same where a roster names those that weigh.
const UNLISTED_PER_S: u64 = 100;
/// Announcements a second that late receivers may ask for.
const SOLICITED_PER_S: u64 = 50;
/// The lanes may have sent so much more than they have told so far.
const SLACK_PACKETS: u64 = WINDOW_PACKETS;

/// The session as it is told from others, and what may be spent on strangers.
#[derive(Debug)]
pub(super) struct Hearing {
    sender: (u32, u16),
    session: [u8; 16],
    session_hex: String,
    root_hex: String,
    key: SigningKey,
    strangers: Budget,
    unlisted: Budget,
    solicited: Budget,
    began: Time,
}

/// What hearing needs to know of the machine at this moment.
pub(super) struct Moment<'a> {
    pub now: Time,
    pub from: SocketAddr,
    /// Positions of the lanes.
    pub positions: &'a [u64],
    /// Nothing but ends is heard any more.
    pub ending: bool,
}

impl Hearing {
    pub(super) fn new(
        began: Time,
        sender: (u32, u16),
        shape: &SessionShape,
        key: SigningKey,
    ) -> Hearing {
        Hearing {
            began,
            sender,
            session: shape.session,
            session_hex: hex(&shape.session),
            root_hex: hex(&shape.root),
            key,
            strangers: Budget::new(STRANGERS_PER_S, STRANGERS_PER_S),
            unlisted: Budget::new(UNLISTED_PER_S, UNLISTED_PER_S),
            solicited: Budget::new(SOLICITED_PER_S, 2),
        }
    }

    /// Makes a fact of a datagram.
    pub(super) fn hear(
        &mut self,
        moment: &Moment<'_>,
        bytes: &[u8],
        members: &mut Membership,
    ) -> Result<Feedback, Unheard> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Unheard::TooLong);
        }
        match Message::parse(bytes) {
            Ok(Message::Nack(nack)) => {
                self.is_ours(nack.server_id, nack.instance_id)?;
                self.hear_nack(moment, bytes, &nack, members)
            }
            Ok(Message::Ack(ack)) => {
                self.is_ours(ack.server_id, ack.instance_id)?;
                self.hear_ack(moment, bytes, &ack, members)
            }
            Ok(_) => Err(Unheard::Kind),
            Err(error) => Err(Unheard::Malformed(error.reason())),
        }
    }

    /// The round trip that a response tells, if it has a sane age: no probe left before
    /// the session began.
    fn trip(&self, now: Time, stamp: Timestamp) -> Option<Duration> {
        let then = Time::from_ns(stamp.as_ns());
        // Stamps are cut to microseconds.
        let began = then + Duration::from_micros(1) >= self.began;
        let sane = began && then <= now && now.since(then) < GRTT_MAX;
        sane.then(|| now.since(then))
    }

    fn is_ours(&self, server_id: u32, instance_id: u16) -> Result<(), Unheard> {
        match (server_id, instance_id) == self.sender {
            true => Ok(()),
            false => Err(Unheard::OtherSession),
        }
    }

    fn hear_nack(
        &mut self,
        moment: &Moment<'_>,
        bytes: &[u8],
        nack: &Nack<'_>,
        members: &mut Membership,
    ) -> Result<Feedback, Unheard> {
        if moment.ending {
            return Err(Unheard::Late);
        }
        let asked = Asked::of(&nack.requests);
        if asked.spans().iter().any(|span| span.toi == SESSION_TOI) {
            let allowed = self.solicited.take(moment.now);
            return allowed
                .then_some(Feedback::Solicited)
                .ok_or(Unheard::Budget);
        }
        let place = open(moment, bytes, nack.source_id, nack.auth, members)?;
        Ok(Feedback::Asked {
            place,
            asked,
            trip: self.trip(moment.now, nack.grtt_response),
        })
    }

    fn hear_ack(
        &mut self,
        moment: &Moment<'_>,
        bytes: &[u8],
        ack: &Ack<'_>,
        members: &mut Membership,
    ) -> Result<Feedback, Unheard> {
        match ack.ack_type {
            ACK_REGISTER if moment.ending => return Err(Unheard::Late),
            ACK_REGISTER => return self.hear_registration(moment, ack.payload, members),
            ACK_REFUSE => return self.hear_refusal(moment, ack.payload, members),
            ACK_STATUS | ACK_COMPLETE | ACK_PAGE => {}
            _ => return Err(Unheard::Kind),
        }
        let place = open(moment, bytes, ack.source_id, ack.auth, members)?;
        let trip = self.trip(moment.now, ack.grtt_response);
        match ack.ack_type {
            ACK_STATUS => {
                let parsed = Status::parse(ack.payload);
                let mut status = parsed.ok_or(Unheard::Malformed("status"))?;
                let sent: u64 = moment.positions.iter().sum();
                let sent = sent.saturating_add(SLACK_PACKETS);
                let member = members.member_mut(place);
                Ok(Feedback::Reported {
                    place,
                    plausible: member.believe(&mut status, sent),
                    status,
                    trip,
                })
            }
            ACK_PAGE => {
                let page = Page::parse(ack.payload).ok_or(Unheard::Malformed("page"))?;
                Ok(Feedback::Lacking {
                    place,
                    page: Box::new(page),
                })
            }
            _ => {
                let complete = self.read_completion(moment.now, place, ack.payload, members)?;
                Ok(Feedback::Completed {
                    place,
                    complete,
                    trip,
                })
            }
        }
    }

    /// A completion is sealed and signed: the seal is cheap, the signature can be
    /// shown to others.
    fn read_completion(
        &self,
        now: Time,
        place: usize,
        payload: &[u8],
        members: &mut Membership,
    ) -> Result<Complete, Unheard> {
        let malformed = Unheard::Malformed("completion");
        let signed = Signed::parse(payload).ok_or(malformed)?;
        let complete: Complete = serde_json::from_slice(signed.text).map_err(|_| malformed)?;
        let member = members.member_mut(place);
        let life = member.life.as_ref().ok_or(Unheard::Unproven)?;
        let ours = complete.session == self.session_hex
            && (complete.error.is_some() || complete.root == self.root_hex);
        let own = signed.key == member.key.as_bytes()
            && complete.nonce == life.nonce
            && complete.life == hex(&life.number);
        if !ours || !own {
            return Err(Unheard::OtherSession);
        }
        let shown =
            |error: &String| error.len() <= ERROR_BYTES_MAX && error.chars().all(is_printable);
        if !complete.error.as_ref().is_none_or(shown) {
            return Err(malformed);
        }
        if complete.count <= member.outcome {
            // Told again, because nobody had told it that it was heard.
            return Ok(complete);
        }
        if !member.signatures.take(now) {
            return Err(Unheard::Budget);
        }
        let (key, text) = (member.key, signed.text);
        let checked = key.verify(COMPLETE_CONTEXT, text, signed.signature);
        checked.map_err(|_| Unheard::Signature)?;
        Ok(complete)
    }

    fn hear_refusal(
        &mut self,
        moment: &Moment<'_>,
        payload: &[u8],
        members: &mut Membership,
    ) -> Result<Feedback, Unheard> {
        let malformed = Unheard::Malformed("refusal");
        let signed = Signed::parse(payload).ok_or(malformed)?;
        let refusal = Refusal::parse(signed.text).ok_or(malformed)?;
        // One that could not read the session object does not know its id.
        if refusal.session != self.session && refusal.session != [0; 16] {
            return Err(Unheard::OtherSession);
        }
        let key = PublicKey::from_bytes(*signed.key).map_err(|_| Unheard::Signature)?;
        self.take_signature(moment, &key, refusal.installation, members)?;
        let checked = key.verify(REFUSE_CONTEXT, signed.text, signed.signature);
        checked.map_err(|_| Unheard::Signature)?;
        let news = members.refuse(moment.now, key, moment.from, refusal);
        match news {
            true => Ok(Feedback::Refused),
            false => Err(Unheard::Repeated),
        }
    }

    /// Whether another signature of this device may be checked: those that are
    /// known have budgets of their own, strangers share one.
    fn take_signature(
        &mut self,
        moment: &Moment<'_>,
        key: &PublicKey,
        installation: [u8; 8],
        members: &mut Membership,
    ) -> Result<(), Unheard> {
        let known = members.place_of_device(&(*key, installation));
        let expected = || members.places_of_key(key).first().copied();
        let allowed = match known.or_else(expected) {
            Some(place) => members.member_mut(place).signatures.take(moment.now),
            // Those that a roster does not name can wait.
            None if members.is_exclusive() => {
                members.has_room_for(moment.from.ip()) && self.unlisted.take(moment.now)
            }
            None => members.has_room_for(moment.from.ip()) && self.strangers.take(moment.now),
        };
        allowed.then_some(()).ok_or(Unheard::Budget)
    }
}

/// Finds whose life sealed a message, and takes its count; the member is proven
/// by it.
fn open(
    moment: &Moment<'_>,
    bytes: &[u8],
    node: u32,
    auth: Option<Auth>,
    members: &mut Membership,
) -> Result<usize, Unheard> {
    let place = members.place_of(node).ok_or(Unheard::Unknown)?;
    let auth = auth.ok_or(Unheard::Unproven)?;
    let member = members.member_mut(place);
    let served = member.life.as_mut().filter(|life| life.node == node);
    let (pending, life) = match served.filter(|life| life.feedback.opens(bytes)) {
        Some(life) => (None, life),
        None => {
            let mut lives = (0..).zip(&mut member.pending);
            let found = lives.find(|(_, life)| life.feedback.opens(bytes));
            let (at, life) = found.ok_or(Unheard::Unproven)?;
            (Some(at), life)
        }
    };
    let newest = life.counts.take(auth.count).ok_or(Unheard::Repeated)?;
    members.prove(
        moment.now,
        place,
        pending,
        newest,
        moment.from,
        moment.positions,
    );
    Ok(place)
}
