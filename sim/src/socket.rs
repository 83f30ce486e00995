//! A receiver's socket buffer and the CPU that empties it.

use std::collections::VecDeque;

/// Packets wait in the buffer until the CPU has time; what comes when it is
/// full is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    capacity: usize,
    cost_ns: u64,
    free_at: u64,
    /// When each waiting packet is taken out.
    taken_at: VecDeque<u64>,
    pub dropped: u32,
    pub depth_max: usize,
}

impl Socket {
    /// A buffer of `capacity` packets; `packets_per_s` of 0 is without limit.
    pub(crate) fn new(capacity: u32, packets_per_s: u64) -> Socket {
        Socket {
            capacity: capacity as usize,
            cost_ns: 1_000_000_000u64.checked_div(packets_per_s).unwrap_or(0),
            free_at: 0,
            taken_at: VecDeque::new(),
            dropped: 0,
            depth_max: 0,
        }
    }

    /// The process takes nothing before `until`.
    pub(crate) fn hold(&mut self, until: u64) {
        self.free_at = self.free_at.max(until);
    }

    /// A packet arrives: when it is processed, or `None` if it is dropped.
    #[inline]
    pub(crate) fn accept(&mut self, arrival: u64) -> Option<u64> {
        if self.free_at <= arrival && self.cost_ns == 0 {
            return Some(arrival);
        }
        while self.taken_at.front().is_some_and(|&at| at <= arrival) {
            self.taken_at.pop_front();
        }
        if self.taken_at.len() >= self.capacity {
            self.dropped += 1;
            return None;
        }
        let taken = self.free_at.max(arrival);
        self.free_at = taken + self.cost_ns;
        self.taken_at.push_back(taken);
        self.depth_max = self.depth_max.max(self.taken_at.len());
        Some(taken)
    }

    /// The process starts again, with an empty buffer.
    pub(crate) fn reset(&mut self) {
        self.taken_at.clear();
        self.free_at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_drops_what_its_buffer_does_not_hold() {
        let mut socket = Socket::new(100, 1_000);
        let taken = (0..1_000u64)
            .filter_map(|n| socket.accept(n * 1_000))
            .count();
        assert!((100..=102).contains(&taken), "{taken}");
        assert_eq!(socket.dropped as usize, 1_000 - taken);
        assert_eq!(socket.accept(10_000_000_000), Some(10_000_000_000));
    }

    #[test]
    fn a_fast_reader_takes_everything_at_once() {
        let mut socket = Socket::new(64, 0);
        assert!((0..1_000).all(|n| socket.accept(n) == Some(n)));
        socket.hold(2_000);
        assert_eq!(socket.accept(1_500), Some(2_000));
    }
}
