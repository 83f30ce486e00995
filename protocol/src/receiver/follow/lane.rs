//! What a receiver sees of one of the sender's transmit lanes.
//!
//! Every lane numbers its packets on its own, so a gap in the numbers is a
//! loss (or a reordering, which takes the loss back), and the last number says
//! how far the receiver has read.
//!
//! The numbers have 16 bits and come from the network. A long step is believed when
//! block and symbol say that the lane has gone on, or when the next train goes on
//! from it (as RFC 3550 appendix A.1 does); a number that nothing follows is a
//! stray, and counts as nothing.

/// Steps up to this are believed at once.
const NEAR: u16 = 64;
/// And those up to this, of what a slow port lets through, where none may follow
/// another; but not within so many trains of a number that is further.
const STEP_MAX: u16 = 3_000;
const CALM: u16 = 64;
/// So much longer a step may be than block and symbol say: repairs come in between.
const BETWEEN_MAX: u64 = 64;
/// Numbers no further back than this are late ones.
const LATE_MAX: u16 = 4_096;

/// A train that was not believed.
#[derive(Debug, Clone, Copy)]
struct Stray {
    /// The number after its last.
    next: u16,
    count: u16,
}

/// Sequence and position of one lane.
#[derive(Debug, Clone, Default)]
pub(in crate::receiver) struct LaneView {
    last: Option<u16>,
    /// Whether something has gone on from the first number: it may be a stranger's.
    begun: bool,
    /// The last two trains of strays: a stranger's may come between two of the lane's.
    strays: [Option<Stray>; 2],
    /// Trains until a number that is far off is forgotten.
    stormy: u16,
    /// Losses so far, and where the lane was led away from, with those up to there.
    lost: i64,
    left: Option<(u16, i64)>,
    /// Place, in the order of first transmissions, of the newest packet of those.
    place: u64,
    /// Block of the newest first transmission, to notice when the lane goes on.
    pub first: Option<(u16, u32)>,
    /// Block of the newest repair.
    pub repair: Option<(u16, u32)>,
    /// First transmissions of the lane's blocks below this have passed.
    pub passed: u32,
}

impl LaneView {
    /// Takes the numbers of `count` packets, one at least, that follow each other, from
    /// `sequence` on; gives how many of them are new. `place`: where the first is in
    /// the order of first transmissions, if it is one.
    pub(in crate::receiver) fn steps(
        &mut self,
        sequence: u16,
        count: u16,
        place: Option<u64>,
    ) -> u64 {
        let further = place.and_then(|place| place.checked_sub(self.place));
        let mut received = u64::from(self.step(sequence, further));
        if self.last == Some(sequence) {
            // The others of the train go on from it.
            let others = count - 1;
            self.last = Some(sequence.wrapping_add(others));
            self.begun |= others > 0;
            received += u64::from(others);
        } else if received == 0 {
            let next = sequence.wrapping_add(count);
            self.strays = [Some(Stray { next, count }), self.strays[0]];
        } else {
            for by in 1..count {
                received += u64::from(self.step(sequence.wrapping_add(by), further));
            }
        }
        if let Some(place) = place.filter(|_| received > 0) {
            self.place = self.place.max(place + u64::from(count) - 1);
        }
        received
    }

    /// Whether the packet is new; else it is a stray, or was here before. `further`: by
    /// how many places it is beyond the newest.
    fn step(&mut self, sequence: u16, further: Option<u64>) -> bool {
        let Some(last) = self.last else {
            self.last = Some(sequence);
            return true;
        };
        self.stormy = self.stormy.saturating_sub(1);
        let ahead = sequence.wrapping_sub(last);
        let behind = last.wrapping_sub(sequence);
        let agrees =
            further.is_some_and(|by| by > 0 && by.abs_diff(ahead.into()) <= by / 2 + BETWEEN_MAX);
        let near = ahead <= NEAR || (ahead <= STEP_MAX && self.stormy == 0);
        match self.followed(sequence) {
            _ if ahead == 0 => return false,
            _ if near || agrees => self.go_on(sequence, i64::from(ahead) - 1),
            _ if behind <= LATE_MAX => self.lost -= 1,
            // Nothing that came before was the lane's: it begins here.
            Some(_) if !self.begun => self.go_on(sequence, 0),
            Some(stray) => self.jump(sequence, ahead as i16, stray.count),
            None => {
                if ahead > STEP_MAX {
                    self.stormy = CALM;
                }
                return false;
            }
        }
        true
    }

