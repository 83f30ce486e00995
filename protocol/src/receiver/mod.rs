//! The receiver: from the first packet of an unknown session to the signed
//! completion.
//!
//! The order of calls: every DATA packet goes to [`Receiver::handle_data`],
//! every other message to [`Receiver::handle_message`]; then
//! [`Receiver::poll_leaf`] and [`Receiver::poll_event`] until they are empty,
//! and [`Receiver::poll_transmit`] for what to send. The machine knows which
//! symbols are held; the caller keeps their bytes, restores blocks when told
//! so, and hashes leaves.

mod ask;
mod follow;
mod hear;
mod tell;

pub use crate::object::{BlockPhase, Blocks, Held, Leaves, Need};
pub use ask::{Objects, Requests};
pub use follow::{Event, Rejection, Session, SessionConfig, Verdict};
pub use hear::{OfferKey, Offers};
pub use tell::report_packets;

use ask::Solicitation;
use tell::Refusals;

use crate::message::{Cause, Figures, PROFILE, Refusal};
use crate::offer::{SESSION_TOI, SessionShape};
use crate::queue::Queue;
use crate::time::{Duration, Time};
use crate::wire::{DataHeader, Message};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// How long the sender of a session may say nothing before another session may
/// take its place.
pub const SILENCE_BEFORE_SWITCH: Duration = Duration::from_secs(1);

/// How long it may send nothing that is new, or welcome nobody.
pub const FRUITLESS_BEFORE_SWITCH: Duration = Duration::from_secs(5);

/// How long it may gather its receivers: twice what it does unless it is told.
const GATHERING_BEFORE_SWITCH: Duration = Duration::from_secs(60);

/// A session that was left for that is not followed again before this: whoever sends
/// an old one again offers it more often than any sender.
const BARREN_HOLD: Duration = Duration::from_secs(30);

/// A receiver: the sessions on offer, and the one that it follows.
#[derive(Debug)]
pub struct Receiver {
    config: SessionConfig,
    offers: Offers,
    session: Option<Session>,
    solicitation: Solicitation,
    refusals: Refusals,
    /// A session that was left because it brought nothing, and when.
    barren: Option<(OfferKey, Time)>,
    /// Packets of sessions other than the one followed.
    pub other_sessions: u64,
}

impl Receiver {
    /// A receiver that follows no session yet.
    pub fn new(config: SessionConfig) -> Receiver {
        Receiver {
            solicitation: Solicitation::new(config.seed),
            config,
            refusals: Refusals::default(),
            offers: Offers::default(),
            session: None,
            barren: None,
            other_sessions: 0,
        }
    }

    /// The session that is followed.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The session that is followed.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// Whether another session may take the place of the one that is followed: its
    /// sender is silent, or talks without sending anything.
    fn may_switch(&self, now: Time) -> bool {
        self.session.as_ref().is_none_or(|session| {
            session.is_over()
                || session.silent_for(now) >= SILENCE_BEFORE_SWITCH
                || Receiver::is_barren(session, now)
        })
    }

    /// Whether its sender talks and brings nothing, or is not there: an old session that
    /// somebody sends again.
    fn is_barren(session: &Session, now: Time) -> bool {
        if session.silent_for(now) >= SILENCE_BEFORE_SWITCH {
            return false;
        }
        let longest = session.fruitless_for(now).max(session.unwelcome_for(now));
        let patience = match session.is_gathering() {
            true => GATHERING_BEFORE_SWITCH,
            false => FRUITLESS_BEFORE_SWITCH,
        };
        longest >= patience
    }

    /// Whether its sender goes on with it and does not welcome: what names the
    /// session's key was read before it was proven, and may have been forged.
    fn is_misread(session: &Session, now: Time) -> bool {
        !session.is_over() && session.unwelcome_for(now) >= FRUITLESS_BEFORE_SWITCH
    }

