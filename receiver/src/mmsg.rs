//! recvmmsg(2) into scattered memory.
//!
//! With `mapping.rs` the only place in this crate where `unsafe` lives. One
//! message is posted as pairs of a header's and a symbol's place, and a tail
//! that takes whatever is longer:
//!
//! ```text
//! message 0: | header 0 | place 0 | header 1 | place 1 | … | tail 0 |
//! message 1: | header p | place p | …                      | tail 1 |
//! ```
//!
//! Headers and tails are scratch memory; a place is a symbol's place in the
//! staging where the caller predicts one, else scratch memory too.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use crate::inbox::PacketShape;
use crate::staging::Staging;

/// How many header and place pairs a message is posted with, and how many
/// messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) pairs: usize,
    pub(crate) messages: usize,
}

impl Layout {
    /// For trains of `pairs` packets; 1 for single packets.
    pub(crate) fn for_trains_of(pairs: usize) -> Self {
        let pairs = pairs.clamp(1, TRAIN_PACKETS_MAX);
        let messages = (PAIRS_MAX / pairs).min(MESSAGES_MAX);
        Self { pairs, messages }
    }

    pub(crate) fn all_pairs(self) -> usize {
        self.pairs * self.messages
    }
}

/// The memory that datagrams land in when they do not land in the staging.
pub(crate) struct Scratch {
    pub(crate) headers: Vec<u8>,
    pub(crate) places: Vec<u8>,
    pub(crate) tails: Vec<u8>,
}

/// What is handed to one recvmmsg call, and what it says of each message.
pub(crate) struct Batch {
    shape: PacketShape,
    pub(crate) layout: Layout,
    pub(crate) scratch: Scratch,
    /// The staging offset of each posted pair, `NO_PLACE` for scratch places.
    pub(crate) posted: Vec<u64>,
    headers: Vec<libc::mmsghdr>,
    iovecs: Vec<libc::iovec>,
    names: Vec<Name>,
    controls: Vec<Control>,
}

// SAFETY: the raw pointers in `headers` and `iovecs` are written and used
// within one call of `receive` and mean nothing between calls.
unsafe impl Send for Batch {}

/// A received message, as the kernel described it.
pub(crate) struct Received<'a> {
    pub(crate) bytes: usize,
    pub(crate) truncated: bool,
    /// A `sockaddr`.
    pub(crate) name: &'a [u8],
    /// A list of `cmsghdr`.
    pub(crate) control: &'a [u8],
}

#[derive(Clone)]
#[repr(C, align(8))]
struct Name([u8; NAME_BYTES]);

#[derive(Clone)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

impl Batch {
    pub(crate) fn new(shape: PacketShape) -> Self {
        // SAFETY: an mmsghdr is plain numbers and pointers, for which zero
        // bytes are a valid value.
        let empty: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Self {
            shape,
            layout: Layout::for_trains_of(shape.train_packets_max()),
            scratch: Scratch {
                headers: vec![0; PAIRS_MAX * shape.header_bytes],
                places: vec![0; PAIRS_MAX * shape.symbol_bytes],
                tails: vec![0; MESSAGES_MAX * TAIL_BYTES],
            },
            posted: Vec::with_capacity(PAIRS_MAX),
            headers: vec![empty; MESSAGES_MAX],
            iovecs: Vec::with_capacity(2 * PAIRS_MAX + MESSAGES_MAX),
            names: vec![Name([0; NAME_BYTES]); MESSAGES_MAX],
            controls: vec![Control([0; CONTROL_BYTES]); MESSAGES_MAX],
        }
    }

