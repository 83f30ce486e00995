//! Stragglers: receivers that hold the session below the floor of its rate while
//! others would take more.
//!
//! Reports are looked at in stretches of a quarter of a second. In a slow one a
//! receiver got less than the floor although it was sent as much, or it read so
//! slowly that the window held the lanes. Whoever has slow stretches and no good
//! one for two seconds is a straggler, if
//!
//! - it is the slowest: the next may do better without it;
//! - somebody else keeps up, and gets clearly more: if nobody does, it is the
//!   path of all;
//! - it does not lose the same part at twice the rate: that is a bad cable.

use crate::time::{Duration, Time};
use alloc::vec::Vec;

/// What becomes of stragglers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSlow {
    /// The group waits for them.
    #[default]
    Wait,
    /// They are given up.
    Drop,
    /// They are set aside, and served one by one by unicast after the others.
    Unicast,
}

const STRETCH: Duration = Duration::from_millis(250);
/// A stretch in which a receiver paused proves no more than this.
const STRETCH_COUNTS_MAX: Duration = Duration::from_millis(500);
/// Slow stretches of so long make a straggler.
const PATIENCE: Duration = Duration::from_secs(2);
/// Part of the floor, or of what another gets, that is as good as all of it:
/// repairs and losses of the path's own take some.
const SUSTAINED: f64 = 0.75;
/// Parts that arrive are the same if one is no more than this times the other.
const ALIKE: f64 = 1.33;
/// Packets that say something of the part that is lost.
const PROOF_PACKETS: u64 = 100;

/// What a receiver reported since its last report.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::sender) struct PaceReport {
    /// Its place on the roster.
    pub member: usize,
    /// DATA packets received and lost.
    pub received: u64,
    pub lost: u64,
    /// The window lets a lane go no further for what it has not read.
    pub holds: bool,
    /// Somebody else has read much further.
    pub behind: bool,
}

/// Everybody's pace against the floor.
#[derive(Debug)]
pub(in crate::sender) struct Stragglers {
    /// The floor, in packets a second; `None`: nobody is too slow.
    floor: Option<f64>,
    packet_bits: u64,
    since: Time,
    paces: Vec<Pace>,
}

/// Packets over a time.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    received: u64,
    lost: u64,
    time: Duration,
}

/// Slow stretches without a good one between them.
#[derive(Debug, Clone, Copy)]
struct Spell {
    since: Time,
    count: Count,
    proven: Duration,
    /// Time in between that says nothing.
    idle: Duration,
    /// The window was held all the time, and others were ahead.
    held: bool,
    behind: bool,
}

/// What was reported since `since`.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    since: Time,
    count: Count,
    /// In every report.
    held: bool,
    behind: bool,
}

#[derive(Debug, Clone, Default)]
struct Pace {
    stretch: Option<Stretch>,
    heard: Time,
    spell: Option<Spell>,
    /// When it last sustained the floor, and the packets a second that it got.
    kept_up: Option<(Time, f64)>,
    /// The stretch in which most was sent to it.
    fastest: Option<Count>,
    over: bool,
}

impl Count {
    fn add(&mut self, more: &Count) {
        self.received = self.received.saturating_add(more.received);
        self.lost = self.lost.saturating_add(more.lost);
        self.time += more.time;
    }

    fn packets(&self) -> u64 {
        self.received.saturating_add(self.lost)
    }

    fn sent_pps(&self) -> f64 {
        self.packets() as f64 / self.time.as_secs_f64().max(1e-3)
    }

    fn received_pps(&self) -> f64 {
        self.received as f64 / self.time.as_secs_f64().max(1e-3)
    }

    fn part_received(&self) -> f64 {
        self.received as f64 / self.packets().max(1) as f64
    }
}

impl Stretch {
    fn new(since: Time) -> Stretch {
        Stretch {
            since,
            count: Count::default(),
            held: true,
            behind: true,
        }
    }

    fn add(&mut self, now: Time, report: &PaceReport) {
        self.count.received = self.count.received.saturating_add(report.received);
        self.count.lost = self.count.lost.saturating_add(report.lost);
        self.count.time = now.since(self.since);
        self.held &= report.holds;
        self.behind &= report.behind;
    }
}

impl Stragglers {
    pub(in crate::sender) fn new(floor_bps: Option<u64>, packet_bits: u64) -> Stragglers {
        Stragglers {
            floor: floor_bps.map(|bps| bps as f64 / packet_bits as f64),
            packet_bits,
            since: Time::ZERO,
            paces: Vec::new(),
        }
    }

    /// Forgets who was slow: from `now` on things are different. Who is done has
    /// kept up, and bad cables stay.
    pub(in crate::sender) fn begin(&mut self, now: Time) {
        self.since = now;
        for pace in self.paces.iter_mut().filter(|pace| !pace.over) {
            *pace = Pace {
                fastest: pace.fastest,
                ..Pace::default()
            };
        }
    }

