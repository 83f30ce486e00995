//! `--rate auto`: the rate that the slowest receiver sustains, found from what
//! receivers report.
//!
//! ```text
//!             loss above the usual                 it went away: congestion
//! Climbing ─────────────────────────▶ Trying ────────────────────────────────▶ Near
//!    ▲                                  │  ▲                                     │
//!    └──────────────────────────────────┘  └─────────────────────────────────────┘
//!      it stayed: not of our making             loss above the usual
//! ```
//!
//! Losses look the same whether a queue was full or a cable is bad, but only the
//! first kind depends on the rate. So when losses rise, the rate is cut a little
//! for as long as it takes to see whether they go away. If they stay in
//! proportion they are the path's own and become the usual; if hardly less
//! arrives than before, what arrives is what the path can carry. After
//! congestion the rate returns to where that was by a cubic curve, quickly and
//! then hesitantly, as TCP CUBIC does (RFC 9438 §4.2). If the path carried more
//! before, somebody else is on it now: then every loss halves the rate without a
//! trial, and it grows by a packet a round trip, as TCP's does. As long as it
//! carries the same, it is asked less and less often whether it carries more.
//! Drops of a receiver's own socket are told apart by the receiver and halve the
//! rate at once.

use super::observed::{Observed, RateReport, Sample};
use super::path::{Path, TRIP_MAX_S};
use crate::limits::GRTT_INITIAL;
use crate::time::{Duration, Time};
use core::ops::Range;

const START_BPS: u64 = 250_000_000;
/// What ports and fast machines carry: the first steps go from one to the next, by
/// no more than this factor, which finds the usual ones in half as many steps as
/// doubling and sends little more than that beyond them.
const PORTS_BPS: [u64; 5] = [
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
    25_000_000_000,
    100_000_000_000,
];
const STEP_MAX: u64 = 4;
/// What the rate for one receiver alone never goes below: a full packet takes an
/// eighth of a second.
const ALONE_FLOOR_BPS: u64 = 100_000;
/// What is left of the rate while losses are looked into.
const CUT: f64 = 0.85;
/// The same of what the path carries, where that is known well.
const CUT_STEADY: f64 = 0.95;
/// Losses from which more than that is cut at once.
const HEAVY: f64 = 0.3;
/// From a cut until the old rate is reached again: so many round trips, as a TCP
/// flow of some hundred packets takes, and so long at least.
const RETURN_TRIPS: u32 = 50;
const RETURN_MIN: Duration = Duration::from_millis(50);
/// On a path that carries the same again and again, twice as long each time, up
/// to this.
const RETURN_SELDOM: Duration = Duration::from_secs(1);
/// Part of what a path carried that it is used to for a while: its queue stays
/// empty, and others find room to begin in.
const HEADROOM: f64 = 0.985;
/// What is left of the rate after a loss where others use the path, too, and
/// packets more each round trip from then on: as TCP has it (RFC 5681 §3.1), and
/// less, since losses that a report tells of together halve it only once.
const YIELD: f64 = 0.5;
const YIELDING_GROWTH: f64 = 0.65;
/// Between these parts of a return the queue is empty, if it is ours alone.
const DRAINED: Range<f64> = 0.2..0.7;
/// Part of what the path carried that it grows by, at most, until it is known
/// whether that was too much.
const OVERSHOOT: f64 = 0.15;
/// How unevenly reports travel: by half a round trip, and by no more.
const JITTER_MAX: Duration = Duration::from_millis(2);
/// A round lasts this long at least.
const ROUND: Duration = Duration::from_millis(2);
/// Packets of a round at least, and those after which the count begins anew.
const ROUND_PACKETS: u64 = 200;
const NEAR_PACKETS: u64 = 1_000;
/// Losses beyond the usual that a verdict rests on, and most packets for it.
const VERDICT_LOSSES: f64 = 20.0;
const VERDICT_PACKETS_MAX: u64 = 20_000;
/// Reports of socket drops within this time belong to one event.
const EVENT: Duration = Duration::from_millis(50);

/// What the sender knows of the paths to the group.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Group round-trip time now: as long, reports are about an earlier rate.
    pub grtt: Duration,
    /// The least round trip lately: what TCP has beside us.
    pub least_trip: Duration,
    /// A full packet in L2.
    pub packet_bits: u64,
}

/// The rate at which lanes send, all together, in bits of L2 a second.
#[derive(Debug, Clone)]
pub struct RateControl {
    bps: u64,
    floor: u64,
    ceiling: u64,
    auto: bool,
    search: Search,
    observed: Observed,
    link: Link,
    path: Path,
    /// Reports until then are about packets sent at an earlier rate.
    hold_until: Time,
    event_until: Time,
}

#[derive(Debug, Clone)]
enum Search {
    /// Nothing was lost yet.
    Climbing,
    /// From `low` back to `most` and beyond.
    Near {
        low: u64,
        most: u64,
        since: Time,
        back_in: Duration,
        /// Bits a second that the rate grows by each second at least.
        slope: f64,
    },
    Trying(Trial),
}

