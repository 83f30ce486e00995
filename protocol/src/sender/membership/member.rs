//! One receiver: who it is, how it is served, and how it ended.

use crate::budget::Budget;
use crate::key::PublicKey;
use crate::message::{Activity, Figures, Refusal, Status};
use crate::seal::{Counts, SealKey};
use crate::sender::LossEstimate;
use crate::time::Time;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Where one receiver stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberState {
    /// On the roster, not heard yet.
    Expected,
    /// Registered, and taking symbols.
    Receiving,
    /// Every leaf verified; syncing.
    Finishing,
    /// Verified and in place.
    Complete,
    /// It said that it failed.
    Failed(String),
    /// Not heard for longer than the stall time-out.
    Stalled,
    /// Given up: it did not sustain the floor of the rate.
    Slow {
        /// Bits of L2 a second that it did sustain.
        sustained_bps: u64,
    },
    /// It did not sustain the floor of the rate: its turn, by unicast, comes
    /// when nobody else is left.
    Aside,
    /// It refused the session, or stopped.
    Refused(Refusal),
}

/// A process of the device: what it proves its feedback by.
#[derive(Debug, Clone)]
pub(in crate::sender) struct Proof {
    /// Number of the life.
    pub number: [u8; 8],
    /// Number of the registration, which its feedback is sealed with.
    pub nonce: u32,
    /// Where its registration came from, and then its newest proven message.
    pub address: SocketAddr,
    /// Proves the welcome to it.
    pub welcome: SealKey,
    /// What it seals its feedback with.
    pub feedback: SealKey,
    /// Its messages that were heard.
    pub counts: Counts,
    pub node: u32,
    pub buffer_packets: u32,
    pub held: u64,
}

/// One receiver.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its key.
    pub key: PublicKey,
    /// Its installation; `None`: not heard yet.
    pub installation: Option<[u8; 8]>,
    /// Node id in this session.
    pub node: u32,
    /// Name for people: the roster's, else its own.
    pub name: String,
    /// Whether the roster lists its key.
    pub enrolled: bool,
    /// Where it stands.
    pub state: MemberState,
    /// Address of its feedback.
    pub address: Option<SocketAddr>,
    /// When it was last heard.
    pub heard: Time,
    /// When it last reported: who only asks holds nobody back.
    pub(in crate::sender) reported: Time,
    /// Loss of its path and socket together.
    pub loss: LossEstimate,
    /// DATA packets it missed so far, from sequence gaps.
    pub lost: u64,
    /// Its socket's drops, in buffers.
    pub socket_drops: u32,
    /// Milliseconds of CPU that its process has used.
    pub busy_ms: u32,
    /// What it sustained when it last held the session below the floor of its
    /// rate, in bits of L2 a second.
    pub sustained_bps: Option<u64>,
    /// Whether it had its turn by unicast.
    pub unicast: bool,
    /// Leaves that it has verified.
    pub leaves_verified: u32,
    /// When its completion was heard.
    pub completed_at: Option<Time>,
    /// Whether it had the image before this session.
    pub had: bool,
    /// Figures of its completion.
    pub figures: Figures,
    /// Lane positions that it has read, in packets since the start.
    pub(in crate::sender) read: Vec<u64>,
    /// The same when its turn by unicast came, until it has read more than that:
    /// so long, it counts as lost what it was not served.
    pub(in crate::sender) turn: Option<Vec<u64>>,
    pub(in crate::sender) buffer_packets: u32,
    /// Leaves that it had when it registered.
    pub(in crate::sender) held: u64,
    pub(in crate::sender) welcome_due: bool,
    /// When it was last welcomed.
    pub(in crate::sender) welcomed: Time,
    /// Blocks that it may ask for.
    pub(in crate::sender) blocks: Budget,
    /// Signatures of it that are checked.
    pub(in crate::sender) signatures: Budget,
    /// The life that is served.
    pub(in crate::sender) life: Option<Proof>,
    /// Lives that registered and have not proven themselves beside another.
    pub(in crate::sender) pending: Vec<Proof>,
    /// Lives that registered so far.
    pub(in crate::sender) lives: u16,
    /// Whether the life that is served has proven itself.
    pub(in crate::sender) proven: bool,
    /// Number of the newest word about its end.
    pub(in crate::sender) outcome: u32,
    /// DATA packets received and lost by its reports, as far as they were believed.
    counted: (u64, u64),
    /// What it counts beyond that.
    left_out: (u64, u64),
}

/// Signatures of one device that are checked, a second and at once.
const SIGNATURES_PER_S: u64 = 20;

