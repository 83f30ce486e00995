//! Decides when to report, and what has changed since the report before.

use crate::message::{Activity, Status};
use crate::random::Random;
use crate::receiver::follow::Counters;
use crate::time::{Duration, Time};
use crate::timer::{Group, Scale, Timer, Timers, Wait};
use alloc::vec::Vec;

/// A small group reports at least this often while packets arrive.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);
/// Nobody is silent for longer than this.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// Packets after which the first report of a small group is made; each of the
/// next waits for twice as many. The sender has nothing else to find a rate by.
const FIRST_PACKETS: u64 = 16;
/// Group size as the wire quantises it, up to which reports steer the window.
const SMALL_GROUP: u32 = 50;

/// Packets after which a receiver of a small group reports: an eighth of what
/// may be under way, or of what its socket holds.
pub fn report_packets(window: u16, buffer: u32) -> u64 {
    (u64::from(window).min(u64::from(buffer)) / 8).max(1)
}

#[derive(Debug)]
pub(in crate::receiver) struct StatusReports {
    pub socket_drops: u32,
    pub busy_ms: u32,
    every_packets: u64,
    /// Packets after which the next report is made.
    due_packets: u64,
    last: Time,
    received_before: u64,
    lost_before: u64,
    range: Option<(u32, u32)>,
    began: bool,
}

impl StatusReports {
    pub(in crate::receiver) fn new(now: Time, window: u16, buffer: u32) -> StatusReports {
        StatusReports {
            socket_drops: 0,
            busy_ms: 0,
            every_packets: report_packets(window, buffer),
            due_packets: FIRST_PACKETS.min(report_packets(window, buffer)),
            last: now,
            received_before: 0,
            lost_before: 0,
            range: None,
            began: false,
        }
    }

    /// Block `sbn` of the image is being received.
    pub(in crate::receiver) fn note_block(&mut self, sbn: u32) {
        self.range = Some(match self.range {
            Some((first, end)) => (first.min(sbn), end.max(sbn + 1)),
            None => (sbn, sbn + 1),
        });
    }

    /// The receiver is welcome: its first report proves it, also in a large group.
    pub(in crate::receiver) fn begin(
        &self,
        now: Time,
        group: Group,
        random: &mut Random,
        timers: &mut Timers,
    ) {
        match group.size <= SMALL_GROUP {
            true => self.soon(now, group, timers),
            false => timers.set(Timer::Report, now, Wait::within(Scale::Spread, random)),
        }
    }

    /// A report was asked for.
    pub(in crate::receiver) fn soon(&self, now: Time, group: Group, timers: &mut Timers) {
        if group.size <= SMALL_GROUP {
            timers.set_sooner(Timer::Report, now, Wait::fixed(Duration::ZERO), group);
        }
    }

    /// The sender asks how this receiver is doing; whoever asks again and again is
    /// answered no more often than a small group reports.
    pub(in crate::receiver) fn answer(&self, now: Time, group: Group, timers: &mut Timers) {
        if group.size <= SMALL_GROUP {
            let start = now.max(self.last + BUSY_INTERVAL);
            timers.set_sooner(Timer::Report, start, Wait::fixed(Duration::ZERO), group);
        }
    }

    /// Whether it is time to report; then the next time is set.
    pub(in crate::receiver) fn poll(
        &mut self,
        now: Time,
        group: Group,
        counters: Counters,
        random: &mut Random,
        timers: &mut Timers,
    ) -> bool {
        let small = group.size <= SMALL_GROUP;
        let fresh = counters.received - self.received_before;
        let busy = small && fresh > 0 && now.since(self.last) >= BUSY_INTERVAL;
        let due = timers.is_due(Timer::Report, now, group);
        let full = small && fresh >= self.due_packets;
        if !due && !busy && !full {
            return false;
        }
        // Something to tell is told sooner than nothing.
        let least = if fresh > 0 { BUSY_INTERVAL } else { HEARTBEAT };
        let wait = Wait::at_least(least, 1, Scale::Size);
        // The first of a large group only proves it; those that tell something are
        // spread from then on.
        let began = core::mem::replace(&mut self.began, true);
        let (low, high) = if began || small {
            (0.5, 1.5)
        } else {
            (0.0, 1.0)
        };
        timers.set(Timer::Report, now, wait.times_between(low, high, random));
        true
    }

    pub(in crate::receiver) fn poll_timeout(&self, group: Group, timers: &Timers) -> Option<Time> {
        let busy = self
            .range
            .filter(|_| group.size <= SMALL_GROUP)
            .map(|_| self.last + BUSY_INTERVAL);
        busy.into_iter()
            .chain(timers.due(Timer::Report, group))
            .min()
    }

    pub(in crate::receiver) fn take(
        &mut self,
        now: Time,
        activity: Activity,
        counters: Counters,
        leaves_verified: u32,
        sequences: Vec<u16>,
    ) -> Status {
        let lost_in_range = counters.lost.saturating_sub(self.lost_before);
        if counters.received > self.received_before {
            self.due_packets = (self.due_packets * 2).min(self.every_packets);
        }
        self.last = now;
        self.received_before = counters.received;
        self.lost_before = counters.lost;
        Status {
            activity,
            received: counters.received,
            lost: counters.lost,
            socket_drops: self.socket_drops,
            leaves_verified,
            range: self.range.take().unwrap_or_default(),
            lost_in_range: u32::try_from(lost_in_range).unwrap_or(u32::MAX),
            disk_wait_ms: 0,
            busy_ms: self.busy_ms,
            sequences,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_group_reports_after_few_packets_first_and_then_after_ever_more() {
        let group = Group {
            grtt: Duration::from_millis(1),
            size: 4,
            backoff: 2,
        };
        let (mut random, mut timers) = (Random::new(1), Timers::default());
        let mut now = Time::from_ns(1_000_000_000);
        let mut reports = StatusReports::new(now, 3_072, 4_000);
        let mut counters = Counters::default();
        let mut told = Vec::new();
        // The first one, which has nothing to tell.
        reports.begin(now, group, &mut random, &mut timers);
        assert!(reports.poll(now, group, counters, &mut random, &mut timers));
        reports.take(now, Activity::Receiving, counters, 0, Vec::new());
        for packet in 1..=2_000 {
            now = now + Duration::from_micros(1);
            counters.received = packet;
            if reports.poll(now, group, counters, &mut random, &mut timers) {
                reports.take(now, Activity::Receiving, counters, 0, Vec::new());
                told.push(packet);
            }
        }
        assert_eq!(told, [16, 48, 112, 240, 496, 880, 1_264, 1_648]);
    }
}
