//! tshark, which shares no code with us, must understand every message that we
//! emit. It knows NORM by `-d udp.port==6003,norm`.

use std::io::ErrorKind;
use std::process::Command as Process;

use linecast_protocol::wire::{
    ACK_FIRST_APPLICATION, ACK_FLUSH, Ack, CcFeedback, CcList, CcNode, Command, CommandBody,
    DataHeader, Form, Fti, Info, Level, Message, Nack, NodeList, PayloadId, Report, RequestBuilder,
    Requests, SenderWord, Timestamp, ToiList, flag, item_bytes, quantize,
};

const PORT: u16 = 6003;
const SENDER_ID: u32 = 0x0a4d_0001;
const RECEIVER_ID: u32 = 0x0a4d_0002;
const INSTANCE: u16 = 0xbeef;
const ID: PayloadId = PayloadId {
    sbn: 70_000,
    block_len: 512,
    esi: 513,
};

#[test]
fn tshark_understands_every_message() {
    let rows = dissect(
        &emitted(),
        &[
            "_ws.expert",
            "norm.type",
            "norm.sequence",
            "norm.source_id",
            "norm.flavor",
            "norm.object_transport_id",
            "rmt-fec.sbn",
            "rmt-fec.sbl",
            "rmt-fec.esi",
            "rmt-fec.fti.transfer_length",
            "norm.nack.form",
            "norm.ack.type",
        ],
    );
    // Of a request header tshark shows the first item, so the two ranges that
    // share one appear as one.
    let requests = "0x0003,0x0003|70000,70000|512,512|0x00000201,0x00000201||2,1|";
    let expected = [
        "|1|1|10.77.0.1||0x0003||||20000||",
        "|2|2|10.77.0.1||0x0003|70000|512|0x00000201|20000||",
        "|2|2|10.77.0.1||0x0003|70000|512|0x00000201|||",
        "|3|3|10.77.0.1|1|0x0003|70000|512|0x00000201|||",
        "|3|4|10.77.0.1|2|||||||",
        "|3|5|10.77.0.1|3|0x0003|70000|512|0x00000201|||",
        "|3|6|10.77.0.1|4|||||||",
        &format!("|3|7|10.77.0.1|5|{requests}"),
        "|3|8|10.77.0.1|6|||||||2",
        "|3|9|10.77.0.1|7|||||||",
        &format!("|4|10|10.77.0.2||{requests}"),
        &format!("|4|11|10.77.0.2||{requests}"),
        "|5|12|10.77.0.2||||||||2",
        "|5|13|10.77.0.2||||||||17",
        "|6|14|10.77.0.2||||||||",
    ];
    // The first column would say "Malformed".
    assert_eq!(rows, expected);
}

