//! One session as a receiver lives it: symbols in, leaves out, feedback back.

mod hearing;
mod lane;
mod outcome;
mod probes;
mod speaking;
mod symbols;

pub use outcome::*;

use super::SILENCE_BEFORE_SWITCH;
use super::ask::{Objects, Requests};
use super::tell::{Completion, LINGER, LackingPages, Registration, Signet, StatusReports};
use crate::budget::Budget;
use crate::limits::{EVENTS_MAX, NACKS_PER_ROUND};
use crate::message::{Activity, Figures};
use crate::object::tree::LEAF_BYTES;
use crate::object::{Blocks, Leaves};
use crate::offer::{IMAGE_TOI, LEAVES_TOI, SessionShape};
use crate::queue::Queue;
use crate::random::Random;
use crate::seal::Life;
use crate::time::{Duration, Time};
use crate::timer::{Group, Timer, Timers};
use crate::wire::SenderWord;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use lane::LaneView;
use probes::Probes;

/// Probes that came before the session was followed are processed within this.
const PROBE_SETTLE: Duration = Duration::from_millis(2);

/// Signatures of ends that are checked in a second, whoever sends them.
const ENDS_PER_S: u64 = 100;

/// A session that is followed.
#[derive(Debug)]
pub struct Session {
    sender: (u32, u16),
    from: SocketAddr,
    shape: SessionShape,
    signet: Signet,
    random: Random,
    timers: Timers,
    objects: Objects,
    leaves: Option<Leaves>,
    leaf_list_known: bool,
    lanes: Vec<LaneView>,
    requests: Requests,
    outbox: VecDeque<Vec<u8>>,
    registration: Registration,
    reports: StatusReports,
    completion: Completion,
    lacking: LackingPages,
    /// Blocks of both objects up to which the last question was looked at.
    sweep: Option<(u16, u32)>,
    sweep_at: Time,
    /// When all requests were last made due.
    hastened: Time,
    /// When it was begun to follow.
    followed: Time,
    /// When it last got a symbol that was new, or began.
    progressed: Time,
    /// Signatures of an end that are checked.
    ends: Budget,
    word: SenderWord,
    group: Group,
    probes: Probes,
    probes_from: Time,
    heard: Time,
    activity: Activity,
    over: bool,
    events: VecDeque<Event>,
    /// All but the losses, which the lanes count.
    counters: Counters,
}

