//! Writes the seeds of the corpus that are made of honest messages and files:
//! `RUSTC_WRAPPER= cargo run --example seeds` in this folder, without counters.

use linecast_fuzz::{Device, SOURCE, release_key, session_key, shape};
use linecast_protocol::hex;
use linecast_protocol::limits::PAGE_BYTES;
use linecast_protocol::message::{
    ACK_COMPLETE, ACK_PAGE, ACK_STATUS, Cause, Complete, Notice, PROFILE, Page, Refusal, Status,
    WelcomeEntry,
};
use linecast_protocol::offer::{DESCRIPTOR_SCHEMA, Descriptor, Offer};
use linecast_protocol::sender::{OnSlow, RateControl, Sender, SenderConfig, Transmit};
use linecast_protocol::time::{Duration, Time};
use linecast_protocol::wire::{
    Ack, DATA_HEADER_BYTES, DataHeader, Fti, Level, Message, PayloadId, RequestBuilder, Requests,
    SenderWord, Timestamp,
};
use linecast_release::manifest::Manifest;
use linecast_release::openssh::{write_private, write_public};
use linecast_release::sshsig::{MANIFEST_NAMESPACE, sign};
use std::path::Path;

fn main() -> std::io::Result<()> {
    let feedback = feedback();
    for (name, bytes) in feedback.iter().chain(&commands()) {
        write("wire", name, bytes)?;
    }
    for (name, bytes) in &feedback {
        if let Ok(Message::Ack(Ack { payload, .. })) = Message::parse(bytes) {
            write("message", name, payload)?;
        }
    }
    for (name, bytes) in notices() {
        write("message", name, &bytes)?;
    }
    for (target, name, tape) in machines() {
        write(target, name, &tape)?;
    }
    release_files()
}

fn write(target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), bytes)
}

