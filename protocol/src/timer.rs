//! Deadlines of a receiver, in one table. Each is kept as a start and a span in
//! terms of the group's parameters, and becomes a time only when it is looked at:
//! so a packet that says that the group is huge or far away moves a deadline only
//! until the next packet says otherwise.

use crate::limits::{BACKOFF_FACTOR, GRTT_MAX, GRTT_MIN, ROSTER_MAX};
use crate::random::Random;
use crate::time::{Duration, Time};
use crate::wire::{SenderWord, quantize};

/// Group parameters that the sender writes in every header, within what this
/// profile allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Group round-trip time.
    pub grtt: Duration,
    /// Estimate of the number of receivers.
    pub size: u32,
    /// Backoff factor K.
    pub backoff: u8,
}

impl Group {
    /// What a header says of its group; what is beyond the limits is cut.
    pub fn of(word: SenderWord) -> Group {
        let grtt = Duration::from_nanos(quantize::grtt_to_ns(word.grtt));
        Group {
            grtt: grtt.clamp(GRTT_MIN, GRTT_MAX),
            size: quantize::gsize_to(word.gsize).min(ROSTER_MAX as u32),
            backoff: word.backoff.min(BACKOFF_FACTOR),
        }
    }

    /// Time over which a group spreads answers that everybody gives: 50 µs for
    /// each receiver, at least one round trip.
    pub fn spread(&self) -> Duration {
        self.grtt.max(Duration::from_micros(50) * self.size)
    }

    /// The longest backoff, K·GRTT.
    pub fn backoff_max(&self) -> Duration {
        self.grtt * u32::from(self.backoff)
    }

    /// How long a request may take to be answered, (K+2)·GRTT.
    pub fn hold_off(&self) -> Duration {
        self.grtt * (u32::from(self.backoff) + 2)
    }
}

/// What a span is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Round trips of the group.
    Grtt,
    /// [`Group::spread`]s.
    Spread,
    /// Milliseconds for each receiver of the group.
    Size,
}

/// A span: a part of `times` the scale, or of `least` if that is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    least: Duration,
    times: u32,
    scale: Scale,
    /// In 65,536ths.
    part: u32,
}

const WHOLE: u32 = 1 << 16;

impl Wait {
    /// Just this long.
    pub fn fixed(span: Duration) -> Wait {
        Wait::at_least(span, 0, Scale::Grtt)
    }

    /// `times` the scale, and `least` at least.
    pub fn at_least(least: Duration, times: u32, scale: Scale) -> Wait {
        Wait {
            least,
            times,
            scale,
            part: WHOLE,
        }
    }

    /// A random part of the scale: what everybody of the group draws.
    pub fn within(scale: Scale, random: &mut Random) -> Wait {
        Wait::at_least(Duration::ZERO, 1, scale).times_between(0.0, 1.0, random)
    }

    /// This span times a random number of the range.
    pub fn times_between(self, low: f64, high: f64, random: &mut Random) -> Wait {
        let factor = low + (high - low) * random.unit();
        Wait {
            part: (f64::from(self.part) * factor) as u32,
            ..self
        }
    }

    /// How long it is for this group.
    pub fn of(&self, group: Group) -> Duration {
        let unit = match self.scale {
            Scale::Grtt => group.grtt,
            Scale::Spread => group.spread(),
            Scale::Size => Duration::from_millis(1) * group.size,
        };
        let span = self.least.max(unit * self.times).as_nanos();
        Duration::from_nanos(((span * u128::from(self.part)) >> 16) as u64)
    }
}

/// What a receiver waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// To register, and to register again.
    Register,
    /// To report how it is doing.
    Report,
    /// To tell its completion unasked.
    Complete,
    /// To answer the sender that asks for its completion.
    Answer,
    /// To go, although nobody has said that the session is over.
    Linger,
    /// To say which leaves it lacks.
    Page,
}

const TIMERS: usize = Timer::Page as usize + 1;

/// The deadlines that are set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timers([Option<(Time, Wait)>; TIMERS]);

impl Timers {
    /// Sets a deadline, in place of the one that was set.
    pub fn set(&mut self, timer: Timer, start: Time, wait: Wait) {
        self.0[timer as usize] = Some((start, wait));
    }

    /// Sets a deadline unless an earlier one is set.
    pub fn set_sooner(&mut self, timer: Timer, start: Time, wait: Wait, group: Group) {
        if self
            .due(timer, group)
            .is_none_or(|due| start + wait.of(group) < due)
        {
            self.set(timer, start, wait);
        }
    }

    /// Takes a deadline away.
    pub fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// When it is due, as the group is now.
    pub fn due(&self, timer: Timer, group: Group) -> Option<Time> {
        self.0[timer as usize].map(|(start, wait)| start + wait.of(group))
    }

    /// Whether it is due. It stays set.
    pub fn is_due(&self, timer: Timer, now: Time, group: Group) -> bool {
        self.due(timer, group).is_some_and(|due| due <= now)
    }

    /// Whether it was due; then it is taken away.
    pub fn take_due(&mut self, timer: Timer, now: Time, group: Group) -> bool {
        let due = self.is_due(timer, now, group);
        if due {
            self.clear(timer);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Group = Group {
        grtt: Duration::from_millis(1),
        size: 4,
        backoff: 1,
    };

    fn extreme() -> Group {
        Group::of(SenderWord {
            instance_id: 0,
            grtt: 255,
            backoff: 15,
            gsize: 15,
        })
    }

    #[test]
    fn the_most_extreme_header_is_cut_to_what_the_profile_allows() {
        let group = extreme();
        assert_eq!(group.grtt, GRTT_MAX);
        assert_eq!(
            (group.size, group.backoff),
            (ROSTER_MAX as u32, BACKOFF_FACTOR)
        );
        assert_eq!(group.spread(), GRTT_MAX);
    }

    /// A2: one forged header put every deadline into the next hour.
    #[test]
    fn a_deadline_that_a_header_moved_moves_back_with_the_next() {
        let mut timers = Timers::default();
        let mut random = Random::new(1);
        timers.set(
            Timer::Register,
            Time::ZERO,
            Wait::within(Scale::Spread, &mut random),
        );
        let usual = timers.due(Timer::Register, SMALL).unwrap();
        assert!(usual <= Time::ZERO + SMALL.spread());
        assert!(timers.due(Timer::Register, extreme()).unwrap() > usual);
        assert_eq!(timers.due(Timer::Register, SMALL), Some(usual));
    }

    #[test]
    fn the_sooner_deadline_stays_and_a_taken_one_is_gone() {
        let mut timers = Timers::default();
        let wait = |ms| Wait::fixed(Duration::from_millis(ms));
        timers.set_sooner(Timer::Answer, Time::ZERO, wait(5), SMALL);
        timers.set_sooner(Timer::Answer, Time::ZERO, wait(9), SMALL);
        let at = |ms: u64| Time::from_ns(ms * 1_000_000);
        assert!(!timers.take_due(Timer::Answer, at(4), SMALL));
        assert!(timers.take_due(Timer::Answer, at(5), SMALL));
        assert!(!timers.take_due(Timer::Answer, at(6), SMALL));
    }
}
