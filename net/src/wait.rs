//! Waiting for sockets, with nanosecond time-outs (SO_RCVTIMEO counts ticks).

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Waits until `socket` is readable, or `timeout` has passed, or a signal came.
/// Gives whether it is readable. See ppoll(2).
///
/// # Errors
/// The kernel refuses to wait; a signal is no error.
pub fn readable(socket: &UdpSocket, timeout: Duration) -> io::Result<bool> {
    Ok(readable_of([socket], timeout)?[0])
}

/// The same for several sockets: which are readable.
///
/// # Errors
/// The kernel refuses to wait; a signal is no error.
pub fn readable_of<const N: usize>(
    sockets: [&UdpSocket; N],
    timeout: Duration,
) -> io::Result<[bool; N]> {
    let mut polls = sockets.map(|socket| libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: N pollfds and one timespec, all on this stack frame for the whole
    // call; a null signal mask leaves the mask as it is.
    let ready = unsafe {
        libc::ppoll(
            polls.as_mut_ptr(),
            N as libc::nfds_t,
            &raw const timeout,
            std::ptr::null(),
        )
    };
    if ready >= 0 {
        return Ok(polls.map(|poll| poll.revents != 0));
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::Interrupted => Ok([false; N]),
        error => Err(error),
    }
}
