//! The socket that a receiver talks to the sender with.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::error::{Context, NetError};
use crate::interface::Interface;

/// A unicast socket on the interface's address of the group's family, at a port
/// that the kernel chooses.
pub fn feedback_socket(interface: &Interface, group: IpAddr) -> Result<UdpSocket, NetError> {
    let address: SocketAddr = interface.scoped(interface.address_for(group)?, 0);
    let socket = UdpSocket::bind(address).context("bind", address)?;
    socket
        .set_nonblocking(true)
        .context("setting non-blocking", address)?;
    Ok(socket)
}
