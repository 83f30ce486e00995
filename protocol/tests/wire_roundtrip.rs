//! Every message that can be emitted parses back to itself, and no bytes
//! whatsoever make the parser panic.

use linecast_protocol::wire::{
    AUTH_TAG_BYTES, Ack, Auth, CcFeedback, CcList, CcNode, Command, CommandBody, DATA_HEADER_BYTES,
    DataHeader, Form, Fti, Info, Item, Level, Message, Nack, NodeList, Patch, PayloadId, Report,
    RequestBuilder, Requests, SenderWord, Timestamp, ToiList, WireError, patch_data,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn sender() -> impl Strategy<Value = SenderWord> {
    (any::<u16>(), any::<u8>(), 0..16u8, 0..16u8).prop_map(|(instance_id, grtt, backoff, gsize)| {
        SenderWord {
            instance_id,
            grtt,
            backoff,
            gsize,
        }
    })
}

fn payload_id() -> impl Strategy<Value = PayloadId> {
    any::<(u32, u16, u16)>().prop_map(|(sbn, block_len, esi)| PayloadId {
        sbn,
        block_len,
        esi,
    })
}

fn fti() -> impl Strategy<Value = Fti> {
    (0..1u64 << 48, any::<[u16; 4]>()).prop_map(|(object_size, [a, b, c, d])| Fti {
        object_size,
        fec_instance: a,
        symbol_bytes: b,
        max_block_len: c,
        num_parity: d,
    })
}

fn auth() -> impl Strategy<Value = Auth> {
    (0..1u64 << 40, any::<[u8; AUTH_TAG_BYTES]>()).prop_map(|(count, tag)| Auth { count, tag })
}

fn cc_feedback() -> impl Strategy<Value = CcFeedback> {
    any::<(u16, u8, u8, u16, u16)>().prop_map(|(cc_sequence, flags, rtt, loss, rate)| CcFeedback {
        cc_sequence,
        flags,
        rtt,
        loss,
        rate,
    })
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<(u32, u32)>().prop_map(|(sec, usec)| Timestamp { sec, usec })
}

/// A request as its parts: form, level, items.
type Parts = (Form, Level, Vec<Item>);

fn request() -> impl Strategy<Value = Parts> {
    let form = prop_oneof![Just(Form::Items), Just(Form::Ranges), Just(Form::Erasures)];
    (form, any::<u8>(), vec((any::<u16>(), payload_id()), 1..5)).prop_map(
        |(form, level, mut items)| {
            if form == Form::Ranges && items.len() % 2 == 1 {
                items.push(items[0]);
            }
            (form, Level(level), items)
        },
    )
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    vec(request(), 0..6).prop_map(|requests| {
        let mut bytes = Vec::new();
        let mut builder = RequestBuilder::new(&mut bytes, 60_000);
        for (form, level, items) in &requests {
            assert!(builder.push(*form, *level, items));
        }
        bytes
    })
}

/// Emits, parses back, compares; then hands in every prefix.
fn assert_round_trip(message: Message<'_>) {
    let mut bytes = Vec::new();
    message.emit(&mut bytes);
    assert_eq!(Message::parse(&bytes), Ok(message));
    for end in 0..bytes.len() {
        let _ = Message::parse(&bytes[..end]);
    }
}

proptest! {
    #[test]
    fn data_survives(
        sequence: u16, source_id: u32, sender in sender(), flags: u8, toi: u16,
        id in payload_id(), fti in option::of(fti()), payload in vec(any::<u8>(), 0..50),
    ) {
        let header = DataHeader { sequence, source_id, sender, flags, toi, id, fti };
        assert_round_trip(Message::Data(header, &payload));
    }

    #[test]
    fn info_survives(
        sequence: u16, source_id: u32, sender in sender(), flags: u8, toi: u16,
        fti in option::of(fti()), payload in vec(any::<u8>(), 0..50),
    ) {
        let info = Info { sequence, source_id, sender, flags, toi, fti, payload: &payload };
        assert_round_trip(Message::Info(info));
    }

    #[test]
    fn patch_equals_a_fresh_header(
        sequence: u16, flags: u8, before in sender(), after in sender(),
        id in payload_id(), fti in fti(),
    ) {
        let mut header = DataHeader {
            sequence: 1, source_id: 2, sender: before, flags: 3, toi: 4, id, fti: Some(fti),
        };
        let mut patched = [0; DATA_HEADER_BYTES];
        header.emit(&mut patched);
        patch_data(&mut patched, Patch::new(sequence, flags, &after));

        header.sequence = sequence;
        header.flags = flags;
        header.sender = SenderWord { instance_id: before.instance_id, ..after };
        let mut fresh = [0; DATA_HEADER_BYTES];
        header.emit(&mut fresh);
        prop_assert_eq!(patched, fresh);
    }

    #[test]
    fn commands_survive(
        sequence: u16, source_id: u32, sender in sender(), toi: u16, id in payload_id(),
        nodes in vec(any::<u32>(), 0..20), tois in vec(any::<u16>(), 0..20),
        reports in vec(any::<(u32, u8, u8, u16)>(), 0..20), rate: Option<u16>, requests in requests(),
        bytes in vec(any::<u8>(), 0..50), sec: u32, usec: u32, limit: bool, ack_type: u8, ack_id: u8,
    ) {
        let reports: Vec<_> = reports
            .into_iter()
            .map(|(node, flags, rtt, rate)| CcNode { node, flags, rtt, rate })
            .collect();
        let nodes = NodeList::from_slice(&nodes);
        let requests = Requests::parse(&requests).unwrap();
        let cc_sequence = toi;
        for body in [
            CommandBody::Flush { toi, id, nodes },
            CommandBody::Eot,
            CommandBody::Squelch { toi, id, invalid: ToiList::from_slice(&tois) },
            CommandBody::Cc { cc_sequence, sec, usec, rate, nodes: CcList::from_slice(&reports) },
            CommandBody::RepairAdv { limit, requests },
            CommandBody::AckReq { ack_type, ack_id, nodes },
            CommandBody::Application(&bytes),
        ] {
            assert_round_trip(Message::Command(Command { sequence, source_id, sender, body }));
        }
    }

    #[test]
    fn feedback_survives(
        sequence: u16, source_id: u32, server_id: u32, instance_id: u16, grtt_response in timestamp(),
        auth in option::of(auth()), cc in option::of(cc_feedback()), requests in requests(), ack_type: u8, ack_id: u8,
        payload in vec(any::<u8>(), 0..50),
    ) {
        let requests = Requests::parse(&requests).unwrap();
        assert_round_trip(Message::Nack(Nack {
            sequence, source_id, server_id, instance_id, grtt_response, auth, cc, requests,
        }));
        assert_round_trip(Message::Ack(Ack {
            sequence, source_id, server_id, instance_id, ack_type, ack_id, grtt_response, auth, cc,
            payload: &payload,
        }));
        assert_round_trip(Message::Report(Report { sequence, source_id, payload: &payload }));
    }

    #[test]
    fn requests_come_back_in_order_and_merged(pushed in vec(request(), 0..20), limit in 0..900usize) {
        let mut bytes = b"kept".to_vec();
        let mut builder = RequestBuilder::new(&mut bytes, limit);
        let mut expected: Vec<Parts> = Vec::new();
        for (form, level, items) in pushed {
            if !builder.push(form, level, &items) {
                continue;
            }
            match expected.last_mut() {
                Some(last) if (last.0, last.1) == (form, level) => last.2.extend(items),
                _ => expected.push((form, level, items)),
            }
        }
        prop_assert!(bytes.len() <= 4 + limit);
        prop_assert_eq!(&bytes[..4], b"kept");
        let parsed: Vec<Parts> = Requests::parse(&bytes[4..])
            .unwrap()
            .iter()
            .map(|request| (request.form, request.level, request.items().collect()))
            .collect();
        prop_assert_eq!(parsed, expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        walk(&bytes);
    }

    /// Random bytes seldom get past the first checks; these do.
    #[test]
    fn plausible_bytes_never_panic(
        kind in 0..8u8, words in 0..20u8, flavor in 0..9u8, fec in prop_oneof![Just(129u8), any::<u8>()],
        mut bytes in vec(prop_oneof![Just(0u8), Just(1), Just(129), Just(64), Just(4), any::<u8>()], 16..200),
    ) {
        bytes[0] = 0x10 | kind;
        bytes[1] = words;
        bytes[12] = flavor;
        bytes[13] = fec;
        walk(&bytes);
    }

    #[test]
    fn one_changed_byte_never_panics(requests in requests(), at: prop::sample::Index, to: u8) {
        let mut bytes = Vec::new();
        let requests = Requests::parse(&requests).unwrap();
        Message::Nack(Nack {
            sequence: 0, source_id: 1, server_id: 2, instance_id: 3,
            grtt_response: Timestamp::default(), auth: None, cc: Some(CcFeedback::default()), requests,
        })
        .emit(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = to;
        walk(&bytes);
    }
}

/// Parses and visits everything that can be visited.
fn walk(bytes: &[u8]) {
    let _ = DataHeader::parse(bytes).map(|(_, at)| &bytes[at..]);
    match Message::parse(bytes) {
        Ok(message) => {
            let mut out = Vec::new();
            message.emit(&mut out);
            assert!(!format!("{message:?}").is_empty());
            if let Message::Nack(nack) = message {
                nack.requests
                    .iter()
                    .for_each(|request| assert!(request.spans().count() <= 16_384));
                let _ = nack.grtt_response.as_ns();
            }
            if let Message::Ack(ack) = message {
                let _ = ack.watermark();
            }
        }
        Err(error) => assert!(!error.reason().is_empty()),
    }
}

#[test]
fn ranges_of_a_level_share_one_header_and_stop_at_the_limit() {
    let parity = |sbn, esi| PayloadId {
        sbn,
        block_len: 100,
        esi,
    };
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, 4 + 24 * 2 + 20);
    assert!(builder.push_range(Level::SEGMENT, 3, parity(0, 100), parity(0, 103)));
    assert!(builder.push_range(Level::SEGMENT, 3, parity(9, 100), parity(9, 100)));
    assert!(!builder.push_range(Level::SEGMENT, 3, parity(10, 100), parity(10, 101)));
    assert!(builder.push_item(Level::BLOCK, 3, parity(10, 0)));
    assert_eq!(bytes.len(), 4 + 48 + 16);

    let requests = Requests::parse(&bytes).unwrap();
    let [ranges, items] = requests.iter().collect::<Vec<_>>()[..] else {
        panic!("two requests, got {requests:?}")
    };
    assert_eq!((ranges.form, ranges.level), (Form::Ranges, Level::SEGMENT));
    assert_eq!(ranges.spans().count(), 2);
    assert_eq!(
        ranges.spans().next(),
        Some(((3, parity(0, 100)), (3, parity(0, 103))))
    );
    assert_eq!((items.form, items.level), (Form::Items, Level::BLOCK));
    assert_eq!(
        items.spans().next(),
        Some(((3, parity(10, 0)), (3, parity(10, 0))))
    );
}

#[test]
fn a_request_header_never_announces_more_than_it_can() {
    let id = PayloadId::default();
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, 1 << 20);
    (0..10_000).for_each(|_| assert!(builder.push_item(Level::SEGMENT, 1, id)));
    let requests = Requests::parse(&bytes).unwrap();
    assert_eq!(requests.iter().count(), 2);
    assert_eq!(
        requests
            .iter()
            .map(|request| request.items().len())
            .sum::<usize>(),
        10_000
    );
}

#[test]
fn each_defect_has_its_error() {
    let header = DataHeader {
        sequence: 1,
        source_id: 2,
        sender: SenderWord::default(),
        flags: 0,
        toi: 3,
        id: PayloadId {
            sbn: 4,
            block_len: 5,
            esi: 6,
        },
        fti: Some(Fti::default()),
    };
    let mut good = [0; DATA_HEADER_BYTES];
    header.emit(&mut good);
    let with = |at: usize, to: u8| {
        let mut bytes = good;
        bytes[at] = to;
        DataHeader::parse(&bytes).map(|_| ()).unwrap_err()
    };
    assert_eq!(with(0, 0x22), WireError::Version(2));
    assert_eq!(with(0, 0x11), WireError::Type(1));
    assert_eq!(with(1, 11), WireError::Truncated { need: 44, got: 40 });
    assert_eq!(with(1, 5), WireError::HeaderLength { min: 24, got: 20 });
    assert_eq!(with(13, 5), WireError::UnsupportedFecId(5));
    assert_eq!(with(25, 0), WireError::Extension { het: 64, words: 0 });
    assert_eq!(with(25, 3), WireError::Extension { het: 64, words: 3 });
    assert_eq!(with(25, 5), WireError::Extension { het: 64, words: 5 });
    assert_eq!(
        DataHeader::parse(&[]),
        Err(WireError::Truncated { need: 8, got: 0 })
    );
    assert_eq!(
        Message::parse(&[0x17, 2, 0, 0, 0, 0, 0, 0]),
        Err(WireError::Type(7))
    );

    let nack = |requests: &[u8]| {
        let mut bytes = vec![0; 24];
        bytes[..2].copy_from_slice(&[0x14, 6]);
        bytes.extend_from_slice(requests);
        Message::parse(&bytes).map(|_| ()).unwrap_err()
    };
    assert_eq!(nack(&[9, 1, 0, 0]), WireError::Form(9));
    assert_eq!(nack(&[1, 1, 0]), WireError::Truncated { need: 4, got: 3 });
    assert_eq!(
        nack(&[1, 1, 0, 12, 129]),
        WireError::Truncated { need: 12, got: 1 }
    );
    assert_eq!(
        nack(&[1, 1, 0, 8, 5, 0, 0, 1, 0, 0, 0, 0]),
        WireError::UnsupportedFecId(5)
    );
    let mut half_a_range = vec![2, 1, 0, 12, 129];
    half_a_range.resize(16, 0);
    assert_eq!(nack(&half_a_range), WireError::Uneven { unit: 24, got: 12 });
}

#[test]
fn extensions_that_are_not_ours_are_stepped_over() {
    let header = DataHeader {
        sequence: 1,
        source_id: 2,
        sender: SenderWord::default(),
        flags: 0,
        toi: 3,
        id: PayloadId {
            sbn: 4,
            block_len: 5,
            esi: 6,
        },
        fti: Some(Fti {
            object_size: 7,
            symbol_bytes: 64,
            ..Fti::default()
        }),
    };
    let mut plain = [0; DATA_HEADER_BYTES];
    header.emit(&mut plain);
    // EXT_AUTH of 20 bytes before, an unknown four-byte extension behind.
    let mut bytes = plain[..24].to_vec();
    bytes.extend_from_slice(&[1, 5]);
    bytes.extend_from_slice(&[0xaa; 18]);
    bytes.extend_from_slice(&plain[24..]);
    bytes.extend_from_slice(&[200, 0xff, 0xff, 0xff]);
    bytes[1] = (bytes.len() / 4) as u8;
    bytes.extend_from_slice(b"symbol");
    let (parsed, at) = DataHeader::parse(&bytes).unwrap();
    assert_eq!(parsed, header);
    assert_eq!(&bytes[at..], b"symbol");
}

#[test]
fn only_the_message_that_comes_next_continues_a_train() {
    let header = |sequence, esi| DataHeader {
        sequence,
        source_id: 2,
        sender: SenderWord::default(),
        flags: 0,
        toi: 3,
        id: PayloadId {
            sbn: 4,
            block_len: 128,
            esi,
        },
        fti: Some(Fti::default()),
    };
    let bytes = |header: DataHeader| {
        let mut bytes = [0; DATA_HEADER_BYTES];
        header.emit(&mut bytes);
        bytes
    };
    let continues = |first, next, by| DataHeader::continues(&bytes(first), &bytes(next), by);
    assert!(continues(header(10, 20), header(11, 21), 1));
    assert!(continues(header(10, 20), header(54, 64), 44));
    assert!(!continues(header(10, 20), header(11, 21), 2));
    assert!(!continues(header(10, 20), header(11, 22), 1));
    assert!(!continues(header(10, 20), header(12, 21), 1));
    assert!(!continues(header(u16::MAX, 20), header(0, 21), 1));
    assert!(!continues(header(10, u16::MAX), header(11, 0), 1));
    let first = bytes(header(10, 20));
    for at in 0..DATA_HEADER_BYTES {
        let mut next = bytes(header(11, 21));
        next[at] ^= 0x40;
        assert!(!DataHeader::continues(&first, &next, 1), "byte {at}");
    }
    let next = bytes(header(11, 21));
    assert!(!DataHeader::continues(&first, &next[1..], 1));
}
