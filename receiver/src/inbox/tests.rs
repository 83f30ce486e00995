use std::collections::HashMap;

use super::*;
use crate::target::Target;

#[path = "../../examples/inbox_rate/trains.rs"]
mod trains;

const SHAPE: PacketShape = PacketShape {
    header_bytes: 40,
    symbol_bytes: 1408,
};
const PACKET: usize = 1448;
const WAIT: Duration = Duration::from_secs(5);

struct Rig {
    inbox: Inbox,
    sender: UdpSocket,
    to: SocketAddr,
    staging: Staging,
    _dir: tempfile::TempDir,
}

fn rig_at(address: &str, symbols: u64) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path()).unwrap();
    let staging = Staging::reserve(&target, [1; 32], symbols * 1408, 1408).unwrap();
    let socket = UdpSocket::bind((address, 0)).unwrap();
    trains::set_up_receiver(&socket, 4 << 20).unwrap();
    let to = socket.local_addr().unwrap();
    Rig {
        inbox: Inbox::new(socket, SHAPE),
        sender: UdpSocket::bind((address, 0)).unwrap(),
        to,
        staging,
        _dir: dir,
    }
}

fn rig(symbols: u64) -> Rig {
    rig_at("127.0.0.1", symbols)
}

/// The packet of a symbol: its number is in the first 8 bytes of the header
/// and in every byte of the payload.
fn packet(number: u64) -> Vec<u8> {
    let mut bytes = vec![number as u8; PACKET];
    bytes[..40].fill(0xaa);
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn number(header: &[u8]) -> u64 {
    u64::from_le_bytes(header[..8].try_into().unwrap())
}

impl Rig {
    fn train(&self, numbers: impl IntoIterator<Item = u64>) {
        let bytes: Vec<u8> = numbers.into_iter().flat_map(packet).collect();
        trains::send_train(&self.sender, self.to, &bytes, PACKET as u16).unwrap();
    }

    fn single(&self, bytes: &[u8]) {
        self.sender.send_to(bytes, self.to).unwrap();
    }

    fn receive(&mut self, predicted: &[u64]) -> usize {
        let staging = Some(&mut self.staging);
        self.inbox.receive(staging, predicted, WAIT).unwrap()
    }

    /// What the composition does with a batch, in its naive form: the symbols
    /// that arrived and where they landed.
    fn place(&mut self) -> Vec<(u64, Landed)> {
        let seen: Vec<(u64, Landed)> = self
            .inbox
            .datagrams()
            .map(|datagram| (number(datagram.header), datagram.landed))
            .collect();
        let right = |(number, landed): &(u64, Landed)| *landed == Landed::Place(number * 1408);
        let misplaced: Vec<usize> = (0..seen.len()).filter(|i| !right(&seen[*i])).collect();
        self.inbox.lift(&self.staging, &misplaced);
        for i in misplaced {
            let payload = self.inbox.payload(i).unwrap();
            self.staging.write_at(seen[i].0 * 1408, payload).unwrap();
        }
        seen
    }

    fn assert_symbols(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let symbol = self
                .staging
                .bytes(number * 1408..(number + 1) * 1408)
                .unwrap();
            assert!(
                symbol.iter().all(|byte| *byte == number as u8),
                "symbol {number}"
            );
        }
    }
}

fn places(numbers: impl IntoIterator<Item = u64>) -> Vec<u64> {
    numbers.into_iter().map(|number| number * 1408).collect()
}

#[test]
fn train_lands_in_its_places() {
    let mut rig = rig(200);
    rig.train(0..45);
    rig.train(45..90);
    assert_eq!(rig.receive(&places(0..200)), 90);
    assert!(rig.inbox.datagrams().all(|datagram| {
        datagram.landed == Landed::Place(number(datagram.header) * 1408)
            && datagram.len == PACKET
            && datagram.header.len() == 40
            && datagram.header[8..].iter().all(|byte| *byte == 0xaa)
    }));
    rig.assert_symbols(0..90);
    assert_eq!(rig.inbox.counters().lifted, 0);
    let mut memory = Vec::new();
    let whole = rig.inbox.whole(89, Some(&rig.staging), &mut memory);
    assert!(whole == packet(89));
}