impl Session {
    pub(in crate::receiver) fn new(
        now: Time,
        config: &SessionConfig,
        sender: (u32, u16),
        from: SocketAddr,
        shape: SessionShape,
    ) -> Session {
        let image = shape.layout(IMAGE_TOI).copied();
        let (mut random, mut timers) = (Random::new(config.seed), Timers::default());
        let registration = Registration::new(now, config, &mut random, &mut timers);
        let life = Life {
            key: config.key.public(),
            installation: config.installation,
            number: config.life,
        };
        Session {
            sender,
            from,
            shape,
            signet: Signet::new(config.key.clone(), life, config.node, &shape),
            random,
            timers,
            objects: Objects {
                leaf_list: shape.leaves.map(Blocks::new),
                image: image.map(Blocks::new),
            },
            leaves: image.map(Leaves::new),
            leaf_list_known: shape.leaves.is_none(),
            lanes: alloc::vec![LaneView::default(); usize::from(shape.lanes)],
            requests: Requests::default(),
            outbox: VecDeque::new(),
            registration,
            reports: StatusReports::new(now, shape.window_packets, config.buffer_packets),
            completion: Completion::default(),
            lacking: LackingPages::default(),
            sweep: None,
            sweep_at: Time::ZERO,
            hastened: Time::ZERO,
            followed: now,
            progressed: now,
            ends: Budget::new(ENDS_PER_S, ENDS_PER_S),
            word: SenderWord::default(),
            group: Group {
                grtt: crate::limits::GRTT_INITIAL,
                size: 10,
                backoff: 6,
            },
            probes: Probes::default(),
            probes_from: now + PROBE_SETTLE,
            heard: now,
            activity: Activity::Receiving,
            over: false,
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes what an earlier session left: leaves that were hashed again.
    pub(in crate::receiver) fn resume(
        &mut self,
        leaf_list_known: bool,
        verified: impl Iterator<Item = u64>,
    ) {
        if leaf_list_known && let Some(list) = &mut self.objects.leaf_list {
            (0..list.layout().blocks()).for_each(|sbn| list.restored(sbn, |_| {}));
            self.leaf_list_known = true;
        }
        let (Some(leaves), Some(image)) = (&mut self.leaves, &mut self.objects.image) else {
            return self.check_verified();
        };
        verified.for_each(|leaf| leaves.verify(leaf));
        for leaf in (0..leaves.count()).filter(|&leaf| leaves.is_verified(leaf)) {
            for index in image.layout().symbols_touching(&leaves.range(leaf)) {
                let whole = leaves
                    .touched_by(index)
                    .all(|touched| leaves.is_verified(touched));
                if whole && !image.holds(index) {
                    image.resume(index);
                }
            }
        }
        self.registration.held = leaves.verified();
        self.check_verified();
    }

    /// Whether packets with these ids, from this address, are of this session.
    #[inline]
    pub fn belongs(&self, sender: (u32, u16), from: SocketAddr) -> bool {
        self.sender == sender && self.from == from
    }

    /// Whether the sender has proven that it knows this receiver: a replay cannot.
    pub fn is_welcome(&self) -> bool {
        self.signet.is_welcome()
    }

    /// The shape of the session.
    pub fn shape(&self) -> &SessionShape {
        &self.shape
    }

    /// NORM source id and instance id of the sender.
    pub fn sender(&self) -> (u32, u16) {
        self.sender
    }

    /// Address that feedback goes to.
    pub fn sender_address(&self) -> SocketAddr {
        self.from
    }

    /// The image's leaves; `None` for an empty image.
    pub fn leaves(&self) -> Option<&Leaves> {
        self.leaves.as_ref()
    }

    /// The symbols of object `toi`.
    pub fn blocks(&self, toi: u16) -> Option<&Blocks> {
        self.objects.blocks(toi)
    }

    /// Running counts.
    pub fn counters(&self) -> Counters {
        // What a stray number adds to a lane is taken back when that is found again.
        let lost: i64 = self.lanes.iter().map(LaneView::lost).sum();
        Counters {
            lost: lost.max(0).unsigned_abs(),
            ..self.counters
        }
    }

    /// Rounds in which another's request made ours unnecessary.
    pub fn nacks_suppressed(&self) -> u64 {
        self.requests.suppressed
    }

    /// Whether the session is over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How long the sender has said nothing.
    pub fn silent_for(&self, now: Time) -> Duration {
        now.since(self.heard)
    }

    /// `SO_RXQ_OVFL` of the socket, for status reports.
    pub fn note_socket_drops(&mut self, buffers: u32) {
        self.reports.socket_drops = buffers;
    }

    /// Milliseconds of CPU that the caller's process has used, for status reports.
    pub fn note_busy(&mut self, ms: u32) {
        self.reports.busy_ms = ms;
    }

    /// Its sender has said something. While nobody spoke, or this device stood still,
    /// nobody brought nothing.
    #[inline]
    fn note_heard(&mut self, now: Time) {
        let silence = now.since(self.heard);
        self.heard = now;
        if silence >= SILENCE_BEFORE_SWITCH {
            self.followed = self.followed + silence;
            self.progressed = self.progressed + silence;
        }
    }

    fn end(&mut self) {
        if !core::mem::replace(&mut self.over, true) {
            let finished = self.activity == Activity::Complete;
            self.events.push_back(Event::Over { finished });
        }
    }

    pub(in crate::receiver) fn life(&self) -> [u8; 8] {
        self.signet.life.number
    }

    fn node(&self) -> u32 {
        self.signet.node
    }

    /// How long nothing has come that was new, although there is more to come.
    pub fn fruitless_for(&self, now: Time) -> Duration {
        match self.activity {
            Activity::Receiving => now.since(self.progressed),
            Activity::Finishing | Activity::Complete => Duration::ZERO,
        }
    }

    /// How long it has waited to be welcome: only the session's own sender can do that.
    pub fn unwelcome_for(&self, now: Time) -> Duration {
        match self.signet.is_welcome() {
            false => now.since(self.followed),
            true => Duration::ZERO,
        }
    }

    /// Whether it is welcome in a session of which nothing has been sent yet.
    pub(in crate::receiver) fn is_gathering(&self) -> bool {
        self.signet.is_welcome() && self.progressed == self.followed
    }

    pub(in crate::receiver) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(in crate::receiver) fn finish(
        &mut self,
        now: Time,
        had: bool,
        figures: Figures,
        error: Option<&str>,
    ) {
        self.activity = Activity::Complete;
        self.requests.stop();
        self.sweep = None;
        self.timers.clear(Timer::Report);
        let (random, timers) = (&mut self.random, &mut self.timers);
        self.completion
            .tell(now, &self.shape, had, figures, error, random, timers);
    }

    pub(in crate::receiver) fn poll_timeout(&self) -> Option<Time> {
        if self.over {
            return None;
        }
        if !self.outbox.is_empty() {
            return Some(Time::ZERO);
        }
        let due = |timer| self.timers.due(timer, self.group);
        let welcome = self.signet.is_welcome();
        let complete = self.activity == Activity::Complete;
        let linger = due(Timer::Linger).map(|past| past.max(self.heard + LINGER));
        let status = self.reports.poll_timeout(self.group, &self.timers);
        let completion = [due(Timer::Complete), due(Timer::Answer)];
        let timers = [
            completion.into_iter().flatten().min().filter(|_| welcome),
            linger,
            due(Timer::Register).filter(|_| !(complete && welcome)),
            status.filter(|_| welcome && !complete),
            due(Timer::Page).filter(|_| welcome),
            self.sweep.map(|_| self.sweep_at),
            self.requests.poll_timeout(self.group).filter(|_| welcome),
        ];
        timers.into_iter().flatten().min()
    }

    pub(in crate::receiver) fn queues(&self) -> [Queue; 4] {
        let objects = [LEAVES_TOI, IMAGE_TOI].map(|toi| self.objects.blocks(toi));
        let blocks = objects.into_iter().flatten();
        [
            Queue {
                name: "blocks wanted",
                depth: self.requests.waiting(),
                bound: blocks.map(|b| b.layout().blocks() as usize).sum(),
            },
            Queue {
                name: "NACKs",
                depth: self.outbox.len(),
                bound: NACKS_PER_ROUND,
            },
            Queue {
                name: "events",
                depth: self.events.len(),
                bound: EVENTS_MAX,
            },
            Queue {
                name: "leaves to hash",
                depth: self.leaves.as_ref().map_or(0, Leaves::waiting),
                bound: self.leaves.as_ref().map_or(0, |l| l.count() as usize),
            },
        ]
    }

    /// Bytes of the image that were verified before this session.
    pub fn verified_bytes(&self) -> u64 {
        self.leaves.as_ref().map_or(0, |leaves| {
            (leaves.verified() * LEAF_BYTES).min(self.shape.image.size())
        })
    }
}
