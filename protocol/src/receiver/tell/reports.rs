//! The three things a receiver tells the sender of itself: that it is there,
//! how far it is, and that it is done.

use crate::hex;
use crate::key::SigningKey;
use crate::limits::NAME_BYTES_MAX;
use crate::message::{
    Activity, COMPLETE_CONTEXT, Complete, Figures, REGISTER_CONTEXT, Register, Signed, Status,
};
use crate::offer::SessionShape;
use crate::random::Random;
use crate::receiver::Group;
use crate::receiver::follow::{Counters, SessionConfig};
use crate::time::{Duration, Time};
use alloc::string::String;
use alloc::vec::Vec;

/// A completion that nothing came of is told again after this, then after
/// twice the time, and so on up to the most.
const COMPLETION_RETRY: Duration = Duration::from_millis(500);
const COMPLETION_RETRY_MAX: Duration = Duration::from_secs(8);
/// Whoever asks for it more often than this is answered no more often.
const COMPLETION_GAP: Duration = Duration::from_millis(5);
const RETRY_MIN: Duration = Duration::from_millis(40);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// A small group reports at least this often while packets arrive.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);
/// Nobody is silent for longer than this.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// Packets after which the first report of a small group is made; each of the
/// next waits for twice as many. The sender has nothing else to find a rate by.
const FIRST_PACKETS: u64 = 16;
/// Group size as the wire quantises it, up to which reports steer the window.
const SMALL_GROUP: u32 = 50;

impl Group {
    /// Time over which a group spreads answers that everybody gives: 50 µs for
    /// each receiver, at least one round trip.
    pub fn spread(&self) -> Duration {
        self.grtt.max(Duration::from_micros(50) * self.size)
    }
}

/// A confirmed registration is repeated this seldom: the confirmation may have
/// been forged, or the sender may have lost its memory.
const REFRESH: Duration = Duration::from_secs(5);

/// Repeats the registration until the sender confirms it, and then seldom.
#[derive(Debug)]
pub(in crate::receiver) struct Registration {
    pub(in crate::receiver) node: u32,
    pub(in crate::receiver) missing: Option<Vec<(u64, u64)>>,
    pub(in crate::receiver) welcomed: bool,
    name: String,
    buffer_packets: u32,
    started: Time,
    due: Option<Time>,
    retry: Duration,
}

impl Registration {
    pub(in crate::receiver) fn new(now: Time, config: &SessionConfig) -> Registration {
        let mut name = config.name.clone();
        while name.len() > NAME_BYTES_MAX {
            name.pop();
        }
        Registration {
            node: config.node,
            missing: None,
            welcomed: false,
            name,
            buffer_packets: config.buffer_packets,
            started: now,
            due: None,
            retry: RETRY_MIN,
        }
    }

    /// The sender has confirmed it; gives whether that is news.
    pub(in crate::receiver) fn welcome(&mut self, now: Time, node: u32, group: Group) -> bool {
        self.node = node;
        self.due = Some(now + refresh(group));
        !core::mem::replace(&mut self.welcomed, true)
    }

    pub(in crate::receiver) fn poll(
        &mut self,
        now: Time,
        group: Group,
        random: &mut Random,
    ) -> bool {
        let due = *self
            .due
            .get_or_insert_with(|| self.started + random.within(group.spread()));
        if now < due {
            return false;
        }
        if self.welcomed {
            let interval = refresh(group);
            self.due = Some(now + interval + random.within(interval));
            return true;
        }
        self.due = Some(now + self.retry.max(group.spread()) + random.within(self.retry));
        self.retry = (self.retry * 3 / 2).min(RETRY_MAX);
        true
    }

    pub(in crate::receiver) fn poll_timeout(&self) -> Time {
        self.due.unwrap_or(Time::ZERO)
    }

    pub(in crate::receiver) fn payload(&self, key: &SigningKey, shape: &SessionShape) -> Vec<u8> {
        let register = Register {
            session: hex(&shape.session),
            node: self.node,
            name: self.name.clone(),
            buffer_packets: self.buffer_packets,
            missing: self.missing.clone(),
        };
        signed(key, REGISTER_CONTEXT, &register)
    }
}

