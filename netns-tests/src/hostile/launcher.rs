//! Sends an attacker's packets, so many a second and no more.

use super::ground::{Datagram, Generator};
use super::overheard::Overheard;
use super::wiretap::Shared;
use linecast_lab::Node;
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

impl Datagram {
    /// Packets on the wire.
    fn packets(&self) -> u64 {
        (self.bytes.len() + UDP_BYTES)
            .div_ceil(FRAGMENT_BYTES)
            .max(1) as u64
    }
}

/// Whose address an attack's packets bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The attacker's own.
    Own,
    /// Those that the attack wants.
    Forged,
}

/// How many packets are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// So many a second.
    PerSecond(u64),
    /// One for each symbol of the image that is heard.
    PerSymbol,
}

/// An attack under way. It ends when it is dropped.
#[derive(Debug)]
pub struct Launcher {
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    packets: AtomicU64,
    failed: AtomicU64,
    /// Nanoseconds from the first packet to the last.
    lasted: AtomicU64,
}

/// What an attack has sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Launched {
    /// Packets on the wire: a datagram of several fragments counts as many.
    pub packets: u64,
    /// Datagrams that the attacker's own kernel refused.
    pub failed: u64,
    /// Packets a second, from the first to the last.
    pub per_second: f64,
}

impl Launcher {
    /// Starts to attack from a node: at once, or where `late` is set with the
    /// first symbol of the next session's image.
    pub(super) fn start(
        node: &Node,
        shared: Arc<Shared>,
        (origin, pace, late): (Origin, Pace, bool),
        generator: Generator,
    ) -> Launcher {
        let sockets = node.enter(|| Sockets::open(node.address_v4, origin));
        let sockets = sockets.expect("the node").expect("an attacker's sockets");
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&counts));
        let thread = thread::spawn(move || {
            if late {
                await_symbols(&shared, &stopped);
            }
            launch(&sockets, &shared, pace, generator, &stopped, &counted);
        });
        Launcher {
            stop,
            counts,
            thread: Some(thread),
        }
    }

    /// Ends the attack.
    pub fn finish(mut self) -> Launched {
        self.end();
        let packets = self.counts.packets.load(Relaxed);
        let lasted = self.counts.lasted.load(Relaxed).max(1);
        Launched {
            packets,
            failed: self.counts.failed.load(Relaxed),
            per_second: packets as f64 * 1e9 / lasted as f64,
        }
    }

    fn end(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for the image of a session that has not begun yet.
fn await_symbols(shared: &Shared, stopped: &AtomicBool) {
    let past = shared.lock().symbols;
    let waits = |symbols| symbols == past || symbols == 0;
    while waits(shared.lock().symbols) && !stopped.load(Relaxed) {
        thread::sleep(TURN);
    }
}

fn launch(
    sockets: &Sockets,
    shared: &Shared,
    pace: Pace,
    mut generator: Generator,
    stopped: &AtomicBool,
    counts: &Counts,
) {
    let mut began = None;
    let mut debt = Debt::default();
    let mut batch = Vec::new();
    while !stopped.load(Relaxed) && began.is_none_or(|at: Instant| at.elapsed() < ATTACK_LIMIT) {
        {
            let overheard = shared.lock();
            let due = debt.due(pace, &overheard).min(TURN_PACKETS_MAX);
            let mut made = 0;
            while made < due
                && let Some(datagram) = generator(&overheard)
            {
                made += datagram.packets();
                batch.push(datagram);
            }
            // Who has nothing to say yet does not save it up.
            debt.pay(if made == 0 { due } else { made });
        }
        for datagram in batch.drain(..) {
            let first = *began.get_or_insert_with(Instant::now);
            match sockets.send(&datagram) {
                Ok(()) => counts.packets.fetch_add(datagram.packets(), Relaxed),
                Err(_) => counts.failed.fetch_add(1, Relaxed),
            };
            let lasted = first.elapsed().as_nanos() as u64;
            counts.lasted.store(lasted, Relaxed);
        }
        thread::sleep(TURN);
    }
}

/// Packets that are due and not sent yet.
#[derive(Debug, Default)]
struct Debt {
    /// Since when, and for how many symbols, it was reckoned.
    then: Option<(Instant, u64)>,
    packets: f64,
}

impl Debt {
    fn due(&mut self, pace: Pace, overheard: &Overheard) -> u64 {
        let now = (Instant::now(), overheard.symbols);
        let then = self.then.replace(now).unwrap_or(now);
        self.packets += match pace {
            Pace::PerSecond(packets) => (now.0 - then.0).as_secs_f64() * packets as f64,
            Pace::PerSymbol => now.1.saturating_sub(then.1) as f64,
        };
        self.packets.max(0.0) as u64
    }

    fn pay(&mut self, packets: u64) {
        self.packets -= packets as f64;
    }
}

#[derive(Debug)]
enum Sockets {
    Own(UdpSocket),
    Raw {
        socket: Socket,
        /// Of the newest datagram, so that fragments find together.
        identification: Cell<u16>,
    },
}

impl Sockets {
    fn open(address: Ipv4Addr, origin: Origin) -> io::Result<Sockets> {
        // What is looped back on this machine would be taken for a packet of
        // whom it claims to be from.
        Ok(match origin {
            Origin::Own => {
                let socket = UdpSocket::bind((address, 0))?;
                socket.set_multicast_loop_v4(false)?;
                Sockets::Own(socket)
            }
            Origin::Forged => {
                // IPPROTO_RAW: the header comes with the packet (raw(7)).
                const RAW: i32 = 255;
                let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW)))?;
                socket.set_multicast_loop_v4(false)?;
                let identification = Cell::new(0);
                Sockets::Raw {
                    socket,
                    identification,
                }
            }
        })
    }

    fn send(&self, datagram: &Datagram) -> io::Result<()> {
        match self {
            Sockets::Own(socket) => socket.send_to(&datagram.bytes, datagram.to).map(drop),
            Sockets::Raw {
                socket,
                identification,
            } => {
                // The kernel would replace 0.
                let number = identification.get().wrapping_add(1).max(1);
                identification.set(number);
                let to = datagram.to.into();
                let packets = forged_packets(datagram, number);
                packets
                    .iter()
                    .try_for_each(|packet| socket.send_to(packet, &to).map(drop))
            }
        }
    }
}

