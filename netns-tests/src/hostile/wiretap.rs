//! Hears every packet that reaches an attacker's interface.

use super::overheard::Overheard;
use linecast_lab::{Lab, Node};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// ETH_P_IP of if_ether.h: only packets that come in, not the attacker's own.
const ETHERTYPE_IPV4: u16 = 0x0800;
/// A whole packet of MTU 1500; of a train, its first symbol.
const SNAP_BYTES: usize = 1_600;
/// BPF_RET with a constant (linux/bpf_common.h): how much the kernel keeps.
const BPF_RET_K: u16 = 0x06;
const BUFFER_BYTES: usize = 8 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Packets of a recording: 64 MiB and more.
const RECORDING_MAX: usize = 60_000;

/// Listens in a node until dropped.
#[derive(Debug)]
pub struct Wiretap {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _membership: UdpSocket,
}

/// What listener and attackers share.
#[derive(Debug)]
pub(super) struct Shared {
    overheard: Mutex<Overheard>,
    recording: Mutex<Option<Vec<Vec<u8>>>>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Overheard> {
        lock(&self.overheard)
    }
}

impl Wiretap {
    /// Starts in `node`, which from now on gets what is sent to `group` and to
    /// the sender.
    pub fn start(lab: &Lab, node: &Node, group: SocketAddrV4) -> Wiretap {
        lab.flood(lab.sender())
            .and_then(|()| lab.hear_all(node))
            .expect("a switch that floods");
        let sockets = node.enter(|| {
            // The membership alone: a socket on the group's port would be given
            // every packet, and the machine has better things to do.
            let membership = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            membership.join_multicast_v4(group.ip(), &node.address_v4)?;
            let protocol = Protocol::from(i32::from(ETHERTYPE_IPV4.to_be()));
            let packets = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
            packets.attach_filter(&[SockFilter::new(BPF_RET_K, 0, 0, SNAP_BYTES as u32)])?;
            packets.set_recv_buffer_size(BUFFER_BYTES)?;
            packets.set_read_timeout(Some(LOOK_EVERY))?;
            Ok::<_, std::io::Error>((membership, packets))
        });
        let (membership, packets) = sockets.expect("the node").expect("a packet socket");
        let shared = Arc::new(Shared {
            overheard: Mutex::new(Overheard::default()),
            recording: Mutex::new(None),
        });
        let stop = Arc::new(AtomicBool::new(false));
        let sender = SocketAddrV4::new(lab.sender().address_v4, group.port());
        let own = node.address_v4;
        let (listener, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; SNAP_BYTES];
            while !stopped.load(Relaxed) {
                if let Ok(length) = (&packets).read(&mut buffer)
                    && let Some(packet) = Packet::parse(&buffer[..length])
                {
                    listener.hear(&packet, sender, own, group);
                }
            }
        });
        Wiretap {
            shared,
            stop,
            thread: Some(thread),
            _membership: membership,
        }
    }

    /// What is known by now.
    pub fn overheard(&self) -> Overheard {
        self.shared.lock().clone()
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Begins to keep what the sender sends.
    pub fn record(&self) {
        *lock(&self.shared.recording) = Some(Vec::new());
    }

    /// What was kept, in order.
    pub fn recording(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.recording).take().unwrap_or_default()
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn hear(&self, packet: &Packet<'_>, sender: SocketAddrV4, own: Ipv4Addr, group: SocketAddrV4) {
        if packet.from == sender && packet.to == group {
            self.lock()
                .hear_sender(packet.payload, packet.payload_bytes);
            if let Some(recording) = &mut *lock(&self.recording)
                && recording.len() < RECORDING_MAX
                && packet.payload.len() == packet.payload_bytes
            {
                recording.push(packet.payload.to_vec());
            }
        } else if packet.to == sender {
            self.lock().hear_feedback(packet.from, packet.payload);
        } else if packet.to.ip() == &own {
            // What is said to a session of the attacker's.
            self.lock().hear_refusal(packet.from, packet.payload);
        }
    }
}

/// A UDP packet, or the first of a train.
struct Packet<'a> {
    from: SocketAddrV4,
    to: SocketAddrV4,
    /// As far as the kernel kept it.
    payload: &'a [u8],
    /// In all: a train has its whole length in its IP header.
    payload_bytes: usize,
}

impl Packet<'_> {
    /// Reads an IPv4 packet (RFC 791) without fragments.
    fn parse(bytes: &[u8]) -> Option<Packet<'_>> {
        const FRAGMENT_MASK: u16 = 0x3fff;
        const UDP: u8 = 17;
        let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let address = |at: usize| Some(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?));
        let header = usize::from(bytes.first()? & 0x0f) * 4;
        if *bytes.get(9)? != UDP || word(6)? & FRAGMENT_MASK != 0 {
            return None;
        }
        let payload_bytes = usize::from(word(2)?).checked_sub(header + 8)?;
        let payload = bytes.get(header + 8..)?;
        Some(Packet {
            from: SocketAddrV4::new(address(12)?, word(header)?),
            to: SocketAddrV4::new(address(16)?, word(header + 2)?),
            payload: &payload[..payload.len().min(payload_bytes)],
            payload_bytes,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
