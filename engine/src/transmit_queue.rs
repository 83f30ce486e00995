//! What a transmitter has been given and has not finished: trains, and pieces
//! of them in sending order. The backends only ever finish or refuse its front,
//! which is what keeps packets in order, each sent once.

use std::collections::VecDeque;
use std::io;

use crate::train::TrainBuffer;
use crate::transmitter::{Counters, Reaped, TransmitError};

/// Errors that a socket reports instead of sending, for packets before: the
/// send is tried again, but not for ever.
const CONSECUTIVE_SOFT_ERRORS_MAX: u32 = 64;

/// Messages refused in a row from which an address cannot be sent to.
const UNDELIVERABLE_MAX: u32 = 64;

/// Names a train that was loaded and not yet recycled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u32);

/// One send: some packets of one train, still in its memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) bytes: &'a [u8],
    /// The segment size, if the kernel is to cut `bytes` into packets.
    pub(crate) segment: Option<u16>,
    pub(crate) packets: usize,
}

/// What holds the front of the queue up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The socket's send buffer is full: wait until it is writable.
    Writable,
    /// The device's queue is full, and nothing will say when it is not.
    Device,
}

/// A place in the queue from which messages are read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor {
    piece: usize,
    packets: usize,
}

#[derive(Debug)]
struct Load {
    train: TrainBuffer,
    pieces: usize,
    released: bool,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    key: Key,
    first: usize,
    count: usize,
}

#[derive(Debug)]
pub(crate) struct TransmitQueue {
    loads: Vec<Option<Load>>,
    free: Vec<u32>,
    pieces: VecDeque<Piece>,
    finished: Vec<TrainBuffer>,
    reaped: Reaped,
    soft_errors_in_a_row: u32,
    /// Messages to a receiver's own address that were refused, since one left.
    undeliverable_in_a_row: u32,
    /// Whether messages go to a receiver's own address. That it cannot be sent
    /// to is no reason to stop: the others that wait for their turn can.
    directed: bool,
    /// Whether trains are left to the kernel to cut.
    pub(crate) segmented: bool,
    /// Why not, where that was found out by sending.
    pub(crate) unsegmented_reason: Option<String>,
    pub(crate) pause: Option<Pause>,
    pub(crate) counters: Counters,
}

impl TransmitQueue {
    pub(crate) fn new(segmented: bool, pieces_max: usize) -> TransmitQueue {
        TransmitQueue {
            loads: Vec::with_capacity(pieces_max),
            free: Vec::with_capacity(pieces_max),
            pieces: VecDeque::with_capacity(pieces_max),
            finished: Vec::with_capacity(pieces_max),
            reaped: Reaped::default(),
            soft_errors_in_a_row: 0,
            undeliverable_in_a_row: 0,
            directed: false,
            segmented,
            unsegmented_reason: None,
            pause: None,
            counters: Counters::default(),
        }
    }

    pub(crate) fn load(&mut self, train: TrainBuffer) -> Key {
        let load = Some(Load {
            train,
            pieces: 0,
            released: false,
        });
        match self.free.pop() {
            Some(place) => {
                self.loads[place as usize] = load;
                Key(place)
            }
            None => {
                self.loads.push(load);
                Key((self.loads.len() - 1) as u32)
            }
        }
    }

    pub(crate) fn push(&mut self, key: Key, first: usize, count: usize) {
        let load = self.load_mut(key);
        assert!(!load.released, "send after release");
        assert!(count > 0 && first + count <= load.train.len_packets());
        load.pieces += 1;
        self.pieces.push_back(Piece { key, first, count });
    }

    pub(crate) fn release(&mut self, key: Key) {
        let load = self.load_mut(key);
        assert!(!load.released, "released twice");
        load.released = true;
        self.recycle_if_done(key);
    }

    pub(crate) fn train(&self, key: Key) -> &TrainBuffer {
        let load = self.loads[key.0 as usize].as_ref();
        &load
            .expect("a key is valid until its train is released")
            .train
    }

