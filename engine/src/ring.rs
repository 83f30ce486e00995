//! SEND over io_uring: a batch of trains is one system call.
//!
//! SEND takes a train as it is, where SENDMSG has a header, an iovec and control
//! data copied and checked for each, which takes longer than all that the ring
//! saves: so the socket cuts into packets of the trains' size by itself. Only
//! what goes to a receiver's own address is sent by SENDMSG.
//!
//! Requests that find the socket's buffer full are parked by the kernel, and
//! later ones could overtake them. So the requests of a batch are linked, each
//! starts when the one before has succeeded, and the next batch waits for this
//! one. A batch usually completes inside the call that submits it: UDP copies
//! the train and is done.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fixed, SubmitArgs, Timespec};
use io_uring::{Builder, IoUring, opcode, squeue};

use crate::mmsg::{self, Batch};
use crate::transmit_queue::{Cursor, TransmitQueue};
use crate::transmitter::TransmitError;

/// How long a submit may wait for room in the socket's buffer before it lets
/// the caller look after other things.
const SUBMIT_WAIT: Duration = Duration::from_millis(1);

/// Tries of `DRAIN_WAIT` to get cancelled requests back before memory is given up.
const DRAIN_TRIES: usize = 100;
const DRAIN_WAIT: Duration = Duration::from_millis(10);

/// The socket is the only registered file.
const SOCKET: Fixed = Fixed(0);

pub(crate) struct Ring {
    ring: IoUring,
    batch: Batch,
    /// Bytes that the socket cuts into packets of; `None`: it cannot.
    cut_at: Option<u16>,
    /// What the kernel answered to each request of the batch.
    results: Box<[i32]>,
    submitted: usize,
    completed: usize,
}

impl Ring {
    /// Sets a ring up and sends a no-op through it, so that a kernel, a sysctl
    /// or a system call filter that refuses io_uring is found out here. The
    /// ring belongs to the calling thread.
    pub(crate) fn open(socket: &UdpSocket, messages_max: usize) -> io::Result<Ring> {
        let mut ring = build(messages_max)?;
        if !ring.params().is_feature_ext_arg() {
            // Linux before 5.11.
            return Err(io::Error::new(io::ErrorKind::Unsupported, "no timed wait"));
        }
        ring.submitter().register_files(&[socket.as_raw_fd()])?;
        let no_op = opcode::Nop::new().build();
        // SAFETY: a no-op refers to no memory.
        let pushed = unsafe { ring.submission().push(&no_op) };
        pushed.map_err(|_| io::Error::from_raw_os_error(libc::EIO))?;
        ring.submit_and_wait(1)?;
        let answer = ring.completion().next().map(|entry| entry.result());
        if answer != Some(0) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        Ok(Ring {
            ring,
            batch: Batch::new(messages_max),
            cut_at: Some(0),
            results: vec![0; messages_max].into_boxed_slice(),
            submitted: 0,
            completed: 0,
        })
    }

    /// See [`Batch::send_to`].
    pub(crate) fn send_to(&mut self, target: Option<SocketAddr>) {
        assert_eq!(self.outstanding(), 0, "requests refer to the old address");
        self.batch.send_to(target);
    }

    /// Sends until the queue is empty or paused, or the socket's buffer is full.
    pub(crate) fn advance(
        &mut self,
        socket: &UdpSocket,
        queue: &mut TransmitQueue,
    ) -> Result<(), TransmitError> {
        loop {
            self.collect(queue)?;
            if self.outstanding() > 0 || queue.pause.is_some() {
                return Ok(());
            }
            self.cut(socket, queue);
            let count = self.batch.fill(queue);
            if count == 0 {
                return Ok(());
            }
            self.push(count);
            self.enter(SUBMIT_WAIT, queue)?;
        }
    }

    /// Sleeps on the ring: until the batch is done, or just that long.
    pub(crate) fn wait(
        &mut self,
        wait: Duration,
        queue: &mut TransmitQueue,
    ) -> Result<(), TransmitError> {
        self.enter(wait, queue)?;
        self.collect(queue)
    }

    /// Reads completions, and settles the batch when it has them all.
    pub(crate) fn collect(&mut self, queue: &mut TransmitQueue) -> Result<(), TransmitError> {
        if self.outstanding() == 0 {
            return Ok(());
        }
        for entry in self.ring.completion() {
            if let Some(result) = self.results.get_mut(entry.user_data() as usize) {
                *result = entry.result();
                self.completed += 1;
            }
        }
        if self.outstanding() > 0 {
            return Ok(());
        }
        let count = std::mem::take(&mut self.submitted);
        self.completed = 0;
        for result in &self.results[..count] {
            if *result >= 0 {
                queue.complete_front();
            } else if *result == -libc::ECANCELED {
                // Linked behind a request that failed: never tried.
                break;
            } else {
                queue.refuse_front("io_uring SEND", -result)?;
                break;
            }
        }
        Ok(())
    }