#[test]
fn addresses_of_both_families_are_heard() {
    for address in ["127.0.0.1", "::1"] {
        let mut rig = rig_at(address, 100);
        rig.train(0..3);
        assert_eq!(rig.receive(&places(0..100)), 3);
        let from = rig.sender.local_addr().unwrap();
        assert!(rig.inbox.datagrams().all(|datagram| datagram.from == from));
        rig.assert_symbols(0..3);
    }
}

#[test]
fn the_second_socket_is_heard_when_the_first_is_empty_and_only_its_sender() {
    let mut rig = rig(100);
    let direct = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (to, group) = (direct.local_addr().unwrap(), rig.to);
    let sender = rig.sender.local_addr().unwrap();
    rig.inbox.hear_directly(direct, sender);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    rig.to = to;
    rig.single(&packet(1));
    stranger.send_to(&packet(2), to).unwrap();
    rig.single(&packet(3));
    rig.to = group;
    rig.single(&packet(0));
    assert_eq!(rig.receive(&places(0..1)), 1);
    rig.assert_symbols(0..1);
    assert_eq!(rig.receive(&places(1..4)), 2);
    assert_eq!(
        rig.place().iter().map(|seen| seen.0).collect::<Vec<_>>(),
        [1, 3]
    );
    rig.assert_symbols([1, 3]);
    // A stranger alone is nothing at all.
    stranger.send_to(&packet(4), to).unwrap();
    assert_eq!(rig.receive(&places(4..5)), 0);
}

#[test]
fn what_follows_a_datagram_ends_where_somebody_else_sent() {
    let mut rig = rig(100);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = [&rig.sender, &stranger].map(|socket| socket.local_addr().unwrap());
    rig.train(0..3);
    rig.single(&packet(3));
    stranger.send_to(&packet(4), rig.to).unwrap();
    rig.single(&packet(5));
    let mut senders = Vec::new();
    let mut following = Vec::new();
    while senders.len() < 6 {
        let count = rig.receive(&[]);
        senders.extend(rig.inbox.datagrams().map(|datagram| datagram.from));
        following.extend((0..count).map(|i| rig.inbox.following(i).count()));
    }
    let [ours, theirs] = from;
    assert_eq!(senders, [ours, ours, ours, ours, theirs, ours]);
    assert_eq!(following, [3, 2, 1, 0, 0, 0]);
}

#[test]
fn lost_symbol_shifts_and_is_put_right() {
    let mut rig = rig(200);
    rig.train((0..20).chain(21..40));
    rig.train((41..60).chain([20]));
    let received = rig.receive(&places(0..200));
    assert_eq!(received, 59);
    rig.place();
    rig.assert_symbols((0..40).chain(41..60));
    // The first 20 were right; all others were moved, through each other.
    assert_eq!(rig.inbox.counters().lifted, 39);
}

#[test]
fn symbols_in_any_order_are_put_right() {
    let mut rig = rig(256);
    let mut state = 7u64;
    for round in 0..50 {
        let mut numbers: Vec<u64> = (0..200).collect();
        for i in (1..numbers.len()).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            numbers.swap(i, (state >> 33) as usize % (i + 1));
        }
        rig.staging.bytes_mut(0..256 * 1408).unwrap().fill(0xff);
        let (trains, singles) = numbers.split_at(40 * (round % 5));
        trains
            .chunks(1 + round)
            .for_each(|train| rig.train(train.iter().copied().take(45)));
        let in_trains: Vec<u64> = trains
            .chunks(1 + round)
            .flat_map(|t| t.iter().copied().take(45))
            .collect();
        singles
            .iter()
            .for_each(|number| rig.single(&packet(*number)));
        let mut missing: Vec<u64> = (0..200).collect();
        let expected = in_trains.len() + singles.len();
        let mut received = 0;
        while received < expected {
            received += rig.receive(&places(missing.iter().copied()));
            let seen = rig.place();
            missing.retain(|number| seen.iter().all(|(other, _)| other != number));
        }
        rig.assert_symbols(in_trains.into_iter().chain(singles.iter().copied()));
    }
}

