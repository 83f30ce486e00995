//! Datagrams: none makes the parsers panic, and what is read is written again as
//! the same message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linecast_protocol::limits::SPANS_MAX;
use linecast_protocol::object::spans;
use linecast_protocol::wire::{
    CommandBody, DATA_HEADER_BYTES, DataHeader, Message, Patch, Requests, item_bytes, item_parse,
    patch_data,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let mut again = Vec::new();
    message.emit(&mut again);
    assert_eq!(Message::parse(&again), Ok(message), "{again:?}");
    match message {
        Message::Data(header, payload) => check_data(bytes, &header, payload),
        Message::Nack(nack) => check_requests(&nack.requests),
        Message::Ack(ack) => {
            if let Ok(item) = ack.watermark() {
                assert_eq!(item_parse(&item_bytes(item)), Ok(item));
            }
        }
        Message::Command(command) => match command.body {
            CommandBody::RepairAdv { requests, .. } => check_requests(&requests),
            CommandBody::Flush { nodes, .. } | CommandBody::AckReq { nodes, .. } => {
                assert!(nodes.iter().all(|node| nodes.contains(node)));
            }
            _ => {}
        },
        Message::Info(_) | Message::Report(_) => {}
    }
});

/// The next packet of a train continues this one, and a patched header is the one
/// that would have been written.
fn check_data(bytes: &[u8], header: &DataHeader, payload: &[u8]) {
    assert!(bytes.ends_with(payload));
    let Some(fti) = header.fti else { return };
    assert!(fti.object_size < 1 << 48);
    let (mut this, mut next) = ([0; DATA_HEADER_BYTES], [0; DATA_HEADER_BYTES]);
    header.emit(&mut this);
    let following = DataHeader {
        sequence: header.sequence.wrapping_add(1),
        id: linecast_protocol::wire::PayloadId {
            esi: header.id.esi.wrapping_add(1),
            ..header.id
        },
        ..*header
    };
    following.emit(&mut next);
    let wraps = following.sequence == 0 || following.id.esi == 0;
    assert_eq!(DataHeader::continues(&this, &next, 1), !wraps);
    let patch = Patch::new(following.sequence, !header.flags, &header.sender);
    patch_data(&mut this, patch);
    let patched = DataHeader::parse(&this).map(|(header, _)| header);
    let flags = !header.flags;
    let sequence = following.sequence;
    let wanted = DataHeader {
        sequence,
        flags,
        ..*header
    };
    assert_eq!(patched, Ok(wanted));
}

fn check_requests(requests: &Requests<'_>) {
    for span in spans(requests).take(SPANS_MAX) {
        assert!(span.level.0.is_power_of_two());
    }
}