    /// Pieces queued or on their way.
    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The message at the cursor, which moves behind it.
    pub(crate) fn next_message(&self, cursor: &mut Cursor) -> Option<Message<'_>> {
        let piece = self.pieces.get(cursor.piece)?;
        let train = self.train(piece.key);
        let left = piece.count - cursor.packets;
        let packets = if self.segmented { left } else { 1 };
        let bytes = train.run(piece.first + cursor.packets, packets);
        if packets == left {
            cursor.piece += 1;
            cursor.packets = 0;
        } else {
            cursor.packets += packets;
        }
        // One packet needs no cutting, and some kernels refuse to be asked.
        let segment = (packets > 1).then(|| train.packet_bytes() as u16);
        Some(Message {
            bytes,
            segment,
            packets,
        })
    }

    /// Packet size of the train at the cursor.
    pub(crate) fn packet_bytes(&self, cursor: &Cursor) -> Option<usize> {
        let piece = self.pieces.get(cursor.piece)?;
        Some(self.train(piece.key).packet_bytes())
    }

    /// From now on messages go to a receiver's own address, or to the group.
    pub(crate) fn set_directed(&mut self, directed: bool) {
        debug_assert!(self.is_empty());
        self.directed = directed;
        self.undeliverable_in_a_row = 0;
    }

    /// Whether the address that messages are directed to refuses them all.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.undeliverable_in_a_row >= UNDELIVERABLE_MAX
    }

    /// The front message was sent.
    pub(crate) fn complete_front(&mut self) {
        let Some(message) = self.next_message(&mut Cursor::default()) else {
            debug_assert!(false, "completion without a message");
            return;
        };
        let (packets, bytes) = (message.packets, message.bytes.len() as u64);
        self.soft_errors_in_a_row = 0;
        self.undeliverable_in_a_row = 0;
        self.reaped.add(packets as u64, bytes);
        self.counters.sent.add(packets as u64, bytes);
        self.pass_front(packets);
    }

    /// The first packets of the front are done with.
    fn pass_front(&mut self, packets: usize) {
        let Some(front) = self.pieces.front_mut() else {
            return;
        };
        front.first += packets;
        front.count -= packets;
        if front.count == 0 {
            let key = front.key;
            self.pieces.pop_front();
            self.load_mut(key).pieces -= 1;
            self.recycle_if_done(key);
        }
    }

    /// The front message was refused. It stays the front: `Ok` means that it
    /// may be tried again, after the pause if one was set. Only what cannot be
    /// sent to a receiver's own address is lost, as on the way.
    pub(crate) fn refuse_front(
        &mut self,
        operation: &'static str,
        errno: i32,
    ) -> Result<(), TransmitError> {
        let Some(message) = self.next_message(&mut Cursor::default()) else {
            return Err(TransmitError::io(operation, errno));
        };
        match errno {
            libc::EAGAIN => self.pause = Some(Pause::Writable),
            libc::ENOBUFS | libc::ENOMEM => self.pause = Some(Pause::Device),
            libc::EINTR => {}
            libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP | libc::ENOPROTOOPT
                if message.segment.is_some() =>
            {
                let error = io::Error::from_raw_os_error(errno);
                self.unsegmented_reason = Some(format!("UDP_SEGMENT refused: {error}"));
                self.segmented = false;
            }
            // An ICMP error for an earlier packet, reported in place of this one.
            libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH
                if self.soft_errors_in_a_row < CONSECUTIVE_SOFT_ERRORS_MAX =>
            {
                self.soft_errors_in_a_row += 1;
                self.counters.soft_errors += 1;
            }
            _ if self.directed => {
                let packets = message.packets;
                self.undeliverable_in_a_row = self.undeliverable_in_a_row.saturating_add(1);
                self.pass_front(packets);
            }
            _ => {
                return Err(TransmitError::Send {
                    operation,
                    packet_bytes: message.segment.map_or(message.bytes.len(), usize::from),
                    source: io::Error::from_raw_os_error(errno),
                });
            }
        }
        Ok(())
    }

    /// What finished since the last call.
    pub(crate) fn take_reaped(&mut self, recycled: &mut Vec<TrainBuffer>) -> Reaped {
        recycled.append(&mut self.finished);
        std::mem::take(&mut self.reaped)
    }

    pub(crate) fn has_reaped(&self) -> bool {
        self.reaped.sends > 0 || !self.finished.is_empty()
    }

    fn load_mut(&mut self, key: Key) -> &mut Load {
        let load = self.loads[key.0 as usize].as_mut();
        load.expect("a key is valid until its train is released")
    }

    fn recycle_if_done(&mut self, key: Key) {
        let place = &mut self.loads[key.0 as usize];
        if place.as_ref().is_some_and(|l| l.released && l.pieces == 0)
            && let Some(load) = place.take()
        {
            self.finished.push(load.train);
            self.free.push(key.0);
        }
    }
}