#[test]
fn predictions_may_be_few_or_none() {
    let mut rig = rig(100);
    rig.train(0..45);
    assert_eq!(rig.receive(&places(0..2)), 45);
    let landed: Vec<Landed> = rig
        .inbox
        .datagrams()
        .map(|datagram| datagram.landed)
        .collect();
    assert_eq!(
        landed[..3],
        [Landed::Place(0), Landed::Place(1408), Landed::Scratch]
    );
    assert_eq!(rig.inbox.payload(0), None);
    assert_eq!(rig.inbox.payload(44).unwrap(), [44; 1408]);

    rig.train(45..90);
    assert_eq!(rig.inbox.receive(None, &places(45..90), WAIT).unwrap(), 45);
    for (i, datagram) in rig.inbox.datagrams().enumerate() {
        assert_eq!(datagram.landed, Landed::Scratch);
        assert_eq!(rig.inbox.payload(i).unwrap(), [i as u8 + 45; 1408]);
    }
    assert!(
        rig.staging
            .bytes(45 * 1408..90 * 1408)
            .unwrap()
            .iter()
            .all(|byte| *byte == 0)
    );
    assert_eq!(rig.inbox.payload(45), None);
}

#[test]
fn prediction_outside_the_file_is_scratch() {
    let mut rig = rig(10);
    rig.train(0..4);
    assert_eq!(
        rig.receive(&[10 * 1408, u64::MAX, 9 * 1408 + 1, 9 * 1408]),
        4
    );
    let landed: Vec<Landed> = rig
        .inbox
        .datagrams()
        .map(|datagram| datagram.landed)
        .collect();
    let scratch = Landed::Scratch;
    assert_eq!(landed, [scratch, scratch, scratch, Landed::Place(9 * 1408)]);
}

#[test]
fn trains_of_other_sizes_are_put_together() {
    for pairs in [1, 2, 7, 45] {
        for segment in [1, 39, 40, 41, 60, 1000, 1407, 1447, 1449, 1472, 2896] {
            let mut rig = rig(400);
            rig.inbox.batch.layout = mmsg::Layout::for_trains_of(pairs);
            let bytes: Vec<u8> = (0..65_000.min(segment * 40 - segment / 3))
                .map(|i| (i * 7 + i / 256) as u8)
                .collect();
            trains::send_train(&rig.sender, rig.to, &bytes, segment as u16).unwrap();
            let expected: Vec<&[u8]> = bytes.chunks(segment).collect();
            assert_eq!(rig.receive(&places(0..400)), expected.len());
            let mut memory = Vec::new();
            for (i, datagram) in rig.inbox.datagrams().enumerate() {
                let expected = expected[i];
                assert_eq!(datagram.len, expected.len());
                assert_eq!(datagram.header, &expected[..expected.len().min(40)]);
                let whole = rig.inbox.whole(i, Some(&rig.staging), &mut memory);
                assert!(
                    whole == expected,
                    "{pairs} pairs, segment {i} of {segment} bytes"
                );
                if datagram.landed == Landed::Scratch {
                    let after = &expected[expected.len().min(40)..];
                    assert_eq!(rig.inbox.payload(i).unwrap(), after);
                }
            }
        }
    }
}

