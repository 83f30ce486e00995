//! What the machine tells its device.

use super::{FINISH_NS, Moment, Power, ReceiverNode};
use crate::check::Rule;
use crate::store::Store;
use linecast_protocol::message::{EndReason, Figures};
use linecast_protocol::receiver::Event;

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
            Event::Ended(EndReason::ImageChanged) => self.discard(moment),
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

    /// The sender says that the image has changed: nothing of it is of use.
    fn discard(&mut self, moment: &mut Moment<'_>) {
        let changed = moment.around.image_changed;
        let verified = self.store.as_ref().map_or(0, Store::claimed);
        moment.checker.check(
            changed || verified == 0,
            Rule::KeepsVerified,
            moment.at,
            || format!("receiver {} discards {verified} leaves", self.index),
        );
        self.store = None;
        self.failed |= changed;
        self.power = Power::Ended;
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
