//! What travels from the sender to the receivers.

use linecast_protocol::wire::DataHeader;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where a packet says that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The sender, or somebody who forges its address.
    Sender,
    /// Another host of the network.
    Stranger,
}

impl Origin {
    /// The address that a receiver sees.
    pub(crate) fn address(self) -> SocketAddr {
        match self {
            Origin::Sender => sender_address(),
            Origin::Stranger => stranger_address(),
        }
    }
}

/// Address of the sender.
pub(crate) fn sender_address() -> SocketAddr {
    SocketAddr::from(([10, 255, 0, 1], 7600))
}

/// What an attacker on the same network sends from.
pub(crate) fn stranger_address() -> SocketAddr {
    SocketAddr::from(([10, 254, 0, 1], 7600))
}

/// The bytes of a symbol, or what is known of them.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// They are what they should be.
    Good,
    /// They are not.
    Damaged,
    /// Here they are.
    Bytes(Arc<[u8]>),
}

/// The content of a packet.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// One symbol.
    Data {
        /// Its header.
        header: DataHeader,
        /// Bytes of the symbol.
        len: u16,
        /// The symbol.
        payload: Payload,
    },
    /// A command, as bytes.
    Message(Arc<[u8]>),
}

/// One packet on its way.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// When it leaves the trunk, in nanoseconds of the simulation.
    pub at: u64,
    pub origin: Origin,
    /// Who gets it; `None` is the group.
    pub to: Option<SocketAddr>,
    /// Subtrees in which it is lost, one bit each.
    pub lost_in: u64,
    /// Symbols of its block that had been sent when it left, itself included.
    pub ordinal: u32,
    pub body: Body,
}
