//! Message headers for the kernel, and sendmmsg(2) over them.

use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use socket2::SockAddr;

use crate::transmit_queue::{Cursor, Message, TransmitQueue};
use crate::transmitter::TransmitError;

/// Control data of one message: the size at which to cut it (udp(7)).
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct SegmentControl {
    header: libc::cmsghdr,
    segment: u16,
}

/// CMSG_LEN(2): the data follows the header without a gap, as its size is a
/// multiple of its alignment.
const CONTROL_LENGTH: usize = mem::size_of::<libc::cmsghdr>() + mem::size_of::<u16>();
const _: () = assert!(mem::offset_of!(SegmentControl, segment) == mem::size_of::<libc::cmsghdr>());

/// Fixed arrays of headers that point at each other and at packets.
///
/// The arrays never grow, so a pointer to an element stays good as long as the
/// batch. The packets they point at belong to the queue, which keeps them until
/// their message is completed.
pub(crate) struct Batch {
    headers: Box<[libc::mmsghdr]>,
    pieces: Box<[libc::iovec]>,
    controls: Box<[SegmentControl]>,
    /// Where all messages go, if not to where the socket is connected: boxed,
    /// because the headers point at it.
    target: Option<Box<SockAddr>>,
    length: usize,
}

impl Batch {
    pub(crate) fn new(messages_max: usize) -> Batch {
        // SAFETY: `mmsghdr` is plain C data; all zeros is an empty message.
        let header: libc::mmsghdr = unsafe { mem::zeroed() };
        // SAFETY: `cmsghdr` is plain C data, for which all zeros is valid.
        let mut control: libc::cmsghdr = unsafe { mem::zeroed() };
        control.cmsg_level = libc::SOL_UDP;
        control.cmsg_type = libc::UDP_SEGMENT;
        control.cmsg_len = CONTROL_LENGTH as _;
        let control = SegmentControl {
            header: control,
            segment: 0,
        };
        let piece = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        let mut batch = Batch {
            headers: vec![header; messages_max].into_boxed_slice(),
            pieces: vec![piece; messages_max].into_boxed_slice(),
            controls: vec![control; messages_max].into_boxed_slice(),
            target: None,
            length: 0,
        };
        let pieces = batch.pieces.as_mut_ptr();
        for (i, header) in batch.headers.iter_mut().enumerate() {
            header.msg_hdr.msg_iov = pieces.wrapping_add(i);
            header.msg_hdr.msg_iovlen = 1;
        }
        batch
    }

    /// Sends all further messages to `target`; `None`: to where the socket is
    /// connected. Nothing may be on its way.
    pub(crate) fn send_to(&mut self, target: Option<SocketAddr>) {
        self.target = target.map(|target| Box::new(SockAddr::from(target)));
        let (name, length) = match &self.target {
            // The kernel only reads where a message to be sent goes.
            Some(target) => (target.as_ptr().cast_mut().cast(), target.len()),
            None => (ptr::null_mut(), 0),
        };
        for header in &mut self.headers {
            header.msg_hdr.msg_name = name;
            header.msg_hdr.msg_namelen = length;
        }
    }

    /// Takes as many messages from the front of the queue as there is room for
    /// and have the same packet size.
    pub(crate) fn fill(&mut self, queue: &TransmitQueue) -> usize {
        self.length = 0;
        let mut cursor = Cursor::default();
        let packet_bytes = queue.packet_bytes(&cursor);
        while self.length < self.headers.len() && queue.packet_bytes(&cursor) == packet_bytes {
            let Some(message) = queue.next_message(&mut cursor) else {
                break;
            };
            self.push(message);
        }
        self.length
    }

    fn push(&mut self, message: Message<'_>) {
        let i = self.length;
        // The kernel only reads what a message to be sent points at.
        self.pieces[i].iov_base = message.bytes.as_ptr().cast_mut().cast();
        self.pieces[i].iov_len = message.bytes.len();
        let control = &mut self.controls[i];
        let header = &mut self.headers[i].msg_hdr;
        if let Some(segment) = message.segment {
            control.segment = segment;
            header.msg_control = ptr::from_mut(control).cast();
            header.msg_controllen = mem::size_of::<SegmentControl>() as _;
        } else {
            header.msg_control = ptr::null_mut();
            header.msg_controllen = 0;
        }
        self.length += 1;
    }

    /// Whether messages go elsewhere than to where the socket is connected.
    pub(crate) fn is_directed(&self) -> bool {
        self.target.is_some()
    }

    /// The bytes of message `i`, for a request that outlives this borrow.
    pub(crate) fn piece(&self, i: usize) -> libc::iovec {
        self.pieces[i]
    }

    /// The header of message `i`, for a request that outlives this borrow.
    pub(crate) fn header(&self, i: usize) -> *const libc::msghdr {
        &raw const self.headers[i].msg_hdr
    }
}

/// Has the kernel cut all that is sent on a socket into packets of so many bytes,
/// where the message itself says nothing else (UDP_SEGMENT, udp(7)); 0: nothing.
pub(crate) fn cut(socket: &UdpSocket, packet_bytes: u16) -> std::io::Result<()> {
    let value = libc::c_int::from(packet_bytes);
    // SAFETY: the descriptor is open because `socket` is borrowed, and the
    // kernel reads one int, which is live for the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const value).cast(),
            mem::size_of_val(&value) as _,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Sends by sendmmsg(2), a train a message.
pub(crate) struct Mmsg {
    batch: Batch,
}

impl Mmsg {
    /// Fails where the kernel, or a filter on system calls, has no sendmmsg.
    pub(crate) fn open(socket: &UdpSocket, messages_max: usize) -> std::io::Result<Mmsg> {
        let mut batch = Batch::new(messages_max);
        send_many(socket, &mut batch)?;
        Ok(Mmsg { batch })
    }

    /// See [`Batch::send_to`].
    pub(crate) fn send_to(&mut self, target: Option<SocketAddr>) {
        self.batch.send_to(target);
    }

    /// Sends until the queue is empty or paused.
    pub(crate) fn advance(
        &mut self,
        socket: &UdpSocket,
        queue: &mut TransmitQueue,
    ) -> Result<(), TransmitError> {
        while queue.pause.is_none() && self.batch.fill(queue) > 0 {
            queue.counters.syscalls += 1;
            match send_many(socket, &mut self.batch) {
                Ok(sent) => (0..sent).for_each(|_| queue.complete_front()),
                Err(error) => {
                    queue.refuse_front("sendmmsg", error.raw_os_error().unwrap_or(libc::EIO))?;
                }
            }
        }
        Ok(())
    }
}

/// How many of the batch were sent; an error concerns its first message.
fn send_many(socket: &UdpSocket, batch: &mut Batch) -> std::io::Result<usize> {
    let count = batch.length as libc::c_uint;
    let headers = batch.headers.as_mut_ptr();
    // SAFETY: the descriptor is open because `socket` is borrowed. `headers`
    // has `count` initialised elements, since `fill` never counts beyond the
    // array. Each points at an iovec and control data of the same batch, which
    // is borrowed, at no name or the address that the batch owns, and at packets
    // of trains that the queue owns: `fill` has just read them from there and
    // nothing was completed since.
    let result =
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers, count, libc::MSG_DONTWAIT as _) };
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error())
}
