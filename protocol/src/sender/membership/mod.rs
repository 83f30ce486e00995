//! The receivers that a session expects or has heard.

use super::transfer::LossEstimate;
use crate::budget::Budget;
use crate::key::PublicKey;
use crate::limits::{NACK_BURST, NACK_RATE_PER_S, ROSTER_MAX};
use crate::message::{Activity, Complete, Figures, Register, Status};
use crate::time::{Duration, Time};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A receiver that was heard keeps its address for this long.
const ADDRESS_HOLD: Duration = Duration::from_millis(400);

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
}

/// One receiver.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its key.
    pub key: PublicKey,
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
    /// Loss of its path and socket together.
    pub loss: LossEstimate,
    /// DATA packets it missed so far, from sequence gaps.
    pub lost: u64,
    /// Its socket's drops, in buffers.
    pub socket_drops: u32,
    /// What it sustained when it last held the session below the floor of its
    /// rate, in bits of L2 a second.
    pub sustained_bps: Option<u64>,
    /// Whether it had its turn by unicast.
    pub unicast: bool,
    /// Leaves that it has verified.
    pub leaves_verified: u32,
    /// When its completion was heard.
    pub completed_at: Option<Time>,
    /// Figures of its completion.
    pub figures: Figures,
    /// Lane positions that it has read, in packets since the start.
    pub(in crate::sender) read: Vec<u64>,
    /// The same when its turn by unicast came, until it has read more than that:
    /// so long, it counts as lost what it was not served.
    pub(in crate::sender) turn: Option<Vec<u64>>,
    pub(in crate::sender) buffer_packets: u32,
    pub(in crate::sender) missing: Option<Vec<(u64, u64)>>,
    pub(in crate::sender) welcome_due: bool,
    pub(in crate::sender) nacks: Budget,
    /// Whether it has said more than its registration from its address.
    proven: bool,
    /// Where else its registration came from before that.
    rival: Option<SocketAddr>,
}

impl Member {
    fn new(key: PublicKey, name: String, enrolled: bool) -> Member {
        Member {
            key,
            node: 0,
            name,
            enrolled,
            state: MemberState::Expected,
            address: None,
            heard: Time::ZERO,
            loss: LossEstimate::default(),
            lost: 0,
            socket_drops: 0,
            sustained_bps: None,
            unicast: false,
            leaves_verified: 0,
            completed_at: None,
            figures: Figures::default(),
            read: Vec::new(),
            turn: None,
            buffer_packets: 0,
            missing: None,
            welcome_due: false,
            nacks: Budget::new(NACK_RATE_PER_S, NACK_BURST),
            proven: false,
            rival: None,
        }
    }

    /// Whether feedback from here is its own. Somebody may replay its registration
    /// and be first, so of two addresses that it came from, the one that says more
    /// is taken.
    pub(in crate::sender) fn recognise(&mut self, from: SocketAddr) -> bool {
        if !self.proven && self.rival == Some(from) {
            self.address = Some(from);
        }
        let own = self.address == Some(from);
        self.proven |= own;
        own
    }

    /// Whether the session still works for it.
    pub fn is_open(&self) -> bool {
        matches!(self.state, MemberState::Receiving | MemberState::Finishing)
    }

    /// Whether nothing that it says counts but that it completed.
    pub(in crate::sender) fn is_unserved(&self) -> bool {
        matches!(self.state, MemberState::Slow { .. } | MemberState::Aside)
    }

    /// Takes the counts of a status report; gives the packets received and lost
    /// since the one before.
    pub(in crate::sender) fn note_counts(&mut self, status: &Status) -> (u64, u64) {
        self.lost = status.lost;
        self.leaves_verified = status.leaves_verified;
        self.socket_drops = status.socket_drops;
        self.loss.report(status.received, status.lost)
    }

    /// Whether the session works for it, or will.
    fn is_awaited(&self) -> bool {
        self.is_open() || self.state == MemberState::Aside
    }
}