    /// Takes back what the kernel still has; false if it would not give it up,
    /// and then the memory of the packets must not be reused.
    pub(crate) fn drain(&mut self, queue: &mut TransmitQueue) -> bool {
        for _ in 0..DRAIN_TRIES {
            if self.outstanding() == 0 {
                return true;
            }
            let everything = CancelBuilder::any();
            // Where it cannot cancel (before Linux 6.0), waiting has to do.
            let _ = self.ring.submitter().register_sync_cancel(None, everything);
            // The queue is being dropped: what its front was refused for is moot.
            let _ = self.wait(DRAIN_WAIT, queue);
        }
        self.outstanding() == 0
    }

    /// Lets go of the socket. The kernel tears a closed ring down at leisure,
    /// and until then the registered file would keep the port in use.
    pub(crate) fn close(&mut self) {
        let _ = self.ring.submitter().unregister_files();
    }

    /// Requests that the kernel has and has not answered.
    pub(crate) fn outstanding(&self) -> usize {
        self.submitted - self.completed
    }

    /// Has the socket cut as the front of the queue is to be.
    fn cut(&mut self, socket: &UdpSocket, queue: &TransmitQueue) {
        let front = queue.packet_bytes(&Cursor::default());
        let wanted = front.map(|bytes| if queue.segmented { bytes as u16 } else { 0 });
        if wanted.is_some() && self.cut_at.is_some() && self.cut_at != wanted {
            self.cut_at = wanted.filter(|bytes| mmsg::cut(socket, *bytes).is_ok());
        }
    }

    fn push(&mut self, count: usize) {
        debug_assert_eq!(self.outstanding(), 0);
        let by_header = self.cut_at.is_none() || self.batch.is_directed();
        let mut submission = self.ring.submission();
        for i in 0..count {
            let piece = self.batch.piece(i);
            let entry = match by_header {
                true => opcode::SendMsg::new(SOCKET, self.batch.header(i)).build(),
                false => {
                    opcode::Send::new(SOCKET, piece.iov_base.cast(), piece.iov_len as u32).build()
                }
            };
            let mut entry = entry.user_data(i as u64);
            if i + 1 < count {
                entry = entry.flags(squeue::Flags::IO_LINK);
            }
            // SAFETY: the header and all it points at stay as they are until the
            // request completes: `advance` fills the batch again, and `send_to`
            // changes its address, only when nothing is outstanding, and the queue keeps a train until its
            // messages are completed, which `collect` tells it. On drop,
            // `drain` comes first.
            let pushed = unsafe { submission.push(&entry) };
            debug_assert!(pushed.is_ok(), "the ring has room for a batch");
        }
        self.submitted = count;
    }

    /// Submits what was pushed and waits for all that is outstanding.
    fn enter(&mut self, wait: Duration, queue: &mut TransmitQueue) -> Result<(), TransmitError> {
        let time = Timespec::new()
            .sec(wait.as_secs())
            .nsec(wait.subsec_nanos());
        let arguments = SubmitArgs::new().timespec(&time);
        queue.counters.syscalls += 1;
        let want = self.outstanding().max(1);
        match self.ring.submitter().submit_with_args(want, &arguments) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // Time is up, a signal came, or the kernel is short of memory:
                // what was not submitted is with the next call.
                Some(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY) => Ok(()),
                _ => Err(TransmitError::Io {
                    operation: "io_uring_enter",
                    source: error,
                }),
            },
        }
    }
}

/// The cheapest ring that this kernel has: flags it does not know are EINVAL.
fn build(messages_max: usize) -> io::Result<IoUring> {
    let entries = u32::try_from(messages_max.next_power_of_two())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let ladder: [fn(&mut Builder); 4] = [
        |b| {
            b.setup_single_issuer()
                .setup_defer_taskrun()
                .setup_submit_all()
                .setup_no_sqarray();
        },
        |b| {
            b.setup_single_issuer()
                .setup_defer_taskrun()
                .setup_submit_all();
        },
        |b| {
            b.setup_coop_taskrun().setup_submit_all();
        },
        |_| {},
    ];
    let mut refused = io::Error::from_raw_os_error(libc::EINVAL);
    for flags in ladder {
        let mut builder = IoUring::builder();
        flags(&mut builder);
        match builder.build(entries) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => refused = error,
            other => return other,
        }
    }
    Err(refused)
}
