//! `--rate auto`: the rate that the slowest receiver sustains, found from what
//! receivers report.
//!
//! ```text
//!             loss above the usual                 it went away: congestion
//! Doubling ─────────────────────────▶ Trying ────────────────────────────────▶ Near
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
//! then hesitantly, as TCP CUBIC does (RFC 9438 §4.2), so that both can live on
//! one path. Drops of a receiver's own socket are told apart by the receiver and
//! halve the rate at once.

use super::observed::{Observed, Sample};
use crate::time::{Duration, Time};

const START_BPS: u64 = 1_000_000_000;
const FLOOR_BPS: u64 = 10_000_000;
const CEILING_BPS: u64 = 100_000_000_000;
/// What is left of the rate while losses are looked into.
const CUT: f64 = 0.85;
/// From a cut until the old rate is reached again: so many round trips, as a TCP
/// flow of some hundred packets takes, and so long at least.
const RETURN_TRIPS: u32 = 50;
const RETURN_MIN: Duration = Duration::from_millis(50);
/// What is left of the rate to return to where others use the path, too.
const YIELD: f64 = 0.5;
/// Each congestion takes so large a part from the most that was ever carried.
const PEAK_FADES: u64 = 64;
/// A round lasts this long at least.
const ROUND: Duration = Duration::from_millis(2);
/// Packets of a round at least, and those after which the count begins anew.
const ROUND_PACKETS: u64 = 200;
const NEAR_PACKETS: u64 = 1_000;
/// Losses beyond the usual that a verdict rests on, and most packets for it.
const VERDICT_LOSSES: f64 = 20.0;
const VERDICT_PACKETS_MAX: u64 = 20_000;
/// Losses beyond the expected are unusual from so many standard deviations, and
/// so many packets, on.
const DEVIATIONS: f64 = 6.0;
/// Reports of socket drops within this time belong to one event.
const EVENT: Duration = Duration::from_millis(50);

/// What one receiver reported since its last report.
#[derive(Debug, Clone, Copy)]
pub struct RateReport {
    /// Its place on the roster.
    pub member: usize,
    /// DATA packets received.
    pub received: u64,
    /// DATA packets lost, on the way or in its socket.
    pub lost: u64,
    /// Whether its own socket dropped any.
    pub socket_dropped: bool,
}

/// The rate at which lanes send, all together, in bits of L2 a second.
#[derive(Debug, Clone)]
pub struct RateControl {
    bps: u64,
    ceiling: u64,
    auto: bool,
    search: Search,
    observed: Observed,
    packet_bits: u64,
    /// The most that the path carried for us when it was full.
    peak: u64,
    /// Part of the packets that is lost whatever the rate.
    usual: f64,
    /// Reports until then are about packets sent at an earlier rate.
    hold_until: Time,
    event_until: Time,
}

#[derive(Debug, Clone)]
enum Search {
    Doubling,
    /// From `low` back to `most` and beyond.
    Near {
        low: u64,
        most: u64,
        since: Time,
        back_in: Duration,
    },
    Trying {
        before: Sample,
        bps: u64,
        then: Option<u64>,
    },
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
            search: Search::Doubling,
            observed: Observed::default(),
            packet_bits: 0,
            peak: 0,
            usual: 0.0,
            hold_until: Time::ZERO,
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

    /// A receiver reported. `packet_bits` are those of a full packet in L2.
    pub fn report(&mut self, now: Time, grtt: Duration, packet_bits: u64, report: &RateReport) {
        if !self.auto {
            return;
        }
        self.packet_bits = packet_bits;
        if report.socket_dropped {
            return self.overrun(now, grtt);
        }
        if now < self.hold_until {
            return;
        }
        self.observed.add(now, report);
        self.follow_curve(now);
        let packets = match &self.search {
            Search::Trying { before, .. } => self.verdict_packets(before),
            _ => ROUND_PACKETS,
        };
        let bps = self.bps;
        let Some(sample) = self.observed.sample(packets, ROUND, packet_bits, bps) else {
            return;
        };
        match self.search.clone() {
            Search::Trying { before, bps, then } => {
                self.judge(now, grtt, &sample, &before, bps, then);
            }
            _ if self.is_unusual(&sample) => self.look_into(now, grtt, sample),
            Search::Near { .. } if sample.packets < NEAR_PACKETS => {}
            search => {
                self.usual += (sample.loss - self.usual) / 16.0;
                self.observed.clear();
                if matches!(search, Search::Doubling) && self.is_used(&sample) {
                    self.set(bps.saturating_mul(2));
                    self.hold_until = now + grtt + grtt / 2;
                }
            }
        }
    }