impl Member {
    pub(in crate::sender) fn new(
        key: PublicKey,
        name: String,
        enrolled: bool,
        blocks: Budget,
    ) -> Member {
        Member {
            key,
            installation: None,
            node: 0,
            name,
            enrolled,
            state: MemberState::Expected,
            address: None,
            heard: Time::ZERO,
            reported: Time::ZERO,
            loss: LossEstimate::default(),
            lost: 0,
            socket_drops: 0,
            busy_ms: 0,
            sustained_bps: None,
            unicast: false,
            leaves_verified: 0,
            completed_at: None,
            had: false,
            figures: Figures::default(),
            read: Vec::new(),
            turn: None,
            buffer_packets: 0,
            held: 0,
            welcome_due: false,
            welcomed: Time::ZERO,
            blocks,
            signatures: Budget::new(SIGNATURES_PER_S, SIGNATURES_PER_S),
            life: None,
            pending: Vec::new(),
            lives: 0,
            proven: false,
            outcome: 0,
            counted: (0, 0),
            left_out: (0, 0),
        }
    }

    /// Whether the session still works for it.
    pub fn is_open(&self) -> bool {
        matches!(self.state, MemberState::Receiving | MemberState::Finishing)
    }

    /// Whether it has proven that it is there, not only been announced.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether one of its lives has this node id.
    pub(in crate::sender) fn answers_to(&self, node: u32) -> bool {
        let mut lives = self.life.iter().chain(&self.pending);
        lives.any(|life| life.node == node)
    }

    /// Whether nothing that it says counts but that it completed.
    pub(in crate::sender) fn is_unserved(&self) -> bool {
        matches!(self.state, MemberState::Slow { .. } | MemberState::Aside)
    }

    /// Whether the session works for it, or will.
    pub(in crate::sender) fn is_awaited(&self) -> bool {
        self.is_open() || self.state == MemberState::Aside
    }

    /// Whether the counts of a status report can be true where `sent` packets were
    /// sent. What could not be true, because somebody forged symbols for it, is left
    /// out of all that it reports later: that counts again.
    pub(in crate::sender) fn believe(&mut self, status: &mut Status, sent: u64) -> bool {
        let received = status.received.saturating_sub(self.left_out.0);
        let lost = status.lost.saturating_sub(self.left_out.1);
        let (known_received, known_lost) = self.counted;
        if received.saturating_add(lost) > sent {
            self.left_out = (
                status.received.saturating_sub(known_received),
                status.lost.saturating_sub(known_lost),
            );
            return false;
        }
        (status.received, status.lost) = (received, lost);
        self.counted = (known_received.max(received), known_lost.max(lost));
        true
    }

    /// Takes the counts of a status report, which only rise; gives the packets
    /// received and lost since the one before, and whether its socket dropped more.
    pub(in crate::sender) fn note_counts(&mut self, status: &Status) -> Fresh {
        let lost_before = self.lost;
        let dropped = status.socket_drops > self.socket_drops;
        self.lost = self.lost.max(status.lost);
        self.leaves_verified = self.leaves_verified.max(status.leaves_verified);
        self.socket_drops = self.socket_drops.max(status.socket_drops);
        self.busy_ms = self.busy_ms.max(status.busy_ms);
        let (received, usual_lost) = self.loss.report(status.received, status.lost);
        Fresh {
            received,
            usual_lost,
            lost: self.lost - lost_before,
            dropped,
        }
    }

    /// The activity that it reports: it never goes back.
    pub(in crate::sender) fn note_activity(&mut self, activity: Activity) {
        if self.state == MemberState::Receiving && activity == Activity::Finishing {
            self.state = MemberState::Finishing;
        }
    }

    /// Another process of the device speaks now: it counts from zero.
    pub(in crate::sender) fn begin_life(&mut self, life: Proof, positions: &[u64]) {
        (self.loss, self.lost, self.leaves_verified) = (LossEstimate::default(), 0, 0);
        (self.socket_drops, self.busy_ms) = (0, 0);
        (self.counted, self.left_out) = ((0, 0), (0, 0));
        (self.outcome, self.completed_at) = (0, None);
        self.read = positions.to_vec();
        self.reported = self.heard;
        (self.node, self.address) = (life.node, Some(life.address));
        (self.buffer_packets, self.held) = (life.buffer_packets, life.held);
        self.life = Some(life);
    }
}

/// What is new in a status report.
#[derive(Debug, Clone, Copy)]
pub(in crate::sender) struct Fresh {
    /// DATA packets received.
    pub received: u64,
    /// DATA packets lost, and those of them that are no outage.
    pub lost: u64,
    pub usual_lost: u64,
    /// Its socket dropped something.
    pub dropped: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    #[test]
    fn counts_that_cannot_be_true_are_left_out_and_those_after_them_count() {
        let key = SigningKey::from_seed([2; 32]).public();
        let mut member = Member::new(key, String::new(), false, Budget::new(1, 1));
        let mut told = |received, lost, sent| {
            let mut status = Status {
                received,
                lost,
                ..Status::default()
            };
            let believed = member.believe(&mut status, sent);
            believed.then_some((status.received, status.lost))
        };
        assert_eq!(told(90, 10, 100), Some((90, 10)));
        assert_eq!(told(5_090, 4_010, 150), None);
        assert_eq!(told(5_130, 4_020, 150), Some((130, 20)));
        assert_eq!(told(u64::MAX, u64::MAX, 150), None);
    }
}