/// The IPv4 packets (RFC 791) of a datagram that bears its mask's address. The
/// kernel fills in length and checksum of their headers (raw(7)).
fn forged_packets(datagram: &Datagram, identification: u16) -> Vec<Vec<u8>> {
    let Datagram { mask, to, bytes } = datagram;
    let length = (bytes.len() + UDP_BYTES) as u16;
    let mut udp = Vec::with_capacity(length.into());
    for word in [mask.port(), to.port(), length, 0] {
        udp.extend_from_slice(&word.to_be_bytes());
    }
    udp.extend_from_slice(bytes);
    let sum = udp_checksum(*mask.ip(), *to.ip(), &udp);
    udp[6..UDP_BYTES].copy_from_slice(&sum.to_be_bytes());

    let count = udp.len().div_ceil(FRAGMENT_BYTES);
    let pieces = udp.chunks(FRAGMENT_BYTES).enumerate();
    let packet = |(number, piece): (usize, &[u8])| {
        let more = u16::from(number + 1 < count) << 13;
        let fragment = more | (number * FRAGMENT_BYTES / 8) as u16;
        let mut packet = vec![0x45, 0, 0, 0];
        packet.extend_from_slice(&identification.to_be_bytes());
        packet.extend_from_slice(&fragment.to_be_bytes());
        packet.extend_from_slice(&[TTL, UDP_PROTOCOL, 0, 0]);
        packet.extend_from_slice(&mask.ip().octets());
        packet.extend_from_slice(&to.ip().octets());
        packet.extend_from_slice(piece);
        packet
    };
    pieces.map(packet).collect()
}

/// The checksum of RFC 768, over the pseudo-header too; never 0, which would
/// mean that there is none.
fn udp_checksum(from: Ipv4Addr, to: Ipv4Addr, udp: &[u8]) -> u16 {
    let pair = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let words = |bytes: &[u8]| bytes.chunks(2).map(pair).sum::<u32>();
    let mut sum = words(&from.octets()) + words(&to.octets());
    sum += u32::from(UDP_PROTOCOL) + udp.len() as u32 + words(udp);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 => 0xffff,
        sum => sum,
    }
}

const UDP_PROTOCOL: u8 = 17;
const UDP_BYTES: usize = 8;
const TTL: u8 = 8;
/// What of a datagram fits one packet of MTU 1500; a multiple of eight.
const FRAGMENT_BYTES: usize = 1_480;
const TURN: Duration = Duration::from_millis(1);
/// After a turn that came late the rest is made up for bit by bit.
const TURN_PACKETS_MAX: u64 = 1_000;
/// No attack lasts longer, whatever its victims do.
const ATTACK_LIMIT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(bytes: usize) -> Datagram {
        Datagram {
            mask: "10.77.0.1:7600".parse().unwrap(),
            to: "239.192.76.67:7600".parse().unwrap(),
            bytes: vec![0xa5; bytes],
        }
    }

    #[test]
    fn a_forged_datagram_has_a_checksum_that_adds_up() {
        for bytes in [0, 1, 1_000, 1_001] {
            let datagram = datagram(bytes);
            let packets = forged_packets(&datagram, 7);
            let [packet] = packets.as_slice() else {
                panic!("{} packets", packets.len());
            };
            let udp = &packet[20..];
            // With the checksum in place the sum is all ones (RFC 1071).
            let whole = udp_checksum(*datagram.mask.ip(), *datagram.to.ip(), udp);
            assert_eq!(whole, 0xffff, "{bytes}");
        }
    }

    #[test]
    fn a_long_datagram_is_cut_into_fragments_that_follow_each_other() {
        let long = datagram(4_000);
        let packets = forged_packets(&long, 7);
        assert_eq!(packets.len() as u64, long.packets());
        let mut at = 0;
        for (number, packet) in packets.iter().enumerate() {
            let fragment = u16::from_be_bytes([packet[6], packet[7]]);
            assert_eq!(usize::from(fragment & 0x1fff) * 8, at);
            assert_eq!(fragment & 0x2000 != 0, number + 1 < packets.len());
            assert_eq!(packet[4..6], packets[0][4..6]);
            at += packet.len() - 20;
        }
        assert_eq!(at, 4_008);
    }

    #[test]
    fn packets_that_could_not_be_made_are_not_made_up_for() {
        let mut debt = Debt::default();
        let heard = |symbols| Overheard {
            symbols,
            ..Overheard::default()
        };
        assert_eq!(debt.due(Pace::PerSymbol, &heard(5)), 0);
        assert_eq!(debt.due(Pace::PerSymbol, &heard(105)), 100);
        debt.pay(100);
        assert_eq!(debt.due(Pace::PerSymbol, &heard(105)), 0);
        // Another session begins.
        assert_eq!(debt.due(Pace::PerSymbol, &heard(3)), 0);
        assert_eq!(debt.due(Pace::PerSymbol, &heard(4)), 1);
    }
}
