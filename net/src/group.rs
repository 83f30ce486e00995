//! The receiver's socket: one membership, large buffer, trains delivered whole.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::error::{Context, NetError};
use crate::interface::{Interface, require_multicast};
use crate::sockopt;

/// What to join, and how.
#[derive(Debug, Clone, Copy)]
pub struct JoinConfig<'a> {
    /// The group and the session's port.
    pub group: SocketAddr,
    /// Where to join.
    pub interface: &'a Interface,
    /// Hear this sender only (source-specific multicast), or any.
    pub source: Option<IpAddr>,
    /// Receive buffer in bytes; above `net.core.rmem_max` it takes CAP_NET_ADMIN.
    pub receive_buffer: usize,
}

/// A socket that is a member of its group.
#[derive(Debug)]
pub struct GroupSocket {
    /// Bound to group and port, with UDP_GRO and SO_RXQ_OVFL on: a message may
    /// hold a train, and its control data says so.
    pub socket: UdpSocket,
    /// What the kernel granted, in its own accounting (about twice the payload).
    pub receive_buffer_bytes: usize,
}

/// Binds to the group and joins it on the interface.
///
/// The bind to the group's own address keeps other groups on the same port
/// away; with IP_MULTICAST_ALL off, memberships of other processes do not count
/// either (ip(7)). The address is shared, so several receivers fit on a machine.
pub fn join(config: &JoinConfig<'_>) -> Result<GroupSocket, NetError> {
    let ip = config.group.ip();
    require_multicast(ip)?;
    config.interface.require_up()?;
    let group = config.interface.scoped(ip, config.group.port());
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, Some(Protocol::UDP))
        .context("socket", group)?;
    set_options(&socket, group).context("receive options", group)?;
    let receive_buffer_bytes =
        sockopt::set_receive_buffer(&socket, config.receive_buffer).context("SO_RCVBUF", group)?;
    match socket.bind(&group.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
            return Err(NetError::PortInUse(group));
        }
        other => other.context("bind", group)?,
    }
    add_membership(&socket, config)?;
    Ok(GroupSocket {
        socket: UdpSocket::from(socket),
        receive_buffer_bytes,
    })
}

fn set_options(socket: &Socket, group: SocketAddr) -> std::io::Result<()> {
    socket.set_reuse_address(true)?;
    if group.is_ipv4() {
        socket.set_multicast_all_v4(false)?;
    } else {
        socket.set_only_v6(true)?;
        socket.set_multicast_all_v6(false)?;
    }
    sockopt::receive_trains(socket)?;
    let on: libc::c_int = 1;
    sockopt::set(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &on)
}

/// Joins by interface index, which works alike for both families and for
/// interfaces without an address (ip(7), RFC 3678).
fn add_membership(socket: &Socket, config: &JoinConfig<'_>) -> Result<(), NetError> {
    let interface = config.interface;
    let ip = config.group.ip();
    let level = if ip.is_ipv4() {
        libc::IPPROTO_IP
    } else {
        libc::IPPROTO_IPV6
    };
    let group = sockopt::storage(interface.scoped(ip, 0));
    let target = || format!("{ip} on {}", interface.name);
    let Some(source) = config.source else {
        let request = libc::group_req {
            gr_interface: interface.index,
            gr_group: group,
        };
        return sockopt::set(socket, level, libc::MCAST_JOIN_GROUP, &request)
            .context("MCAST_JOIN_GROUP", target());
    };
    if source.is_ipv4() != ip.is_ipv4() {
        return Err(NetError::MixedFamilies {
            group: ip,
            source_address: source,
        });
    }
    let request = libc::group_source_req {
        gsr_interface: interface.index,
        gsr_group: group,
        gsr_source: sockopt::storage(interface.scoped(source, 0)),
    };
    sockopt::set(socket, level, libc::MCAST_JOIN_SOURCE_GROUP, &request)
        .context("MCAST_JOIN_SOURCE_GROUP", target())
}
