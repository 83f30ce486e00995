//! The middle of a session: turning requests into orders, sending parity ahead
//! of them, and asking everybody what is still missing.

use super::{PooledLoss, RepairOrder};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::offer::IMAGE_TOI;
use crate::sender::{Ending, FLUSH_MIN, Order, Phase, Recent, Sender};
use crate::time::{Duration, Time};
use crate::wire::{CommandBody, Level, NodeList, PayloadId, RequestBuilder, Requests};
use alloc::vec::Vec;

/// How long registrations without a proof are waited for at the end.
pub(in crate::sender) const HOPE: Duration = Duration::from_secs(2);
const FLUSH_MAX: Duration = Duration::from_millis(250);
/// While repairs are outstanding everybody is asked this seldom.
pub(in crate::sender) const FLUSH_ANYWAY: Duration = Duration::from_secs(1);
/// Times that a receiver is asked, at least, before its silence counts as
/// stalled: a forged answer can make the round trip look as long as that.
const FLUSHES_BEFORE_STALL: u32 = 8;
/// Node ids in one acking list.
const ACKING_NODES_MAX: usize = MESSAGE_BYTES_MAX / 4 - 10;

impl Sender {
    pub(in crate::sender) fn flush_min(&self) -> Duration {
        let most = self.config.stall_timeout / FLUSHES_BEFORE_STALL;
        FLUSH_MIN.max((self.grtt() * 2).min(most))
    }

    /// The longest a receiver takes to ask for a block, and its request to
    /// come.
    pub(in crate::sender) fn hearing(&self) -> Duration {
        self.grtt() * (u32::from(self.backoff_factor()) + 2)
    }

    /// What became of blocks that were sent with parity for the group, and what
    /// the first knowledge of the loss says of those before it.
    pub(in crate::sender) fn note_outcomes(&mut self, now: Time) {
        if let Some(loss) = self.pooled.loss() {
            // Those before it are the newest: none has left since.
            let newest = self.recent.iter_mut().rev();
            let unknown = newest.take_while(|block| block.loss.is_none());
            unknown.for_each(|block| block.loss = Some(loss));
        }
        let hearing = self.hearing();
        let ripe = |block: &mut Recent| now.since(block.sent) >= hearing;
        while let Some(block) = self.recent.pop_front_if(ripe) {
            if block.planned {
                self.pooled.note_outcome(self.ledger.was_asked(block.sbn));
            }
        }
    }

    /// A large group takes round trips to ask. So blocks that left before its
    /// loss was known get their parity as soon as it is, and once everything has
    /// been sent, the blocks that may still be waited for get parity that will
    /// probably do.
    pub(in crate::sender) fn top_up(&mut self) {
        let ending = self.phase == Phase::Flushing;
        if self.rounded_off || (self.caught_up && !ending) {
            return;
        }
        let loss = self.loss;
        let layout = self.config.shape.layout(IMAGE_TOI).copied();
        let Some(layout) = layout.filter(|_| loss.is_known()) else {
            return;
        };
        self.caught_up = true;
        self.rounded_off = ending;
        for block in &self.recent {
            // A block that left in better times has lost less.
            let loss = loss.at_most(block.loss);
            let len = layout.block_len(block.sbn);
            let parity = if ending {
                loss.last_parity(len)
            } else {
                loss.first_parity(len)
            };
            let order = self.ledger.top_up(IMAGE_TOI, block.sbn, parity);
            self.orders.extend(order.map(Order::Parity));
        }
    }

    /// At the end of the image a repair that is lost again costs everybody
    /// round trips, and the line is idle anyway.
    pub(in crate::sender) fn add_spares(&mut self, made: &[RepairOrder]) {
        if self.phase != Phase::Flushing {
            return;
        }
        let loss = self.loss;
        for order in made {
            let spare = loss.spare_parity(order.count);
            let order = self.ledger.add_spare(order, spare);
            self.orders.extend(order.map(Order::Parity));
        }
    }

