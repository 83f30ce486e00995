//! Receives datagrams, symbols straight into their predicted places.
//!
//! Packets nearly always arrive in sending order, so the caller says where the
//! next symbols are expected to belong and the kernel's own copy puts them
//! there. The kernel writes before anyone has looked at a header: a predicted
//! place may only be that of a symbol not yet received, outside blocks being
//! decoded and leaves already hashed. Where a header says that the guess was
//! wrong, the caller lifts those payloads out and places them again:
//!
//! ```text
//! receive → look at each header → lift the misplaced ones → write them where they belong
//! ```
//!
//! Only datagrams of exactly one header and one symbol stay scattered. All
//! others (feedback, commands, short symbols, merged or not) are put together
//! before the caller sees them.

mod control;
mod split;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

pub use crate::mmsg::NO_PLACE;
use crate::mmsg::{self, Batch};
use crate::staging::Staging;
use linecast_net::wait;

/// The sizes of the packets that carry symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketShape {
    /// Bytes before the symbol, 1 and more.
    pub header_bytes: usize,
    /// Bytes of a symbol, 1 and more.
    pub symbol_bytes: usize,
}

/// Where the payload of a datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landed {
    /// In the staging, at this predicted offset: right only if the header
    /// says the same.
    Place(u64),
    /// In the memory of the inbox, until the next `receive`.
    Scratch,
}

/// One received datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Its first `header_bytes` bytes, or all of them if it is shorter.
    pub header: &'a [u8],
    /// Bytes of the whole datagram.
    pub len: usize,
    pub landed: Landed,
    pub from: SocketAddr,
}

/// What an inbox has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxCounters {
    /// recvmmsg calls that brought something.
    pub calls: u64,
    /// Times that nothing was there and the thread waited.
    pub waits: u64,
    /// Messages: trains count as one.
    pub messages: u64,
    /// Datagrams, after trains were split.
    pub datagrams: u64,
    /// Datagrams that had to be put together from pieces.
    pub gathered: u64,
    /// Payloads that were lifted out of wrong places.
    pub lifted: u64,
    /// Messages thrown away because they were cut off or came from no IP
    /// address.
    pub rejected: u64,
    /// Calls by their datagrams: 1, 2–3, 4–7, … 2048 and more.
    pub batches: [u64; 12],
}

/// Receives from one socket, which the caller has joined and set up: UDP_GRO
/// and SO_RXQ_OVFL are used where they are on. And, while nothing is there, from
/// a second one, at which one sender may serve this receiver alone.
pub struct Inbox {
    socket: UdpSocket,
    direct: Option<Direct>,
    shape: PacketShape,
    batch: Batch,
    segments: Vec<Segment>,
    /// Who sent, once for messages in a row.
    senders: Vec<SocketAddr>,
    /// Datagrams of the batch before.
    last_batch: usize,
    /// Whether the last batch took all messages that it had room for.
    full: bool,
    /// Datagrams put together and payloads lifted in this batch.
    bounce: Vec<u8>,
    dropped: u32,
    counters: InboxCounters,
}

/// A socket of this receiver's own address, and who is heard there.
#[derive(Debug)]
struct Direct {
    socket: UdpSocket,
    sender: SocketAddr,
}

/// Which socket a batch came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Group,
    Direct,
}

/// One datagram of the batch.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Which of the senders.
    sender: u16,
    bytes: u32,
    at: At,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// Header and payload in the places of this pair.
    Pair(u32),
    /// As a whole in the tails, from this byte.
    Tail(u32),
    /// As a whole in the bounce memory, from this byte.
    Bounce(u32),
    /// Header in this pair, payload in the bounce memory.
    Lifted { pair: u32, start: u32 },
}

impl PacketShape {
    /// Bytes of a packet that carries a symbol.
    pub fn packet_bytes(self) -> usize {
        self.header_bytes + self.symbol_bytes
    }

