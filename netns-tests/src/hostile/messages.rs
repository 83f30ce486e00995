//! The messages of senders, as attackers send them: apart from when and to whom.

use super::overheard::{Member, Overheard, Place, Sender, Session};
use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::limits::PAGE_BYTES;
use linecast_protocol::message::{END_CONTEXT, EndReason, Notice, WelcomeEntry, end_text};
use linecast_protocol::offer::{Descriptor, IMAGE_TOI, LEAVES_TOI, Offer, SESSION_TOI};
use linecast_protocol::wire::{
    Command, CommandBody, DataHeader, Fti, Level, Message, NodeList, PayloadId, RequestBuilder,
    Requests, SenderWord, Timestamp, flag, quantize,
};
use linecast_release::manifest::Manifest;
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};
use serde_json::Value;

/// What fits one packet beside NORM's header.
const ITEMS_BYTES: usize = 1_168;
const SYMBOL_BYTES: usize = 1_408;

/// A message as it goes into a datagram.
pub(super) fn datagram(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.emit(&mut bytes);
    bytes
}

fn command(sender: Sender, body: CommandBody<'_>) -> Vec<u8> {
    datagram(&Message::Command(Command {
        sequence: 0,
        source_id: sender.source_id,
        sender: sender.word,
        body,
    }))
}

/// A probe at this time of the sender's clock.
pub(super) fn probe(sender: Sender, number: u16, clock: Timestamp) -> Vec<u8> {
    let body = CommandBody::Cc {
        cc_sequence: number,
        sec: clock.sec,
        usec: clock.usec,
        rate: None,
        nodes: linecast_protocol::wire::CcList::EMPTY,
    };
    command(sender, body)
}

/// The end of the image, where all of `nodes` are to answer.
pub(super) fn flush(sender: Sender, nodes: &[u32], last: PayloadId) -> Vec<u8> {
    let body = CommandBody::Flush {
        toi: IMAGE_TOI,
        id: last,
        nodes: NodeList::from_slice(nodes),
    };
    command(sender, body)
}

/// Requests for all objects, so many of each.
pub(super) fn everything(limit_bytes: usize, repeats: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, limit_bytes);
    let id = PayloadId::default();
    for _ in 0..repeats {
        for toi in [IMAGE_TOI, LEAVES_TOI] {
            if !builder.push_item(Level::OBJECT, toi, id) {
                return bytes;
            }
        }
    }
    bytes
}

/// Somebody has asked for everything.
pub(super) fn advertisement(sender: Sender) -> Vec<u8> {
    let items = everything(ITEMS_BYTES, 1);
    let requests = Requests::parse(&items).expect("requests of our own");
    let body = CommandBody::RepairAdv {
        limit: false,
        requests,
    };
    command(sender, body)
}

/// Welcomes all of these lives under a wrong node id, in a header after which
/// nobody would speak for hours. Who has no session key cannot prove it.
pub(super) fn welcome(sender: Sender, members: &[&Member], node: u32) -> Vec<u8> {
    let mut entries = Vec::new();
    for life in members.iter().filter_map(|member| member.life) {
        WelcomeEntry {
            life: life.name(),
            node,
            nonce: u32::MAX - node,
            proof: node.to_be_bytes().repeat(2).try_into().unwrap_or_default(),
        }
        .emit(&mut entries);
    }
    let word = SenderWord {
        grtt: 255,
        backoff: 15,
        gsize: 15,
        ..sender.word
    };
    notice(Sender { word, ..sender }, &Notice::Welcome(&entries))
}

/// Asks who lacks leaves of a page, of which nobody has said anything yet.
pub(super) fn poll(sender: Sender, page: u32) -> Vec<u8> {
    let known = &[0; PAGE_BYTES];
    notice(sender, &Notice::Poll { page, known })
}

fn notice(sender: Sender, notice: &Notice<'_>) -> Vec<u8> {
    let mut content = Vec::new();
    notice.emit(&mut content);
    command(sender, CommandBody::Application(&content))
}

/// The end of a session, signed by who holds its key: the image has changed.
pub(super) fn end(sender: Sender, session: [u8; 16], key: &SigningKey) -> Vec<u8> {
    let reason = EndReason::ImageChanged;
    let signature = key.sign(END_CONTEXT, &end_text(reason, &session));
    let signature = &signature;
    notice(sender, &Notice::End { reason, signature })
}

/// The replay of a signed manifest in a session of the attacker's own. No sender
/// has signed that one.
pub(super) fn replayed_offer(
    session: &Session,
    id: [u8; 16],
    key: &SigningKey,
    change: impl FnOnce(&mut Descriptor),
) -> Vec<u8> {
    let mut descriptor = Descriptor {
        session: hex(&id),
        session_key: hex(key.public().as_bytes()),
        ..session.descriptor.clone()
    };
    change(&mut descriptor);
    let descriptor = descriptor.to_bytes().expect("fields within their limits");
    offer([&descriptor, &session.manifest, &session.signature, &[]])
}

