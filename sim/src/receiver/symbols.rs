//! What becomes of symbols: kept, restored, hashed, installed.

use super::{ReceiverNode, Surroundings};
use crate::check::{Checker, Rule};
use crate::image::Image;
use crate::packet::{Body, Packet, Payload};
use crate::scenario::Content;
use crate::store::Store;
use linecast_protocol::message::Cause;
use linecast_protocol::message::Figures;
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::offer::{IMAGE_TOI, LEAVES_TOI, SessionShape};
use linecast_protocol::receiver::{Held, OfferKey, Verdict};
use linecast_protocol::time::Time;
use linecast_protocol::wire::Fti;

/// So long may a leaf that does not match be put right by what comes next.
const DOUBT_NS: u64 = 4_000_000;

impl ReceiverNode {
    pub(super) fn keep(
        &mut self,
        at: u64,
        verdict: &Verdict,
        payload: &Payload,
        packet: &Packet,
        around: &Surroundings<'_>,
    ) {
        match *verdict {
            Verdict::Keep { toi, id, held } => {
                let Some(store) = &mut self.store else { return };
                let Some(session) = self.machine.session_mut() else {
                    return;
                };
                let Some(layout) = session.shape().layout(toi) else {
                    return;
                };
                match id.parity_index() {
                    None => {
                        let index = layout.first_symbol(id.sbn) + u64::from(id.esi);
                        let leaves = session.leaves().filter(|_| toi == IMAGE_TOI);
                        store.keep_source(toi, index, payload, leaves);
                    }
                    Some(index) => store.keep_parity(toi, id.sbn, index, payload),
                }
                if held == Held::New {
                    return;
                }
                if toi == IMAGE_TOI {
                    self.whole_after[id.sbn as usize] = packet.ordinal;
                }
                if held == Held::Restorable
                    && let Some(blocks) = session.blocks(toi)
                {
                    let leaves = session.leaves().filter(|_| toi == IMAGE_TOI);
                    store.restore(toi, id.sbn, blocks, leaves);
                    session.handle_restored(toi, id.sbn);
                }
            }
            // What comes last is kept, until its leaf is verified.
            Verdict::Again { toi, id } => {
                let (Some(store), Some(session)) = (&mut self.store, self.machine.session()) else {
                    return;
                };
                let Some(layout) = session.shape().layout(toi) else {
                    return;
                };
                let index = layout.first_symbol(id.sbn) + u64::from(id.esi);
                let leaves = session.leaves().filter(|_| toi == IMAGE_TOI);
                store.keep_source(toi, index, payload, leaves);
                if toi == IMAGE_TOI {
                    self.judge_again(index);
                }
            }
            Verdict::Offer { key, fti, id, held } => {
                self.offers.keep(key, id.esi, payload);
                if held != Held::New {
                    self.consider(at, key, fti, payload, around);
                }
            }
            Verdict::Duplicate | Verdict::Refused(_) => {}
        }
    }

    /// Keeps the symbols of a train that completed `held`.
    pub(super) fn keep_train(&mut self, packets: &[&Packet], held: Held, ordinal: u32) {
        let (Some(store), Some(session)) = (&mut self.store, self.machine.session_mut()) else {
            return;
        };
        let layout = session.shape().image;
        let mut block = 0;
        for packet in packets {
            if let Body::Data {
                header, payload, ..
            } = &packet.body
            {
                block = header.id.sbn;
                let index = layout.first_symbol(block) + u64::from(header.id.esi);
                store.keep_source(IMAGE_TOI, index, payload, session.leaves());
            }
        }
        if held == Held::New {
            return;
        }
        self.whole_after[block as usize] = ordinal;
        if held == Held::Restorable
            && let Some(blocks) = session.blocks(IMAGE_TOI)
        {
            store.restore(IMAGE_TOI, block, blocks, session.leaves());
            session.handle_restored(IMAGE_TOI, block);
        }
    }

