//! A sender that offers what no honest sender would: session objects of any
//! content, as NORM DATA.

use crate::hostile::{Sender, object_packets};
use linecast_lab::Node;
use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::offer::{DESCRIPTOR_SCHEMA, Descriptor, Offer};
use linecast_protocol::wire::SenderWord;
use linecast_release::manifest::Manifest;
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const SYMBOL_BYTES: usize = 1_408;
const OFFER_EVERY: Duration = Duration::from_millis(50);

/// The bytes of object 1 of a session.
#[derive(Debug, Clone)]
pub struct SessionObject(pub Vec<u8>);

impl SessionObject {
    /// An honest object around a manifest, whatever its fields say.
    pub fn signed(manifest: &Manifest, key: &SigningKey) -> SessionObject {
        SessionObject::of_text(&manifest.to_bytes(), key)
    }

    /// An honest object around any signed text.
    pub fn of_text(manifest: &[u8], key: &SigningKey) -> SessionObject {
        let signature = sshsig::sign(key, MANIFEST_NAMESPACE, manifest);
        SessionObject::of_parts(manifest, signature.as_bytes())
    }

    /// An honest object around any two parts.
    pub fn of_parts(manifest: &[u8], signature: &[u8]) -> SessionObject {
        let descriptor = Descriptor {
            schema: DESCRIPTOR_SCHEMA.into(),
            session: hex(&[0x5e; 16]),
            session_key: hex(SigningKey::from_seed([5; 32]).public().as_bytes()),
            symbol_bytes: SYMBOL_BYTES as u16,
            block_symbols: 512,
            codec: "gf16-low".into(),
            num_parity: 64,
            lanes: 1,
            window_packets: 3_072,
        };
        let offer = Offer {
            descriptor: &descriptor.to_bytes().expect("fields within their limits"),
            manifest,
            signature,
            sender_signature: &[],
        };
        SessionObject(offer.to_bytes().expect("the parts fit"))
    }

    /// One datagram for each symbol.
    fn packets(&self) -> Vec<Vec<u8>> {
        let sender = Sender {
            source_id: 0x0bad_0bad,
            word: SenderWord::default(),
        };
        object_packets(sender, &self.0)
    }
}

/// Sends an object from a node to a group again and again until dropped.
#[derive(Debug)]
pub struct Offering {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Offering {
    /// Starts to offer.
    pub fn start(node: &Node, group: SocketAddr, object: &SessionObject) -> Offering {
        let socket = node.enter(|| UdpSocket::bind((node.address_v4, 0)));
        let socket = socket.expect("the node").expect("a socket");
        let packets = object.packets();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Relaxed) {
                for packet in &packets {
                    // A send that fails is a loss like others.
                    let _ = socket.send_to(packet, group);
                }
                thread::sleep(OFFER_EVERY);
            }
        });
        Offering {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Offering {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
