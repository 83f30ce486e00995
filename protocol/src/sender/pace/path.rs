//! What has been learnt of the path to the slowest receiver: what it loses by
//! itself, what it carries when it is full, and whether others use it.

use super::observed::Sample;
use crate::time::{Duration, Time};

/// A path that carries less than this part of what it carried before is taken for
/// shared with others, until it was seen to carry as much again so many times.
const SAME: f64 = 0.95;
const SHARED_MAX: u32 = 8;
/// Losses below this part of what a clean path carried are not of its making.
const EARLY: f64 = 0.95;
/// The queue of a cheap switch.
const QUEUE_BITS: f64 = 128.0 * 1024.0 * 8.0;
/// A queue that stays so full while there is room for more than we send is kept so
/// by others.
const STANDING: f64 = 0.25;
/// Round trips are longer by this on a busy machine, which does not slow TCP down
/// in the same way.
pub(in crate::sender) const TRIP_MAX_S: f64 = 1e-3;
/// How often it is noticed that a path carries what it did.
const STEADY_MAX: u32 = 4;
/// Part of a new figure of what a steady path carries that is believed.
const NEWS: f64 = 0.25;
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
pub(in crate::sender) struct Path {
    /// Part of the packets that is lost whatever the rate.
    pub usual: f64,
    /// The most that it surely carried for us when it was full, in bits a second.
    peak: u64,
    peak_at: Time,
    /// Full, it carried less than that: so often is it now taken for shared.
    shared: u32,
    /// Full, it carried the same again, so often in a row, and ever nobody else's.
    steady: u32,
    /// What it carries for us, about.
    level: u64,
    /// The least round trip lately, and since its queue was surely empty; `None`:
    /// it never was, and the path is taken for a short one.
    least_trip: Duration,
    base_trip: Option<Duration>,
}

impl Path {
    /// The most that it carried for us when it was full; 0: it never was.
    pub(in crate::sender) fn peak(&self) -> u64 {
        self.peak
    }

    /// Whether somebody else is on it.
    pub(in crate::sender) fn is_shared(&self) -> bool {
        self.shared > 0
    }

    /// How often in a row it carried the same when it was full, all of it ours; so
    /// much less often need it be filled again to see.
    pub(in crate::sender) fn steady(&self) -> u32 {
        self.steady
    }

    /// What it carries, if it did so again and again.
    pub(in crate::sender) fn steady_level(&self) -> Option<u64> {
        (self.steady > 0).then_some(self.level)
    }

    /// Whether it was full before, and lost nothing else.
    pub(in crate::sender) fn is_known_clean(&self) -> bool {
        self.peak > 0 && self.usual < CLEAN
    }

    /// The least round trip lately was this.
    pub(in crate::sender) fn hear(&mut self, least_trip: Duration) {
        self.least_trip = least_trip;
        self.base_trip = self.base_trip.map(|base| base.min(least_trip));
    }

    /// Half of what it carries for us is left to others: its queue empties.
    pub(in crate::sender) fn yielded(&mut self) {
        self.base_trip.get_or_insert(Duration::MAX);
    }

    /// How long a queue takes to drain that is full, as a cheap switch has it.
    pub(in crate::sender) fn full_queue_s(&self) -> f64 {
        QUEUE_BITS / self.peak.max(1) as f64
    }

    /// Whether a queue stands in it. Where queues are shorter than what a busy
    /// machine adds to round trips, that cannot be told.
    pub(in crate::sender) fn has_standing_queue(&self) -> bool {
        let base = self.base_trip.unwrap_or_default();
        let waits_s = self.least_trip.saturating_sub(base).as_secs_f64();
        let queue_s = STANDING * self.full_queue_s();
        self.peak > 0 && queue_s > TRIP_MAX_S && waits_s > queue_s
    }

    /// Others were seen on it: losses may have been theirs, too.
    pub(in crate::sender) fn share(&mut self) {
        self.usual = 0.0;
        self.shared = (self.shared + 2).min(SHARED_MAX);
        self.unsettle();
    }

    /// Whether these losses came before it was full, as far as is known of it.
    pub(in crate::sender) fn is_early(&self, sample: &Sample) -> bool {
        self.is_known_clean() && (sample.allowed_bps as f64) < EARLY * self.peak as f64
    }