impl Search {
    /// On from `bps`, as if that had just been reached again.
    fn onward(now: Time, bps: u64) -> Search {
        Search::Near {
            low: bps - bps / 8,
            most: bps,
            since: now - RETURN_MIN,
            back_in: RETURN_MIN,
            slope: 0.0,
        }
    }
}

/// A cut that shows what losses depend on.
#[derive(Debug, Clone, Copy)]
struct Trial {
    before: Sample,
    /// Part of what was sent before that may be sent now.
    cut: f64,
    /// The rate before.
    bps: u64,
    /// Whether a limit was known then.
    near: bool,
}

impl RateControl {
    /// What [`RateControl::auto`] never goes below unless told otherwise, in
    /// bits of L2 a second.
    pub const FLOOR_BPS: u64 = 10_000_000;
    /// The ceiling where the speed of the interface is not known.
    pub const CEILING_BPS: u64 = 100_000_000_000;

    /// Always `bps`.
    pub fn fixed(bps: u64) -> RateControl {
        RateControl {
            auto: false,
            ..RateControl::auto(bps, Some(bps), bps)
        }
    }

    /// Finds its own rate from `floor` up to `ceiling` (the speed of the
    /// interface); a lower ceiling is the floor.
    pub fn auto(floor: u64, ceiling: Option<u64>, start: u64) -> RateControl {
        let ceiling = ceiling.unwrap_or(Self::CEILING_BPS).max(1);
        let floor = floor.clamp(1, ceiling);
        RateControl {
            bps: start.clamp(floor, ceiling),
            floor,
            ceiling,
            auto: true,
            search: Search::Climbing,
            observed: Observed::default(),
            link: Link {
                grtt: GRTT_INITIAL,
                least_trip: GRTT_INITIAL,
                packet_bits: 0,
            },
            path: Path::default(),
            hold_until: Time::ZERO,
            event_until: Time::ZERO,
        }
    }

    /// The same search begun anew for one receiver alone, which sustained `bps`
    /// beside others: there is no floor that it must sustain.
    pub(in crate::sender) fn alone(&self, bps: u64) -> RateControl {
        if !self.auto {
            return self.clone();
        }
        let floor = self.floor.min(ALONE_FLOOR_BPS);
        RateControl::auto(floor, Some(self.ceiling), bps)
    }

    /// The moderate rate that [`RateControl::auto`] is meant to start with.
    pub fn start() -> u64 {
        START_BPS
    }

    /// The rate that it does not go below; `None`: it is fixed.
    pub fn floor(&self) -> Option<u64> {
        self.auto.then_some(self.floor)
    }

    /// The rate now.
    pub fn bps(&self) -> u64 {
        self.bps
    }

    /// A receiver reported.
    pub fn report(&mut self, now: Time, link: &Link, report: &RateReport) {
        if !self.auto {
            return;
        }
        self.link = *link;
        self.path.hear(link.least_trip);
        if report.socket_dropped {
            return self.overrun(now);
        }
        if now < self.hold_until {
            return;
        }
        self.observed.add(now, report, self.bps);
        self.follow_curve(now);
        let packets = match &self.search {
            Search::Trying(trial) => self.verdict_packets(&trial.before),
            _ => ROUND_PACKETS,
        };
        let bps = self.bps;
        let Some(sample) = self.observed.sample(packets, ROUND, link.packet_bits, bps) else {
            return;
        };
        match self.search.clone() {
            Search::Trying(trial) => self.judge(now, &trial, &sample),
            _ if self.path.is_unusual(&sample) => self.look_into(now, sample),
            Search::Near { .. } if sample.packets < NEAR_PACKETS => {}
            search => {
                self.path.learn(&sample);
                self.observed.clear();
                if self.path.is_outgrown(&sample) {
                    self.path.unsettle();
                    self.search = Search::onward(now, bps);
                } else if matches!(search, Search::Climbing) && self.is_used(&sample) {
                    self.set(step_up(bps));
                    self.hold_until = now + link.grtt + link.grtt / 2;
                }
            }
        }
    }

    /// A socket was full: whoever reads it is too slow for this rate.
    fn overrun(&mut self, now: Time) {
        if now < self.event_until {
            return;
        }
        let most = self.bps - self.bps / 4;
        self.path.unsettle();
        self.set(self.bps / 2);
        self.return_to(now, most);
        self.event_until = now + EVENT;
        self.renew(now);
    }

    /// Whether the lanes send about as much as they may: raising a rate that is
    /// not used finds nothing out.
    fn is_used(&self, sample: &Sample) -> bool {
        sample.sent_bps >= self.bps - self.bps / 4
    }

    fn look_into(&mut self, now: Time, before: Sample) {
        if self.path.is_shared() || self.path.is_early(&before) {
            // TCP does not ask twice either, and would take what is freed meanwhile.
            self.congested(now, &before, true);
            return self.renew(now);
        }
        let near = matches!(self.search, Search::Near { .. });
        let bps = self.bps;
        let sent = bps.min(before.sent_bps.max(1)) as f64;
        let less = match (before.loss, self.path.steady_level()) {
            // What arrives is about what the path can carry, or it is very bad.
            (HEAVY.., _) => sent * CUT * (1.0 - before.loss),
            (_, Some(level)) => bps.min(level) as f64 * CUT_STEADY,
            _ => sent * CUT,
        };
        self.set(less as u64);
        self.search = Search::Trying(Trial {
            before,
            cut: less / sent,
            bps,
            near,
        });
        self.renew(now);
    }