    /// The lane goes on somewhere else; what it follows, of `count` packets, was counted
    /// as nothing. Where it comes back to the place that it was led away from, nothing
    /// counts that was lost between.
    fn jump(&mut self, sequence: u16, step: i16, count: u16) {
        let back = self.left.take_if(|(last, _)| {
            let gone = sequence.wrapping_sub(*last) as i16;
            gone.unsigned_abs() <= LATE_MAX
        });
        match back {
            Some((_, lost)) => self.go_on(sequence, lost - self.lost),
            None => {
                self.left = self.left.or(self.last.map(|last| (last, self.lost)));
                self.go_on(sequence, i64::from(step) - 1 - i64::from(count));
            }
        }
    }

    fn followed(&self, sequence: u16) -> Option<Stray> {
        let mut strays = self.strays.into_iter().flatten();
        strays.find(|stray| stray.next == sequence)
    }

    fn go_on(&mut self, sequence: u16, lost: i64) {
        self.last = Some(sequence);
        self.begun = true;
        self.strays = [None; 2];
        self.lost += lost;
    }

    /// Packets lost so far; below zero while a stray number is ahead of the lane's.
    pub(in crate::receiver) fn lost(&self) -> i64 {
        self.lost
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

    /// How many are new, and how many more are lost.
    fn take(lane: &mut LaneView, sequence: u16, count: u16, place: Option<u64>) -> (u64, i64) {
        let before = lane.lost();
        let received = lane.steps(sequence, count, place);
        (received, lane.lost() - before)
    }

    #[test]
    fn gaps_are_losses_and_late_packets_take_them_back() {
        let mut lane = LaneView::default();
        assert_eq!(take(&mut lane, 65_534, 1, None), (1, 0));
        assert_eq!(take(&mut lane, 1, 1, None), (1, 2));
        assert_eq!(take(&mut lane, 0, 1, None), (1, -1));
        assert_eq!(take(&mut lane, 2, 1, None), (1, 0));
        assert_eq!(lane.sequence(), 2);
        assert_eq!(take(&mut lane, 5, 3, None), (3, 2));
        assert_eq!(lane.sequence(), 7);
        assert_eq!(take(&mut lane, 7, 1, None), (0, 0), "the same again");
    }

    /// A4: a gap of more than half the numbers counted as no loss at all.
    #[test]
    fn forty_thousand_packets_missing_in_a_row_are_counted() {
        let mut by_place = LaneView::default();
        by_place.steps(100, 1, Some(1_000));
        assert_eq!(take(&mut by_place, 40_101, 1, Some(41_001)), (1, 40_000));
        let mut by_the_next = LaneView::default();
        by_the_next.steps(99, 2, None);
        assert_eq!(take(&mut by_the_next, 30_101, 3, None), (0, 0));
        assert_eq!(take(&mut by_the_next, 30_104, 1, None), (1, 30_000));
        assert_eq!(by_the_next.sequence(), 30_104);
    }

    /// A device that came late heard a forged number first: it counted all up to the
    /// lane's as lost.
    #[test]
    fn a_lane_begins_where_its_numbers_go_on() {
        for first in [20_000, 60_000] {
            let mut lane = LaneView::default();
            lane.steps(first, 1, None);
            assert_eq!(take(&mut lane, 41_000, 20, None), (0, 0));
            assert_eq!(take(&mut lane, 41_020, 1, None), (1, 0));
            assert_eq!(take(&mut lane, 41_023, 1, None), (1, 2));
        }
    }

    /// S13: garbage made the count of losses thousands of times what was sent.
    #[test]
    fn numbers_that_nothing_follows_count_as_nothing() {
        let mut lane = LaneView::default();
        let mut random = crate::random::Random::new(1);
        let mut received = 0;
        for sequence in 0..50_000u32 {
            let garbage = random.next_u64() as u16;
            for sequence in [garbage, sequence as u16] {
                received += lane.steps(sequence, 1, None);
            }
        }
        assert!((49_000..60_000).contains(&received), "{received}");
        assert!(lane.lost().abs() < 60_000, "{}", lane.lost());
        // Numbers of trains follow each other, true ones or not.
        for sequence in (50_000..1_050_000u32).step_by(20) {
            let garbage = random.next_u64() as u16;
            for sequence in [garbage, sequence as u16] {
                lane.steps(sequence, 20, None);
            }
        }
        assert!(lane.lost().abs() < 500_000, "{}", lane.lost());
    }
}