    /// Packets of the longest train that one message can hold.
    pub fn train_packets_max(self) -> usize {
        (MESSAGE_BYTES_MAX / self.packet_bytes()).clamp(1, mmsg::TRAIN_PACKETS_MAX)
    }
}

impl Inbox {
    /// An inbox for packets of this shape. The socket is never made blocking
    /// or non-blocking.
    ///
    /// # Panics
    /// If a header or a symbol has no bytes, or a packet has more than 65,507.
    pub fn new(socket: UdpSocket, shape: PacketShape) -> Self {
        assert!(shape.header_bytes > 0 && shape.symbol_bytes > 0);
        assert!(shape.packet_bytes() <= MESSAGE_BYTES_MAX);
        Self {
            socket,
            direct: None,
            shape,
            batch: Batch::new(shape),
            segments: Vec::with_capacity(SEGMENTS_USUAL),
            senders: Vec::with_capacity(mmsg::MESSAGES_MAX),
            last_batch: 0,
            full: false,
            bounce: Vec::new(),
            dropped: 0,
            counters: InboxCounters::default(),
        }
    }

    /// Also receives what `sender` sends to `socket`. What others send there is
    /// thrown away: a membership may be for one source only, this address is
    /// not. SO_RXQ_OVFL must be off, as the counts are those of the other socket.
    pub fn hear_directly(&mut self, socket: UdpSocket, sender: SocketAddr) {
        self.direct = Some(Direct { socket, sender });
    }

    /// The socket, for options and feedback.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// How many predictions the next `receive` can use. Fewer are fine.
    pub fn wanted(&self) -> usize {
        self.batch.layout.all_pairs()
    }

    /// Whether the last `receive` may have left something in the socket.
    pub fn is_behind(&self) -> bool {
        self.full
    }

    /// Packets that a message is posted for.
    pub fn train_packets(&self) -> usize {
        self.batch.layout.pairs
    }

    /// Receives what has arrived; waits up to `timeout` if nothing has. The
    /// number of datagrams, 0 after the time or a signal.
    ///
    /// `predicted` are offsets in `staging` of the next symbols, in sending
    /// order and all different, or [`NO_PLACE`]. Each may be overwritten with
    /// anything.
    ///
    /// # Panics
    /// If the staging has places of another symbol size.
    pub fn receive(
        &mut self,
        mut staging: Option<&mut Staging>,
        predicted: &[u64],
        timeout: Duration,
    ) -> io::Result<usize> {
        self.last_batch = self.segments.len();
        self.segments.clear();
        self.senders.clear();
        self.bounce.clear();
        let predicted = &predicted[..predicted.len().min(self.wanted())];
        if let Some(staging) = staging.as_deref_mut() {
            assert_eq!(staging.symbol_bytes(), self.shape.symbol_bytes);
            let is_place = |offset: &&u64| **offset != NO_PLACE;
            if let Some(first) = predicted.iter().find(is_place)
                && let Some(last) = predicted.iter().rfind(is_place)
            {
                staging.expect(*first..last.saturating_add(self.shape.symbol_bytes as u64));
            }
        }
        let taken = self.take(staging.as_deref_mut(), predicted, timeout)?;
        self.full = taken.is_some_and(|(messages, _)| messages == self.batch.layout.messages);
        let Some((messages, way)) = taken else {
            return Ok(0);
        };
        self.split(messages, staging.as_deref());
        if let (Way::Direct, Some(direct)) = (way, &self.direct) {
            let is_right =
                |segment: &Segment| self.senders[usize::from(segment.sender)] == direct.sender;
            self.segments.retain(is_right);
        }
        self.count(messages);
        Ok(self.segments.len())
    }

    /// The datagrams of the last `receive`, in order of arrival.
    pub fn datagrams(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        (0..self.segments.len()).map(|i| self.datagram(i))
    }

