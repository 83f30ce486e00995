//! The sender: announces a session, gathers its receivers, decides what every
//! lane sends, serves requests, and ends when everybody has the image.
//!
//! The order of calls: [`Sender::handle_positions`] and [`Sender::handle_sent`]
//! with what the lanes did, [`Sender::handle_datagram`] for feedback,
//! [`Sender::handle_timeout`]; then [`Sender::poll_order`] and
//! [`Sender::poll_transmit`] until they are empty, and [`Sender::control`] for
//! the lanes.

mod hear;
mod membership;
mod pace;
mod speak;
mod take;
mod transfer;

pub use membership::{Member, MemberState, Membership};
pub use pace::{Class, GrttEstimate, OnSlow, RateControl, RepairShare};
pub use transfer::{GroupLoss, Ledger, LossEstimate, RepairOrder};

use crate::budget::Budget;
use crate::fact::UnheardCounts;
use crate::key::{PublicKey, SigningKey};
use crate::limits::COMMANDS_MAX;
use crate::message::EndReason;
use crate::object::tree::LEAF_BYTES;
use crate::offer::{IMAGE_TOI, LEAVES_TOI, SessionShape};
use crate::queue::Queue;
use crate::time::{Duration, Time};
use crate::wire::SenderWord;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Range;
use hear::Hearing;
use pace::{Stragglers, Window};
use speak::{END_REPEATS, packet_bits};
use transfer::{FLUSH_ANYWAY, HOPE, Lacking, PooledLoss};

const ANNOUNCE_FIRST: Duration = Duration::from_millis(5);
/// The first symbol waits no longer than this for a measured round trip.
const MEASURE_MAX: Duration = Duration::from_millis(100);
const FLUSH_MIN: Duration = Duration::from_millis(5);
/// Everybody's loss is looked at this often: there may be thousands.
const LOSS_EVERY: Duration = Duration::from_millis(1);
/// What a receiver may ask for at once, and in a second: so many times every block
/// of the session, and some more where there are few.
const ASKED_AT_ONCE: u64 = 4;
const ASKED_PER_S: u64 = 8;
const ASKED_MORE: u64 = 4_096;

/// What a push decides before it starts.
#[derive(Debug, Clone)]
pub struct SenderConfig {
    /// NORM source id.
    pub source_id: u32,
    /// NORM instance id: new for every session.
    pub instance_id: u16,
    /// Objects and lanes of the session.
    pub shape: SessionShape,
    /// Key that signs the end of the session.
    pub session_key: SigningKey,
    /// Receivers to wait for; `None` starts soon after the first.
    pub receivers: Option<usize>,
    /// Receivers that must have the image, by name and key.
    pub roster: Vec<(String, PublicKey)>,
    /// How long to wait for receivers.
    pub wait: Duration,
    /// Without a number of receivers: how long after the newest to start.
    pub settle: Duration,
    /// How long a silent receiver is waited for.
    pub stall_timeout: Duration,
    /// When to give up altogether.
    pub deadline: Option<Duration>,
    /// Rate of all lanes together.
    pub rate: RateControl,
    /// What becomes of receivers that do not sustain the floor of the rate.
    pub on_slow: OnSlow,
    /// Whether packets carry IPv6 headers, which rates count.
    pub ipv6: bool,
}

/// How far the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Offering the session, gathering receivers.
    Announcing,
    /// First transmissions.
    Sending,
    /// Everything was sent once; repairing until all have it.
    Flushing,
    /// Telling everybody that it is over.
    Ending,
    /// Nothing more to do.
    Done,
}

/// Why the session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nobody is waited for any more.
    Finished,
    /// Nobody came within `wait`.
    NoReceivers,
    /// It was ended early.
    Early(EndReason),
}

/// Work for the encoder and the lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Send these blocks of an object for the first time, in this order.
    FirstPass {
        /// Object.
        toi: u16,
        /// Blocks.
        blocks: Range<u32>,
    },
    /// Send these symbols, which somebody asked for.
    Repair(RepairOrder),
    /// Send these symbols, which somebody will probably need.
    Parity(RepairOrder),
}

/// What [`Sender::poll_transmit`] wants sent to the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transmit {
    /// The message in the buffer.
    Message,
    /// All symbols of the session object.
    SessionObject,
}

/// What the lanes and the encoder need to know now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control {
    /// Rate of all lanes together, in bits of L2 a second.
    pub rate_bps: u64,
    /// Loss of the group, for proactive parity.
    pub loss: GroupLoss,
    /// Instance, GRTT, backoff factor and group size, for headers.
    pub word: SenderWord,
    /// Where the lanes send to: the receiver that has its turn by unicast.
    /// `None`: the group.
    pub target: Option<SocketAddr>,
}

/// Feedback counters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Feedback {
    /// NACK messages from receivers of this session.
    pub nacks_heard: u64,
    /// NACKs that led to a repair.
    pub nacks_served: u64,
    /// ACK messages of every type.
    pub acks_heard: u64,
    /// Bytes of feedback.
    pub bytes_heard: u64,
    /// Datagrams that were not feedback of this session, or no facts.
    pub refused: u64,
    /// The same by cause.
    pub unheard: UnheardCounts,
}

