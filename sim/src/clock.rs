//! A node's own clock: it starts anywhere, drifts, and may jump ahead. It never
//! goes back, as `CLOCK_MONOTONIC` never does.

use linecast_protocol::time::Time;

/// Maps the time of the simulation to that of one node and back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    offset: u64,
    drift_ppm: i64,
}

impl Clock {
    pub(crate) fn new(offset_ns: u64, drift_ppm: i32) -> Clock {
        Clock {
            offset: offset_ns,
            drift_ppm: drift_ppm.into(),
        }
    }

    /// The clock jumps ahead.
    pub(crate) fn jump(&mut self, by_ns: u64) {
        self.offset += by_ns;
    }

    /// What the node's clock shows at `t`.
    #[inline]
    pub(crate) fn local(&self, t: u64) -> Time {
        let drifted = if self.drift_ppm == 0 {
            t
        } else {
            let error = i128::from(t) * i128::from(self.drift_ppm) / 1_000_000;
            t.saturating_add_signed(error as i64)
        };
        Time::from_ns(drifted + self.offset)
    }

    /// The first nanosecond at which the clock shows `time` or later.
    pub(crate) fn global(&self, time: Time) -> u64 {
        let Some(drifted) = time.ns().checked_sub(self.offset) else {
            return 0;
        };
        if self.drift_ppm == 0 || time == Time::NEVER {
            return drifted;
        }
        let scale = 1_000_000 + i128::from(self.drift_ppm);
        let mut t = (i128::from(drifted) * 1_000_000 / scale) as u64;
        while t > 0 && self.local(t - 1) >= time {
            t -= 1;
        }
        while self.local(t) < time {
            t += 1;
        }
        t
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_agree_for_every_drift() {
        for drift in [-500, -1, 0, 1, 500] {
            let clock = Clock::new(5_000_000_000, drift);
            for t in [0, 1, 999_999, 123_456_789_012] {
                let back = clock.global(clock.local(t));
                assert!(
                    back <= t && clock.local(back) == clock.local(t),
                    "{drift} {t}"
                );
            }
        }
    }
}
