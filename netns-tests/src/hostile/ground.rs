//! What an attack stands on: what it knows, and what it makes of what it hears.

use super::overheard::Overheard;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// One datagram of an attack.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// Whose address it bears where addresses are forged.
    pub mask: SocketAddrV4,
    /// Where it goes.
    pub to: SocketAddrV4,
    /// UDP payload.
    pub bytes: Vec<u8>,
}

/// Makes the next datagram of an attack; `None` while it does not know enough.
pub type Generator = Box<dyn FnMut(&Overheard) -> Option<Datagram> + Send>;

/// What an attack knows without having heard it.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Address and port of the sender.
    pub sender: SocketAddrV4,
    /// The group and its port.
    pub group: SocketAddrV4,
    /// A session that has ended, packet by packet.
    pub recording: Arc<Vec<Vec<u8>>>,
}

impl Ground {
    /// An address in the network that nobody has.
    pub(super) fn stranger(number: u32) -> SocketAddrV4 {
        let [.., a, b] = (number % 20_000).to_be_bytes();
        SocketAddrV4::new(Ipv4Addr::new(10, 77, 100 + a, b), 7_600)
    }
}