    /// A socket was full: whoever reads it is too slow for this rate.
    fn overrun(&mut self, now: Time, grtt: Duration) {
        if now < self.event_until {
            return;
        }
        let most = self.bps - self.bps / 4;
        self.set(self.bps / 2);
        self.return_to(now, grtt, most);
        self.event_until = now + EVENT;
        self.renew(now, grtt);
    }

    /// Whether chance alone would hardly lose so many: it is the worst receiver's
    /// sample, and one is looked at many times a second.
    fn is_unusual(&self, sample: &Sample) -> bool {
        let expected = self.usual * sample.packets as f64;
        let beyond = sample.loss * sample.packets as f64 - expected - DEVIATIONS;
        beyond > 0.0 && beyond * beyond > DEVIATIONS * DEVIATIONS * expected
    }

    /// Whether the lanes send about as much as they may: raising a rate that is
    /// not used finds nothing out.
    fn is_used(&self, sample: &Sample) -> bool {
        sample.sent_bps >= self.bps - self.bps / 4
    }

    fn look_into(&mut self, now: Time, grtt: Duration, before: Sample) {
        let then = match self.search {
            Search::Near { most, .. } => Some(most),
            _ => None,
        };
        let bps = self.bps;
        self.set((bps.min(before.sent_bps.max(1)) as f64 * CUT) as u64);
        self.search = Search::Trying { before, bps, then };
        self.renew(now, grtt);
    }

    /// Decides what the losses before the cut were.
    fn judge(
        &mut self,
        now: Time,
        grtt: Duration,
        after: &Sample,
        before: &Sample,
        bps: u64,
        then: Option<u64>,
    ) {
        let went_away = after.loss <= self.usual + (before.loss - self.usual) / 3.0;
        // Losses of the path's own leave what arrives in proportion to the rate.
        let kept = after.delivered_bps as f64 / before.delivered_bps.max(1) as f64;
        let carried = (kept - CUT).abs() > (1.0 - CUT) / 2.0;
        if went_away {
            let mut most = before.delivered_bps;
            self.peak = most.max(self.peak - self.peak / PEAK_FADES);
            if most < self.peak - self.peak / 32 {
                // The path has carried more for us: somebody else is on it.
                most = (most as f64 * YIELD) as u64;
            }
            self.usual = self.usual.min(after.loss);
            self.return_to(now, grtt, most);
        } else if carried {
            self.usual = 0.0;
            self.set((after.delivered_bps as f64 * CUT) as u64);
            self.return_to(now, grtt, after.delivered_bps);
        } else {
            let packets = (before.packets + after.packets) as f64;
            let lost = before.loss * before.packets as f64 + after.loss * after.packets as f64;
            self.usual = lost / packets;
            self.set(bps);
            match then {
                None => self.search = Search::Doubling,
                // Where it was, and on.
                Some(_) => {
                    self.search = Search::Near {
                        low: bps - bps / 8,
                        most: bps,
                        since: now - RETURN_MIN,
                        back_in: RETURN_MIN,
                    }
                }
            }
        }
        self.renew(now, grtt);
    }

    fn return_to(&mut self, now: Time, grtt: Duration, most: u64) {
        self.search = Search::Near {
            low: self.bps.min(most),
            most,
            since: now,
            back_in: (grtt * RETURN_TRIPS)
                .max(RETURN_MIN)
                .max(self.round_time(most)),
        };
    }

    /// Packets that would lose enough again, if nothing had changed.
    fn verdict_packets(&self, before: &Sample) -> u64 {
        let beyond = (before.loss - self.usual).max(VERDICT_LOSSES / VERDICT_PACKETS_MAX as f64);
        ((VERDICT_LOSSES / beyond) as u64).max(ROUND_PACKETS)
    }

    /// How long the packets take that losses are counted over.
    fn round_time(&self, bps: u64) -> Duration {
        let ns =
            u128::from(NEAR_PACKETS * self.packet_bits) * 1_000_000_000 / u128::from(bps.max(1));
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// What is heard from now on is about another rate.
    fn renew(&mut self, now: Time, grtt: Duration) {
        self.observed.clear();
        self.hold_until = now + grtt * 2 + ROUND;
    }

    fn follow_curve(&mut self, now: Time) {
        if let Search::Near {
            low,
            most,
            since,
            back_in,
        } = self.search
        {
            let x = now.since(since).as_secs_f64() / back_in.as_secs_f64() - 1.0;
            let depth = (most - low).max(most / 16) as f64;
            self.set((most as f64 + depth * x * x * x) as u64);
        }
    }

    fn set(&mut self, bps: u64) {
        self.bps = bps.clamp(FLOOR_BPS.min(self.ceiling), self.ceiling);
    }
}

#[cfg(test)]
mod tests;