fn blocks_budget(shape: &SessionShape) -> Budget {
    let blocks = [LEAVES_TOI, IMAGE_TOI].map(|toi| shape.layout(toi));
    let blocks: u64 = blocks
        .iter()
        .flatten()
        .map(|layout| u64::from(layout.blocks()))
        .sum();
    let per_s = blocks * ASKED_PER_S + ASKED_MORE;
    Budget::new(per_s, blocks * ASKED_AT_ONCE + ASKED_MORE)
}

/// A block whose first transmission has left not long ago.
#[derive(Debug)]
struct Recent {
    sbn: u32,
    sent: Time,
    /// Loss of the group when it left, if that was known.
    loss: Option<f64>,
    /// It left with parity for what is usually lost.
    planned: bool,
}

/// A push in progress.
#[derive(Debug)]
pub struct Sender {
    config: SenderConfig,
    started: Time,
    /// When what is due was last done.
    checked: Time,
    phase: Phase,
    ending: Ending,
    hearing: Hearing,
    membership: Membership,
    lacking: Lacking,
    ledger: Ledger,
    grtt: GrttEstimate,
    rate: RateControl,
    pooled: PooledLoss,
    /// What follows from it and from everybody's own loss, and when to look
    /// again.
    loss: GroupLoss,
    loss_due: bool,
    loss_at: Time,
    /// First transmissions that somebody may still ask for.
    recent: VecDeque<Recent>,
    /// Blocks that left before the group's loss was known have their parity.
    caught_up: bool,
    /// So has the end of the image.
    rounded_off: bool,
    window: Window,
    stragglers: Stragglers,
    feedback: Feedback,
    orders: VecDeque<Order>,
    outbox: VecDeque<Vec<u8>>,
    sequence: u16,
    cc_sequence: u16,
    /// Since when everybody has come who is waited for.
    enough_since: Option<Time>,
    announce_at: Time,
    announce_every: Duration,
    announce_due: bool,
    newest_registration: Time,
    answer_due: bool,
    answer_at: Time,
    first_left: u64,
    data_started: Option<Time>,
    flush_at: Time,
    flush_every: Duration,
    flush_cursor: usize,
    flushed: Time,
    /// Since when nobody that weighs is open.
    deserted: Option<Time>,
    end_at: Time,
    end_left: u8,
}

impl Sender {
    /// A session that starts announcing itself at `now`.
    pub fn new(now: Time, config: SenderConfig) -> Sender {
        Sender {
            started: now,
            checked: now,
            phase: Phase::Announcing,
            ending: Ending::Finished,
            hearing: Hearing::new(
                now,
                (config.source_id, config.instance_id),
                &config.shape,
                config.session_key.clone(),
            ),
            membership: Membership::expecting(
                config.roster.iter().cloned(),
                blocks_budget(&config.shape),
            ),
            lacking: Lacking::new(config.shape.image.size().div_ceil(LEAF_BYTES)),
            ledger: Ledger::new(&config.shape),
            grtt: GrttEstimate::default(),
            rate: config.rate.clone(),
            pooled: PooledLoss::default(),
            loss: GroupLoss::default(),
            loss_due: false,
            loss_at: Time::ZERO,
            recent: VecDeque::new(),
            caught_up: false,
            rounded_off: false,
            window: Window::new(config.shape.lanes, config.shape.window_packets),
            stragglers: Stragglers::new(
                config.rate.floor(),
                packet_bits(&config.shape, config.ipv6),
            ),
            feedback: Feedback::default(),
            orders: VecDeque::new(),
            outbox: VecDeque::new(),
            sequence: 0,
            cc_sequence: 0,
            enough_since: None,
            announce_at: now,
            announce_every: ANNOUNCE_FIRST,
            announce_due: false,
            newest_registration: now,
            answer_due: false,
            answer_at: now,
            first_left: 0,
            data_started: None,
            flush_at: now,
            flush_every: FLUSH_MIN,
            flush_cursor: 0,
            flushed: now,
            deserted: None,
            end_at: Time::NEVER,
            end_left: END_REPEATS,
            config,
        }
    }

    /// Source symbols of the image.
    pub fn image_symbols(&self) -> u64 {
        self.config.shape.image.symbols()
    }

    /// How far the session is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Why the session ended; meaningful once the phase is `Ending`.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// The receivers.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Feedback counters.
    pub fn feedback(&self) -> Feedback {
        self.feedback
    }

    /// When the first transmissions began.
    pub fn data_started(&self) -> Option<Time> {
        self.data_started
    }

    /// First transmissions that are still to be sent, in blocks.
    pub fn first_left(&self) -> u64 {
        self.first_left
    }

    /// Each lane's position: packets that were given a sequence so far.
    pub fn handle_positions(&mut self, now: Time, positions: &[u64]) {
        self.window.note_positions(now, positions);
    }

    /// Packets that `lane` has numbered wait in its machine: they have not left, so
    /// nobody can have lost them.
    pub fn handle_held_up(&mut self, now: Time, lane: usize) {
        self.window.note_held_up(now, lane);
    }

