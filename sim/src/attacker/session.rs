//! A session of an attacker's own, for an image that somebody else has signed.

use super::commands::command_of;
use super::{Attacker, Known, Volley, forged};
use crate::image::Objects;
use crate::keys::attacker_key;
use crate::lanes::{data_header, symbol_len};
use crate::packet::{Body, Origin};
use crate::scenario::Guise;
use linecast_protocol::message::{self, EndReason, Notice};
use linecast_protocol::offer::SESSION_TOI;
use linecast_protocol::sender::{Control, GroupLoss};
use linecast_protocol::wire::{CcList, CommandBody, SenderWord};

/// Number, instance id and source id of the session.
const SESSION: u32 = 60_000;
const INSTANCE_ID: u16 = 60_000;
const SOURCE_ID: u32 = 99;

impl Attacker {
    /// The offer, a sign of life, or the end, by turns.
    pub(super) fn take_over(
        &mut self,
        known: &Known<'_>,
        (at, guise): (u64, Guise),
        ends: bool,
        volley: &mut Volley,
    ) {
        let origin = match guise {
            Guise::Own => Origin::Stranger,
            Guise::Forged => Origin::Sender,
        };
        let own = self.own.get_or_insert_with(|| {
            let key = attacker_key(0);
            Objects::new(SESSION, known.scenario, known.image.clone(), &key)
        });
        let word = SenderWord {
            instance_id: INSTANCE_ID,
            grtt: 100,
            backoff: 1,
            gsize: 0,
        };
        volley.shapes.push((INSTANCE_ID, own.shape));
        let bodies = match self.made % 4 {
            0 | 1 => offer(own, word),
            3 if ends => vec![end(own, word)],
            _ => vec![life(word)],
        };
        let packets = bodies.into_iter();
        let packets = packets.map(|body| forged(at, origin, body));
        volley.packets.extend(packets);
    }
}

/// Every source symbol of the session object.
fn offer(own: &mut Objects, word: SenderWord) -> Vec<Body> {
    let control = Control {
        rate_bps: 0,
        loss: GroupLoss::default(),
        word,
        target: None,
    };
    let len = own.session_layout.block_len(0);
    let symbol = |esi| {
        let what = (INSTANCE_ID, esi, 0);
        let mut header = data_header(own, &control, what, SESSION_TOI, (0, esi));
        header.source_id = SOURCE_ID;
        Body::Data {
            header,
            len: symbol_len(own, SESSION_TOI, 0, esi),
            payload: own.symbol(SESSION_TOI, 0, esi),
        }
    };
    (0..len).map(symbol).collect()
}

fn life(word: SenderWord) -> Body {
    let body = CommandBody::Cc {
        cc_sequence: 0,
        sec: 1,
        usec: 0,
        rate: None,
        nodes: CcList::EMPTY,
    };
    command_of(SOURCE_ID, 0, word, body)
}

/// The end, signed with the key that the session object names.
fn end(own: &Objects, word: SenderWord) -> Body {
    let reason = EndReason::ImageChanged;
    let text = message::end_text(reason, &own.shape.session);
    let signature = attacker_key(0).sign(message::END_CONTEXT, &text);
    let mut content = Vec::new();
    Notice::End {
        reason,
        signature: &signature,
    }
    .emit(&mut content);
    command_of(SOURCE_ID, 0, word, CommandBody::Application(&content))
}
