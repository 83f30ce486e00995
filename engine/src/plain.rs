//! One system call a packet: works wherever UDP does.

use std::net::{SocketAddr, UdpSocket};

use crate::transmit_queue::{Cursor, TransmitQueue};
use crate::transmitter::TransmitError;

/// Sends to `target`, or to where the socket is connected, until the queue is
/// empty or paused. The socket must not block.
pub(crate) fn advance(
    socket: &UdpSocket,
    target: Option<SocketAddr>,
    queue: &mut TransmitQueue,
) -> Result<(), TransmitError> {
    debug_assert!(!queue.segmented);
    while queue.pause.is_none() {
        let Some(message) = queue.next_message(&mut Cursor::default()) else {
            break;
        };
        let result = match target {
            Some(target) => socket.send_to(message.bytes, target),
            None => socket.send(message.bytes),
        };
        queue.counters.syscalls += 1;
        match result {
            Ok(_) => queue.complete_front(),
            Err(error) => {
                queue.refuse_front("send", error.raw_os_error().unwrap_or(libc::EIO))?;
            }
        }
    }
    Ok(())
}
