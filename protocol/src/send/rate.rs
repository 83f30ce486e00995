//! `--rate auto`, first form: start moderate, double while nothing is dropped,
//! halve when a receiver's own socket drops, then grow slowly.
//!
//! Losses of the network do not lower the rate: they look the same on a lossy
//! path at any rate, and the window of a small group already ties the sender to
//! the slowest reader.

use crate::time::{Duration, Time};

const START_BPS: u64 = 1_000_000_000;
const FLOOR_BPS: u64 = 10_000_000;
const CEILING_BPS: u64 = 100_000_000_000;
const GROW_EVERY: Duration = Duration::from_millis(5);
/// Reports of drops within this time belong to one event.
const EVENT: Duration = Duration::from_millis(50);

/// The rate at which lanes send, all together, in bits of L2 a second.
#[derive(Debug, Clone)]
pub struct RateControl {
    bps: u64,
    ceiling: u64,
    auto: bool,
    careful: bool,
    next_growth: Time,
    event_until: Time,
}

impl RateControl {
    /// Always `bps`.
    pub fn fixed(bps: u64) -> RateControl {
        RateControl {
            auto: false,
            ..RateControl::auto(Some(bps), bps)
        }
    }

    /// Finds its own rate, up to `ceiling` (the speed of the interface).
    pub fn auto(ceiling: Option<u64>, start: u64) -> RateControl {
        let ceiling = ceiling.unwrap_or(CEILING_BPS).max(1);
        RateControl {
            bps: start.min(ceiling),
            ceiling,
            auto: true,
            careful: false,
            next_growth: Time::ZERO,
            event_until: Time::ZERO,
        }
    }

    /// The moderate rate that [`RateControl::auto`] is meant to start with.
    pub fn start() -> u64 {
        START_BPS
    }

    /// The rate now.
    pub fn bps(&self) -> u64 {
        self.bps
    }

    /// A receiver reported that it read on, with or without new drops.
    pub fn report(&mut self, now: Time, dropped: bool) {
        if !self.auto {
            return;
        }
        if dropped {
            if now >= self.event_until {
                self.bps = (self.bps / 2).max(FLOOR_BPS.min(self.ceiling));
                self.careful = true;
                self.event_until = now + EVENT;
                self.next_growth = now + EVENT;
            }
        } else if now >= self.next_growth {
            let grown = if self.careful {
                self.bps + self.bps / 50
            } else {
                self.bps * 2
            };
            self.bps = grown.min(self.ceiling);
            self.next_growth = now + GROW_EVERY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_until_the_first_drop_and_then_grows_slowly() {
        let mut rate = RateControl::auto(None, 1_000_000_000);
        let mut now = Time::ZERO;
        for _ in 0..3 {
            rate.report(now, false);
            now = now + GROW_EVERY;
        }
        assert_eq!(rate.bps(), 8_000_000_000);
        rate.report(now, true);
        rate.report(now, true);
        assert_eq!(rate.bps(), 4_000_000_000, "one event halves once");
        now = now + EVENT;
        rate.report(now, false);
        assert_eq!(rate.bps(), 4_080_000_000);
    }

    #[test]
    fn it_never_leaves_floor_and_ceiling() {
        let mut rate = RateControl::auto(Some(2_000_000_000), 1_000_000_000);
        let mut now = Time::ZERO;
        for _ in 0..50 {
            now = now + EVENT;
            rate.report(now, false);
        }
        assert_eq!(rate.bps(), 2_000_000_000);
        for _ in 0..50 {
            now = now + EVENT;
            rate.report(now, true);
        }
        assert_eq!(rate.bps(), FLOOR_BPS);
    }

    #[test]
    fn a_fixed_rate_stays() {
        let mut rate = RateControl::fixed(5);
        rate.report(Time::from_ns(1), true);
        assert_eq!(rate.bps(), 5);
    }
}
