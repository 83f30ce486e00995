//! The sender's sockets: one for feedback and commands, one for each lane.
//!
//! All share the session's port on the interface's address, so receivers see
//! one source. A lane's socket is connected to the group: the kernel then gives
//! it no datagram that a receiver sends, and the feedback socket gets them all.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::error::{Context, NetError};
use crate::interface::{Interface, require_multicast};
use crate::sockopt;

/// Room for the reports of a large group that answers at once.
const FEEDBACK_RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// How long a port that is in use is asked for, and how often.
const BIND_PATIENCE: Duration = Duration::from_secs(2);
const BIND_AGAIN: Duration = Duration::from_millis(50);

/// What the sockets of one session need.
#[derive(Debug, Clone, Copy)]
pub struct SenderConfig<'a> {
    /// The group and the session's port, which is the local port as well.
    pub group: SocketAddr,
    /// Where multicast leaves.
    pub interface: &'a Interface,
    /// IPv4 TTL or IPv6 hop limit of multicast.
    pub hops: u8,
    /// Send buffer of each socket in bytes; the kernel may grant less.
    pub send_buffer: usize,
    /// Whether receivers on this machine hear the session.
    pub loopback: bool,
}

/// The sockets of one session.
#[derive(Debug)]
pub struct SenderSockets {
    /// Receives the unicast feedback; commands go out by `send_to` the group.
    pub feedback: UdpSocket,
    local: SocketAddr,
    group: SocketAddr,
    options: Options,
}

#[derive(Debug, Clone, Copy)]
struct Options {
    interface_index: u32,
    hops: u8,
    send_buffer: usize,
    loopback: bool,
}

impl SenderSockets {
    /// Binds the session's port on the interface's address.
    ///
    /// The bind is exclusive, so that a second session on the same port is an
    /// error here and not a mix of two sessions' feedback; sharing is allowed
    /// only afterwards, for the lanes.
    pub fn open(config: &SenderConfig<'_>) -> Result<SenderSockets, NetError> {
        require_multicast(config.group.ip())?;
        let interface = config.interface;
        let address = interface.address_for(config.group.ip())?;
        let wanted = interface.scoped(address, config.group.port());
        let group = interface.scoped(config.group.ip(), config.group.port());
        let options = Options {
            interface_index: interface.index,
            hops: config.hops,
            send_buffer: config.send_buffer,
            loopback: config.loopback,
        };
        let feedback = multicast_socket(group, options)?;
        sockopt::set_receive_buffer(&feedback, FEEDBACK_RECEIVE_BUFFER_BYTES)
            .context("SO_RCVBUF", wanted)?;
        bind_patiently(&feedback, wanted)?;
        feedback
            .set_reuse_address(true)
            .context("SO_REUSEADDR", wanted)?;
        let feedback = UdpSocket::from(feedback);
        let local = feedback.local_addr().context("getsockname", wanted)?;
        Ok(SenderSockets {
            feedback,
            local,
            group,
            options,
        })
    }

    /// A transmit socket for one lane: bound to the same address and port,
    /// connected to the group.
    ///
    /// Open the lanes before the session is announced: between its bind and
    /// its connect a lane's socket could be given feedback.
    pub fn lane_socket(&self) -> Result<UdpSocket, NetError> {
        let socket = multicast_socket(self.group, self.options)?;
        socket
            .set_reuse_address(true)
            .context("SO_REUSEADDR", self.local)?;
        bind(&socket, self.local)?;
        socket
            .connect(&self.group.into())
            .context("connect", self.group)?;
        Ok(UdpSocket::from(socket))
    }

    /// The address that receivers send feedback to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The group, with the interface as its scope where it is IPv6: the
    /// destination for `feedback.send_to`.
    pub fn group(&self) -> SocketAddr {
        self.group
    }
}

/// The port of a sender that was killed was seen to be in use after its end on a
/// busy machine: its rings hold the sockets until the kernel takes them down.
fn bind_patiently(socket: &Socket, address: SocketAddr) -> Result<(), NetError> {
    let patient_until = Instant::now() + BIND_PATIENCE;
    loop {
        match bind(socket, address) {
            Err(NetError::PortInUse(_)) if Instant::now() < patient_until => {
                std::thread::sleep(BIND_AGAIN);
            }
            result => return result,
        }
    }
}

fn bind(socket: &Socket, address: SocketAddr) -> Result<(), NetError> {
    match socket.bind(&address.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
            Err(NetError::PortInUse(address))
        }
        other => other.context("bind", address),
    }
}

fn multicast_socket(group: SocketAddr, options: Options) -> Result<Socket, NetError> {
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, Some(Protocol::UDP))
        .context("socket", group)?;
    match group.ip() {
        IpAddr::V4(_) => set_v4(&socket, options),
        IpAddr::V6(_) => set_v6(&socket, options),
    }
    .context("multicast options", group)?;
    sockopt::set_send_buffer(&socket, options.send_buffer).context("SO_SNDBUF", group)?;
    Ok(socket)
}

fn set_v4(socket: &Socket, options: Options) -> std::io::Result<()> {
    let interface = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: 0 },
        imr_address: libc::in_addr { s_addr: 0 },
        imr_ifindex: options.interface_index as libc::c_int,
    };
    sockopt::set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &interface)?;
    socket.set_multicast_ttl_v4(options.hops.into())?;
    socket.set_multicast_loop_v4(options.loopback)?;
    let dont_fragment = libc::IP_PMTUDISC_DO;
    sockopt::set(
        socket,
        libc::IPPROTO_IP,
        libc::IP_MTU_DISCOVER,
        &dont_fragment,
    )
}

fn set_v6(socket: &Socket, options: Options) -> std::io::Result<()> {
    socket.set_only_v6(true)?;
    socket.set_multicast_if_v6(options.interface_index)?;
    socket.set_multicast_hops_v6(options.hops.into())?;
    socket.set_multicast_loop_v6(options.loopback)?;
    let dont_fragment = libc::IPV6_PMTUDISC_DO;
    sockopt::set(
        socket,
        libc::IPPROTO_IPV6,
        libc::IPV6_MTU_DISCOVER,
        &dont_fragment,
    )?;
    let on: libc::c_int = 1;
    sockopt::set(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, &on)
}