    /// Takes the header of a DATA packet with `payload` bytes of symbol.
    #[inline]
    pub fn handle_data(
        &mut self,
        now: Time,
        from: SocketAddr,
        header: &DataHeader,
        payload: usize,
    ) -> Verdict {
        let sender = (header.source_id, header.sender.instance_id);
        let key = OfferKey { sender, from };
        if let Some(session) = &mut self.session
            && session.belongs(sender, from)
        {
            if header.toi != SESSION_TOI || !Receiver::is_misread(session, now) {
                return session.handle_data(now, header, payload);
            }
            return match self.is_held(now, key) {
                true => Verdict::Refused(Rejection::RefusedOffer),
                false => self.offers.handle_data(now, from, header, payload),
            };
        }
        if header.toi != SESSION_TOI {
            if self.session.is_some() {
                self.other_sessions += 1;
                return Verdict::Refused(Rejection::OtherSession);
            }
            self.solicitation.heard(now, key, header.sender);
            return Verdict::Refused(Rejection::NoSession);
        }
        if !self.may_switch(now) {
            self.other_sessions += 1;
            return Verdict::Refused(Rejection::OtherSession);
        }
        if self.is_held(now, key) {
            return Verdict::Refused(Rejection::RefusedOffer);
        }
        self.offers.handle_data(now, from, header, payload)
    }

    /// Whether an offer is not to be followed again for a while.
    fn is_held(&self, now: Time, key: OfferKey) -> bool {
        let left = self.barren.filter(|(barren, _)| *barren == key);
        left.is_some_and(|(_, since)| now.since(since) < BARREN_HOLD)
    }

    /// Takes the headers of `count` DATA packets with full symbols that follow
    /// each other in one train ([`DataHeader::continues`]), of which `header` is
    /// the first, if they are all new source symbols of one block of the image, and
    /// gives what they completed. Else takes none: they are for
    /// [`Receiver::handle_data`], one by one.
    #[inline]
    pub fn handle_train(
        &mut self,
        now: Time,
        from: SocketAddr,
        header: &DataHeader,
        count: u16,
    ) -> Option<Held> {
        let sender = (header.source_id, header.sender.instance_id);
        let session = self.session.as_mut();
        let session = session.filter(|session| session.belongs(sender, from))?;
        session.handle_train(now, header, count)
    }

    /// Takes any message but DATA. Gives false if it was not for this receiver.
    pub fn handle_message(&mut self, now: Time, from: SocketAddr, message: &Message<'_>) -> bool {
        match &mut self.session {
            Some(session) => session.handle_message(now, from, message),
            None => false,
        }
    }

    /// The session object of `offer` has been restored: false if no such offer
    /// is being collected.
    pub fn offer_restored(&mut self, offer: OfferKey) -> bool {
        self.offers.restored(offer)
    }

    /// The session object of `offer` was refused: its packets are dropped for a
    /// while, and its sender is told why. `session`: its id, if it could be read.
    pub fn refuse(
        &mut self,
        now: Time,
        offer: OfferKey,
        session: Option<[u8; 16]>,
        cause: Cause,
        detail: &str,
    ) {
        self.offers.refuse(offer);
        let refusal = Refusal {
            session: session.unwrap_or_default(),
            ..self.refusal(cause, detail)
        };
        let config = &self.config;
        (self.refusals).tell(now, offer, config.node, &config.key, &refusal);
    }

    /// This receiver leaves the session that it follows, without its image: its
    /// sender is told why. Send what [`Receiver::poll_transmit`] gives before going.
    pub fn quit(&mut self, now: Time, cause: Cause, detail: &str) {
        let refusal = self.refusal(cause, detail);
        let Some(session) = self.session.as_ref().filter(|session| !session.is_over()) else {
            return;
        };
        let offer = OfferKey {
            sender: session.sender(),
            from: session.sender_address(),
        };
        let refusal = Refusal {
            session: session.shape().session,
            life: session.life(),
            ..refusal
        };
        let config = &self.config;
        (self.refusals).tell(now, offer, config.node, &config.key, &refusal);
        // Whatever it said of the session after that would take it back.
        self.leave();
    }