#[test]
fn control_messages_among_symbols_are_whole() {
    let mut rig = rig(100);
    let messages = [
        &b""[..],
        b"x",
        &[1; 39],
        &[2; 40],
        &[3; 41],
        &[4; 1447],
        &[5; 3000],
    ];
    rig.inbox.batch.layout = mmsg::Layout::for_trains_of(2);
    rig.single(&packet(0));
    messages.iter().for_each(|message| rig.single(message));
    rig.train(1..4);
    assert_eq!(rig.receive(&places(0..100)), 1 + messages.len() + 3);
    let mut memory = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let whole = rig.inbox.whole(1 + i, Some(&rig.staging), &mut memory);
        assert_eq!(whole, *message);
    }
    rig.assert_symbols([0]);
    // A control message as long as a symbol's packet is taken for one.
    rig.single(&[9; PACKET]);
    rig.receive(&places(50..100));
    let whole = rig.inbox.whole(0, Some(&rig.staging), &mut memory);
    assert_eq!(whole, [9; PACKET]);
}

#[test]
fn layout_follows_the_traffic() {
    let mut rig = rig(1000);
    assert_eq!(rig.inbox.wanted(), 180);
    let mut received = 0;
    (0..100).for_each(|number| rig.single(&packet(number)));
    while received < 100 {
        received += rig.receive(&[]);
    }
    assert_eq!(rig.inbox.batch.layout.pairs, 1);
    (0..10).for_each(|_| rig.train(0..21));
    assert_eq!(rig.receive(&[]), 210, "longer than posted, but whole");
    assert_eq!(rig.inbox.batch.layout.pairs, 21);
    rig.train(0..5);
    rig.receive(&[]);
    assert_eq!(rig.inbox.batch.layout.pairs, 21, "one short train alone");
    rig.train(0..45);
    rig.receive(&[]);
    assert_eq!(rig.inbox.batch.layout.pairs, 45);
    let counters = rig.inbox.counters();
    assert_eq!(counters.datagrams, 100 + 210 + 5 + 45);
    assert_eq!(counters.batches.iter().sum::<u64>(), counters.calls);
}

#[test]
fn silence_ends_after_the_timeout() {
    let mut rig = rig(10);
    let started = std::time::Instant::now();
    let timeout = Duration::from_millis(30);
    let staging = Some(&mut rig.staging);
    assert_eq!(rig.inbox.receive(staging, &[0], timeout).unwrap(), 0);
    assert!(started.elapsed() >= timeout);
    assert_eq!(rig.inbox.datagrams().len(), 0);
    assert_eq!(rig.inbox.receive(None, &[], Duration::ZERO).unwrap(), 0);
}

#[test]
fn socket_drops_are_counted() {
    let mut rig = rig(10);
    trains::set(&rig.inbox.socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 8192).unwrap();
    (0..100).for_each(|number| rig.single(&packet(number)));
    while rig.inbox.receive(None, &[], Duration::ZERO).unwrap() > 0 {}
    // The count comes with the next message that is not dropped.
    rig.single(&packet(0));
    rig.receive(&[]);
    assert!(rig.inbox.dropped() > 0);
}

#[test]
fn hostile_packets_touch_no_other_place() {
    let mut rig = rig(100);
    rig.staging.bytes_mut(0..100 * 1408).unwrap().fill(0xee);
    let posted = places([10, 20, 30, 40]);
    rig.train([77, 77, 0, u64::MAX]);
    trains::send_train(&rig.sender, rig.to, &[0xbb; 65_000], 999).unwrap();
    rig.single(&[0xcc; 9000]);
    let mut left = 4 + 66 + 1;
    while left > 0 {
        left -= rig.receive(&posted);
    }
    let counts: HashMap<bool, usize> = (0..100u64).fold(HashMap::new(), |mut counts, number| {
        let symbol = rig
            .staging
            .bytes(number * 1408..(number + 1) * 1408)
            .unwrap();
        let untouched = symbol.iter().all(|byte| *byte == 0xee);
        assert!(untouched || posted.contains(&(number * 1408)));
        *counts.entry(untouched).or_default() += 1;
        counts
    });
    assert_eq!(counts[&true], 96);
}