    /// Datagram `i` of the last `receive`.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn datagram(&self, i: usize) -> Datagram<'_> {
        let segment = &self.segments[i];
        Datagram {
            header: self.header(segment),
            len: segment.bytes as usize,
            landed: self.landed_of(segment),
            from: self.senders[usize::from(segment.sender)],
        }
    }

    /// The headers of the datagrams after `i`, as far as they are packets with
    /// full symbols from the same sender.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn following(&self, i: usize) -> impl Iterator<Item = &[u8]> {
        let sender = self.segments[i].sender;
        let full = self.shape.packet_bytes() as u32;
        let rest = self.segments[i + 1..].iter();
        rest.take_while(move |next| next.bytes == full && next.sender == sender)
            .map(|next| self.header(next))
    }

    /// Where the payload of datagram `i` is.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn landed(&self, i: usize) -> Landed {
        self.landed_of(&self.segments[i])
    }

    /// Bytes of a packet with a full symbol.
    pub fn packet_bytes(&self) -> usize {
        self.shape.packet_bytes()
    }

    /// What follows the header of datagram `i`, if it is not in the staging.
    #[inline]
    pub fn payload(&self, i: usize) -> Option<&[u8]> {
        let segment = self.segments.get(i)?;
        let bytes = segment.bytes as usize;
        let symbol_bytes = self.shape.symbol_bytes;
        let after_header = |whole: &'_ [u8]| self.shape.header_bytes.min(whole.len());
        match segment.at {
            At::Pair(pair) if self.batch.posted[pair as usize] != NO_PLACE => None,
            At::Pair(pair) => Some(slice(&self.batch.scratch.places, pair, symbol_bytes)),
            At::Lifted { start, .. } => Some(&self.bounce[start as usize..][..symbol_bytes]),
            At::Tail(start) => {
                let whole = &self.batch.scratch.tails[start as usize..][..bytes];
                Some(&whole[after_header(whole)..])
            }
            At::Bounce(start) => {
                let whole = &self.bounce[start as usize..][..bytes];
                Some(&whole[after_header(whole)..])
            }
        }
    }

    /// All bytes of datagram `i`, put together in `memory`. `staging` is the
    /// one that was received into.
    pub fn whole<'a>(
        &self,
        i: usize,
        staging: Option<&Staging>,
        memory: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        memory.clear();
        if let Some(segment) = self.segments.get(i) {
            memory.extend_from_slice(self.header(segment));
            let place = match self.landed_of(segment) {
                Landed::Place(offset) => staging.and_then(|staging| self.place(staging, offset)),
                Landed::Scratch => self.payload(i),
            };
            memory.extend_from_slice(place.unwrap_or_default());
        }
        memory
    }

    /// Copies the payloads of the misplaced datagrams out of the staging, all
    /// of them before any is placed again: the right place of one may be where
    /// another one landed. Afterwards [`Inbox::payload`] has them.
    pub fn lift(&mut self, staging: &Staging, misplaced: &[usize]) {
        for i in misplaced {
            let Some(segment) = self.segments.get_mut(*i) else {
                continue;
            };
            let At::Pair(pair) = segment.at else {
                continue;
            };
            let offset = self.batch.posted[pair as usize];
            let end = offset.saturating_add(self.shape.symbol_bytes as u64);
            // Scratch places have no such range and stay where they are.
            if let Ok(payload) = staging.bytes(offset..end) {
                let start = self.bounce.len() as u32;
                self.bounce.extend_from_slice(payload);
                segment.at = At::Lifted { pair, start };
                self.counters.lifted += 1;
            }
        }
    }

    /// Buffers that the socket has dropped since it was made, as far as heard
    /// (SO_RXQ_OVFL): a buffer may hold one packet or a train of them.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    pub fn counters(&self) -> InboxCounters {
        self.counters
    }

    /// One recvmmsg call, or two around a wait. While nothing comes, pages are
    /// made present instead, a step at a time.
    fn take(
        &mut self,
        mut staging: Option<&mut Staging>,
        predicted: &[u64],
        timeout: Duration,
    ) -> io::Result<Option<(usize, Way)>> {
        let nothing = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            )
        };
        match self
            .batch
            .receive(&self.socket, staging.as_deref_mut(), predicted)
        {
            Err(error) if nothing(&error) => {}
            result => return Ok(Some((result?, Way::Group))),
        }
        if staging.as_deref_mut().is_some_and(Staging::warm_up) {
            return Ok(None);
        }
        self.counters.waits += 1;
        let Some(way) = self.wait(timeout)? else {
            return Ok(None);
        };
        // In a flow more is about to come: fewer and longer batches spare the
        // sender's softirq a wake-up for nearly every packet.
        if self.last_batch >= FLOW_DATAGRAMS {
            std::thread::sleep(GATHER);
        }
        let socket = match (way, &self.direct) {
            (Way::Direct, Some(direct)) => &direct.socket,
            _ => &self.socket,
        };
        match self.batch.receive(socket, staging, predicted) {
            Err(error) if nothing(&error) => Ok(None),
            result => Ok(Some((result?, way))),
        }
    }

    /// Waits until there is something, and gives where.
    fn wait(&self, timeout: Duration) -> io::Result<Option<Way>> {
        let [group, direct] = match &self.direct {
            Some(direct) => wait::readable_of([&self.socket, &direct.socket], timeout)?,
            None => [wait::readable(&self.socket, timeout)?, false],
        };
        Ok(match (group, direct) {
            (true, _) => Some(Way::Group),
            (false, true) => Some(Way::Direct),
            (false, false) => None,
        })
    }

    #[inline]
    fn header(&self, segment: &Segment) -> &[u8] {
        let bytes = self.shape.header_bytes;
        let short = bytes.min(segment.bytes as usize);
        match segment.at {
            At::Pair(pair) | At::Lifted { pair, .. } => {
                slice(&self.batch.scratch.headers, pair, bytes)
            }
            At::Tail(start) => &self.batch.scratch.tails[start as usize..][..short],
            At::Bounce(start) => &self.bounce[start as usize..][..short],
        }
    }

    #[inline]
    fn landed_of(&self, segment: &Segment) -> Landed {
        match segment.at {
            At::Pair(pair) => match self.batch.posted[pair as usize] {
                NO_PLACE => Landed::Scratch,
                offset => Landed::Place(offset),
            },
            _ => Landed::Scratch,
        }
    }

    fn place<'a>(&self, staging: &'a Staging, offset: u64) -> Option<&'a [u8]> {
        let end = offset.checked_add(self.shape.symbol_bytes as u64)?;
        staging.bytes(offset..end).ok()
    }

    fn count(&mut self, messages: usize) {
        let datagrams = self.segments.len() as u64;
        self.counters.calls += 1;
        self.counters.messages += messages as u64;
        self.counters.datagrams += datagrams;
        let last = self.counters.batches.len() - 1;
        let bucket = datagrams.max(1).ilog2() as usize;
        self.counters.batches[bucket.min(last)] += 1;
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("socket", &self.socket)
            .field("shape", &self.shape)
            .field("layout", &self.batch.layout)
            .field("dropped", &self.dropped)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// Item `index` of a memory of items of `bytes` bytes.
fn slice(memory: &[u8], index: u32, bytes: usize) -> &[u8] {
    &memory[index as usize * bytes..][..bytes]
}

/// A batch of so many datagrams is part of a flow.
const FLOW_DATAGRAMS: usize = 4;
/// How long a flow gathers once the socket was empty.
const GATHER: Duration = Duration::from_micros(200);
/// The longest UDP payload over IPv4 without options.
const MESSAGE_BYTES_MAX: usize = 65_507;
/// Datagrams of a batch in sending order, with some to spare; a batch of many
/// tiny ones makes the list longer once.
const SEGMENTS_USUAL: usize = 1024;

#[cfg(test)]
mod tests;
