//! Sends trains (UDP_SEGMENT) and sets up sockets that receive them: for the
//! tests of the inbox and for `inbox_rate`.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

/// Turns on UDP_GRO and SO_RXQ_OVFL, and asks for a large receive buffer:
/// beyond the system's limit where that is allowed.
pub(crate) fn set_up_receiver(socket: &UdpSocket, buffer_bytes: i32) -> io::Result<()> {
    set(socket, libc::SOL_UDP, libc::UDP_GRO, 1)?;
    set(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, buffer_bytes)
        .or_else(|_| set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, buffer_bytes))
}

/// Sends the datagrams of `segment_bytes` bytes (the last one may be shorter)
/// that `bytes` consists of, as one train.
#[allow(dead_code, reason = "used by the tests of the inbox only")]
pub(crate) fn send_train(
    socket: &UdpSocket,
    to: SocketAddr,
    bytes: &[u8],
    segment_bytes: u16,
) -> io::Result<usize> {
    socket.connect(to)?;
    set(
        socket,
        libc::SOL_UDP,
        libc::UDP_SEGMENT,
        segment_bytes.into(),
    )?;
    let sent = socket.send(bytes)?;
    set(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0)?;
    Ok(sent)
}

/// Sets an integer option of a socket.
pub(crate) fn set(socket: &UdpSocket, level: i32, option: i32, value: i32) -> io::Result<()> {
    let bytes = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the pointer is to an integer of `bytes` bytes that lives until
    // the call returns; the descriptor is open because `socket` is borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            bytes,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