    /// Everything of one order, or one block's first transmission with parity
    /// up to index `parity_end`, has left.
    pub fn handle_sent(&mut self, now: Time, toi: u16, sbn: u32, parity_end: u16, first: bool) {
        self.ledger.sent(now, toi, sbn, parity_end);
        if first {
            if toi == IMAGE_TOI {
                self.recent.push_back(Recent {
                    sbn,
                    sent: now,
                    loss: self.pooled.loss(),
                    planned: parity_end > 0,
                });
            }
            self.first_left = self.first_left.saturating_sub(1);
            if self.first_left == 0 && self.phase == Phase::Sending {
                self.phase = Phase::Flushing;
            }
        }
        if self.phase == Phase::Flushing && self.ledger.is_idle() {
            self.flush_every = self.flush_min();
            self.flush_at = now;
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.checked = now;
        self.update_loss(now);
        if self.phase < Phase::Ending {
            self.answer(now);
            if now >= self.announce_at {
                self.announce(now);
            }
        }
        let late = |limit| now.since(self.started) >= limit;
        if self.config.deadline.is_some_and(late) {
            self.end_early(now, EndReason::Deadline);
        }
        loop {
            let before = self.phase;
            match before {
                Phase::Announcing => self.start_if_ready(now),
                Phase::Sending | Phase::Flushing => self.serve(now),
                Phase::Ending => self.say_the_end(now),
                Phase::Done => {}
            }
            // A phase that was entered has things of its own to do.
            if self.phase == before {
                break;
            }
        }
    }

    /// The next order for encoder and lanes.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// The next thing to send to the group.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<Transmit> {
        if core::mem::take(&mut self.announce_due) {
            return Some(Transmit::SessionObject);
        }
        *out = self.outbox.pop_front()?;
        Some(Transmit::Message)
    }

    /// What lanes and encoder need to know now.
    pub fn control(&self) -> Control {
        Control {
            rate_bps: self.rate.bps(),
            loss: self.loss,
            word: self.sender_word(),
            target: self.target(),
        }
    }

    fn target(&self) -> Option<SocketAddr> {
        self.membership
            .members()
            .get(self.membership.alone()?)?
            .address
    }

    /// Looks at everybody's loss again, where there is something new.
    fn update_loss(&mut self, now: Time) {
        if !self.loss_due || now < self.loss_at {
            return;
        }
        (self.loss_due, self.loss_at) = (false, now + LOSS_EVERY);
        let losses = self.membership.weighing().map(|m| &m.loss);
        self.loss = self.pooled.of_group(self.group_size(), losses);
    }

    /// The packet that `lane` must not go beyond, in packets since its start.
    pub fn lane_limit(&self, now: Time, lane: usize) -> u64 {
        self.window.limit(now, lane, &self.membership)
    }

    /// The queues, and what they may hold.
    pub fn queues(&self) -> [Queue; 3] {
        let (waiting, blocks) = self.ledger.waiting();
        [
            Queue {
                name: "orders",
                depth: self.orders.len(),
                // Of each block one run of parity; sources come in runs.
                bound: 2 * blocks + self.image_symbols() as usize / 2,
            },
            Queue {
                name: "commands",
                depth: self.outbox.len(),
                bound: COMMANDS_MAX,
            },
            Queue {
                name: "blocks asked for",
                depth: waiting,
                bound: blocks,
            },
        ]
    }

    /// When to call [`Sender::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        let start = self.started + self.config.wait;
        let settle = self.newest_registration + self.config.settle;
        let phase = match self.phase {
            Phase::Announcing => {
                // What is past was looked at and was not enough.
                let heard = self.membership.heard() > 0;
                let coming = |at: Time| (heard && at > self.checked).then_some(at);
                let answered = self.enough_since.map(|since| since + MEASURE_MAX);
                let answered = answered.and_then(coming);
                let settled = coming(settle).into_iter().chain(answered);
                [
                    Some(start).filter(|start| *start > self.checked),
                    settled
                        .chain(self.lacking.poll_timeout().and_then(coming))
                        .min(),
                ]
            }
            Phase::Sending => [self.ledger.poll_timeout(), None],
            Phase::Flushing => {
                let anyway = (self.flushed + FLUSH_ANYWAY).max(self.flush_at);
                let flush = match self.ledger.is_idle() {
                    true => Some(self.flush_at),
                    false => Some(anyway),
                };
                [self.ledger.poll_timeout(), flush]
            }
            Phase::Ending => [Some(self.end_at), None],
            Phase::Done => return None,
        };
        let open = self.phase < Phase::Ending;
        let deadline = self.config.deadline.filter(|_| open);
        let deadline = deadline.map(|limit| self.started + limit);
        let announce = open.then_some(self.announce_at);
        let hope = self.deserted.filter(|_| open).map(|since| since + HOPE);
        let answer = (open && self.answer_due).then_some(self.answer_at);
        phase
            .into_iter()
            .flatten()
            .chain(deadline)
            .chain(announce)
            .chain(answer)
            .chain(hope)
            .min()
    }
}