    fn refusal(&self, cause: Cause, detail: &str) -> Refusal {
        Refusal {
            profile: PROFILE,
            cause,
            session: [0; 16],
            installation: self.config.installation,
            life: self.config.life,
            name: self.config.name.clone(),
            detail: detail.into(),
        }
    }

    /// Whether `offer` is of the session that is followed, and says nothing new: it goes
    /// on, and others are heard.
    pub fn is_followed(&mut self, now: Time, offer: OfferKey, shape: &SessionShape) -> bool {
        let session = self.session.as_ref();
        let same = session.is_some_and(|session| {
            session.belongs(offer.sender, offer.from) && session.shape() == shape
        });
        if same {
            self.offers.refuse(offer);
            self.barren = Some((offer, now));
        }
        same
    }

    /// The manifest of `offer` is verified and its staging reserved: follow
    /// this session. `leaf_list_known` and `verified` leaves come from an
    /// earlier session, checked again.
    pub fn follow(
        &mut self,
        now: Time,
        offer: OfferKey,
        shape: SessionShape,
        leaf_list_known: bool,
        verified: impl Iterator<Item = u64>,
    ) -> bool {
        let Some(found) = self.offers.take(offer) else {
            return false;
        };
        if let Some(before) = &self.session
            && Receiver::is_barren(before, now)
        {
            let (sender, from) = (before.sender(), before.sender_address());
            self.barren = Some((OfferKey { sender, from }, now));
        }
        // What was said to it in one session, or before it left one and came back, is
        // said to nobody in the next: an old welcome proves nothing, nor does what it
        // refused before or will refuse.
        self.next_life();
        let mut session = Session::new(now, &self.config, found.sender, found.from, shape);
        session.resume(leaf_list_known, verified);
        self.config.seed = self.config.seed.wrapping_add(1);
        self.next_life();
        self.session = Some(session);
        true
    }

    fn next_life(&mut self) {
        let life = u64::from_be_bytes(self.config.life).wrapping_add(1);
        self.config.life = life.to_be_bytes();
    }

    /// Forgets the session that is followed; offers are collected anew.
    pub fn leave(&mut self) {
        self.session = None;
        self.offers = Offers::default();
    }

    /// The next leaf of the image to hash.
    pub fn poll_leaf(&mut self) -> Option<u64> {
        self.session.as_mut()?.poll_leaf()
    }

    /// The next thing that the caller must know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.session.as_mut()?.poll_event()
    }

    /// Puts the next message to send into `out` and gives its destination.
    pub fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> Option<SocketAddr> {
        if let Some(to) = self.refusals.poll(now, out) {
            return Some(to);
        }
        match &mut self.session {
            Some(session) => session.poll_transmit(now, out),
            None => self.solicitation.poll(now, self.config.node, out),
        }
    }

    /// When to call [`Receiver::poll_transmit`] again at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        let due = match &self.session {
            Some(session) => session.poll_timeout(),
            None => self.solicitation.poll_timeout(),
        };
        due.into_iter().chain(self.refusals.poll_timeout()).min()
    }

    /// The queues, and what they may hold.
    pub fn queues(&self) -> impl Iterator<Item = Queue> {
        self.session.iter().flat_map(Session::queues)
    }

    /// The image is in place, or `error` says why it is not: from now on the
    /// receiver only tells the sender so.
    pub fn finish(&mut self, now: Time, figures: Figures, error: Option<&str>) {
        if let Some(session) = &mut self.session {
            session.finish(now, false, figures, error);
        }
    }

    /// The image was in place before this session: the receiver only tells the
    /// sender that it has it.
    pub fn finish_had(&mut self, now: Time, figures: Figures) {
        if let Some(session) = &mut self.session {
            session.finish(now, true, figures, None);
        }
    }
}