    /// A receiver reported. If it is a straggler: what it sustains, in bits of L2
    /// a second.
    pub(in crate::sender) fn report(&mut self, now: Time, report: &PaceReport) -> Option<u64> {
        let floor = self.floor? * SUSTAINED;
        let since = self.since;
        let pace = self.pace_mut(report.member);
        pace.report(since, now, report, floor);
        let spell = pace.spell.filter(|spell| spell.proven >= PATIENCE)?;
        let straggles = self.is_slowest(now, report.member, &spell)
            && (spell.behind || self.somebody_keeps_up(report.member, &spell))
            && !self.paces[report.member].has_bad_cable();
        straggles.then(|| (spell.count.received_pps() * self.packet_bits as f64) as u64)
    }

    /// A receiver has completed; `whole`: it took the whole image in this
    /// session. Unless it was slow until then it has kept up, though it may never
    /// have reported.
    pub(in crate::sender) fn complete(&mut self, now: Time, member: usize, whole: bool) {
        let pace = self.pace_mut(member);
        pace.over = true;
        if whole && pace.spell.is_none() {
            pace.kept_up.get_or_insert((now, f64::INFINITY));
        }
    }

    /// Nobody waits for this receiver any more.
    pub(in crate::sender) fn forget(&mut self, member: usize) {
        *self.pace_mut(member) = Pace::default();
    }

    fn pace_mut(&mut self, member: usize) -> &mut Pace {
        if self.paces.len() <= member {
            self.paces.resize(member + 1, Pace::default());
        }
        &mut self.paces[member]
    }

    fn is_slowest(&self, now: Time, member: usize, spell: &Spell) -> bool {
        let mut others = (0..).zip(&self.paces).filter(|(at, _)| *at != member);
        others.all(|(_, pace)| {
            let silent = pace.over || now.since(pace.heard) >= PATIENCE;
            let faster = |other: Spell| other.count.received_pps() >= spell.count.received_pps();
            silent || pace.spell.is_none_or(faster)
        })
    }

    fn somebody_keeps_up(&self, member: usize, spell: &Spell) -> bool {
        let much = spell.count.received_pps() / SUSTAINED;
        let mut others = (0..).zip(&self.paces).filter(|(at, _)| *at != member);
        others.any(|(_, pace)| match pace.spell {
            None => pace
                .kept_up
                .is_some_and(|(at, pps)| pps >= much && (pace.over || at >= spell.since)),
            Some(slow) => slow.count.received_pps() >= much && pace.has_bad_cable(),
        })
    }
}

impl Pace {
    fn report(&mut self, started: Time, now: Time, report: &PaceReport, floor: f64) {
        self.heard = now;
        let stretch = self.stretch.get_or_insert(Stretch::new(started));
        stretch.add(now, report);
        if stretch.count.time >= STRETCH {
            let stretch = core::mem::replace(stretch, Stretch::new(now));
            self.close(now, &stretch, floor);
        }
    }

    /// Ends a stretch; `floor` is what must be received, in packets a second.
    fn close(&mut self, now: Time, stretch: &Stretch, floor: f64) {
        let count = stretch.count;
        let faster = |fastest: Count| 2.0 * count.sent_pps() >= fastest.sent_pps();
        if count.packets() >= PROOF_PACKETS && self.fastest.is_none_or(faster) {
            self.fastest = Some(count);
        }
        if count.received_pps() >= floor {
            (self.spell, self.kept_up) = (None, Some((now, count.received_pps())));
        } else if stretch.held || count.sent_pps() >= floor {
            let spell = self.spell.get_or_insert(Spell {
                since: stretch.since,
                count: Count::default(),
                proven: Duration::ZERO,
                idle: Duration::ZERO,
                held: true,
                behind: true,
            });
            spell.count.add(&count);
            spell.proven += count.time.min(STRETCH_COUNTS_MAX);
            spell.held &= stretch.held;
            spell.behind &= stretch.held && stretch.behind;
        } else if let Some(spell) = &mut self.spell {
            spell.idle += count.time;
            self.spell = self.spell.filter(|spell| spell.idle < PATIENCE);
        }
    }

    /// Whether it gets the same part of what it is sent at a much higher rate.
    fn has_bad_cable(&self) -> bool {
        let (Some(spell), Some(fastest)) = (&self.spell, &self.fastest) else {
            return false;
        };
        let (now, then) = (spell.count.part_received(), fastest.part_received());
        !spell.held
            && fastest.sent_pps() >= 2.0 * spell.count.sent_pps()
            && then <= now * ALIKE
            && now <= then * ALIKE
    }
}

#[cfg(test)]
mod tests;
