//! io_uring SENDMSG, as bare as it gets: a registered file, one submission for
//! all trains, completions counted.

use super::{Messages, Sent};
use io_uring::types::Fixed;
use io_uring::{IoUring, opcode};
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

pub(super) fn send(
    socket: &UdpSocket,
    messages: &Messages,
    done: impl Fn() -> bool,
) -> io::Result<Sent> {
    let mut ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(messages.count.next_power_of_two() as u32)?;
    ring.submitter().register_files(&[socket.as_raw_fd()])?;
    let headers: Vec<libc::msghdr> = (0..messages.count).map(|i| messages.header(i)).collect();
    let mut sent = Sent::default();
    while !done() {
        let mut submission = ring.submission();
        for header in &headers {
            let entry = opcode::SendMsg::new(Fixed(0), header).build();
            // SAFETY: `headers` and what they point at outlive the ring's use
            // of them: every round waits for all of its completions.
            let pushed = unsafe { submission.push(&entry) };
            pushed.map_err(|_| io::ErrorKind::OutOfMemory)?;
        }
        drop(submission);
        ring.submit_and_wait(headers.len())?;
        sent.syscalls += 1;
        for entry in ring.completion() {
            if entry.result() < 0 {
                return Err(io::Error::from_raw_os_error(-entry.result()));
            }
            sent.packets += messages.segments as u64;
        }
    }
    Ok(sent)
}
