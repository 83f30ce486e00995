//! What the machine tells its device.

use super::faults::Step;
use super::{FINISH_NS, Moment, Power, ReceiverNode};
use crate::check::Rule;
use crate::lanes::SOURCE_ID;
use linecast_protocol::message::{EndReason, Figures};
use linecast_protocol::receiver::Event;

/// A process that has ended is started again after this.
const RESTART_NS: u64 = 1_000_000_000;

impl ReceiverNode {
    pub(super) fn handle_event(&mut self, event: Event, moment: &mut Moment<'_>) {
        let at = moment.at;
        self.trace.note(9, at, event_code(&event));
        match event {
            Event::Welcomed => {}
            Event::Verified => {
                self.announced_verified = true;
                self.verified_at.get_or_insert(at);
                if self.installed_at.is_some() {
                    let now = self.clock.local(at);
                    self.machine.finish(now, Figures::default(), None);
                } else {
                    self.finishing = Some(at + FINISH_NS);
                }
            }
            // Verified is verified: however the session ends, the image stays.
            Event::Ended(_) if self.announced_verified => {}
            Event::Ended(EndReason::ImageChanged) => self.start_again(moment),
            Event::Ended(EndReason::Deadline) => self.power = Power::Ended,
            // One that was interrupted waits for the next push.
            Event::Ended(_) => {}
            // A receiver that has the image, or failed, ends.
            Event::Over { .. } => {
                if self.installed_at.is_some() || self.failed {
                    self.power = Power::Ended;
                }
            }
        }
    }

    /// The sender says that the image has changed: the process ends, what it has
    /// verified stays, and whoever started it starts it again.
    fn start_again(&mut self, moment: &mut Moment<'_>) {
        let session = self.machine.session();
        // Of a session that nobody has to believe, anything may be said.
        let theirs = session.is_some_and(|session| session.sender().0 != SOURCE_ID);
        let right = theirs || moment.around.image_changed;
        (moment.checker).check(right, Rule::TrueEnd, moment.at, || {
            format!("receiver {} is told of a changed image", self.index)
        });
        self.happen(Step::Crash { disk_loss: 0.0 }, moment);
        let again = (moment.at + RESTART_NS, Step::Start);
        let before = self.faults.partition_point(|(at, _)| *at > again.0);
        self.faults.insert(before, again);
    }
}

fn event_code(event: &Event) -> u64 {
    match event {
        Event::Welcomed => 1,
        Event::Verified => 2,
        Event::Ended(_) => 3,
        Event::Over { finished } => 4 + u64::from(*finished),
    }
}
