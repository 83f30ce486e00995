//! Waiting without a ring, and the precision of timers.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

/// Sleeps until the socket is writable, at most `wait`.
pub(crate) fn writable(socket: &UdpSocket, wait: Duration) {
    let mut poll = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    let timeout = libc::timespec {
        tv_sec: wait.as_secs() as libc::time_t,
        tv_nsec: wait.subsec_nanos() as _,
    };
    // SAFETY: `poll` and `timeout` are live for the call, one pollfd is
    // announced, and the descriptor is open because `socket` is borrowed; the
    // null mask leaves signals as they are. An error wakes the caller early,
    // which it must expect anyway.
    let _ = unsafe { libc::ppoll(&mut poll, 1, &timeout, ptr::null()) };
}

/// Lets this thread's timers fire when they are due. The default slack of
/// 50 µs is a fifth of a train's line time.
pub(crate) fn precise_timers() {
    const SLACK_NS: libc::c_ulong = 1;
    // SAFETY: PR_SET_TIMERSLACK takes one integer and touches no memory.
    let _ = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NS) };
}
