//! How far ahead of the slowest reader the lanes may be, in a small group.
//!
//! Multicast has no back-pressure. In a group of up to 32 every receiver tells
//! the sequence that it has read of each lane, and no lane goes further than a
//! window beyond the least of them: what is under way then always fits into
//! the socket buffers.

use crate::limits::{WINDOW_SILENCE, WINDOWED_GROUP_MAX};
use crate::sender::{Member, Membership};
use crate::time::{Duration, Time};
use alloc::vec;
use alloc::vec::Vec;

/// A lane that stood still for this long (and two round trips) has nothing
/// under way any more.
const SETTLED: Duration = Duration::from_millis(30);

/// A receiver of a large group that said nothing for this long holds nothing.
const LARGE_GROUP_SILENCE: Duration = Duration::from_millis(100);

/// The position of every lane, and when it last moved.
#[derive(Debug)]
pub(in crate::sender) struct Window {
    packets: u64,
    positions: Vec<(u64, Time)>,
}

impl Window {
    pub(in crate::sender) fn new(lanes: u8, packets: u16) -> Window {
        let packets = u64::from(packets);
        Window {
            packets,
            positions: vec![(0, Time::ZERO); usize::from(lanes)],
        }
    }

    pub(in crate::sender) fn note_positions(&mut self, now: Time, positions: &[u64]) {
        for (known, &new) in self.positions.iter_mut().zip(positions) {
            if known.0 != new {
                *known = (new, now);
            }
        }
    }

    /// What `lane` has numbered last is still to leave.
    pub(in crate::sender) fn note_held_up(&mut self, now: Time, lane: usize) {
        if let Some((_, moved)) = self.positions.get_mut(lane) {
            *moved = now;
        }
    }

    pub(in crate::sender) fn positions(&self) -> Vec<u64> {
        self.positions
            .iter()
            .map(|&(position, _)| position)
            .collect()
    }

    /// The position of `lane` at which a receiver is that reports `sequence`.
    /// `None`: the lane has not been there.
    pub(in crate::sender) fn told(&self, lane: usize, sequence: u16) -> Option<u64> {
        let (position, _) = self.positions[lane];
        // Positions count packets: the newest has the sequence position - 1.
        let behind = (position as u16).wrapping_sub(1).wrapping_sub(sequence);
        (behind < 0x8000).then(|| position.saturating_sub(u64::from(behind)))
    }

    /// The position that a receiver has read of `lane`, from the one it has told
    /// and from what it had read before.
    ///
    /// A receiver that reports the same sequence twice while the lane stands
    /// still has lost the rest: for it, nothing is under way.
    pub(in crate::sender) fn read(
        &self,
        now: Time,
        grtt: Duration,
        lane: usize,
        told: Option<u64>,
        before: u64,
    ) -> u64 {
        let (position, moved) = self.positions[lane];
        let read = told.unwrap_or(before);
        let settled = now.since(moved) >= grtt * 2 + SETTLED;
        if settled && read <= before {
            position
        } else {
            read.max(before)
        }
    }

    /// The position that `lane` must not go beyond.
    pub(in crate::sender) fn limit(&self, now: Time, lane: usize, members: &Membership) -> u64 {
        if members.open() > WINDOWED_GROUP_MAX {
            return u64::MAX;
        }
        // The last few of a large group report too seldom to be waited for long.
        let silence = if members.heard() > WINDOWED_GROUP_MAX {
            LARGE_GROUP_SILENCE
        } else {
            WINDOW_SILENCE
        };
        let holding = members
            .weighing()
            .filter(|m| now.since(m.reported) < silence);
        let limits = holding.map(|m| m.read.get(lane).copied().unwrap_or(0) + self.packets_of(m));
        limits.min().unwrap_or(u64::MAX)
    }

    /// Whether a lane can hardly go on for what this member has not read, and
    /// whether somebody else has read at least half a window more of it.
    pub(in crate::sender) fn holds(&self, members: &Membership, at: usize) -> (bool, bool) {
        if members.open() > WINDOWED_GROUP_MAX {
            return (false, false);
        }
        let own = &members.members()[at];
        let packets = self.packets_of(own);
        let read = |member: &Member, lane: usize| member.read.get(lane).copied().unwrap_or(0);
        let held = (0..)
            .zip(&self.positions)
            .find(|&(lane, &(position, _))| position + packets / 4 >= read(own, lane) + packets);
        let behind = held.is_some_and(|(lane, _)| {
            let furthest = members.weighing().map(|member| read(member, lane)).max();
            furthest.is_some_and(|furthest| furthest >= read(own, lane) + packets / 2)
        });
        (held.is_some(), behind)
    }

    fn packets_of(&self, member: &Member) -> u64 {
        self.packets.min(u64::from(member.buffer_packets).max(64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRTT: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Time {
        Time::from_ns((1_000 + ms) * 1_000_000)
    }

    #[test]
    fn a_sequence_is_unwrapped_against_the_position() {
        let mut window = Window::new(1, 3072);
        window.note_positions(at(0), &[200_000]);
        let last = (199_999u64 % 65_536) as u16;
        assert_eq!(window.told(0, last), Some(200_000));
        assert_eq!(window.told(0, last - 3_000), Some(197_000));
        assert_eq!(window.told(0, last.wrapping_add(1)), None);
    }

    #[test]
    fn positions_never_go_back() {
        let mut window = Window::new(1, 3072);
        window.note_positions(at(0), &[5_000]);
        assert_eq!(
            window.read(at(0), GRTT, 0, window.told(0, 100), 4_000),
            4_000
        );
    }

    #[test]
    fn losing_the_whole_window_does_not_stop_the_sender_for_ever() {
        let mut window = Window::new(1, 3072);
        window.note_positions(at(0), &[5_000]);
        assert_eq!(
            window.read(at(10), GRTT, 0, window.told(0, 1_999), 2_000),
            2_000
        );
        assert_eq!(
            window.read(at(40), GRTT, 0, window.told(0, 1_999), 2_000),
            5_000
        );
        assert_eq!(window.read(at(40), GRTT, 0, None, 0), 5_000);
    }
}
