//! What receivers have reported of the packets sent at one rate.

use crate::limits::WINDOWED_GROUP_MAX;
use crate::pacer::MAKE_UP_PART;
use crate::time::{Duration, Time};
use alloc::vec::Vec;

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

/// The losses and the throughput of one round.
#[derive(Debug, Clone, Copy)]
pub(in crate::sender) struct Sample {
    /// Part of the packets that was lost, 0 to 1.
    pub loss: f64,
    /// Packets that this rests on.
    pub packets: u64,
    /// What was sent and what arrived, in bits of L2 a second.
    pub sent_bps: u64,
    pub delivered_bps: u64,
    /// What might have been sent, in the mean.
    pub allowed_bps: u64,
    /// How long it took them to arrive, as reports have it.
    pub span: Duration,
}

impl Sample {
    /// Whether about as much was sent as the rate allowed.
    pub(in crate::sender) fn is_of_rate(&self) -> bool {
        self.sent_bps >= self.allowed_bps - self.allowed_bps / 8
    }
}

/// Reports by receiver. In a small group the worst receiver counts; in a large
/// one, where each reports seldom, all of them together.
#[derive(Debug, Clone, Default)]
pub(in crate::sender) struct Observed {
    members: Vec<Option<Member>>,
    all: Member,
}

#[derive(Debug, Clone, Copy, Default)]
struct Member {
    first: Time,
    last: Time,
    received: u64,
    lost: u64,
    /// Rate × time, in bits.
    allowed: f64,
}

impl Observed {
    /// Adds a report, while the rate is `bps`. A receiver's first one is about
    /// packets from before and only starts its clock, except in a large group.
    pub(in crate::sender) fn add(&mut self, now: Time, report: &RateReport, bps: u64) {
        let large = report.member >= WINDOWED_GROUP_MAX;
        if large || self.members.len() > WINDOWED_GROUP_MAX {
            if self.all.packets() == 0 {
                (self.all.first, self.all.last) = (now, now);
            }
            self.all.add(now, report, bps);
        }
        if self.members.len() <= report.member {
            self.members.resize(report.member + 1, None);
        }
        match &mut self.members[report.member] {
            Some(member) => member.add(now, report, bps),
            empty => {
                *empty = Some(Member {
                    first: now,
                    last: now,
                    ..Member::default()
                });
            }
        }
    }

    /// The sample, once the reports are about so many packets over such a time.
    /// What a large group gets is reckoned from the rate, `nominal_bps`.
    pub(in crate::sender) fn sample(
        &self,
        packets: u64,
        time: Duration,
        packet_bits: u64,
        nominal_bps: u64,
    ) -> Option<Sample> {
        if self.members.len() > WINDOWED_GROUP_MAX {
            let sample = self.all.sample(packets, time, packet_bits)?;
            return Some(Sample {
                sent_bps: nominal_bps,
                allowed_bps: nominal_bps,
                delivered_bps: (nominal_bps as f64 * (1.0 - sample.loss)) as u64,
                ..sample
            });
        }
        let samples = self.members.iter().flatten();
        samples
            .filter_map(|member| member.sample(packets, time, packet_bits))
            .max_by(|a, b| a.loss.total_cmp(&b.loss))
    }

    /// Forgets everything but how large the group is.
    pub(in crate::sender) fn clear(&mut self) {
        self.members.fill(None);
        self.all = Member::default();
    }
}

impl Member {
    fn add(&mut self, now: Time, report: &RateReport, bps: u64) {
        self.allowed += bps as f64 * now.since(self.last).as_secs_f64();
        self.last = now;
        self.received = self.received.saturating_add(report.received);
        self.lost = self.lost.saturating_add(report.lost);
    }

    fn packets(&self) -> u64 {
        self.received.saturating_add(self.lost)
    }

    fn sample(&self, packets: u64, time: Duration, packet_bits: u64) -> Option<Sample> {
        let all = self.packets();
        let span = self.last.since(self.first);
        if all < packets.max(1) || span < time {
            return None;
        }
        let bps = |packets: u64| {
            let bits = u128::from(packets) * u128::from(packet_bits) * 1_000_000_000;
            u64::try_from(bits / span.as_nanos().max(1)).unwrap_or(u64::MAX)
        };
        let loss = self.lost as f64 / all as f64;
        let allowed_bps = (self.allowed / span.as_secs_f64()) as u64;
        // Reports that were held up come together; no more is sent for that.
        let sent_bps = bps(all).min(allowed_bps.saturating_add(allowed_bps / MAKE_UP_PART));
        Some(Sample {
            loss,
            packets: all,
            sent_bps,
            delivered_bps: (sent_bps as f64 * (1.0 - loss)) as u64,
            allowed_bps,
            span,
        })
    }
}
