//! Sends trains of packets by the best path this machine allows.
//!
//! All paths put the same packets on the wire in the same order; they differ in
//! how many system calls and trips through the network stack that takes.

use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::mmsg::Mmsg;
use crate::plain;
use crate::ring::Ring;
use crate::socket_wait;
use crate::train::TrainBuffer;
pub use crate::transmit_queue::Key;
use crate::transmit_queue::{Pause, TransmitQueue};

/// Messages handed to the kernel in one call at most.
const BATCH_MESSAGES_MAX: usize = 64;

/// How long to wait for a device whose queue is full, as nothing tells when it
/// is not any more.
const DEVICE_PAUSE: Duration = Duration::from_micros(100);

/// Which path the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoChoice {
    /// The best that works.
    #[default]
    Auto,
    /// io_uring, or an error.
    Uring,
    /// sendmmsg, or an error.
    Mmsg,
    /// One system call a packet.
    Plain,
}

/// Which path is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoPath {
    /// io_uring SEND.
    Uring,
    /// sendmmsg.
    Mmsg,
    /// One system call a packet.
    Plain,
}

/// Why nothing can be sent.
#[derive(Debug, Error)]
pub enum TransmitError {
    /// The path that was asked for does not work here.
    #[error("{path} is not possible here: {source}")]
    Unavailable {
        /// The path.
        path: IoPath,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused a packet for good.
    #[error("{operation} of a packet of {packet_bytes} bytes: {source}")]
    Send {
        /// The call.
        operation: &'static str,
        /// UDP payload of the packet.
        packet_bytes: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another call failed.
    #[error("{operation}: {source}")]
    Io {
        /// The call.
        operation: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl TransmitError {
    pub(crate) fn io(operation: &'static str, errno: i32) -> TransmitError {
        TransmitError::Io {
            operation,
            source: io::Error::from_raw_os_error(errno),
        }
    }
}

/// What was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Packets, as they are on the wire.
    pub packets: u64,
    /// Their UDP payload.
    pub bytes: u64,
    /// Messages handed to the kernel: trains, where it cuts them.
    pub sends: u64,
}

impl Reaped {
    pub(crate) fn add(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += bytes;
        self.sends += 1;
    }
}

/// What a transmitter has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// System calls, waits included.
    pub syscalls: u64,
    /// All that was sent.
    pub sent: Reaped,
    /// Sends that were tried again after an error of an earlier packet.
    pub soft_errors: u64,
    /// Times that the socket's buffer or the device's queue was full.
    pub pauses: u64,
}

enum Backend {
    Uring(Box<Ring>),
    Mmsg(Mmsg),
    Plain,
}

/// A connected UDP socket and the trains on their way through it.
///
/// Getters: `path`, `fallback_reason`, `has_room`, `in_flight`, `counters`.
/// Commands: `load` a train, `send` pieces of it, `release` it, then `submit`
/// what is queued and `reap` what is done. A transmitter stays on the thread
/// that opened it, because its ring does.
pub struct Transmitter {
    backend: Backend,
    queue: TransmitQueue,
    socket: UdpSocket,
    /// Where packets go instead of to where the socket is connected.
    target: Option<SocketAddr>,
    in_flight_max: usize,
    fallbacks: Vec<String>,
}

impl Transmitter {
    /// Opens a path for a connected socket. `in_flight_max` pieces may be
    /// queued at a time.
    ///
    /// Also lets the calling thread's timers fire without slack, as pacing by
    /// `reap` needs.
    pub fn open(
        choice: IoChoice,
        socket: UdpSocket,
        in_flight_max: usize,
    ) -> Result<Transmitter, TransmitError> {
        assert!(in_flight_max > 0);
        let mut fallbacks = Vec::new();
        let backend = match choice {
            IoChoice::Auto => open_best(&socket, in_flight_max, &mut fallbacks),
            IoChoice::Uring => open_path(IoPath::Uring, &socket, in_flight_max)?,
            IoChoice::Mmsg => open_path(IoPath::Mmsg, &socket, in_flight_max)?,
            IoChoice::Plain => Backend::Plain,
        };
        // The ring parks a request that would block, but only for a socket
        // that may block; the other paths must come back to the caller.
        let nonblocking = !matches!(backend, Backend::Uring(_));
        socket
            .set_nonblocking(nonblocking)
            .map_err(|source| TransmitError::Io {
                operation: "O_NONBLOCK",
                source,
            })?;
        socket_wait::precise_timers();
        let segmented = !matches!(backend, Backend::Plain);
        Ok(Transmitter {
            backend,
            queue: TransmitQueue::new(segmented, in_flight_max),
            socket,
            target: None,
            in_flight_max,
            fallbacks,
        })
    }

    /// The path in use.
    pub fn path(&self) -> IoPath {
        match self.backend {
            Backend::Uring(_) => IoPath::Uring,
            Backend::Mmsg(_) => IoPath::Mmsg,
            Backend::Plain => IoPath::Plain,
        }
    }

    /// Whether the kernel cuts trains into packets (GSO). It can turn false
    /// when a device refuses.
    pub fn segmented(&self) -> bool {
        self.queue.segmented
    }

    /// What was tried before the present path, and why it was given up.
    pub fn fallback_reason(&self) -> Option<String> {
        let reasons: Vec<&str> = self
            .fallbacks
            .iter()
            .chain(&self.queue.unsegmented_reason)
            .map(String::as_str)
            .collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Whether another piece may be queued.
    pub fn has_room(&self) -> bool {
        self.queue.len() < self.in_flight_max
    }

    /// Pieces queued or with the kernel.
    pub fn in_flight(&self) -> usize {
        self.queue.len()
    }

    /// Whether the kernel's ring has a batch that found the socket's buffer full.
    /// It goes on with it only inside of calls: wait by [`Transmitter::reap`].
    pub fn is_parked(&self) -> bool {
        match &self.backend {
            Backend::Uring(ring) => ring.outstanding() > 0,
            Backend::Mmsg(_) | Backend::Plain => false,
        }
    }

    /// Totals since `open`.
    pub fn counters(&self) -> Counters {
        self.queue.counters
    }

    /// The socket it sends on.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Sends to `target` from now on; `None`: to where the socket is connected,
    /// which it stays. If it were connected to a receiver, the kernel would give
    /// it that receiver's feedback, which is for another socket of the port.
    ///
    /// # Panics
    /// If anything is in flight.
    pub fn send_to(&mut self, target: Option<SocketAddr>) {
        assert_eq!(
            self.in_flight(),
            0,
            "packets for another address are queued"
        );
        self.target = target;
        self.queue.set_directed(target.is_some());
        match &mut self.backend {
            Backend::Uring(ring) => ring.send_to(target),
            Backend::Mmsg(mmsg) => mmsg.send_to(target),
            Backend::Plain => {}
        }
    }

    /// Whether packets to the address given to [`Transmitter::send_to`] are all
    /// refused. They count as lost.
    pub fn is_unreachable(&self) -> bool {
        self.queue.is_unreachable()
    }

    /// Takes a train over; nothing of it is sent yet.
    pub fn load(&mut self, train: TrainBuffer) -> Key {
        self.queue.load(train)
    }

    /// A train that was loaded and not released.
    pub fn train(&self, key: Key) -> &TrainBuffer {
        self.queue.train(key)
    }

    /// Queues packets of a loaded train as one piece. Panics without room, on
    /// packets that the train does not have, and after its release.
    pub fn send(&mut self, key: Key, first: usize, count: usize) {
        assert!(self.has_room(), "no room: reap first");
        self.queue.push(key, first, count);
    }

    /// No more pieces of this train will be sent: `reap` gives it back when
    /// those queued are done. The key is invalid from here on.
    pub fn release(&mut self, key: Key) {
        self.queue.release(key);
    }

    /// Hands what is queued to the kernel. Pieces that find the socket's buffer
    /// full stay queued, in order; `reap` with a wait sends them when there is
    /// room again.
    ///
    /// An error is final: the packet at the front cannot be sent.
    pub fn submit(&mut self) -> Result<(), TransmitError> {
        self.queue.pause = None;
        match &mut self.backend {
            Backend::Uring(ring) => ring.advance(&self.socket, &mut self.queue),
            Backend::Mmsg(mmsg) => mmsg.advance(&self.socket, &mut self.queue),
            Backend::Plain => plain::advance(&self.socket, self.target, &mut self.queue),
        }
    }

    /// What was sent since the last call; trains that are done are appended to
    /// `recycled`. With `wait` and nothing to report it sleeps at most that
    /// long, which is also how a caller passes the time to its next train.
    pub fn reap(
        &mut self,
        wait: Option<Duration>,
        recycled: &mut Vec<TrainBuffer>,
    ) -> Result<Reaped, TransmitError> {
        if let Backend::Uring(ring) = &mut self.backend {
            ring.collect(&mut self.queue)?;
        }
        if !self.queue.has_reaped() {
            if let Some(wait) = wait {
                self.sleep(wait)?;
            }
            if !self.queue.is_empty() {
                self.submit()?;
            }
        }
        Ok(self.queue.take_reaped(recycled))
    }

    fn sleep(&mut self, wait: Duration) -> Result<(), TransmitError> {
        self.queue.counters.pauses += u64::from(self.queue.pause.is_some());
        match (self.queue.pause, &mut self.backend) {
            (Some(Pause::Writable), _) => {
                self.queue.counters.syscalls += 1;
                socket_wait::writable(&self.socket, wait);
            }
            (Some(Pause::Device), _) => std::thread::sleep(wait.min(DEVICE_PAUSE)),
            (None, Backend::Uring(ring)) => ring.wait(wait, &mut self.queue)?,
            (None, _) => {
                self.queue.counters.syscalls += 1;
                std::thread::sleep(wait);
            }
        }
        Ok(())
    }
}

impl Drop for Transmitter {
    fn drop(&mut self) {
        let Backend::Uring(ring) = &mut self.backend else {
            return;
        };
        if !ring.drain(&mut self.queue) {
            // The kernel may still read these packets, so their memory is given
            // up rather than reused under it.
            let abandoned = TransmitQueue::new(false, 0);
            std::mem::forget(std::mem::replace(&mut self.queue, abandoned));
        }
        ring.close();
    }
}

impl fmt::Debug for Transmitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmitter")
            .field("path", &self.path())
            .field("in_flight", &self.in_flight())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

fn open_path(
    path: IoPath,
    socket: &UdpSocket,
    in_flight_max: usize,
) -> Result<Backend, TransmitError> {
    let messages_max = in_flight_max.min(BATCH_MESSAGES_MAX);
    let opened = match path {
        IoPath::Uring => Ring::open(socket, messages_max).map(|r| Backend::Uring(Box::new(r))),
        IoPath::Mmsg => Mmsg::open(socket, messages_max).map(Backend::Mmsg),
        IoPath::Plain => Ok(Backend::Plain),
    };
    opened.map_err(|source| TransmitError::Unavailable { path, source })
}

fn open_best(socket: &UdpSocket, in_flight_max: usize, fallbacks: &mut Vec<String>) -> Backend {
    for path in [IoPath::Uring, IoPath::Mmsg] {
        match open_path(path, socket, in_flight_max) {
            Ok(backend) => return backend,
            Err(error) => fallbacks.push(error.to_string()),
        }
    }
    Backend::Plain
}

impl fmt::Display for IoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IoPath::Uring => "uring",
            IoPath::Mmsg => "mmsg",
            IoPath::Plain => "plain",
        })
    }
}

/// A name of no path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is none of auto, uring, mmsg, plain")]
pub struct UnknownIoChoice(String);

impl FromStr for IoChoice {
    type Err = UnknownIoChoice;

    fn from_str(name: &str) -> Result<IoChoice, UnknownIoChoice> {
        match name {
            "auto" => Ok(IoChoice::Auto),
            "uring" => Ok(IoChoice::Uring),
            "mmsg" => Ok(IoChoice::Mmsg),
            "plain" => Ok(IoChoice::Plain),
            _ => Err(UnknownIoChoice(name.to_owned())),
        }
    }
}