    /// Whether chance alone would hardly lose so many: it is the worst receiver's
    /// sample, and one is looked at many times a second.
    pub(in crate::sender) fn is_unusual(&self, sample: &Sample) -> bool {
        let expected = self.usual * sample.packets as f64;
        let deviations = match (
            self.is_known_clean(),
            self.is_shared() || self.is_early(sample),
        ) {
            (true, true) => DEVIATIONS_SHARED,
            (true, false) | (false, true) => DEVIATIONS_CLEAN,
            (false, false) => DEVIATIONS,
        };
        let beyond = sample.loss * sample.packets as f64 - expected - deviations;
        beyond > 0.0 && beyond * beyond > deviations * deviations * expected
    }

    /// Whether it carries much more than it did again and again.
    pub(in crate::sender) fn is_outgrown(&self, sample: &Sample) -> bool {
        self.steady > 0 && sample.delivered_bps > self.level + self.level / 4
    }

    /// What it carries is no longer known.
    pub(in crate::sender) fn unsettle(&mut self) {
        self.steady = 0;
    }

    /// Takes the losses of a usual sample in.
    pub(in crate::sender) fn learn(&mut self, sample: &Sample) {
        let usual = self.usual + (sample.loss - self.usual) / 16.0;
        // A path that was clean at its limit is not to blame for losses, and none
        // is beyond its limit or beside others.
        let within = self.peak == 0 || sample.allowed_bps <= self.level;
        if within && !self.is_known_clean() && !self.is_shared() || usual < self.usual {
            self.usual = usual;
        }
    }

    /// Whether losses of this part went away.
    pub(in crate::sender) fn is_free_of(&self, loss: f64, after: &Sample) -> bool {
        after.loss <= self.usual + (loss - self.usual) / 3.0
    }

    /// The losses of both samples are its own.
    pub(in crate::sender) fn take_for_own(&mut self, one: &Sample, other: &Sample) {
        let lost = |sample: &Sample| sample.loss * sample.packets as f64;
        let packets = (one.packets + other.packets) as f64;
        self.usual = (lost(one) + lost(other)) / packets;
    }

    /// It was full while it carried `sample`, which is not known better than over
    /// a time of `jitter`, and `others` were seen on it; gives what it carries for
    /// us.
    pub(in crate::sender) fn filled(
        &mut self,
        now: Time,
        sample: &Sample,
        jitter: Duration,
        others: bool,
    ) -> u64 {
        let most = sample.delivered_bps;
        if !sample.is_of_rate() {
            // How much arrives from a sender that is held up tells nothing.
            self.shared = (self.shared + 2 * u32::from(others)).min(SHARED_MAX);
            if let (Some(level), false) = (self.steady_level(), others) {
                return level;
            }
            return most.max((sample.allowed_bps as f64 * HELD_UP) as u64);
        }
        let age = now.since(self.peak_at).min(PEAK_FADES);
        let faded = self.peak as f64 * (1.0 - age.as_secs_f64() / PEAK_FADES.as_secs_f64());
        let unsure = jitter.as_secs_f64() / sample.span.as_secs_f64().max(1e-9);
        let same = SAME - unsure.min(SAME);
        self.shared = match most as f64 / faded {
            _ if self.peak == 0 => 0,
            _ if self.is_early(sample) => (self.shared + 2).min(SHARED_MAX),
            ratio if ratio >= same => self.shared.saturating_sub(1),
            _ => (self.shared + 1 + u32::from(others)).min(SHARED_MAX),
        };
        let surely = most as f64 * (1.0 - unsure.min(1.0));
        self.peak = surely.max(faded) as u64;
        self.peak_at = now;
        let early = sample.allowed_bps < self.level;
        self.settle(most, same, early || others)
    }

    /// Takes in that it carried `most`, which is the level if it is this part of
    /// it at least, and that `others` may have filled it; gives the level.
    fn settle(&mut self, most: u64, same: f64, others: bool) -> u64 {
        let news = most as f64 - self.level as f64;
        if self.is_shared() || others || news.abs() > (1.0 - same) * self.level as f64 {
            self.steady = 0;
            self.level = most;
        } else {
            self.steady = (self.steady + 1).min(STEADY_MAX);
            self.level = (self.level as f64 + NEWS * news) as u64;
        }
        self.level
    }
}
