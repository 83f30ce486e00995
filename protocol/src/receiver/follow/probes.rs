//! The probes by which the sender measures the round trip: anybody may forge one
//! or send an old one again, so the way here must have taken about as long as
//! that of others.

use crate::time::{Duration, Time};
use crate::wire::Timestamp;

/// A probe may be later than the promptest by so much: queues fill and empty.
const LATE_MAX: Duration = Duration::from_millis(100);
/// The promptest is that of the last one to two of these.
const HOLD: Duration = Duration::from_secs(1);

/// The newest probe that is believed.
#[derive(Debug)]
pub(in crate::receiver) struct Probes {
    newest: Option<(Timestamp, Time)>,
    /// The sender's clock less ours, as the promptest probe has it: of the time
    /// before `until`, and of that before it.
    ahead: [Option<i64>; 2],
    until: Time,
}

impl Default for Probes {
    fn default() -> Self {
        Probes {
            newest: None,
            ahead: [None; 2],
            until: Time::ZERO,
        }
    }
}

impl Probes {
    /// Takes a probe that came at `now`; whether it is the first.
    pub(in crate::receiver) fn take(&mut self, now: Time, stamp: Timestamp) -> bool {
        let ahead = (stamp.as_ns() as i64).wrapping_sub(now.since(Time::ZERO).as_nanos() as i64);
        if now >= self.until {
            let long = now >= self.until + HOLD;
            self.ahead = [self.ahead[1].filter(|_| !long), None];
            self.until = now + HOLD;
        }
        let most = self.ahead.iter().flatten().max();
        let late = most.is_some_and(|most| most.saturating_sub(ahead) > LATE_MAX.as_nanos() as i64);
        if late {
            return false;
        }
        self.ahead[1] = self.ahead[1].max(Some(ahead));
        self.newest.replace((stamp, now)).is_none()
    }

    /// Its time stamp plus the time that it was held here, so that the sender
    /// measures the path alone (RFC 5740 §4.3.1). Zero: none.
    pub(in crate::receiver) fn response(&self, now: Time) -> Timestamp {
        let Some((stamp, heard)) = self.newest else {
            return Timestamp::default();
        };
        Timestamp::from_ns(stamp.as_ns() + now.since(heard).as_nanos() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_ns(1_000_000_000 + ms * 1_000_000)
    }

    fn stamp(ms: u64) -> Timestamp {
        Timestamp::from_ns(77_000_000_000 + ms * 1_000_000)
    }

    /// A5: old probes sent again made the round trip as long as they were old.
    #[test]
    fn a_probe_that_was_sent_again_is_no_round_trip() {
        let mut probes = Probes::default();
        assert!(probes.take(at(10), stamp(0)));
        for ms in (20..5_000).step_by(10) {
            if ms % 200 == 0 {
                probes.take(at(ms), stamp(ms - 10));
            }
            probes.take(at(ms), stamp(ms / 5));
            let trip = stamp(ms).as_ns() - probes.response(at(ms)).as_ns();
            assert!(trip <= 110_000_000, "{trip} at {ms}");
        }
    }

    #[test]
    fn a_path_that_has_become_longer_is_followed() {
        let mut probes = Probes::default();
        probes.take(at(10), stamp(0));
        for ms in (1_000..3_200).step_by(200) {
            probes.take(at(ms), stamp(ms - 900));
        }
        assert_eq!(probes.response(at(3_000)), stamp(2_100));
    }

    #[test]
    fn a_clock_that_jumped_is_followed() {
        let mut probes = Probes::default();
        probes.take(at(10), stamp(0));
        probes.take(at(9_010), stamp(200));
        assert_eq!(probes.response(at(9_010)), stamp(200));
    }
}