/// A session object of these parts.
fn offer([descriptor, manifest, signature, sender_signature]: [&[u8]; 4]) -> Vec<u8> {
    let offer = Offer {
        descriptor,
        manifest,
        signature,
        sender_signature,
    };
    offer.to_bytes().expect("parts of an offer fit an offer")
}

/// What makes a device refuse the very session that it is about to follow: with
/// its id, or without any.
pub(super) fn refusable_offer(session: &Session, number: u32) -> Vec<u8> {
    let signature = &session.signature[..session.signature.len() / 2];
    let whole = offer([&session.text, &session.manifest, signature, &[]]);
    match number % 2 {
        0 => whole,
        // Of a profile that nobody speaks.
        _ => [b"LCS9", &whole[4..]].concat(),
    }
}

/// An offer of an image that no disk holds, signed by nobody who is trusted.
pub(super) fn huge_offer(session: &Session, id: [u8; 16], key: &SigningKey) -> Vec<u8> {
    let manifest = Manifest {
        name: "huge".into(),
        version: 1,
        hardware: Vec::new(),
        target: None,
        size_bytes: 1 << 47,
        root_b3: [7; 32],
        sha256: None,
        created: 0,
        expires: None,
    }
    .to_bytes();
    let signature = sshsig::sign(key, MANIFEST_NAMESPACE, &manifest);
    let session = Session {
        manifest,
        signature: signature.as_bytes().to_vec(),
        ..session.clone()
    };
    replayed_offer(&session, id, key, |descriptor| {
        descriptor.symbol_bytes = 64_960;
    })
}

/// What a terminal would act on, inside a line that looks like ours.
pub(super) const TERMINAL_TEXT: &str =
    "\u{1b}]0;owned\u{7}\u{1b}[2J\r\nlinecast: all is well \u{202e}\u{200b}\u{9b}31m\u{7f}";

/// The same offer with text in it that a terminal would act on: in a field that
/// no descriptor has, or in the schema, or in the manifest.
pub(super) fn speaking_offer(session: &Session, where_: usize) -> Vec<u8> {
    let mut descriptor = serde_json::to_value(&session.descriptor).expect("a plain structure");
    let mut manifest = session.manifest.clone();
    match where_ % 4 {
        0 => descriptor[TERMINAL_TEXT] = Value::from(1),
        1 => descriptor["schema"] = Value::from(TERMINAL_TEXT),
        2 => descriptor["codec"] = Value::from(TERMINAL_TEXT),
        _ => {
            let mut text: Value = serde_json::from_slice(&manifest).unwrap_or_default();
            text[TERMINAL_TEXT] = Value::from(1);
            manifest = text.to_string().into_bytes();
        }
    }
    let descriptor = descriptor.to_string();
    offer([descriptor.as_bytes(), &manifest, &session.signature, &[]])
}

/// One datagram for each symbol of a session object.
pub(crate) fn object_packets(sender: Sender, object: &[u8]) -> Vec<Vec<u8>> {
    let symbols: Vec<&[u8]> = object.chunks(SYMBOL_BYTES).collect();
    let packet = |(esi, symbol): (usize, &&[u8])| {
        let header = DataHeader {
            sequence: esi as u16,
            source_id: sender.source_id,
            sender: sender.word,
            flags: 0,
            toi: SESSION_TOI,
            id: PayloadId {
                sbn: 0,
                block_len: symbols.len() as u16,
                esi: esi as u16,
            },
            fti: Some(Fti {
                object_size: object.len() as u64,
                fec_instance: 0,
                symbol_bytes: SYMBOL_BYTES as u16,
                max_block_len: symbols.len() as u16,
                num_parity: 0,
            }),
        };
        datagram(&Message::Data(header, symbol))
    };
    symbols.iter().enumerate().map(packet).collect()
}

/// A symbol of the image that is not in it.
pub(super) fn symbol(sender: Sender, place: &Place, filling: u8) -> Vec<u8> {
    let repair = place.id.parity_index().is_some();
    let header = DataHeader {
        sequence: place.sequence,
        source_id: sender.source_id,
        sender: sender.word,
        flags: if repair { flag::REPAIR } else { 0 },
        toi: IMAGE_TOI,
        id: place.id,
        fti: Some(place.fti),
    };
    let symbol = vec![filling; place.fti.symbol_bytes.into()];
    datagram(&Message::Data(header, &symbol))
}

/// A time before the newest probe, by the sender's clock; not before it began.
pub(super) fn stamp_before(overheard: &Overheard, ms: u64) -> Timestamp {
    let ns = overheard.probe.as_ns().saturating_sub(ms * 1_000_000);
    Timestamp::from_ns(ns.max(1_000))
}

/// The header of a session that an attacker makes up.
pub(super) fn own_sender(number: u32) -> Sender {
    Sender {
        source_id: 0x0bad_0000 | number,
        word: SenderWord {
            instance_id: number as u16,
            grtt: quantize::grtt_from_ns(1_000_000),
            backoff: 1,
            gsize: 0,
        },
    }
}