/// One of every message, with everything in it that can be.
fn emitted() -> Vec<Vec<u8>> {
    let sender = SenderWord {
        instance_id: INSTANCE,
        grtt: quantize::grtt_from_ns(1_000_000),
        backoff: 6,
        gsize: quantize::gsize_from(100),
    };
    let fti = Fti {
        object_size: 20_000,
        fec_instance: 0xf00d,
        symbol_bytes: 1408,
        max_block_len: 512,
        num_parity: 512,
    };
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, 1400);
    let last = PayloadId { esi: 520, ..ID };
    assert!(builder.push_range(Level::SEGMENT, 3, ID, last));
    assert!(builder.push_range(Level::SEGMENT, 3, ID, last));
    assert!(builder.push(Form::Items, Level::BLOCK, &[(3, ID)]));
    let requests = Requests::parse(&bytes).unwrap();

    let header = DataHeader {
        sequence: 2,
        source_id: SENDER_ID,
        sender,
        flags: flag::REPAIR | flag::FILE,
        toi: 3,
        id: ID,
        fti: Some(fti),
    };
    let symbol = [0x5a; 1408];
    let info = Info {
        sequence: 1,
        source_id: SENDER_ID,
        sender,
        flags: flag::INFO,
        toi: 3,
        fti: Some(fti),
        payload: b"information",
    };
    let mut messages = vec![
        Message::Info(info),
        Message::Data(header, &symbol),
        Message::Data(
            DataHeader {
                fti: None,
                ..header
            },
            &symbol,
        ),
    ];
    let reported = [CcNode {
        node: RECEIVER_ID,
        flags: 1,
        rtt: 76,
        rate: 0x4005,
    }];
    let nodes = NodeList::from_slice(&[RECEIVER_ID, 7]);
    let bodies = [
        CommandBody::Flush {
            toi: 3,
            id: ID,
            nodes,
        },
        CommandBody::Eot,
        // With a list of objects tshark 4.0 calls any SQUELCH malformed: it
        // reads four bytes for each two.
        CommandBody::Squelch {
            toi: 3,
            id: ID,
            invalid: ToiList::EMPTY,
        },
        CommandBody::Cc {
            cc_sequence: 9,
            sec: 1,
            usec: 2,
            rate: Some(0x4005),
            nodes: CcList::from_slice(&reported),
        },
        CommandBody::RepairAdv {
            limit: true,
            requests,
        },
        CommandBody::AckReq {
            ack_type: ACK_FLUSH,
            ack_id: 5,
            nodes,
        },
        CommandBody::Application(b"application"),
    ];
    for (body, sequence) in bodies.into_iter().zip(3..) {
        messages.push(Message::Command(Command {
            sequence,
            source_id: SENDER_ID,
            sender,
            body,
        }));
    }
    let grtt_response = Timestamp { sec: 3, usec: 4 };
    for (cc, sequence) in [None, Some(CcFeedback::default())].into_iter().zip(10..) {
        messages.push(Message::Nack(Nack {
            sequence,
            source_id: RECEIVER_ID,
            server_id: SENDER_ID,
            instance_id: INSTANCE,
            grtt_response,
            auth: None,
            cc,
            requests,
        }));
    }
    let watermark = item_bytes((3, ID));
    let acks = [
        (ACK_FLUSH, &watermark[..]),
        (ACK_FIRST_APPLICATION + 1, b"registration"),
    ];
    for ((ack_type, payload), sequence) in acks.into_iter().zip(12..) {
        messages.push(Message::Ack(Ack {
            sequence,
            source_id: RECEIVER_ID,
            server_id: SENDER_ID,
            instance_id: INSTANCE,
            ack_type,
            ack_id: 5,
            grtt_response,
            auth: None,
            cc: None,
            payload,
        }));
    }
    messages.push(Message::Report(Report {
        sequence: 14,
        source_id: RECEIVER_ID,
        payload: b"report",
    }));
    let emit = |message: Message<'_>| {
        let mut out = Vec::new();
        message.emit(&mut out);
        out
    };
    messages.into_iter().map(emit).collect()
}

/// The fields of each datagram as tshark shows them, joined by `|`.
fn dissect(datagrams: &[Vec<u8>], fields: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("emitted.pcap");
    std::fs::write(&path, pcap(datagrams)).unwrap();
    let mut process = Process::new("tshark");
    process
        .arg("-n")
        .arg("-r")
        .arg(&path)
        .args(["-d", &format!("udp.port=={PORT},norm")]);
    process.args(["-T", "fields", "-E", "separator=|"]);
    fields.iter().for_each(|field| {
        process.args(["-e", field]);
    });
    let output = match process.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("this test needs tshark: install the package `tshark`")
        }
        Err(error) => panic!("tshark: {error}"),
    };
    assert!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_string).collect()
}

/// A capture of UDP datagrams over raw IPv4 (link type 101).
fn pcap(datagrams: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&0xa1b2_c3d4u32.to_be_bytes());
    out.extend_from_slice(&[0, 2, 0, 4]);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&65_535u32.to_be_bytes());
    out.extend_from_slice(&101u32.to_be_bytes());
    for datagram in datagrams {
        let udp_bytes = 8 + datagram.len();
        let packet_bytes = 20 + udp_bytes;
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&(packet_bytes as u32).to_be_bytes());
        out.extend_from_slice(&(packet_bytes as u32).to_be_bytes());
        out.extend_from_slice(&[0x45, 0]);
        out.extend_from_slice(&(packet_bytes as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0, 0x40, 0, 8, 17, 0, 0, 10, 77, 0, 1, 239, 77, 0, 1]);
        out.extend_from_slice(&PORT.to_be_bytes());
        out.extend_from_slice(&PORT.to_be_bytes());
        out.extend_from_slice(&(udp_bytes as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(datagram);
    }
    out
}
