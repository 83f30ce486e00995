//! The repair thread: it owns the feedback socket and the session's state
//! machine, and nothing that a packet of the image has to wait for.

use crate::encoder::{Sent, Symbols};
use crate::shared::Shared;
use crossbeam_channel::{Receiver, Sender as Channel};
use linecast_net::{NetError, clock, wait};
use linecast_protocol::message::EndReason;
use linecast_protocol::sender::{Order, Phase, Sender, Transmit};
use linecast_protocol::time::{Duration, Time};
use linecast_protocol::wire::{self, Patch};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The machine looks around this often while trains are leaving.
const TICK: Duration = Duration::from_millis(1);
/// And this often otherwise.
const SLOW_TICK: Duration = Duration::from_millis(20);
/// Datagrams taken before anything else gets its turn.
const DATAGRAMS_A_TURN: usize = 256;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The session's threads and sockets, as the repair thread sees them.
#[derive(Debug)]
pub(crate) struct SessionLoop<'a> {
    /// The state machine.
    pub sender: Sender,
    /// Feedback comes in here, commands go out.
    pub socket: &'a UdpSocket,
    /// Where commands go.
    pub group: SocketAddr,
    /// All packets of object 1.
    pub session_object: Vec<Vec<u8>>,
    /// Orders for the encoder.
    pub orders: Channel<Order>,
    /// Departures, from the lanes.
    pub sent: Receiver<Sent>,
    /// Words shared with encoder and lanes.
    pub shared: Arc<Shared>,
    /// Lanes of the session.
    pub lanes: usize,
    /// Raised by Ctrl-C.
    pub interrupted: &'a AtomicBool,
    /// Raised by the encoder when the image is not what it was.
    pub image_changed: &'a AtomicBool,
    /// Raised by a lane that cannot send any more, and by a thread that panics.
    pub failed: &'a AtomicBool,
}

/// What went out, for the report.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Symbols of the image.
    pub symbols: Symbols,
    /// Commands and object 1.
    pub packets: u64,
    /// Their UDP payload bytes.
    pub bytes: u64,
    /// When the last first transmission had left.
    pub first_pass_ended: Option<Time>,
}

/// The clock of the state machine.
pub(crate) fn now() -> Time {
    Time::from_ns(clock::now_ns())
}

impl SessionLoop<'_> {
    /// Runs the session to its end; `observe` is called about ten times a
    /// second with the machine and the totals.
    ///
    /// # Errors
    /// The sockets fail for good.
    pub(crate) fn run(
        mut self,
        observe: &mut dyn FnMut(&Sender, &Totals),
    ) -> Result<(Sender, Totals), NetError> {
        let mut totals = Totals::default();
        let mut buffer = vec![0; 65_536];
        let mut message = Vec::new();
        let mut observed = Time::ZERO;
        loop {
            let at = now();
            self.take_departures(at, &mut totals);
            self.take_feedback(&mut buffer);
            if self.shared.is_target_unreachable() {
                self.sender.handle_unreachable();
            }
            self.sender.handle_timeout(now());
            self.take_signals();
            self.give_orders();
            self.transmit(&mut message, &mut totals)?;
            if self.sender.phase() == Phase::Done {
                break;
            }
            self.publish();
            if at.since(observed) >= PROGRESS_EVERY {
                observed = at;
                observe(&self.sender, &totals);
            }
            self.sleep();
        }
        observe(&self.sender, &totals);
        Ok((self.sender, totals))
    }

    fn take_departures(&mut self, at: Time, totals: &mut Totals) {
        let positions: Vec<u64> = (0..self.lanes)
            .map(|lane| self.shared.position(lane))
            .collect();
        self.sender.handle_positions(at, &positions);
        for lane in (0..self.lanes).filter(|&lane| self.shared.is_held_up(lane)) {
            self.sender.handle_held_up(at, lane);
        }
        while let Ok(sent) = self.sent.try_recv() {
            totals.symbols.source += sent.symbols.source;
            totals.symbols.parity += sent.symbols.parity;
            totals.symbols.repair += sent.symbols.repair;
            self.sender
                .handle_sent(at, sent.toi, sent.sbn, sent.parity_end, sent.first);
            if sent.first && self.sender.first_left() == 0 {
                totals.first_pass_ended = Some(at);
            }
        }
    }

    fn take_feedback(&mut self, buffer: &mut [u8]) {
        for _ in 0..DATAGRAMS_A_TURN {
            // An ICMP error for an earlier command is no reason to stop.
            let Ok((bytes, from)) = self.socket.recv_from(buffer) else {
                break;
            };
            self.sender.handle_datagram(now(), from, &buffer[..bytes]);
        }
    }

    fn take_signals(&mut self) {
        if self.image_changed.load(Relaxed) {
            self.sender.end_early(now(), EndReason::ImageChanged);
        } else if self.interrupted.load(Relaxed) || self.failed.load(Relaxed) {
            self.sender.end_early(now(), EndReason::Interrupted);
        }
    }

    fn give_orders(&mut self) {
        while !self.orders.is_full() {
            let Some(order) = self.sender.poll_order() else {
                break;
            };
            // The encoder hangs up only when it ends the session.
            let _ = self.orders.try_send(order);
        }
    }

    fn transmit(&mut self, message: &mut Vec<u8>, totals: &mut Totals) -> Result<(), NetError> {
        while let Some(transmit) = self.sender.poll_transmit(message) {
            match transmit {
                Transmit::Message => {
                    totals.bytes += message.len() as u64;
                    totals.packets += 1;
                    self.send(message)?;
                }
                Transmit::SessionObject => {
                    let word = self.sender.control().word;
                    for at in 0..self.session_object.len() {
                        let sequence = self.sender.next_sequence();
                        let packet = &mut self.session_object[at];
                        wire::patch_data(packet, Patch::new(sequence, 0, &word));
                        totals.bytes += packet.len() as u64;
                        totals.packets += 1;
                        self.send(&self.session_object[at])?;
                    }
                }
            }
        }
        Ok(())
    }

    fn send(&self, packet: &[u8]) -> Result<(), NetError> {
        match self.socket.send_to(packet, self.group) {
            // A full queue loses a command, as the network may: all are repeated.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
            Err(source) => Err(NetError::Io {
                operation: "sending a command",
                target: self.group.to_string(),
                source,
            }),
            Ok(_) => Ok(()),
        }
    }

    fn publish(&self) {
        let at = now();
        self.shared.publish(&self.sender.control());
        for lane in 0..self.lanes {
            self.shared
                .set_limit(lane, self.sender.lane_limit(at, lane));
        }
    }

    fn sleep(&self) {
        let busy = self.sender.phase() == Phase::Sending
            || self.sender.phase() == Phase::Flushing && !self.sent.is_empty();
        let longest = if busy { TICK } else { SLOW_TICK };
        let due = self
            .sender
            .poll_timeout()
            .map_or(longest, |at| at.since(now()));
        // If it cannot wait, the loop looks around sooner.
        let _ = wait::readable(self.socket, due.min(longest));
    }
}
