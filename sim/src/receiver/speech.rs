//! What a receiver says, and what becomes of it on its way.

use super::{Moment, ReceiverNode};
use crate::check::Rule;
use crate::draw::chance;
use crate::packet::sender_address;
use crate::scenario::Direction;
use crate::sender::Feedback;
use linecast_protocol::message::ACK_COMPLETE;
use linecast_protocol::offer::{IMAGE_TOI, LEAVES_TOI};
use linecast_protocol::receiver::Session;
use linecast_protocol::time::Duration;
use linecast_protocol::wire::Message;

/// Nobody makes plans for later than this: a packet that did it would silence a
/// device.
const PLANS_MAX: Duration = Duration::from_secs(60);
/// The same while somebody forges headers: the longest wait of all, 40 spreads of
/// the longest round trip, and as much again. The next true header makes it short.
const PLANS_FORGED_MAX: Duration = Duration::from_secs(800);
/// Whoever wants to be woken at once again and again is woken this often.
const SPIN_NS: u64 = 1_000_000;

impl ReceiverNode {
    pub(super) fn speak(&mut self, moment: &mut Moment<'_>) {
        let at = moment.at;
        let now = self.clock.local(at);
        let mut due = self.machine.poll_timeout();
        if due.is_some_and(|due| due <= now) {
            self.check_queues(moment);
            let mut message = std::mem::take(&mut self.message);
            while let Some(to) = self.machine.poll_transmit(now, &mut message) {
                self.counts.messages += 1;
                self.counts.bytes += message.len() as u64;
                self.counts.longest = self.counts.longest.max(message.len());
                self.trace.note_bytes(11, at, &message);
                let lost = chance(
                    &mut self.random,
                    moment.around.scenario.network.feedback_loss,
                ) || self.is_cut(at, Direction::Up, moment.around.scenario)
                    || self.is_muted(at, &message)
                    || to != sender_address();
                if !lost {
                    let jitter = self.random.within(moment.around.scenario.network.jitter);
                    moment.out.push(Feedback {
                        at: at + self.way_ns + jitter.as_nanos() as u64,
                        from: self.address,
                        bytes: message.clone(),
                    });
                }
            }
            self.message = message;
            while let Some(event) = self.machine.poll_event() {
                self.handle_event(event, moment);
            }
            due = self.machine.poll_timeout();
            let ahead = due.is_none_or(|due| due > now);
            moment.checker.check(ahead, Rule::Wakeups, at, || {
                format!("receiver {} wants to be woken at once", self.index)
            });
        }
        let following = self.machine.session().filter(|session| !session.is_over());
        let silent = due.is_none() && following.is_some();
        let checker = &mut *moment.checker;
        checker.check(!silent, Rule::Wakeups, at, || {
            format!("receiver {} never wants to be woken", self.index)
        });
        let most = match moment.around.scenario.is_hostile() {
            true => PLANS_FORGED_MAX,
            false => PLANS_MAX,
        };
        let soon = due.is_none_or(|due| due.since(now) <= most);
        checker.check(soon, Rule::Wakeups, at, || {
            let later = due.map(|due| due.since(now));
            format!("receiver {} wants to be woken in {later:?}", self.index)
        });
        self.due = due.map_or(u64::MAX, |due| match due > now {
            true => self.clock.global(due).max(at + 1),
            // It would do nothing else any more.
            false => at + SPIN_NS,
        });
    }

    /// Whether this is a completion that nobody hears.
    fn is_muted(&mut self, at: u64, message: &[u8]) -> bool {
        if self.mute_ns == 0 {
            return false;
        }
        let completion = matches!(
            Message::parse(message),
            Ok(Message::Ack(ack)) if ack.ack_type == ACK_COMPLETE
        );
        completion && at < *self.muted_until.get_or_insert(at + self.mute_ns)
    }

    /// The machine's queues against their own bounds, and against what there can
    /// be to do.
    fn check_queues(&self, moment: &mut Moment<'_>) {
        let open = |session: &Session| {
            let blocks = [LEAVES_TOI, IMAGE_TOI].map(|toi| session.blocks(toi));
            let open = blocks.into_iter().flatten().map(|blocks| blocks.open());
            open.map(|open| open as usize).sum()
        };
        let open = self.machine.session().map_or(0, open);
        for mut queue in self.machine.queues() {
            if queue.name == "blocks wanted" {
                queue.bound = open;
            }
            let whose = || format!("receiver {}", self.index);
            moment.checker.watch(queue, moment.at, whose);
        }
    }
}
