//! Messages of NRL's libnorm, as captured: they must parse to what libnorm
//! meant, and our writing of the same must be the same bytes. How they were
//! taken is in `vectors/README.md`.

use linecast_protocol::wire::{
    ACK_CC, ACK_FLUSH, Ack, CcFeedback, CcNode, Command, CommandBody, DATA_HEADER_BYTES,
    DataHeader, Form, Fti, Level, Message, Nack, PayloadId, SenderWord, flag, quantize,
};

/// The payload that libnorm sent under this name.
fn vector(name: &str) -> Vec<u8> {
    vectors()
        .into_iter()
        .find(|(other, _)| other == name)
        .expect(name)
        .1
}

fn vectors() -> Vec<(String, Vec<u8>)> {
    include_str!("vectors/libnorm.txt")
        .lines()
        .map(|line| {
            let (name, hex) = line.split_once(' ').unwrap();
            let digits = hex.as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
            (name.to_string(), digits.map(byte).collect())
        })
        .collect()
}

/// Where libnorm's bytes differ from ours by intention: EXT_CC's reserved half
/// word, and EXT_CC in front of REPAIR_ADV, which we read over.
fn without_cc_details(mut bytes: Vec<u8>) -> Vec<u8> {
    let feedback = matches!(bytes[0], 0x14 | 0x15);
    let repair_adv = bytes[0] == 0x13 && bytes[12] == 5;
    if feedback && bytes[24..26] == [3, 3] {
        bytes[34..36].fill(0);
    } else if repair_adv && bytes[16..18] == [3, 3] {
        bytes.drain(16..28);
        bytes[1] -= 3;
    }
    bytes
}

const SENDER: SenderWord = SenderWord {
    instance_id: 0x4c43,
    grtt: 0x74,
    backoff: 4,
    gsize: 8,
};

const FTI: Fti = Fti {
    object_size: 20_000,
    fec_instance: 0,
    symbol_bytes: 256,
    max_block_len: 16,
    num_parity: 4,
};

#[test]
fn all_are_emitted_as_libnorm_emitted_them() {
    let vectors = vectors();
    assert!(vectors.len() >= 20);
    for (name, bytes) in vectors {
        let message = Message::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut out = Vec::new();
        message.emit(&mut out);
        assert_eq!(out, without_cc_details(bytes), "{name}");
    }
}

#[test]
fn data_with_source() {
    let bytes = vector("data-source-flags04");
    let (header, at) = DataHeader::parse(&bytes).unwrap();
    let id = PayloadId {
        sbn: 0,
        block_len: 16,
        esi: 0,
    };
    let expected = DataHeader {
        sequence: 2,
        source_id: 1,
        sender: SENDER,
        flags: flag::INFO,
        toi: 0,
        id,
        fti: Some(FTI),
    };
    assert_eq!(header, expected);
    assert_eq!((at, bytes.len() - at), (DATA_HEADER_BYTES, 256));
    assert!(id.is_source());
    assert_eq!(id.parity_index(), None);
}

#[test]
fn data_with_parity() {
    let bytes = vector("data-parity-flags04");
    let (header, _) = DataHeader::parse(&bytes).unwrap();
    assert_eq!(
        header.id,
        PayloadId {
            sbn: 1,
            block_len: 16,
            esi: 16
        }
    );
    assert_eq!(header.id.parity_index(), Some(0));
}

#[test]
fn data_at_the_end_of_the_object() {
    let bytes = vector("data-source-flags04-short");
    let (header, at) = DataHeader::parse(&bytes).unwrap();
    assert_eq!(
        header.id,
        PayloadId {
            sbn: 4,
            block_len: 15,
            esi: 14
        }
    );
    assert_eq!(bytes.len() - at, 20_000 % 256);
}

#[test]
fn info() {
    let bytes = vector("info");
    let Ok(Message::Info(info)) = Message::parse(&bytes) else {
        panic!()
    };
    assert_eq!((info.sequence, info.source_id, info.sender), (1, 1, SENDER));
    assert_eq!((info.flags, info.toi, info.fti), (flag::INFO, 0, Some(FTI)));
    assert_eq!(info.payload, b"object of the golden vectors\0");
}

