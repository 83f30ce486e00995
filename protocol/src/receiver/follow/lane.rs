//! What a receiver sees of one of the sender's transmit lanes.
//!
//! Every lane numbers its packets on its own, so a gap in the numbers is a
//! loss (or a reordering, which takes the loss back), and the last number says
//! how far the receiver has read.

/// Sequence and position of one lane.
#[derive(Debug, Clone, Default)]
pub(in crate::receiver) struct LaneView {
    last: Option<u16>,
    /// Block of the newest first transmission, to notice when the lane goes on.
    pub(in crate::receiver) first: Option<(u16, u32)>,
    /// Block of the newest repair.
    pub(in crate::receiver) repair: Option<(u16, u32)>,
    /// First transmissions of the lane's blocks below this have passed.
    pub(in crate::receiver) passed: u32,
}

impl LaneView {
    /// Takes the sequence of a packet; gives how many were lost before it,
    /// negative if it is one that was counted as lost.
    pub(in crate::receiver) fn step(&mut self, sequence: u16) -> i32 {
        let Some(last) = self.last else {
            self.last = Some(sequence);
            return 0;
        };
        let ahead = sequence.wrapping_sub(last);
        match ahead {
            0 => 0,
            1..0x8000 => {
                self.last = Some(sequence);
                i32::from(ahead) - 1
            }
            _ => -1,
        }
    }

    /// The same of `count` packets that follow each other.
    pub(in crate::receiver) fn steps(&mut self, sequence: u16, count: u16) -> i32 {
        let each = (0..count).map(|by| self.step(sequence.wrapping_add(by)));
        each.sum()
    }

    /// The newest sequence seen.
    pub(in crate::receiver) fn sequence(&self) -> u16 {
        self.last.unwrap_or(0)
    }

    /// Whether anything was seen of the lane.
    pub(in crate::receiver) fn is_heard(&self) -> bool {
        self.last.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_losses_and_late_packets_take_them_back() {
        let mut lane = LaneView::default();
        assert_eq!(lane.step(65_534), 0);
        assert_eq!(lane.step(1), 2);
        assert_eq!(lane.step(0), -1);
        assert_eq!(lane.step(2), 0);
        assert_eq!(lane.sequence(), 2);
        assert_eq!(lane.steps(5, 3), 2);
        assert_eq!(lane.sequence(), 7);
    }
}