    /// Decides what the losses before the cut were.
    fn judge(&mut self, now: Time, trial: &Trial, after: &Sample) {
        let Trial {
            before,
            cut,
            bps,
            near,
        } = trial;
        let went_away = self.path.is_free_of(before.loss, after);
        // Losses of the path's own leave what arrives in proportion to the rate.
        let kept = after.delivered_bps as f64 / before.delivered_bps.max(1) as f64;
        let carried =
            before.is_of_rate() && after.is_of_rate() && (kept - *cut).abs() > (1.0 - *cut) / 2.0;
        if went_away {
            self.path.usual = self.path.usual.min(after.loss);
            self.congested(now, before, false);
        } else if carried {
            self.path.usual = 0.0;
            self.set((after.delivered_bps as f64 * CUT) as u64);
            self.return_to(now, after.delivered_bps);
        } else if self.path.is_known_clean() {
            // It has carried as much without: others are on it.
            self.congested(now, before, true);
        } else {
            self.path.take_for_own(before, after);
            self.set(*bps);
            self.search = match near {
                false => Search::Climbing,
                true => Search::onward(now, *bps),
            };
        }
        self.renew(now);
    }

    /// The path was full while it carried `sample`; `others` take part of it.
    fn congested(&mut self, now: Time, sample: &Sample, others: bool) {
        let jitter = (self.link.grtt / 2).min(JITTER_MAX);
        let most = self.path.filled(now, sample, jitter, others);
        if self.path.is_shared() {
            let left = (self.bps as f64 * (1.0 - sample.loss) * YIELD) as u64;
            self.set(left);
            self.path.yielded();
            self.return_to(now, left);
        } else {
            self.return_to(now, (most as f64 * HEADROOM) as u64);
        }
    }

    fn return_to(&mut self, now: Time, most: u64) {
        let back_in = (self.link.grtt * RETURN_TRIPS)
            .max(RETURN_MIN)
            .max(self.round_time(most) * 2);
        let seldom = (back_in * (1 << self.path.steady())).min(RETURN_SELDOM);
        let back_in = back_in.max(seldom);
        self.search = Search::Near {
            low: self.bps.min(most),
            most,
            since: now,
            back_in,
            slope: match self.path.is_shared() {
                true => {
                    let trip = self.link.grtt.as_secs_f64();
                    let trip = trip.min(self.path.full_queue_s().max(TRIP_MAX_S));
                    let lag = self.lag().as_secs_f64();
                    let tcp = YIELDING_GROWTH * self.link.packet_bits as f64 / (trip * trip);
                    tcp.min(OVERSHOOT * self.path.peak() as f64 / lag)
                }
                false => 0.0,
            },
        };
    }

    /// Packets that would lose enough again, if nothing had changed.
    fn verdict_packets(&self, before: &Sample) -> u64 {
        let beyond =
            (before.loss - self.path.usual).max(VERDICT_LOSSES / VERDICT_PACKETS_MAX as f64);
        ((VERDICT_LOSSES / beyond) as u64).max(ROUND_PACKETS)
    }

    /// How long the packets take that losses are counted over.
    fn round_time(&self, bps: u64) -> Duration {
        let ns = u128::from(NEAR_PACKETS * self.link.packet_bits) * 1_000_000_000
            / u128::from(bps.max(1));
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// Until reports are about the rate that is set now.
    fn lag(&self) -> Duration {
        self.link.grtt * 2 + ROUND
    }

    /// What is heard from now on is about another rate.
    fn renew(&mut self, now: Time) {
        self.observed.clear();
        self.hold_until = now + self.lag();
    }

    fn follow_curve(&mut self, now: Time) {
        if let Search::Near {
            low,
            most,
            since,
            back_in,
            slope,
        } = self.search
        {
            let seconds = now.since(since).as_secs_f64();
            let part = seconds / back_in.as_secs_f64();
            if DRAINED.contains(&part) && !self.path.is_shared() && self.path.has_standing_queue() {
                self.path.share();
            }
            let x = part - 1.0;
            let depth = (most - low).max(most / 16) as f64;
            let curve = most as f64 + depth * x * x * x;
            self.set(curve.max(low as f64 + slope * seconds) as u64);
        }
    }

    fn set(&mut self, bps: u64) {
        self.bps = bps.clamp(self.floor, self.ceiling);
    }
}

/// The next rate to try after `bps` went well.
fn step_up(bps: u64) -> u64 {
    let most = bps.saturating_mul(STEP_MAX);
    let port = PORTS_BPS.into_iter().find(|&port| port > bps);
    port.map_or(most, |port| port.min(most))
}

#[cfg(test)]
mod tests;
