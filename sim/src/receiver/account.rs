//! What a receiver can tell of itself when the run is over.

use super::{Power, ReceiverNode};
use linecast_protocol::limits::WINDOW_PACKETS;
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::receiver::report_packets;
use std::net::SocketAddr;

impl ReceiverNode {
    /// Adds what the machine counted, before it goes or at the end.
    pub(crate) fn note_counts(&mut self) {
        if self.power != Power::Up && self.power != Power::Ended {
            return;
        }
        if let Some(session) = self.machine.session() {
            self.counts.nacks_sent += session.counters().nacks_sent;
            self.counts.nacks_suppressed += session.nacks_suppressed();
        }
    }

    /// Packets that its socket dropped.
    pub(crate) fn socket_drops(&self) -> u64 {
        self.socket.dropped.into()
    }

    /// The most packets that waited in its socket, and how many may.
    pub(crate) fn socket_depth(&self) -> (usize, usize) {
        (self.socket.depth_max, self.config.buffer_packets as usize)
    }

    /// Packets after which it reports again, in a small group.
    pub(crate) fn report_packets(&self) -> u64 {
        report_packets(WINDOW_PACKETS as u16, self.config.buffer_packets)
    }

    /// Where it stands, for a complaint.
    pub(crate) fn standing(&self) -> String {
        let Some(session) = self.machine.session() else {
            return format!("{}: {:?}, no session", self.index, self.power);
        };
        let leaves = session
            .leaves()
            .map_or((0, 0), |l| (l.verified(), l.count()));
        let open = session.blocks(IMAGE_TOI).map_or(0, |blocks| blocks.open());
        let over = if session.is_over() { ", over" } else { "" };
        format!(
            "{}: {:?}, {} of {} leaves, {open} blocks open{over}",
            self.index, self.power, leaves.0, leaves.1
        )
    }

    /// Address of its feedback.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Packets that it counted as lost in the session that it follows, and as
    /// received.
    pub(crate) fn losses(&self) -> (u64, u64) {
        let counters = self.machine.session().map(|session| session.counters());
        counters.map_or((0, 0), |counters| (counters.lost, counters.received))
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }
}
