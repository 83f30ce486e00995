//! What has been learnt of the path to the slowest receiver: what it loses by
//! itself, what it carries when it is full, and whether others use it.

use super::observed::Sample;
use crate::time::{Duration, Time};

/// A path that carries less than this part of what it carried before is taken for
/// shared with others, until it was seen to carry as much again so many times.
const SAME: f64 = 0.95;
const SHARED_MAX: u32 = 8;
/// The most that was ever carried is forgotten over this time.
const PEAK_FADES: Duration = Duration::from_secs(30);
/// Losses beyond the expected are unusual from so many standard deviations, and
/// so many packets, on.
const DEVIATIONS: f64 = 6.0;
/// On a path that is usually cleaner than this, with its limit known, fewer will do.
const CLEAN: f64 = 1e-4;
const DEVIATIONS_CLEAN: f64 = 3.0;
/// Where others use such a path every loss counts, as it does for them.
const DEVIATIONS_SHARED: f64 = 1.0;
/// What a sender may have sent that was held up, as part of what it was allowed.
const HELD_UP: f64 = 0.85;

/// A path, as reports show it.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    /// Part of the packets that is lost whatever the rate.
    pub usual: f64,
    /// The most that it carried for us when it was full, in bits a second.
    peak: u64,
    peak_at: Time,
    /// Full, it carried less than that: so often is it now taken for shared.
    shared: u32,
}

impl Path {
    /// The most that it carried for us when it was full; 0: it never was.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }

    /// Whether somebody else is on it.
    pub(super) fn is_shared(&self) -> bool {
        self.shared > 0
    }

    /// Whether it was full before, and lost nothing else.
    pub(super) fn is_known_clean(&self) -> bool {
        self.peak > 0 && self.usual < CLEAN
    }

    /// Whether chance alone would hardly lose so many: it is the worst receiver's
    /// sample, and one is looked at many times a second.
    pub(super) fn is_unusual(&self, sample: &Sample) -> bool {
        let expected = self.usual * sample.packets as f64;
        let deviations = match (self.is_known_clean(), self.is_shared()) {
            (true, true) => DEVIATIONS_SHARED,
            (true, false) | (false, true) => DEVIATIONS_CLEAN,
            (false, false) => DEVIATIONS,
        };
        let beyond = sample.loss * sample.packets as f64 - expected - deviations;
        beyond > 0.0 && beyond * beyond > deviations * deviations * expected
    }

    /// Takes the losses of a usual sample in.
    pub(super) fn learn(&mut self, sample: &Sample) {
        let usual = self.usual + (sample.loss - self.usual) / 16.0;
        // A path that was clean at its limit is not to blame for losses.
        if !self.is_known_clean() || usual < self.usual {
            self.usual = usual;
        }
    }

    /// Whether losses of this part went away.
    pub(super) fn is_free_of(&self, loss: f64, after: &Sample) -> bool {
        after.loss <= self.usual + (loss - self.usual) / 3.0
    }

    /// The losses of both samples are its own.
    pub(super) fn take_for_own(&mut self, one: &Sample, other: &Sample) {
        let lost = |sample: &Sample| sample.loss * sample.packets as f64;
        let packets = (one.packets + other.packets) as f64;
        self.usual = (lost(one) + lost(other)) / packets;
    }

    /// It was full while it carried `sample`, and `others` were seen on it; gives
    /// what it carries for us.
    pub(super) fn filled(&mut self, now: Time, sample: &Sample, others: bool) -> u64 {
        let most = sample.delivered_bps;
        if !sample.is_of_rate() {
            // How much arrives from a sender that is held up tells nothing.
            self.shared = (self.shared + 2 * u32::from(others)).min(SHARED_MAX);
            return most.max((sample.allowed_bps as f64 * HELD_UP) as u64);
        }
        let age = now.since(self.peak_at).min(PEAK_FADES);
        let faded = self.peak as f64 * (1.0 - age.as_secs_f64() / PEAK_FADES.as_secs_f64());
        self.shared = match most as f64 / faded {
            _ if self.peak == 0 => 0,
            SAME.. => self.shared.saturating_sub(1),
            _ => (self.shared + 1 + u32::from(others)).min(SHARED_MAX),
        };
        self.peak = most.max(faded as u64);
        self.peak_at = now;
        most
    }
}
