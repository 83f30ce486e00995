//! A token bucket for what strangers may make the sender do.

use crate::time::Time;

/// At most `burst` at once, `rate_per_s` in the long run.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    ns_each: u64,
    burst: u64,
    credit: u64,
    refilled: Time,
}

impl Budget {
    /// A full bucket; `rate_per_s` is 1 to 10^9.
    pub(crate) fn new(rate_per_s: u64, burst: u64) -> Budget {
        let ns_each = 1_000_000_000 / rate_per_s.clamp(1, 1_000_000_000);
        Budget {
            ns_each,
            burst,
            credit: burst,
            refilled: Time::ZERO,
        }
    }

    /// Takes one token; false if there is none.
    pub(crate) fn take(&mut self, now: Time) -> bool {
        let earned = now.since(self.refilled).as_nanos() as u64 / self.ns_each;
        if earned > 0 {
            self.credit = self.credit.saturating_add(earned).min(self.burst);
            self.refilled = now;
        }
        let Some(left) = self.credit.checked_sub(1) else {
            return false;
        };
        self.credit = left;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_passes_and_then_the_rate() {
        let mut budget = Budget::new(1_000, 5);
        let start = Time::from_ns(1_000_000_000);
        assert_eq!((0..10).filter(|_| budget.take(start)).count(), 5);
        let passed = (0..1_000u64)
            .filter(|us| budget.take(Time::from_ns(start.ns() + us * 10_000)))
            .count();
        assert!((9..=10).contains(&passed), "{passed} in 10 ms");
    }
}
