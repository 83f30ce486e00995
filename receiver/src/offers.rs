//! The bytes of session objects that are still being collected: at most four
//! of 64 KiB, whoever sends them.

use crate::inbox::Inbox;
use crate::symbols::{self, Bytes, SymbolError, Symbols};
use linecast_fec::Codec;
use linecast_protocol::limits::OFFERS_MAX;
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::receiver::{Blocks, Held, OfferKey};
use linecast_protocol::wire::{Fti, PayloadId};

/// Collects the symbols of session objects.
#[derive(Debug, Default)]
pub struct OfferBytes(Vec<Collected>);

#[derive(Debug)]
struct Collected {
    key: OfferKey,
    layout: ObjectLayout,
    codec: Codec,
    blocks: Blocks,
    symbols: Symbols,
}

impl OfferBytes {
    /// Keeps one symbol; gives the whole object once it is complete.
    ///
    /// # Errors
    /// The erasure code refuses the symbols.
    pub fn keep(
        &mut self,
        inbox: &Inbox,
        datagram: usize,
        key: OfferKey,
        fti: Fti,
        id: PayloadId,
        held: Held,
    ) -> Result<Option<Vec<u8>>, SymbolError> {
        let Some(payload) = inbox.payload(datagram) else {
            return Ok(None);
        };
        let Some(offer) = self.offer(key, fti) else {
            return Ok(None);
        };
        if id.esi < id.block_len {
            offer.blocks.hold_source(0, id.esi);
            offer
                .symbols
                .keep_source(0, id.esi, payload, &offer.blocks, None)?;
        } else {
            let index = id.esi - id.block_len;
            offer.blocks.hold_parity(0, index);
            offer
                .symbols
                .keep_parity(0, index, payload, &offer.blocks, None)?;
        }
        if held == Held::Restorable {
            let mut decoder = symbols::decoder(offer.codec, &offer.layout)?;
            let restored = offer.symbols.restore(0, &mut decoder, &offer.blocks);
            if matches!(restored, Err(SymbolError::Fec(_))) {
                // Nothing that comes from strangers ends this: collected anew.
                self.0.retain(|offer| offer.key != key);
                return Ok(None);
            }
            restored?;
        }
        if !matches!(held, Held::Restorable | Held::Done) {
            return Ok(None);
        }
        let object = offer.symbols.bytes().get(0..offer.layout.size())?.to_vec();
        self.0.retain(|offer| offer.key != key);
        Ok(Some(object))
    }

    fn offer(&mut self, key: OfferKey, fti: Fti) -> Option<&mut Collected> {
        let layout =
            ObjectLayout::new(fti.object_size, fti.symbol_bytes, fti.max_block_len).ok()?;
        let codec = codec(&fti)?;
        let known = self.0.iter().position(|offer| offer.key == key);
        match known {
            Some(at) if self.0[at].layout == layout && self.0[at].codec == codec => {
                return self.0.get_mut(at);
            }
            // The machine has begun anew, with other sizes.
            Some(at) => _ = self.0.remove(at),
            None => {}
        }
        if self.0.len() >= OFFERS_MAX {
            self.0.remove(0);
        }
        let symbols = Symbols::new(layout, Bytes::memory(&layout));
        self.0.push(Collected {
            key,
            layout,
            codec,
            blocks: Blocks::new(layout),
            symbols,
        });
        self.0.last_mut()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The erasure code of a session object, if there is one that has such symbols
/// and as much parity as source.
fn codec(fti: &Fti) -> Option<Codec> {
    let (len, bytes) = (fti.max_block_len.into(), usize::from(fti.symbol_bytes));
    Codec::from_fec_instance(fti.fec_instance)
        .filter(|codec| codec.max_parity(len) >= len && bytes.is_multiple_of(codec.symbol_unit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_object_has_a_code_that_has_such_symbols_and_parity() {
        let fti = |fec_instance, symbol_bytes, max_block_len| Fti {
            object_size: 1000,
            fec_instance,
            symbol_bytes,
            max_block_len,
            num_parity: 0,
        };
        let (gf8, gf16) = (Codec::Gf8.fec_instance(), Codec::Gf16Low.fec_instance());
        assert_eq!(codec(&fti(gf8, 1408, 127)), Some(Codec::Gf8));
        assert_eq!(codec(&fti(gf8, 63, 16)), Some(Codec::Gf8));
        assert_eq!(codec(&fti(gf16, 64, 1024)), Some(Codec::Gf16Low));
        assert_eq!(codec(&fti(gf8, 64, 128)), None);
        assert_eq!(codec(&fti(gf16, 63, 16)), None);
        assert_eq!(codec(&fti(7, 1408, 16)), None);
    }
}