type Named = (&'static str, Vec<u8>);

/// What a device says.
fn feedback() -> Vec<Named> {
    let mut device = Device::new(2);
    let mut requests = Vec::new();
    let mut builder = RequestBuilder::new(&mut requests, 1_000);
    let id = |sbn, esi| PayloadId {
        sbn,
        block_len: 16,
        esi,
    };
    assert!(builder.push_range(Level::SEGMENT, 3, id(2, 16), id(2, 19)));
    assert!(builder.push_range(Level::BLOCK, 3, id(3, 0), id(7, 0)));
    assert!(builder.push_item(Level::OBJECT, 2, id(0, 0)));
    let requests = Requests::parse(&requests).expect("it was just built");
    let stamp = Timestamp { sec: 5, usec: 250 };
    let status = Status {
        received: 100,
        lost: 2,
        sequences: vec![101, 7],
        ..Status::default()
    };
    let page = Page {
        number: 1,
        lacking: [0xa5; PAGE_BYTES],
    };
    let (mut status_bytes, mut page_bytes) = (Vec::new(), Vec::new());
    status.emit(&mut status_bytes);
    page.emit(&mut page_bytes);
    let life = device.identity();
    let refusal = Refusal {
        profile: PROFILE,
        cause: Cause::ROOM,
        session: [3; 16],
        installation: life.installation,
        life: life.number,
        name: "line-7".into(),
        detail: "12 bytes free".into(),
    };
    let complete = Complete {
        count: 1,
        error: Some("the disk is full".into()),
        ..Complete::default()
    };
    let complete = device.completion(complete);
    vec![
        ("registration", device.registration(0, "line-7")),
        ("refusal", device.refusal(&refusal)),
        ("nack", device.nack(stamp, requests)),
        (
            "status",
            device.sealed_ack(ACK_STATUS, stamp, &status_bytes),
        ),
        ("page", device.sealed_ack(ACK_PAGE, stamp, &page_bytes)),
        (
            "completion",
            device.sealed_ack(ACK_COMPLETE, stamp, &complete),
        ),
    ]
}

/// What a sender says from its first announcement to its end, to two devices of
/// which one asks and both then fall silent.
fn commands() -> Vec<Named> {
    let mut now = Time::from_ns(5_000_000_000);
    let shape = shape(0);
    let mut sender = Sender::new(
        now,
        SenderConfig {
            source_id: SOURCE.0,
            instance_id: SOURCE.1,
            shape,
            session_key: session_key().clone(),
            receivers: Some(2),
            roster: Vec::new(),
            wait: Duration::from_millis(100),
            settle: Duration::from_millis(50),
            stall_timeout: Duration::from_secs(1),
            deadline: None,
            ipv6: false,
            rate: RateControl::fixed(1_000_000_000),
            on_slow: OnSlow::Wait,
        },
    );
    let mut devices = [Device::new(2), Device::new(3)];
    let mut said: Vec<Vec<u8>> = Vec::new();
    for round in 0..400 {
        for device in &mut devices {
            let from = device.address();
            if round == 2 {
                sender.handle_datagram(now, from, &device.registration(0, "line"));
            }
            if device.nonce > 0 && round < 60 {
                let mut payload = Vec::new();
                Status::default().emit(&mut payload);
                let status = device.sealed_ack(ACK_STATUS, Timestamp::from_ns(now.ns()), &payload);
                sender.handle_datagram(now, from, &status);
                ask(&mut sender, now, device);
            }
        }
        sender.handle_timeout(now);
        while let Some(order) = sender.poll_order() {
            if let linecast_protocol::sender::Order::FirstPass { toi, blocks } = order {
                blocks.for_each(|sbn| sender.handle_sent(now, toi, sbn, 0, true));
            }
        }
        let mut message = Vec::new();
        while let Some(transmit) = sender.poll_transmit(&mut message) {
            if transmit == Transmit::Message {
                devices.iter_mut().for_each(|device| device.hear(&message));
                said.push(message.clone());
            }
        }
        now = sender
            .poll_timeout()
            .unwrap_or(now)
            .max(now + Duration::from_micros(500));
    }
    let mut named: Vec<Named> = Vec::new();
    for message in said {
        // One of each kind: the flavour is byte 12, the kind of a notice byte 16.
        let kind = match (message[12], message.get(16)) {
            (1, _) => "flush",
            (2, _) => "eot",
            (4, _) => "probe",
            (5, _) => "advertisement",
            (7, Some(2)) => "end",
            (7, Some(4)) => "welcome",
            _ => "command",
        };
        if named.iter().all(|(name, _)| *name != kind) {
            named.push((kind, message));
        }
    }
    named.push(("data", data()));
    named
}

fn ask(sender: &mut Sender, now: Time, device: &mut Device) {
    let id = |sbn| PayloadId {
        sbn,
        block_len: 0,
        esi: 0,
    };
    let mut requests = Vec::new();
    let mut builder = RequestBuilder::new(&mut requests, 100);
    assert!(builder.push_range(Level::BLOCK, 3, id(1), id(2)));
    let requests = Requests::parse(&requests).expect("it was just built");
    let nack = device.nack(Timestamp::default(), requests);
    sender.handle_datagram(now, device.address(), &nack);
}

fn data() -> Vec<u8> {
    let header = DataHeader {
        sequence: 9,
        source_id: SOURCE.0,
        sender: SenderWord {
            instance_id: SOURCE.1,
            grtt: 60,
            backoff: 1,
            gsize: 2,
        },
        flags: 1,
        toi: 3,
        id: PayloadId {
            sbn: 4,
            block_len: 16,
            esi: 15,
        },
        fti: Some(Fti {
            object_size: 200_005,
            fec_instance: 1,
            symbol_bytes: 1408,
            max_block_len: 16,
            num_parity: 100,
        }),
    };
    let mut bytes = [0; DATA_HEADER_BYTES];
    header.emit(&mut bytes);
    [&bytes[..], b"symbol"].concat()
}

fn notices() -> Vec<Named> {
    let entry = WelcomeEntry {
        life: [7; 8],
        node: 1_000,
        nonce: 3,
        proof: [9; 8],
    };
    let mut entries = Vec::new();
    entry.emit(&mut entries);
    let (known, signature) = ([0x5a; PAGE_BYTES], [4; 64]);
    let reason = linecast_protocol::message::EndReason::Deadline;
    let emit = |notice: Notice<'_>| {
        let mut out = Vec::new();
        notice.emit(&mut out);
        out
    };
    vec![
        ("welcome", emit(Notice::Welcome(&entries))),
        (
            "poll",
            emit(Notice::Poll {
                page: 2,
                known: &known,
            }),
        ),
        (
            "end",
            emit(Notice::End {
                reason,
                signature: &signature,
            }),
        ),
    ]
}

