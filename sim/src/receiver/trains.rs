//! Packets that follow each other, handed to the machine as one train.

use super::{Arrived, Moment, ReceiverNode};
use crate::packet::{Body, Packet};
use linecast_protocol::wire::{DATA_HEADER_BYTES, DataHeader};

/// What comes within this time is taken from the socket together.
const BATCH_NS: u64 = 200_000;
/// Packets of one train.
const TRAIN_MAX: usize = 64;
/// What the machine says of a train, in the trace.
const TRAIN_CODE: u64 = 30;

impl ReceiverNode {
    /// The packets from `first` on that continue it and come before `before`. The
    /// next that does not is left pending.
    pub(super) fn gather(
        &mut self,
        first: Arrived,
        before: u64,
        moment: &mut Moment<'_>,
    ) -> Vec<Arrived> {
        let around = moment.around;
        let until = before.min(moment.at + BATCH_NS);
        let head = around.trunk.packet(first.number).and_then(header_bytes);
        let whole = first.altered.is_none();
        let mut train = vec![first];
        let Some(head) = head.filter(|_| whole) else {
            return train;
        };
        let origin = |number| around.trunk.packet(number).map(|packet| packet.origin);
        while train.len() < TRAIN_MAX {
            self.pending = self.arrive(until, around);
            let Some((at, next)) = &self.pending else {
                break;
            };
            let bytes = around.trunk.packet(next.number).and_then(header_bytes);
            let by = train.len() as u16;
            let follows = *at < until
                && next.altered.is_none()
                && origin(next.number) == origin(train[0].number)
                && bytes.is_some_and(|bytes| DataHeader::continues(&head, &bytes, by));
            if !follows {
                break;
            }
            moment.at = *at;
            train.extend(self.pending.take().map(|(_, next)| next));
        }
        train
    }

    /// Hands over a train; gives whether the machine took it.
    pub(super) fn receive_train(&mut self, train: &[Arrived], moment: &mut Moment<'_>) -> bool {
        let (at, around) = (moment.at, moment.around);
        let packets = train
            .iter()
            .map(|arrived| around.trunk.packet(arrived.number));
        let packets: Vec<&Packet> = packets.flatten().collect();
        let [Packet { origin, body, .. }, .., last] = &packets[..] else {
            return false;
        };
        let Body::Data { header, .. } = body else {
            return false;
        };
        let mut header = *header;
        if !around.scenario.suppression {
            header.sender.backoff = 0;
        }
        let now = self.clock.local(at);
        let count = packets.len() as u16;
        let taken = self
            .machine
            .handle_train(now, origin.address(), &header, count);
        let Some(held) = taken else { return false };
        self.counts.delivered += u64::from(count);
        self.counts.trains += 1;
        self.note_symbol(TRAIN_CODE + held as u64, at, &header);
        self.keep_train(&packets, held, last.ordinal);
        self.follow_up(moment);
        true
    }
}

/// The header of a DATA packet as it is on the wire.
fn header_bytes(packet: &Packet) -> Option<[u8; DATA_HEADER_BYTES]> {
    let Body::Data { header, .. } = &packet.body else {
        return None;
    };
    header.fti?;
    let mut bytes = [0; DATA_HEADER_BYTES];
    header.emit(&mut bytes);
    Some(bytes)
}