/// All receivers, by node id and by key. What is asked every turn of the
/// sender's loop is counted when it changes: there may be thousands.
#[derive(Debug, Default)]
pub struct Roster {
    members: Vec<Member>,
    by_node: BTreeMap<u32, usize>,
    by_key: BTreeMap<PublicKey, usize>,
    heard: usize,
    open: usize,
    welcomes_due: usize,
    /// Nobody stalls before this.
    stall_at: Time,
    /// Who has its turn by unicast: nobody else is served then.
    alone: Option<usize>,
}

impl Roster {
    /// A roster that expects these receivers, by name and key.
    pub fn expecting(expected: impl IntoIterator<Item = (String, PublicKey)>) -> Roster {
        let mut roster = Roster::default();
        for (name, key) in expected {
            roster.by_key.entry(key).or_insert_with(|| {
                roster.members.push(Member::new(key, name, true));
                roster.members.len() - 1
            });
        }
        roster
    }

    /// Every receiver.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Receivers heard so far.
    pub fn heard(&self) -> usize {
        self.heard
    }

    /// Receivers that the session still works for.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Who is served alone, by unicast, now that the others have ended.
    pub(in crate::sender) fn alone(&self) -> Option<usize> {
        self.alone
    }

    /// Whether what this member says steers the session.
    pub(in crate::sender) fn is_served(&self, at: usize) -> bool {
        let turn = self.alone.is_none_or(|alone| alone == at);
        turn && !self.members[at].is_unserved()
    }

    /// Nobody is left to be served together: gives the next one that was set
    /// aside its turn. `positions` are those of the lanes.
    pub(in crate::sender) fn serve_next_alone(
        &mut self,
        positions: Vec<u64>,
    ) -> Option<&mut Member> {
        let mut members = self.members.iter();
        self.alone = members.position(|member| member.state == MemberState::Aside);
        let at = self.alone?;
        self.set_state(at, MemberState::Receiving);
        let member = &mut self.members[at];
        member.unicast = true;
        member.loss.begin_anew();
        member.turn = Some(positions.clone());
        member.read = positions;
        Some(member)
    }

    /// Whether every receiver of the roster has been heard.
    pub(in crate::sender) fn all_heard(&self) -> bool {
        self.heard == self.members.len()
    }

    pub(in crate::sender) fn set_state(&mut self, at: usize, state: MemberState) {
        let member = &mut self.members[at];
        let was_open = member.is_open();
        self.heard += usize::from(member.state == MemberState::Expected);
        member.state = state;
        match (was_open, member.is_open()) {
            (false, true) => self.open += 1,
            (true, false) => self.open -= 1,
            _ => {}
        }
    }

    /// Forgets which leaves receivers said they lack: from now on everybody is
    /// served by what it asks for.
    pub(in crate::sender) fn forget_missing(&mut self) {
        self.members.iter_mut().for_each(|m| m.missing = None);
    }

    /// Whether a registration waits to be confirmed.
    pub(in crate::sender) fn has_welcomes_due(&self) -> bool {
        self.welcomes_due > 0
    }

    /// Takes up to `count` receivers whose registration is to be confirmed.
    pub(in crate::sender) fn take_welcomes(
        &mut self,
        count: usize,
    ) -> impl Iterator<Item = &Member> {
        let due = self.welcomes_due.min(count);
        self.welcomes_due -= due;
        let waiting = self.members.iter_mut().filter(|m| m.welcome_due);
        waiting.take(due).map(|member| {
            member.welcome_due = false;
            &*member
        })
    }

    /// The receiver at this place.
    pub(in crate::sender) fn member_mut(&mut self, at: usize) -> &mut Member {
        &mut self.members[at]
    }

    /// The receiver with this node id.
    pub(in crate::sender) fn by_node(&mut self, node: u32) -> Option<(usize, &mut Member)> {
        let at = *self.by_node.get(&node)?;
        Some((at, self.members.get_mut(at)?))
    }