    /// The session object of an offer is whole: follow it, or refuse it.
    pub(super) fn consider(
        &mut self,
        at: u64,
        key: OfferKey,
        fti: Fti,
        payload: &Payload,
        around: &Surroundings<'_>,
    ) {
        let shape = match around.scenario.content {
            Content::Identities => {
                let genuine = matches!(payload, Payload::Good);
                around
                    .shapes
                    .get(&key.sender.1)
                    .copied()
                    .filter(|_| genuine)
            }
            Content::Bytes => self.offered_shape(key, fti),
        };
        let Some(shape) = shape else {
            let now = self.clock.local(at);
            return self
                .machine
                .refuse(now, key, None, Cause::SIGNATURE, "of the simulator");
        };
        let now = self.clock.local(at);
        if self.machine.is_followed(now, key, &shape) {
            return;
        }
        let fresh = || Store::new(shape, around.image.clone());
        let store = self.store.get_or_insert_with(fresh);
        let (known, verified) = store.resume(&shape);
        self.finishing = None;
        self.doubted.clear();
        self.machine
            .follow(now, key, shape, known, verified.into_iter());
    }

    pub(super) fn offered_shape(&mut self, key: OfferKey, fti: Fti) -> Option<SessionShape> {
        let layout =
            ObjectLayout::new(fti.object_size, fti.symbol_bytes, fti.max_block_len).ok()?;
        Image::accept(&self.offers.assemble(key, &layout)?)
    }

    pub(super) fn hash_leaves(&mut self, now: Time) {
        let (Some(store), Some(session)) = (&mut self.store, self.machine.session_mut()) else {
            return;
        };
        if session.leaf_list_complete() {
            let wrong = store.wrong_list();
            session.handle_leaf_list(now, &wrong);
            if !wrong.is_empty() {
                let blocks = session.shape().leaves.map_or(0, |l| l.blocks());
                (0..blocks).for_each(|sbn| {
                    store.drop_parity(LEAVES_TOI, sbn);
                });
            }
        }
        let until = self.clock.global(now) + DOUBT_NS;
        while let Some(leaf) = self.machine.poll_leaf() {
            match (store.leaf_matches(leaf), self.machine.session_mut()) {
                (true, Some(session)) => session.handle_verified(leaf),
                _ => self.doubted.push((leaf, until)),
            }
        }
    }

    /// A symbol was written again: whoever was found wrong before may be right now.
    fn judge_again(&mut self, index: u64) {
        let (Some(store), Some(session)) = (&mut self.store, self.machine.session_mut()) else {
            return;
        };
        let touched = session
            .leaves()
            .map_or(0..0, |leaves| leaves.touched_by(index));
        let right =
            |(leaf, _): &mut (u64, u64)| touched.contains(leaf) && store.leaf_matches(*leaf);
        for (leaf, _) in self.doubted.extract_if(.., right) {
            session.handle_verified(leaf);
        }
    }

    /// Tells of leaves that nothing has put right.
    pub(super) fn tell_damage(&mut self, at: u64) {
        let (Some(store), Some(session)) = (&mut self.store, self.machine.session_mut()) else {
            return;
        };
        let now = self.clock.local(at);
        for (leaf, _) in self.doubted.extract_if(.., |(_, until)| *until <= at) {
            let blocks = session.handle_damaged(now, leaf);
            blocks.for_each(|sbn| store.drop_parity(IMAGE_TOI, sbn));
        }
    }

    /// Syncs, reads back, renames.
    pub(super) fn install(&mut self, at: u64, checker: &mut Checker) {
        let now = self.clock.local(at);
        let right = self.store.as_ref().is_some_and(Store::is_image);
        let session = self.machine.session();
        let all = session
            .and_then(|s| s.leaves())
            .is_none_or(|l| l.verified() == l.count());
        checker.check(
            all && self.announced_verified,
            Rule::VerifiedFirst,
            at,
            || format!("receiver {} installs with leaves missing", self.index),
        );
        if !right && self.rotten {
            // Reading back finds it.
            self.failed = true;
            let error = Some("read-back differs");
            return self.machine.finish(now, Figures::default(), error);
        }
        checker.check(right, Rule::OnlyTheImage, at, || {
            format!("receiver {} installed something else", self.index)
        });
        self.installed_at.get_or_insert(at);
        self.trace.note(10, at, u64::from(self.index));
        self.machine.finish(now, Figures::default(), None);
    }
}