#[test]
fn commands() {
    let body = |name| {
        let bytes: &'static [u8] = vector(name).leak();
        match Message::parse(bytes) {
            Ok(Message::Command(Command {
                source_id: 1, body, ..
            })) => body,
            other => panic!("{other:?}"),
        }
    };
    let CommandBody::Cc {
        cc_sequence: 3,
        sec: 1_795_372_905,
        usec: 842_703,
        rate,
        nodes,
    } = body("cmd-cc-list")
    else {
        panic!()
    };
    // The driver set 2 Mbit/s.
    assert_eq!(rate.map(quantize::rate_to_bytes_per_s), Some(250_000));
    assert_eq!(quantize::rate_from_bytes_per_s(250_000), rate.unwrap());
    let node = CcNode {
        node: 2,
        flags: 0x0d,
        rtt: 0x30,
        rate: 0x3289,
    };
    assert!(nodes.iter().eq([node]));

    let end = PayloadId {
        sbn: 4,
        block_len: 15,
        esi: 14,
    };
    let CommandBody::Flush { toi: 0, id, nodes } = body("cmd-flush-list") else {
        panic!()
    };
    assert_eq!(id, end);
    assert!(nodes.iter().eq([2]));
    let CommandBody::Flush { toi: 0, id, nodes } = body("cmd-flush-empty") else {
        panic!()
    };
    assert_eq!(id, end);
    assert!(nodes.is_empty());

    let CommandBody::Squelch {
        toi: 1,
        id,
        invalid,
    } = body("cmd-squelch-empty")
    else {
        panic!()
    };
    assert_eq!(
        id,
        PayloadId {
            sbn: 0,
            block_len: 12,
            esi: 0
        }
    );
    assert!(invalid.is_empty());

    assert_eq!(
        body("cmd-application"),
        CommandBody::Application(b"golden command")
    );

    let CommandBody::RepairAdv {
        limit: false,
        requests,
    } = body("cmd-repair-adv-items1-items1-ranges1")
    else {
        panic!()
    };
    let forms = [Form::Items, Form::Items, Form::Ranges];
    assert!(requests.iter().map(|request| request.form).eq(forms));
}

#[test]
fn nack() {
    let bytes = vector("nack-items1-items1-ranges1");
    let Ok(Message::Nack(nack)) = Message::parse(&bytes) else {
        panic!()
    };
    let Nack {
        sequence: 0,
        source_id: 2,
        server_id: 1,
        instance_id: 0x4c43,
        ..
    } = nack
    else {
        panic!("{nack:?}")
    };
    assert_eq!(nack.grtt_response.as_ns(), 1_795_372_905_903_437_000);
    let cc = CcFeedback {
        cc_sequence: 26,
        flags: 0x25,
        rtt: 45,
        loss: 0,
        rate: 12_310,
    };
    assert_eq!(nack.cc, Some(cc));
    let parity = |sbn, index: u16| {
        (
            0,
            PayloadId {
                sbn,
                block_len: 16,
                esi: 16 + index,
            },
        )
    };
    let requests: Vec<_> = nack
        .requests
        .iter()
        .map(|request| {
            assert_eq!(request.level, Level::SEGMENT);
            (request.form, request.items().collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(
        requests,
        [
            (Form::Items, vec![parity(1, 0), parity(1, 1)]),
            (Form::Items, vec![parity(2, 0), parity(2, 1)]),
            (Form::Ranges, vec![parity(3, 0), parity(3, 3)]),
        ]
    );
}

#[test]
fn nack_for_info() {
    let bytes = vector("nack-ranges1-items4");
    let Ok(Message::Nack(nack)) = Message::parse(&bytes) else {
        panic!()
    };
    let last = nack.requests.iter().last().unwrap();
    assert_eq!((last.form, last.level), (Form::Items, Level::INFO));
    assert_eq!(last.items().map(|(toi, _)| toi).collect::<Vec<_>>(), [3]);
}

#[test]
fn acks() {
    let bytes = vector("ack-type2");
    let Ok(Message::Ack(ack)) = Message::parse(&bytes) else {
        panic!()
    };
    let Ack {
        source_id: 2,
        server_id: 1,
        ack_type: ACK_FLUSH,
        ack_id: 0,
        ..
    } = ack
    else {
        panic!("{ack:?}")
    };
    // Block 4 has 15 symbols, as FLUSH said; libnorm answers with the length of
    // the longest block.
    assert_eq!(
        ack.watermark(),
        Ok((
            0,
            PayloadId {
                sbn: 4,
                block_len: 16,
                esi: 14
            }
        ))
    );

    let bytes = vector("ack-type1");
    let Ok(Message::Ack(ack)) = Message::parse(&bytes) else {
        panic!()
    };
    assert_eq!((ack.ack_type, ack.payload), (ACK_CC, &[][..]));
    assert_eq!(ack.grtt_response.as_ns(), 1_795_372_905_830_472_000);
    assert!(ack.cc.is_some());
}

#[test]
fn codes_mean_what_libnorm_means() {
    // The driver asked for 20 ms and a group of 50.
    assert_eq!(quantize::grtt_to_ns(SENDER.grtt), 22_719_029);
    assert_eq!(quantize::gsize_from(50), SENDER.gsize);
    assert_eq!(quantize::gsize_to(SENDER.gsize), 50);
}