/// A large group is still heard no more often than it registers.
fn refresh(group: Group) -> Duration {
    REFRESH.max(group.spread() * 40)
}

fn signed(key: &SigningKey, context: &[u8], message: &impl serde::Serialize) -> Vec<u8> {
    let text = serde_json::to_vec(message).unwrap_or_default();
    let signature = key.sign(context, &text);
    let mut out = Vec::with_capacity(Signed::HEAD_BYTES + text.len());
    Signed {
        key: key.public().as_bytes(),
        signature: &signature,
        text: &text,
    }
    .emit(&mut out);
    out
}

/// Packets after which a receiver of a small group reports: an eighth of what
/// may be under way, or of what its socket holds.
pub fn report_packets(window: u16, buffer: u32) -> u64 {
    (u64::from(window).min(u64::from(buffer)) / 8).max(1)
}

/// Decides when to report, and what has changed since the report before.
#[derive(Debug)]
pub(in crate::receiver) struct StatusReports {
    pub(in crate::receiver) socket_drops: u32,
    every_packets: u64,
    /// Packets after which the next report is made.
    due_packets: u64,
    last: Time,
    next: Time,
    received_before: u64,
    lost_before: u64,
    range: Option<(u32, u32)>,
    began: bool,
}

impl StatusReports {
    pub(in crate::receiver) fn new(now: Time, window: u16, buffer: u32) -> StatusReports {
        StatusReports {
            socket_drops: 0,
            every_packets: report_packets(window, buffer),
            due_packets: FIRST_PACKETS.min(report_packets(window, buffer)),
            last: now,
            next: now,
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

    /// A report was asked for.
    pub(in crate::receiver) fn soon(&mut self, now: Time, group: Group) {
        if group.size <= SMALL_GROUP {
            self.next = self.next.min(now);
        }
    }

    pub(in crate::receiver) fn poll(
        &mut self,
        now: Time,
        group: Group,
        random: &mut Random,
        counters: Counters,
    ) -> bool {
        let small = group.size <= SMALL_GROUP;
        let fresh = counters.received - self.received_before;
        let busy = small && fresh > 0 && now.since(self.last) >= BUSY_INTERVAL;
        if now < self.next && !busy && !(small && fresh >= self.due_packets) {
            return false;
        }
        // Something to tell is told sooner than nothing.
        let least = if fresh > 0 { BUSY_INTERVAL } else { HEARTBEAT };
        let interval = least.max(Duration::from_millis(1) * group.size);
        let began = core::mem::replace(&mut self.began, true);
        self.next = now + interval / 2 + random.within(interval);
        // The first of a large group are spread as those after them.
        if !small && !began {
            self.next = now + random.within(interval);
            return false;
        }
        true
    }

    pub(in crate::receiver) fn poll_timeout(&self, group: Group) -> Option<Time> {
        let busy = self
            .range
            .filter(|_| group.size <= SMALL_GROUP)
            .map(|_| self.last + BUSY_INTERVAL);
        Some(busy.map_or(self.next, |busy| busy.min(self.next)))
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
            sequences,
        }
    }
}

/// Tells the completion, again whenever the sender asks for it, and in any case
/// again after a while: it may be lost when nobody asks.
#[derive(Debug, Default)]
pub(in crate::receiver) struct Completion {
    payload: Option<Vec<u8>>,
    /// When it is told without being asked for.
    repeat_at: Option<Time>,
    retry: Duration,
    /// When the sender that asked is answered.
    answer_at: Option<Time>,
    told: Time,
    linger_until: Option<Time>,
}

impl Completion {
    #[allow(clippy::too_many_arguments)]
    pub(in crate::receiver) fn tell(
        &mut self,
        due: Time,
        linger_until: Time,
        node: u32,
        shape: &SessionShape,
        key: &SigningKey,
        figures: Figures,
        error: Option<&str>,
    ) {
        let complete = Complete {
            session: hex(&shape.session),
            root: hex(&shape.root),
            node,
            error: error.map(String::from),
            figures,
        };
        self.payload = Some(signed(key, COMPLETE_CONTEXT, &complete));
        self.repeat_at = Some(due);
        self.retry = COMPLETION_RETRY;
        self.linger_until = Some(linger_until);
    }

