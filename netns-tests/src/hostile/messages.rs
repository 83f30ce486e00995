//! The messages that attackers send, apart from when and to whom. What the wire
//! profile says about them is written down here only.

use super::overheard::{Member, Overheard, Place, Sender, Session};
use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::message::{
    ACK_COMPLETE, ACK_REGISTER, ACK_STATUS, Activity, COMPLETE_CONTEXT, Complete, END_CONTEXT,
    EndReason, Notice, REGISTER_CONTEXT, Register, Signed, Status, end_text,
};
use linecast_protocol::offer::{Descriptor, IMAGE_TOI, LEAVES_TOI, Offer, SESSION_TOI};
use linecast_protocol::wire::{
    Ack, Command, CommandBody, DataHeader, Fti, Level, Message, Nack, NodeList, PayloadId,
    RequestBuilder, Requests, SenderWord, Timestamp, flag, quantize,
};
use linecast_release::manifest::Manifest;
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};
use serde_json::Value;

/// What fits one packet beside NORM's header.
const ITEMS_BYTES: usize = 1_168;
const SYMBOL_BYTES: usize = 1_408;

fn datagram(message: &Message<'_>) -> Vec<u8> {
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

/// A probe.
pub(super) fn probe(sender: Sender, number: u16) -> Vec<u8> {
    let body = CommandBody::Cc {
        cc_sequence: number,
        sec: number.into(),
        usec: 0,
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

/// Wrong node ids, and a header after which nobody speaks for hours.
pub(super) fn welcome(sender: Sender, members: &[&Member], node: u32) -> Vec<u8> {
    let mut entries = Vec::new();
    for key in members.iter().filter_map(|member| member.key) {
        entries.extend_from_slice(&key[..8]);
        entries.extend_from_slice(&node.to_be_bytes());
    }
    let mut content = Vec::new();
    Notice::Welcome(&entries).emit(&mut content);
    let word = SenderWord {
        grtt: 255,
        backoff: 15,
        gsize: 15,
        ..sender.word
    };
    command(
        Sender { word, ..sender },
        CommandBody::Application(&content),
    )
}

/// The end of a session, signed by who holds its key: the image has changed.
pub(super) fn end(sender: Sender, session: [u8; 16], key: &SigningKey) -> Vec<u8> {
    let reason = EndReason::ImageChanged;
    let signature = key.sign(END_CONTEXT, &end_text(reason, &session));
    let mut content = Vec::new();
    Notice::End {
        reason,
        signature: &signature,
    }
    .emit(&mut content);
    command(sender, CommandBody::Application(&content))
}

/// Requests for all objects, so many of each.
fn everything(limit_bytes: usize, repeats: usize) -> Vec<u8> {
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

/// A request for all objects, again and again up to `bytes`.
pub(super) fn greedy_nack(sender: Sender, node: u32, stamp: Timestamp, bytes: usize) -> Vec<u8> {
    let items = everything(bytes.saturating_sub(Nack::HEADER_BYTES), usize::MAX);
    datagram(&Message::Nack(Nack {
        sequence: 0,
        source_id: node,
        server_id: sender.source_id,
        instance_id: sender.word.instance_id,
        grtt_response: stamp,
        cc: None,
        requests: Requests::parse(&items).expect("requests of our own"),
    }))
}

fn ack(sender: Sender, node: u32, stamp: Timestamp, ack_type: u8, payload: &[u8]) -> Vec<u8> {
    datagram(&Message::Ack(Ack {
        sequence: 0,
        source_id: node,
        server_id: sender.source_id,
        instance_id: sender.word.instance_id,
        ack_type,
        ack_id: 0,
        grtt_response: stamp,
        cc: None,
        payload,
    }))
}

/// A status of so many packets received and lost, at one sequence.
pub(super) fn status(sender: Sender, node: u32, counts: (u64, u64), sequence: u16) -> Vec<u8> {
    let mut payload = Vec::new();
    Status {
        activity: Activity::Receiving,
        received: counts.0,
        lost: counts.1,
        sequences: vec![sequence],
        ..Status::default()
    }
    .emit(&mut payload);
    ack(sender, node, Timestamp::default(), ACK_STATUS, &payload)
}

/// A registration that lacks every second of `missing` leaves, or all of them.
pub(super) fn registration(
    sender: Sender,
    session: &Session,
    key: &SigningKey,
    node: u32,
    missing: Option<u64>,
) -> Vec<u8> {
    let register = Register {
        session: session.descriptor.session.clone(),
        node,
        name: format!("stranger-{node}"),
        buffer_packets: 3_072,
        missing: missing.map(|ranges| (0..ranges).map(|i| (2 * i, 2 * i + 1)).collect()),
    };
    let text = serde_json::to_vec(&register).expect("a plain structure");
    let payload = signed(key, REGISTER_CONTEXT, &text);
    ack(sender, node, Timestamp::default(), ACK_REGISTER, &payload)
}

/// A completion without an image.
pub(super) fn completion(
    sender: Sender,
    session: &Session,
    key: &SigningKey,
    node: u32,
) -> Option<Vec<u8>> {
    let manifest: Value = serde_json::from_slice(&session.manifest).ok()?;
    let complete = Complete {
        session: session.descriptor.session.clone(),
        root: manifest["root_b3"].as_str()?.to_owned(),
        node,
        ..Complete::default()
    };
    let text = serde_json::to_vec(&complete).expect("a plain structure");
    let payload = signed(key, COMPLETE_CONTEXT, &text);
    Some(ack(
        sender,
        node,
        Timestamp::default(),
        ACK_COMPLETE,
        &payload,
    ))
}

fn signed(key: &SigningKey, context: &[u8], text: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    Signed {
        key: key.public().as_bytes(),
        signature: &key.sign(context, text),
        text,
    }
    .emit(&mut payload);
    payload
}

/// The same datagram with another stamp in its header, which nobody signs: it is
/// NORM's, at a fixed place (RFC 5740 §4.3.2).
pub(super) fn restamp(datagram: &[u8], stamp: Timestamp) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    if let Some(field) = bytes.get_mut(16..24) {
        field[..4].copy_from_slice(&stamp.sec.to_be_bytes());
        field[4..].copy_from_slice(&stamp.usec.to_be_bytes());
    }
    bytes
}

/// The same datagram to another sender or instance (RFC 5740 §4.3).
pub(super) fn readdress(datagram: &mut [u8], sender: Sender) {
    if let Some(field) = datagram.get_mut(8..14) {
        field[..4].copy_from_slice(&sender.source_id.to_be_bytes());
        field[4..].copy_from_slice(&sender.word.instance_id.to_be_bytes());
    }
}

/// The replay of a signed manifest in a session of the attacker's own.
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
    let offer = Offer {
        descriptor,
        manifest: &session.manifest,
        signature: &session.signature,
    };
    offer.to_bytes().expect("parts of an offer fit an offer")
}

/// An offer of an image that no disk holds, signed by nobody who is trusted.
pub(super) fn huge_offer(session: &Session, id: [u8; 16], key: &SigningKey) -> Vec<u8> {
    let manifest = Manifest {
        name: "huge".into(),
        version: 1,
        hardware: Vec::new(),
        size_bytes: 1 << 47,
        root_b3: [7; 32],
        sha256: None,
        created: 0,
        expires: None,
    }
    .to_bytes();
    let signature = sshsig::sign(key, MANIFEST_NAMESPACE, &manifest);
    let session = Session {
        descriptor: session.descriptor.clone(),
        manifest,
        signature: signature.as_bytes().to_vec(),
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
    let descriptor = descriptor.to_string().into_bytes();
    let parts = [&descriptor[..], &manifest, &session.signature];
    let mut object = b"LCS1".to_vec();
    for part in parts {
        object.extend_from_slice(&(part.len() as u32).to_be_bytes());
    }
    parts.iter().for_each(|part| object.extend_from_slice(part));
    object
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
