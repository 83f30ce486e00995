//! The group round-trip time: the greatest that any receiver measures, held
//! for a while and let down slowly (RFC 5740 §5.5.1, RFC 5401 §3.2.6).

use crate::limits::{GRTT_INITIAL, GRTT_MAX, GRTT_MIN};
use crate::time::{Duration, Time};

/// How long a peak counts before the estimate may fall.
const PEAK_HOLD: Duration = Duration::from_millis(500);

/// The least round trip is that of the last one to two of these.
const LEAST_HOLD: Duration = Duration::from_millis(250);

/// Follows the greatest round trip of the group.
#[derive(Debug)]
pub struct GrttEstimate {
    current: Duration,
    /// Of the time before this, and of this.
    least: [Duration; 2],
    least_until: Time,
    peak: Duration,
    peak_until: Time,
    measured: bool,
}

impl Default for GrttEstimate {
    fn default() -> Self {
        GrttEstimate {
            current: GRTT_INITIAL,
            least: [GRTT_MAX; 2],
            least_until: Time::ZERO,
            peak: Duration::ZERO,
            peak_until: Time::ZERO,
            measured: false,
        }
    }
}

impl GrttEstimate {
    /// Takes one receiver's round trip.
    pub fn sample(&mut self, now: Time, round_trip: Duration) {
        let sample = round_trip.clamp(GRTT_MIN, GRTT_MAX);
        if now >= self.least_until {
            self.least = [self.least[1], GRTT_MAX];
            self.least_until = now + LEAST_HOLD;
        }
        self.least[1] = self.least[1].min(sample);
        if !self.measured {
            self.measured = true;
            (self.current, self.peak, self.peak_until) = (sample, sample, now + PEAK_HOLD);
            return;
        }
        self.peak = self.peak.max(sample);
        if sample > self.current {
            self.current = (self.current * 3 + sample) / 4;
        }
        if now >= self.peak_until {
            if self.peak < self.current {
                self.current = (self.current + self.peak) / 2;
            }
            (self.peak, self.peak_until) = (Duration::ZERO, now + PEAK_HOLD);
        }
    }

    /// Whether any receiver has answered a probe.
    pub fn is_measured(&self) -> bool {
        self.measured
    }

    /// The least that anybody measured lately: the path's own, with the queues
    /// that stand there, without what a busy receiver adds.
    pub fn least(&self) -> Duration {
        self.least[0].min(self.least[1]).min(self.current)
    }

    /// The value that goes into every header.
    pub fn current(&self) -> Duration {
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_replaces_the_guess_and_the_floor_holds() {
        let mut grtt = GrttEstimate::default();
        grtt.sample(Time::ZERO, Duration::from_micros(80));
        assert_eq!(grtt.current(), GRTT_MIN);
    }

    #[test]
    fn it_rises_with_the_slowest_and_falls_only_after_the_peak_has_passed() {
        let mut grtt = GrttEstimate::default();
        let mut now = Time::ZERO;
        grtt.sample(now, Duration::from_millis(2));
        for _ in 0..20 {
            grtt.sample(now, Duration::from_millis(100));
        }
        let high = grtt.current();
        assert!(high > Duration::from_millis(95));
        grtt.sample(now, Duration::from_millis(2));
        assert_eq!(grtt.current(), high);
        for _ in 0..20 {
            now = now + PEAK_HOLD;
            grtt.sample(now, Duration::from_millis(2));
        }
        assert!(grtt.current() < Duration::from_millis(4));
    }
}
