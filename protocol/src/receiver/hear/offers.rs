//! Sessions on offer: object 1 of senders that nobody has verified yet. The
//! number of offers and the size of each are bounded before anything is kept.

use crate::limits::{OFFERS_MAX, SESSION_OBJECT_BYTES_MAX};
use crate::object::ObjectLayout;
use crate::object::{Blocks, Held};
use crate::receiver::{Refusal, Verdict};
use crate::time::{Duration, Time};
use crate::wire::{DataHeader, Fti};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Names one offer: source id, instance id, and the address it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfferKey {
    /// NORM source id and instance id.
    pub sender: (u32, u16),
    /// Address that the packets come from: where feedback goes.
    pub from: SocketAddr,
}

#[derive(Debug)]
struct Offer {
    key: OfferKey,
    heard: Time,
    /// When its collection began, or was refused.
    since: Time,
    fti: Fti,
    /// `None` once it was refused.
    blocks: Option<Blocks>,
}

/// An offer that was refused, or that does not fit what comes now, is collected
/// anew after this: the first of it may have been forged.
const COLLECTION_HOLD: Duration = Duration::from_secs(2);

/// At most [`OFFERS_MAX`] offers; a new one takes the place of the one that was
/// not heard for longest.
#[derive(Debug, Default)]
pub struct Offers(Vec<Offer>);

impl Offers {
    /// Takes a packet of object 1.
    pub fn handle_data(
        &mut self,
        now: Time,
        from: SocketAddr,
        header: &DataHeader,
        payload: usize,
    ) -> Verdict {
        let Some(fti) = header.fti else {
            return Verdict::Refused(Refusal::NoFti);
        };
        if fti.object_size > SESSION_OBJECT_BYTES_MAX as u64 {
            return Verdict::Refused(Refusal::TooLong(fti.object_size));
        }
        let key = OfferKey {
            sender: (header.source_id, header.sender.instance_id),
            from,
        };
        let Some(offer) = self.find_or_add(now, key, fti) else {
            return Verdict::Refused(Refusal::Geometry);
        };
        offer.heard = now;
        let Some(blocks) = &mut offer.blocks else {
            return Verdict::Refused(Refusal::RefusedOffer);
        };
        if offer.fti != fti {
            return Verdict::Refused(Refusal::Geometry);
        }
        let layout = *blocks.layout();
        let (id, len) = (header.id, layout.block_len(0));
        let source = id.esi < len;
        let bytes = if source {
            layout.symbol_len(0, id.esi)
        } else {
            usize::from(layout.symbol_bytes())
        };
        if id.sbn != 0 || id.block_len != len || payload != bytes || id.esi >= len.saturating_mul(2)
        {
            return Verdict::Refused(Refusal::Geometry);
        }
        let held = if source {
            blocks.hold_source(0, id.esi)
        } else {
            blocks.hold_parity(0, id.esi - len)
        };
        match held {
            Held::Duplicate => Verdict::Duplicate,
            held => Verdict::Offer { key, fti, id, held },
        }
    }

    fn find_or_add(&mut self, now: Time, key: OfferKey, fti: Fti) -> Option<&mut Offer> {
        let known = self.0.iter().position(|offer| offer.key == key);
        if let Some(at) = known {
            let offer = &self.0[at];
            let fits = offer.fti == fti && offer.blocks.is_some();
            if fits || now.since(offer.since) < COLLECTION_HOLD {
                return self.0.get_mut(at);
            }
            self.0.swap_remove(at);
        }
        if fti.object_size == 0 {
            return None;
        }
        let layout =
            ObjectLayout::new(fti.object_size, fti.symbol_bytes, fti.max_block_len).ok()?;
        if layout.blocks() != 1 {
            return None;
        }
        if self.0.len() >= OFFERS_MAX {
            let oldest = self
                .0
                .iter()
                .enumerate()
                .min_by_key(|(_, offer)| offer.heard)?
                .0;
            self.0.swap_remove(oldest);
        }
        self.0.push(Offer {
            key,
            heard: now,
            since: now,
            fti,
            blocks: Some(Blocks::new(layout)),
        });
        self.0.last_mut()
    }

    /// The caller restored the missing symbols of the offer.
    pub fn restored(&mut self, key: OfferKey) -> bool {
        let found = self.0.iter_mut().find(|offer| offer.key == key);
        let Some(blocks) = found.and_then(|offer| offer.blocks.as_mut()) else {
            return false;
        };
        blocks.restored(0, |_| {});
        true
    }

    /// Drops what comes of this offer for two seconds.
    pub fn refuse(&mut self, key: OfferKey) {
        if let Some(offer) = self.0.iter_mut().find(|offer| offer.key == key) {
            offer.blocks = None;
            offer.since = offer.heard;
        }
    }

    /// Takes the offer out, to be followed; the others are forgotten.
    pub fn take(&mut self, key: OfferKey) -> Option<OfferKey> {
        let found = self.0.iter().any(|offer| offer.key == key);
        self.0.clear();
        found.then_some(key)
    }
}
