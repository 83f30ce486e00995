//! A machine that sends rubbish: random bytes, and real packets that it cuts
//! short or changes.

use crate::images::split_mix;
use linecast_lab::Node;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const PACKET_BYTES_MAX: usize = 9_000;
const OVERHEAR_FOR: Duration = Duration::from_millis(1);

/// Sends rubbish to destinations until dropped.
#[derive(Debug)]
pub struct Noise {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Noise {
    /// Starts in `node`. It joins `group` there and makes its rubbish of what
    /// it hears, and of random bytes.
    pub fn start(node: &Node, group: (Ipv4Addr, u16), destinations: Vec<SocketAddr>) -> Noise {
        let sockets = node.enter(|| {
            let heard = UdpSocket::bind(group)?;
            heard.join_multicast_v4(&group.0, &node.address_v4)?;
            heard.set_read_timeout(Some(OVERHEAR_FOR))?;
            Ok::<_, std::io::Error>((heard, UdpSocket::bind((node.address_v4, 0))?))
        });
        let (heard, out) = sockets.expect("the node").expect("sockets");
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            let mut state = 7;
            let mut buffer = vec![0; PACKET_BYTES_MAX];
            while !stopped.load(Relaxed) {
                let length = heard.recv(&mut buffer).unwrap_or(0);
                let packet = spoil(&buffer[..length], &mut state);
                for destination in &destinations {
                    count.fetch_add(
                        u64::from(out.send_to(&packet, destination).is_ok()),
                        Relaxed,
                    );
                }
            }
        });
        Noise {
            stop,
            sent,
            thread: Some(thread),
        }
    }

    /// Datagrams sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Rubbish, made of a real packet where there is one.
fn spoil(packet: &[u8], state: &mut u64) -> Vec<u8> {
    let mut number = |below: usize| (split_mix(state) % below.max(1) as u64) as usize;
    let mut packet = packet.to_vec();
    match number(4) {
        0 => packet.truncate(number(packet.len())),
        1 | 2 if !packet.is_empty() => {
            // In the header twice out of three times: that is where it hurts.
            for i in 0..3 {
                let reach = if i < 2 {
                    packet.len().min(64)
                } else {
                    packet.len()
                };
                packet[number(reach)] ^= 1 << number(8);
            }
        }
        _ => {
            packet = vec![0; number(1_500)];
            packet.iter_mut().for_each(|byte| *byte = number(256) as u8);
        }
    }
    packet
}