/// Tapes on which a session goes well: one number for each decision, in the order in
/// which the targets take them.
fn machines() -> [(&'static str, &'static str, Vec<u8>); 5] {
    // A device registers, is welcomed, and says how it is; then comes the first pass.
    let joins = [7, 2, 0, 0, 3, 3, 3, 8, 2, 0, 0, 0, 0, 0, 0, 0, 2, 9, 0, 20];
    let sends = [5, 0, 1, 31, 4, 200, 0, 3];
    let asks = [10, 2, 0, 0, 0, 1, 2, 0, 0, 3, 0, 0, 2, 9, 0, 1, 30, 1, 30];
    let completes = |device| [13, device, 0, 0, 0, 0, 2, 9, 0, 20, 3, 3];
    let waits = [1, 60];
    let together = [
        &[0, 0, 1, 0, 0, 0, 0, 0][..],
        &joins,
        &sends,
        &waits,
        &asks,
        &sends,
        &completes(2),
    ];
    // Of two devices under way one is slow, until its turn comes.
    let lags = [19, 1, 2, 15, 0, 40, 63];
    let aside = [
        &[3, 2, 0, 0, 0, 2, 1, 1][..],
        &sends,
        &lags,
        &lags,
        &completes(1),
        &waits,
        &asks,
        &sends,
        &completes(2),
    ];
    // Nobody else came within the wait, and who came has some of the image.
    let alone = [
        &[0, 0, 2, 0, 0, 0, 0, 0][..],
        &[
            7, 2, 3, 0, 3, 3, 3, 8, 2, 0, 0, 0, 0, 0, 0, 0, 2, 9, 0, 2, 6, 3, 3, 3,
        ],
    ];
    // A receiver collects an offer, follows it, is welcomed, gets its blocks.
    let follows = [
        0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 1, 0, 12, 1, 0, 0, 0,
    ];
    let block = |toi, sbn| [6, 0, toi, sbn, 0, 0, 3];
    let list = [&block(3, 0)[..], &[17, 0, 0, 0, 0, 1]].concat();
    let blocks: Vec<u8> = (0..9).flat_map(|sbn| block(0, sbn)).collect();
    let hashes = [15, 7, 15, 7];
    let whole = [
        &follows[..],
        &list,
        &blocks,
        &hashes,
        &[18, 0, 23, 90, 14, 0, 0],
    ]
    .concat();
    let lossy = [
        &follows[..],
        &list,
        &blocks[7..],
        &[11, 1, 1, 1, 1, 2, 1, 20, 3, 3],
        &[15, 0],
        &blocks,
        &hashes,
        &[18, 0, 23, 9],
    ];
    [
        ("sender_machine", "one-device-completes", together.concat()),
        (
            "sender_machine",
            "waited-in-vain-and-polls-for-leaves",
            alone.concat(),
        ),
        (
            "sender_machine",
            "a-slow-device-has-its-turn",
            aside.concat(),
        ),
        ("receiver_machine", "it-completes-and-is-asked", whole),
        (
            "receiver_machine",
            "a-block-and-a-leaf-are-fetched-again",
            lossy.concat(),
        ),
    ]
}

/// Manifest, signature, keys, lists, and a session object of them.
fn release_files() -> std::io::Result<()> {
    let key = release_key();
    let manifest = Manifest {
        name: "fw.img".into(),
        version: 7,
        hardware: vec!["board-a".into(), "board-b".into()],
        target: Some("rootfs".into()),
        size_bytes: 200_005,
        root_b3: [4; 32],
        sha256: Some([6; 32]),
        created: 1_700_000_000,
        expires: Some(1_900_000_000),
    };
    let text = manifest.to_bytes();
    write("manifest", "full", &text)?;
    let plain = Manifest {
        target: None,
        sha256: None,
        expires: None,
        hardware: Vec::new(),
        ..manifest
    };
    let plain = String::from_utf8(plain.to_bytes()).expect("JSON is text");
    write(
        "manifest",
        "first-schema",
        plain.replace("manifest.v2", "manifest.v1").as_bytes(),
    )?;

    let signature = sign(key, MANIFEST_NAMESPACE, b"fuzz");
    write("sshsig", "armoured", &[&[0], signature.as_bytes()].concat())?;
    write(
        "sshsig",
        "blob",
        &[&[1], unarmored(&signature).as_slice()].concat(),
    )?;
    let private = write_private(key, "fuzz");
    write("keys", "private", &[&[0], private.as_bytes()].concat())?;
    write(
        "keys",
        "private-blob",
        &[&[1], unarmored(&private).as_slice()].concat(),
    )?;
    let public = write_public(&key.public(), "fuzz@linecast");
    write("keys", "public", &[&[2], public.as_bytes()].concat())?;
    let other = write_public(&session_key().public(), "other");
    let trust = format!("# trusted\n{public}\nops@x namespaces=\"{MANIFEST_NAMESPACE}\" {other}\n");
    write("keys", "trust", &[&[2], trust.as_bytes()].concat())?;
    let roster = format!("line-1 {public}\n\nline-2 {other}\n");
    write("keys", "roster", &[&[2], roster.as_bytes()].concat())?;

    let descriptor = Descriptor {
        schema: DESCRIPTOR_SCHEMA.into(),
        session: hex(&[3; 16]),
        session_key: hex(session_key().public().as_bytes()),
        symbol_bytes: 1408,
        block_symbols: 512,
        codec: "gf16-low".into(),
        num_parity: 2048,
        lanes: 4,
        window_packets: 3_072,
    };
    let descriptor = descriptor.to_bytes().expect("it is within its limits");
    let size = 200_005u64.to_be_bytes();
    let offer = Offer {
        descriptor: &descriptor,
        manifest: &text,
        signature: signature.as_bytes(),
        sender_signature: b"",
    };
    let object = offer.to_bytes().expect("it is short enough");
    write("session_object", "signed", &[&size[..], &object].concat())?;
    write(
        "session_object",
        "descriptor",
        &[&size[..], &descriptor].concat(),
    )
}

/// The bytes behind an armour.
fn unarmored(text: &str) -> Vec<u8> {
    let digits = text
        .lines()
        .filter(|line| !line.starts_with('-'))
        .flat_map(str::bytes);
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let values: Vec<u8> = digits.filter_map(value).collect();
    let bytes = values.chunks(4).flat_map(|group| {
        let bits = group
            .iter()
            .fold(0u32, |bits, value| bits << 6 | u32::from(*value));
        let bits = bits << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    });
    bytes.collect()
}