    /// Enters a registration; gives the member, and whether it is new to this
    /// session. `None`: the roster is full.
    pub(in crate::sender) fn register(
        &mut self,
        now: Time,
        from: SocketAddr,
        key: PublicKey,
        register: Register,
        positions: &[u64],
    ) -> Option<(&mut Member, bool)> {
        let at = match self.by_key.get(&key) {
            Some(&at) => at,
            None if self.members.len() >= ROSTER_MAX => return None,
            None => {
                self.members
                    .push(Member::new(key, register.name.clone(), false));
                self.by_key.insert(key, self.members.len() - 1);
                self.members.len() - 1
            }
        };
        // A registration that somebody replays must not turn the feedback of a
        // receiver that is alive away.
        let member = &mut self.members[at];
        let moved = member.address.is_some_and(|address| address != from);
        if moved && member.is_awaited() && now.since(member.heard) < ADDRESS_HOLD {
            member.rival.get_or_insert(from);
            return None;
        }
        let node = self.free_node(register.node, at, &key);
        self.by_node.insert(node, at);
        let fresh = self.members[at].state == MemberState::Expected;
        let restarted = self.members[at].is_awaited() && self.members[at].address != Some(from);
        if fresh || restarted || self.members[at].state == MemberState::Stalled {
            // Who comes while another has its turn gets one of its own.
            let aside = self.alone.is_some_and(|alone| alone != at);
            let state = match self.members[at].state {
                MemberState::Aside => MemberState::Aside,
                _ if aside => MemberState::Aside,
                _ => MemberState::Receiving,
            };
            self.set_state(at, state);
            let member = &mut self.members[at];
            if moved {
                // Another process: it counts from zero.
                (member.loss, member.lost) = (LossEstimate::default(), 0);
                member.socket_drops = 0;
                (member.proven, member.rival) = (false, None);
            }
            member.read = positions.to_vec();
            member.missing = register.missing;
        }
        self.stall_at = Time::ZERO;
        self.welcomes_due += usize::from(!self.members[at].welcome_due);
        let member = &mut self.members[at];
        member.node = node;
        member.address = Some(from);
        member.heard = now;
        member.buffer_packets = register.buffer_packets;
        member.welcome_due = true;
        Some((member, fresh))
    }

    /// The node id that `at` wants, unless another key has it.
    fn free_node(&self, wanted: u32, at: usize, key: &PublicKey) -> u32 {
        let mut node = wanted;
        let mut salt = u32::from_be_bytes([
            key.as_bytes()[8],
            key.as_bytes()[9],
            key.as_bytes()[10],
            key.as_bytes()[11],
        ]);
        loop {
            let taken = self.by_node.get(&node).is_some_and(|&holder| holder != at);
            if !taken && node != 0 && node != u32::MAX {
                return node;
            }
            node = node.wrapping_add(salt | 1);
            salt = salt.rotate_left(5).wrapping_add(1);
        }
    }

    /// Enters a completion or a failure; gives the member's place if that was
    /// news.
    pub(in crate::sender) fn complete(
        &mut self,
        now: Time,
        key: &PublicKey,
        complete: Complete,
    ) -> Option<usize> {
        let &at = self.by_key.get(key)?;
        let member = &mut self.members[at];
        member.heard = now;
        if member.completed_at.is_some() {
            return None;
        }
        member.completed_at = Some(now);
        member.lost = complete.figures.lost_symbols;
        member.figures = complete.figures;
        let state = match complete.error {
            None => MemberState::Complete,
            Some(error) => MemberState::Failed(error),
        };
        self.set_state(at, state);
        Some(at)
    }

    /// Marks receivers that said nothing for `timeout` as stalled.
    pub(in crate::sender) fn stall(&mut self, now: Time, timeout: Duration) {
        if now < self.stall_at {
            return;
        }
        self.stall_at = Time::NEVER;
        for at in 0..self.members.len() {
            if !self.members[at].is_awaited() {
                continue;
            }
            let stalls = self.members[at].heard + timeout;
            if stalls <= now {
                self.set_state(at, MemberState::Stalled);
            } else {
                self.stall_at = self.stall_at.min(stalls);
            }
        }
    }

    /// The activity that a receiver reports.
    pub(in crate::sender) fn note_activity(member: &mut Member, activity: Activity) {
        if member.is_open() && activity == Activity::Finishing {
            member.state = MemberState::Finishing;
        }
    }
}
