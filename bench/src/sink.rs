//! The least that any receiver must do: make a file, let its pages in, receive
//! straight into them, hash them, sync.
//!
//! Packets are taken to arrive in order and without holes, whatever they carry:
//! each is put behind the one before, until as many have come as the image has
//! symbols. So nothing is looked at, repaired or asked for.

use crate::{BenchError, sockets};
use linecast_net::usage;
use linecast_protocol::object::tree::{LEAF_BYTES, leaf_hash};
use linecast_protocol::wire::DATA_HEADER_BYTES;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Instant;

/// Packets posted at a time: four trains of 45.
const PAIRS: usize = 180;
const SINGLES: usize = 64;
const TAIL_BYTES: usize = 64 << 10;
/// Pages are let in by steps of so many bytes.
const STEP_BYTES: usize = 1 << 20;

/// Where to receive, and what.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Group
    #[arg(long)]
    group: Ipv4Addr,
    /// Port
    #[arg(long)]
    port: u16,
    /// Bytes of the image
    #[arg(long)]
    size: u64,
    /// Bytes of a symbol
    #[arg(long)]
    symbol: usize,
    /// File to make
    #[arg(long)]
    file: PathBuf,
    /// Let all pages in before the first packet, which is then not counted
    #[arg(long)]
    prefault: bool,
}

/// Receives one image's worth of packets and prints how long it took, in
/// milliseconds from the first packet, and the CPU seconds.
///
/// # Errors
/// No socket, or no room.
pub fn run(args: &Args) -> Result<(), BenchError> {
    let socket = sockets::member(SocketAddr::from((args.group, args.port)))?;
    let mut sink = Sink::new(args)?;
    if args.prefault {
        sink.place.populate(sink.place.bytes)?;
    }
    println!("ready");
    io::stdout().flush()?;
    let cpu = usage::cpu_seconds();
    linecast_net::wait::readable(&socket, std::time::Duration::from_secs(60))?;
    let started = Instant::now();
    sink.fill(&socket)?;
    let file = sink.place.file;
    file.set_len(args.size)?;
    file.sync_data()?;
    let elapsed_ms = started.elapsed().as_secs_f64() * 1e3;
    println!("{elapsed_ms} {}", usage::cpu_seconds() - cpu);
    Ok(())
}

struct Sink {
    size: u64,
    symbol: usize,
    place: Place,
    /// Bytes received, and bytes hashed.
    at: usize,
    hashed: u64,
    headers: Vec<u8>,
    tails: Vec<u8>,
    iovecs: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
    trains: bool,
}

impl Sink {
    fn new(args: &Args) -> io::Result<Sink> {
        let slack = PAIRS * args.symbol + TAIL_BYTES;
        Ok(Sink {
            size: args.size,
            symbol: args.symbol,
            place: Place::new(&args.file, args.size as usize + slack)?,
            at: 0,
            hashed: 0,
            headers: vec![0; PAIRS * DATA_HEADER_BYTES],
            tails: vec![0; SINGLES * TAIL_BYTES],
            iovecs: Vec::with_capacity(3 * PAIRS),
            messages: Vec::with_capacity(SINGLES),
            trains: true,
        })
    }

    fn fill(&mut self, socket: &UdpSocket) -> io::Result<()> {
        while (self.at as u64) < self.size {
            self.place
                .populate(self.at + PAIRS * self.symbol + TAIL_BYTES)?;
            let (messages, pairs) = self.receive(socket)?;
            let mut packets = 0;
            for message in 0..messages {
                packets += self.settle(message, message * pairs - packets, packets);
            }
            self.at += packets * self.symbol;
            self.trains = packets > 2 * messages;
            self.hash()?;
        }
        Ok(())
    }

    /// Packets of a message, which lie `gap` packets behind where they belong
    /// because messages before it were short.
    fn settle(&mut self, message: usize, gap: usize, before: usize) -> usize {
        let bytes = self.messages[message].msg_len as usize;
        let count = bytes.div_ceil(DATA_HEADER_BYTES + self.symbol);
        if gap > 0 {
            let to = self.at + before * self.symbol;
            let from = to + gap * self.symbol;
            let place = self.place.as_mut_slice();
            place.copy_within(from..from + count * self.symbol, to);
        }
        count
    }

