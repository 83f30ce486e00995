//! Sockets of the calling thread's namespace, as a push opens them.

use crate::BenchError;
use linecast_net::{GroupSocket, Interface, JoinConfig, SenderConfig, SenderSockets, join};
use std::net::{SocketAddr, UdpSocket};

const SEND_BUFFER_BYTES: usize = 4 << 20;
/// As large as a linecast receiver's.
const RECEIVE_BUFFER_BYTES: usize = 32 << 20;
/// The interface of a node of the lab.
const INTERFACE: &str = "v0";

/// Sockets connected to a group, one for each lane.
///
/// # Errors
/// No interface, or the port is in use.
pub(crate) fn lanes(group: SocketAddr, lanes: u8) -> Result<Vec<UdpSocket>, BenchError> {
    let interface = Interface::by_name(INTERFACE)?;
    let sockets = SenderSockets::open(&SenderConfig {
        group,
        interface: &interface,
        hops: 1,
        send_buffer: SEND_BUFFER_BYTES,
        loopback: false,
    })?;
    let lanes = (0..lanes).map(|_| sockets.lane_socket());
    Ok(lanes.collect::<Result<_, _>>()?)
}

/// A member of a group.
///
/// # Errors
/// No interface, or the kernel refuses.
pub(crate) fn member(group: SocketAddr) -> Result<UdpSocket, BenchError> {
    let interface = Interface::by_name(INTERFACE)?;
    let GroupSocket { socket, .. } = join(&JoinConfig {
        group,
        interface: &interface,
        source: None,
        receive_buffer: RECEIVE_BUFFER_BYTES,
    })?;
    Ok(socket)
}