    /// The sender asks whether this receiver is done.
    pub(in crate::receiver) fn ask(&mut self, due: Time) {
        if self.payload.is_some() {
            let due = due.max(self.told + COMPLETION_GAP);
            self.answer_at = Some(self.answer_at.map_or(due, |before| before.min(due)));
        }
    }

    pub(in crate::receiver) fn poll(&mut self, now: Time, group: Group) -> Option<Vec<u8>> {
        let repeats = self.repeat_at.is_some_and(|at| at <= now);
        let answers = self.answer_at.take_if(|at| *at <= now).is_some();
        if !repeats && !answers {
            return None;
        }
        self.told = now;
        self.repeat_at = Some(now + self.retry.max(group.spread() * 4));
        if repeats {
            // Only silence is a reason to be more patient, not a question.
            self.retry = (self.retry * 2).min(COMPLETION_RETRY_MAX);
        }
        self.payload.clone()
    }

    pub(in crate::receiver) fn poll_timeout(&self) -> Option<Time> {
        self.repeat_at.into_iter().chain(self.answer_at).min()
    }

    pub(in crate::receiver) fn is_past(&self, now: Time) -> bool {
        self.linger_until.is_some_and(|until| until <= now)
    }

    pub(in crate::receiver) fn past(&self) -> Option<Time> {
        self.linger_until
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
        let mut random = Random::new(1);
        let mut now = Time::from_ns(1_000_000_000);
        let mut reports = StatusReports::new(now, 3_072, 4_000);
        let mut counters = Counters::default();
        let mut told = Vec::new();
        // The first one, which has nothing to tell.
        assert!(reports.poll(now, group, &mut random, counters));
        reports.take(now, Activity::Receiving, counters, 0, Vec::new());
        for packet in 1..=2_000 {
            now = now + Duration::from_micros(1);
            counters.received = packet;
            if reports.poll(now, group, &mut random, counters) {
                reports.take(now, Activity::Receiving, counters, 0, Vec::new());
                told.push(packet);
            }
        }
        assert_eq!(told, [16, 48, 112, 240, 496, 880, 1_264, 1_648]);
    }

    fn completion() -> Completion {
        Completion {
            payload: Some(Vec::new()),
            repeat_at: Some(Time::ZERO),
            retry: COMPLETION_RETRY,
            ..Completion::default()
        }
    }

    const GROUP: Group = Group {
        grtt: Duration::from_millis(1),
        size: 4,
        backoff: 1,
    };

    /// S1: at the 66th question the doubled patience had no number any more.
    #[test]
    fn a_completion_asked_for_ten_thousand_times_is_told_and_nothing_overflows() {
        let (mut completion, mut now, mut told) = (completion(), Time::ZERO, 0);
        for _ in 0..10_000 {
            completion.ask(now);
            told += u32::from(completion.poll(now, GROUP).is_some());
            now = now + Duration::from_micros(3_333);
        }
        assert_eq!(completion.retry, COMPLETION_RETRY * 2);
        // 33 s, and no more than one answer in 5 ms.
        assert!((3_000..=6_700).contains(&told), "{told}");
    }

    #[test]
    fn an_unheard_completion_is_repeated_for_days_and_never_more_seldom_than_the_most() {
        let (mut completion, mut now, mut told) = (completion(), Time::ZERO, 0);
        let end = now + Duration::from_secs(86_400);
        while now < end {
            told += u32::from(completion.poll(now, GROUP).is_some());
            now = completion.poll_timeout().unwrap();
        }
        assert!(told > 86_400 / 8 - 10, "{told}");
    }
}