    /// One call: messages received, and packets that each was posted for.
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<(usize, usize)> {
        let train = linecast_protocol::pacer::segments_max(DATA_HEADER_BYTES + self.symbol);
        let (pairs, messages) = match self.trains {
            true => (train, PAIRS / train),
            false => (1, SINGLES),
        };
        self.post(pairs, messages);
        // SAFETY: the messages were just filled: their iovecs point into
        // vectors of this value and into the mapping behind `at`, which has
        // room for all pairs. Nothing else uses them during the call.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                messages as _,
                libc::MSG_WAITFORONE as _,
                std::ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        Ok((received, pairs))
    }

    fn post(&mut self, pairs: usize, messages: usize) {
        let iovec = |start: *mut u8, bytes| libc::iovec {
            iov_base: start.cast(),
            iov_len: bytes,
        };
        let headers = self.headers.as_mut_ptr();
        let tails = self.tails.as_mut_ptr();
        let place = self.place.as_mut_slice()[self.at..].as_mut_ptr();
        self.iovecs.clear();
        self.messages.clear();
        for message in 0..messages {
            for pair in message * pairs..(message + 1) * pairs {
                let header = headers.wrapping_add(pair * DATA_HEADER_BYTES);
                self.iovecs.push(iovec(header, DATA_HEADER_BYTES));
                let place = place.wrapping_add(pair * self.symbol);
                self.iovecs.push(iovec(place, self.symbol));
            }
            let tail = tails.wrapping_add(message * TAIL_BYTES);
            self.iovecs.push(iovec(tail, TAIL_BYTES));
        }
        for iovecs in self.iovecs.chunks_exact_mut(2 * pairs + 1) {
            // SAFETY: an mmsghdr is plain numbers and pointers, for which zero
            // bytes are a valid value.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            message.msg_hdr.msg_iov = iovecs.as_mut_ptr();
            message.msg_hdr.msg_iovlen = iovecs.len() as _;
            self.messages.push(message);
        }
    }

    fn hash(&mut self) -> io::Result<()> {
        let arrived = (self.at as u64).min(self.size);
        while self.hashed < arrived {
            let end = (self.hashed + LEAF_BYTES).min(self.size);
            if end > arrived {
                break;
            }
            let bytes = &self.place.as_mut_slice()[self.hashed as usize..end as usize];
            let hash = leaf_hash(self.size, self.hashed / LEAF_BYTES, bytes);
            std::hint::black_box(hash.map_err(io::Error::other)?);
            self.hashed = end;
        }
        Ok(())
    }
}

/// A file and its mapping.
struct Place {
    file: File,
    start: *mut u8,
    bytes: usize,
    present: usize,
}

impl Place {
    fn new(path: &PathBuf, bytes: usize) -> io::Result<Place> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        file.set_len(bytes as u64)?;
        // SAFETY: fallocate takes no pointers, and the file is open.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, bytes as _) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: no address is asked for, so no other mapping is replaced; the
        // file is open and as long as the mapping.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Place {
            file,
            start: start.cast(),
            bytes,
            present: 0,
        })
    }

    /// Lets the pages below `end` in, by whole steps.
    fn populate(&mut self, end: usize) -> io::Result<()> {
        if end <= self.present {
            return Ok(());
        }
        let end = end.next_multiple_of(STEP_BYTES).min(self.bytes);
        let start = self.start.wrapping_add(self.present).cast();
        // SAFETY: `present..end` lies inside the mapping, and `present` is a
        // multiple of the page size; populating changes no content.
        let result = unsafe { libc::madvise(start, end - self.present, libc::MADV_POPULATE_WRITE) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        self.present = end;
        Ok(())
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is live as long as the process, `bytes` long, and
        // this borrow of its only owner is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.bytes) }
    }
}
