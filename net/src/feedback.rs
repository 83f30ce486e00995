//! The socket that a receiver talks to the sender with.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use socket2::SockRef;

use crate::error::{Context, NetError};
use crate::interface::Interface;
use crate::sockopt;

/// A unicast socket on the interface's address of the group's family, at a port
/// that the kernel chooses. A sender that serves this receiver alone sends to
/// it, so it has a receive buffer of `receive_buffer` bytes, if the kernel
/// grants them, and a message may hold a train.
pub fn feedback_socket(
    interface: &Interface,
    group: IpAddr,
    receive_buffer: usize,
) -> Result<UdpSocket, NetError> {
    let address: SocketAddr = interface.scoped(interface.address_for(group)?, 0);
    let socket = UdpSocket::bind(address).context("bind", address)?;
    socket
        .set_nonblocking(true)
        .context("setting non-blocking", address)?;
    sockopt::set_receive_buffer(&SockRef::from(&socket), receive_buffer)
        .context("SO_RCVBUF", address)?;
    sockopt::receive_trains(&socket).context("UDP_GRO", address)?;
    Ok(socket)
}