    pub(in crate::sender) fn serve(&mut self, now: Time) {
        self.note_outcomes(now);
        self.top_up();
        self.ledger.look(now, self.grtt());
        if let Some(wanted) = self.ledger.poll_advertisement(now) {
            self.advertise(&wanted);
        }
        let made = self.ledger.close(now);
        if !made.is_empty() {
            self.orders
                .extend(made.iter().map(|order| Order::Repair(*order)));
            self.add_spares(&made);
            self.flush_every = self.flush_min();
        }
        self.membership.stall(now, self.config.stall_timeout);
        if self.membership.open() > 0 {
            self.deserted = None;
        } else if !self.hopes(now) {
            if !self.serve_next_alone(now) {
                return self.end(now, Ending::Finished);
            }
            self.deserted = None;
        }
        // Somebody who asks for ever keeps nobody else from being asked.
        let idle = self.ledger.is_idle() || now.since(self.flushed) >= FLUSH_ANYWAY;
        if self.phase == Phase::Flushing && idle && now >= self.flush_at {
            self.flush(now);
        }
    }

    /// Whether somebody may still prove to be there; not for long, since those that
    /// only replay do not.
    fn hopes(&mut self, now: Time) -> bool {
        let since = *self.deserted.get_or_insert(now);
        self.membership.hopeful() > 0 && now.since(since) < HOPE
    }

    /// The others have ended: turns to the next that was set aside. Everything
    /// that is known of rate and loss is of other paths. False if there is none.
    fn serve_next_alone(&mut self, now: Time) -> bool {
        let positions = self.window.positions();
        let Some(member) = self.membership.serve_next_alone(positions) else {
            return false;
        };
        let usual = self.config.rate.bps();
        let sustained = member.sustained_bps.unwrap_or(usual);
        self.rate = self.config.rate.alone(sustained);
        self.pooled = PooledLoss::default();
        self.loss_due = true;
        (self.flush_at, self.flush_every) = (now, self.flush_min());
        true
    }

    /// Tells the group what is about to be sent, so that nobody else asks.
    pub(in crate::sender) fn advertise(&mut self, made: &[RepairOrder]) {
        if self.membership.heard() < 2 || self.membership.alone().is_some() {
            return;
        }
        let mut requests = Vec::new();
        let mut builder = RequestBuilder::new(&mut requests, MESSAGE_BYTES_MAX - 24);
        let mut limit = false;
        for order in made {
            let Some(layout) = self.config.shape.layout(order.toi) else {
                continue;
            };
            let block_len = layout.block_len(order.sbn);
            let id = |esi| PayloadId {
                sbn: order.sbn,
                block_len,
                esi,
            };
            let (first, last) = (id(order.first), id(order.first + (order.count - 1)));
            let whole = order.first == 0 && order.count == block_len;
            let level = if whole { Level::BLOCK } else { Level::SEGMENT };
            if !builder.push_range(level, order.toi, first, last) {
                limit = true;
                break;
            }
        }
        if let Ok(requests) = Requests::parse(&requests) {
            self.push_command(&CommandBody::RepairAdv { limit, requests });
        }
    }

    pub(in crate::sender) fn flush(&mut self, now: Time) {
        let open: Vec<u32> = self
            .membership
            .members()
            .iter()
            .filter(|m| m.is_open())
            .map(|m| m.node)
            .collect();
        if self.flush_cursor >= open.len() {
            self.flush_cursor = 0;
        }
        let end = (self.flush_cursor + ACKING_NODES_MAX).min(open.len());
        let nodes = NodeList::from_slice(&open[self.flush_cursor..end]);
        self.flush_cursor = end;
        let (toi, sbn) = match self.config.shape.layout(IMAGE_TOI) {
            Some(layout) => (IMAGE_TOI, layout.blocks() - 1),
            None => (crate::offer::SESSION_TOI, 0),
        };
        let block_len = self
            .config
            .shape
            .layout(toi)
            .map_or(1, |layout| layout.block_len(sbn));
        let id = PayloadId {
            sbn,
            block_len,
            esi: block_len - 1,
        };
        self.push_command(&CommandBody::Flush { toi, id, nodes });
        self.flushed = now;
        self.flush_at = now + self.flush_every;
        self.flush_every = (self.flush_every * 3 / 2).min(FLUSH_MAX.max(self.flush_min()));
    }
}
