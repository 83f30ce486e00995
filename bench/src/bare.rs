//! Transmit loops with nothing in them: what the engine is measured against.
//!
//! They number nothing, pace nothing and count only calls; each sends the same
//! bytes over and over on a connected socket. With `sink.rs` the only place in
//! this crate where `unsafe` lives.

mod uring;

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::str::FromStr;

/// Packets of one `sendmmsg` call without GSO.
const MMSG_PACKETS: usize = 64;
/// Trains of one call with it: as many as the engine keeps under way.
const TRAINS: usize = 32;

/// A way to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// One `sendmsg` a packet.
    Plain,
    /// `sendmmsg`, 64 packets a call.
    Mmsg,
    /// `sendmmsg` of GSO trains, 32 a call.
    MmsgGso,
    /// io_uring SENDMSG of GSO trains, 32 a submission.
    UringGso,
}

impl Path {
    /// All of them.
    pub const ALL: [Path; 4] = [Path::Plain, Path::Mmsg, Path::MmsgGso, Path::UringGso];

    /// As results name it.
    pub const fn name(self) -> &'static str {
        match self {
            Path::Plain => "plain",
            Path::Mmsg => "mmsg",
            Path::MmsgGso => "mmsg-gso",
            Path::UringGso => "uring-gso",
        }
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(name: &str) -> Result<Path, String> {
        let found = Path::ALL.into_iter().find(|path| path.name() == name);
        found.ok_or_else(|| format!("{name:?} is none of plain, mmsg, mmsg-gso, uring-gso"))
    }
}

/// What a loop has sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Packets, as they are on the wire.
    pub packets: u64,
    /// Calls that sent them.
    pub syscalls: u64,
}

/// Sends packets of `packet_bytes` until `done`.
///
/// # Errors
/// The kernel refuses a packet.
pub fn send(
    path: Path,
    socket: &UdpSocket,
    packet_bytes: usize,
    done: impl Fn() -> bool,
) -> io::Result<Sent> {
    let segments = linecast_protocol::pacer::segments_max(packet_bytes);
    match path {
        Path::Plain => plain(socket, packet_bytes, done),
        Path::Mmsg => mmsg(socket, &Messages::new(MMSG_PACKETS, packet_bytes, 1), done),
        Path::MmsgGso => mmsg(socket, &Messages::new(TRAINS, packet_bytes, segments), done),
        Path::UringGso => uring::send(socket, &Messages::new(TRAINS, packet_bytes, segments), done),
    }
}

fn plain(socket: &UdpSocket, packet_bytes: usize, done: impl Fn() -> bool) -> io::Result<Sent> {
    let packet = vec![0x5a; packet_bytes];
    let mut sent = Sent::default();
    while !done() {
        for _ in 0..MMSG_PACKETS {
            socket.send(&packet)?;
            sent.packets += 1;
            sent.syscalls += 1;
        }
    }
    Ok(sent)
}

fn mmsg(socket: &UdpSocket, messages: &Messages, done: impl Fn() -> bool) -> io::Result<Sent> {
    let mut headers: Vec<libc::mmsghdr> = (0..messages.count)
        .map(|i| libc::mmsghdr {
            msg_hdr: messages.header(i),
            msg_len: 0,
        })
        .collect();
    let mut sent = Sent::default();
    while !done() {
        // SAFETY: `headers` are `count` mmsghdrs that point into `messages`,
        // which outlives the call and is only read by it.
        let count = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as _,
                0,
            )
        };
        let count = u64::try_from(count).map_err(|_| io::Error::last_os_error())?;
        sent.packets += count * messages.segments as u64;
        sent.syscalls += 1;
    }
    Ok(sent)
}

/// Messages that stay as they are, each a train in memory of its own.
struct Messages {
    count: usize,
    segments: usize,
    memory: Vec<Vec<u8>>,
    iovecs: Vec<libc::iovec>,
    /// UDP_SEGMENT, for all.
    control: Box<Control>,
}

#[repr(C, align(8))]
struct Control([u8; 64]);

impl Messages {
    fn new(count: usize, packet_bytes: usize, segments: usize) -> Messages {
        let mut memory = vec![vec![0x5a; packet_bytes * segments]; count];
        let iovecs = memory
            .iter_mut()
            .map(|bytes| libc::iovec {
                iov_base: bytes.as_mut_ptr().cast(),
                iov_len: bytes.len(),
            })
            .collect();
        let mut control = Box::new(Control([0; 64]));
        let mut header = empty_header();
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = 64;
        // SAFETY: the control memory holds a header and two bytes and is
        // aligned for it.
        let place = unsafe { libc::CMSG_FIRSTHDR(&header) };
        // SAFETY: CMSG_FIRSTHDR gave a place inside the control memory, which
        // has room for a header.
        let first = unsafe { &mut *place };
        first.cmsg_level = libc::SOL_UDP;
        first.cmsg_type = libc::UDP_SEGMENT;
        // SAFETY: CMSG_LEN only computes.
        first.cmsg_len = unsafe { libc::CMSG_LEN(2) } as _;
        // SAFETY: the data of the first header starts inside the control
        // memory.
        let data = unsafe { libc::CMSG_DATA(place) };
        // SAFETY: 64 bytes hold the header and these two.
        unsafe { data.cast::<u16>().write_unaligned(packet_bytes as u16) };
        Messages {
            count,
            segments,
            memory,
            iovecs,
            control,
        }
    }

    fn header(&self, index: usize) -> libc::msghdr {
        debug_assert!(index < self.memory.len());
        let mut header = empty_header();
        header.msg_iov = (&raw const self.iovecs[index]).cast_mut();
        header.msg_iovlen = 1;
        if self.segments > 1 {
            header.msg_control = self.control.0.as_ptr().cast_mut().cast();
            // SAFETY: CMSG_SPACE only computes.
            header.msg_controllen = unsafe { libc::CMSG_SPACE(2) } as _;
        }
        header
    }
}

fn empty_header() -> libc::msghdr {
    // SAFETY: a msghdr is plain numbers and pointers, for which zero bytes are
    // a valid value.
    unsafe { std::mem::zeroed() }
}