    /// Receives what is there, without waiting: the number of messages.
    /// `WouldBlock` if there is nothing.
    pub(crate) fn receive(
        &mut self,
        socket: &UdpSocket,
        staging: Option<&mut Staging>,
        predicted: &[u64],
    ) -> io::Result<usize> {
        let messages = self.layout.messages;
        self.post(staging, predicted);
        let headers = self.headers[..messages].as_mut_ptr();
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: `headers` points at `messages` mmsghdrs, which `post` has
        // just filled: each name, control and iovec array lies in a vector of
        // this value, and each iovec in scratch memory of this value or in a
        // symbol's place of the staging. All of them are borrowed exclusively
        // until this function returns, which ends the kernel's use of them.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers,
                messages as _,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// What the kernel said of message `index` of the last call.
    pub(crate) fn message(&self, index: usize) -> Received<'_> {
        let header = &self.headers[index];
        let name_bytes = (header.msg_hdr.msg_namelen as usize).min(NAME_BYTES);
        // The length is a size_t in glibc and 32 bits wide in musl.
        #[allow(clippy::unnecessary_cast)]
        let control_bytes = (header.msg_hdr.msg_controllen as usize).min(CONTROL_BYTES);
        Received {
            bytes: header.msg_len as usize,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            name: &self.names[index].0[..name_bytes],
            control: &self.controls[index].0[..control_bytes],
        }
    }

    fn post(&mut self, mut staging: Option<&mut Staging>, predicted: &[u64]) {
        let Layout { pairs, messages } = self.layout;
        let (header_bytes, symbol_bytes) = (self.shape.header_bytes, self.shape.symbol_bytes);
        let headers = self.scratch.headers[..pairs * messages * header_bytes].as_mut_ptr();
        let places = self.scratch.places[..pairs * messages * symbol_bytes].as_mut_ptr();
        let tails = self.scratch.tails[..messages * TAIL_BYTES].as_mut_ptr();
        let mut predicted = predicted.iter().copied();
        self.posted.clear();
        self.iovecs.clear();
        for message in 0..messages {
            for pair in message * pairs..(message + 1) * pairs {
                let place = staging.as_deref_mut().and_then(|staging| {
                    let offset = predicted.next()?;
                    Some((staging.symbol_place(offset)?, offset))
                });
                let scratch = (places.wrapping_add(pair * symbol_bytes), NO_PLACE);
                let (place, offset) = place.unwrap_or(scratch);
                self.posted.push(offset);
                let header = headers.wrapping_add(pair * header_bytes);
                self.iovecs.push(iovec(header, header_bytes));
                self.iovecs.push(iovec(place, symbol_bytes));
            }
            let tail = tails.wrapping_add(message * TAIL_BYTES);
            self.iovecs.push(iovec(tail, TAIL_BYTES));
        }
        let pieces = 2 * pairs + 1;
        for (message, iovecs) in self.iovecs.chunks_exact_mut(pieces).enumerate() {
            let header = &mut self.headers[message];
            let name = &mut self.names[message].0;
            let control = &mut self.controls[message].0;
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = NAME_BYTES as _;
            header.msg_hdr.msg_iov = iovecs.as_mut_ptr();
            header.msg_hdr.msg_iovlen = pieces as _;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_BYTES as _;
            header.msg_hdr.msg_flags = 0;
            header.msg_len = 0;
        }
    }
}

fn iovec(start: *mut u8, bytes: usize) -> libc::iovec {
    libc::iovec {
        iov_base: start.cast(),
        iov_len: bytes,
    }
}

/// Instead of an offset: no place of the staging is meant.
pub const NO_PLACE: u64 = u64::MAX;
/// A message is at most 65,507 bytes long, whatever the pairs before it take.
pub(crate) const TAIL_BYTES: usize = 64 * 1024;
pub(crate) const MESSAGES_MAX: usize = 64;
/// The kernel merges at most 64 packets (UDP_GRO_CNT_MAX, net/ipv4/udp_offload.c).
pub(crate) const TRAIN_PACKETS_MAX: usize = 64;
/// 4 trains of 45 packets: 256 KiB, which stay in the cache until they are
/// hashed. 2 and 8 trains were no faster or slower (`inbox_rate run 1`).
const PAIRS_MAX: usize = 4 * 45;
/// sizeof(struct sockaddr_storage).
const NAME_BYTES: usize = 128;
/// UDP_GRO and SO_RXQ_OVFL take 48 bytes; the rest is for options that the
/// socket's owner may have set.
const CONTROL_BYTES: usize = 256;

const _: () = assert!(PAIRS_MAX >= MESSAGES_MAX && PAIRS_MAX >= TRAIN_PACKETS_MAX);
