//! What happens to a device.

use super::{Moment, Power, ReceiverNode};
use crate::scenario::{Fault, Scenario};
use crate::store::OfferBytes;
use linecast_protocol::message::Figures;
use linecast_protocol::receiver::Receiver;
use linecast_protocol::time::Duration;

impl ReceiverNode {
    pub(super) fn happen(&mut self, step: Step, moment: &mut Moment<'_>) {
        let at = moment.at;
        let heeded = match self.power {
            Power::Gone => false,
            Power::Ended => matches!(step, Step::Leave | Step::Restart),
            _ => true,
        };
        if !heeded {
            return;
        }
        match step {
            Step::Start => {
                self.power = Power::Up;
                self.up_at = at;
                self.counts.starts += 1;
                self.config.seed = self.random.next_u64();
                self.config.life = self.random.next_u64().to_be_bytes();
                self.machine = Receiver::new(self.config.clone());
                self.due = u64::MAX;
            }
            Step::Restart => {
                if self.failed && self.installed_at.is_none() {
                    self.happen(Step::Crash { disk_loss: 0.0 }, moment);
                    (self.failed, self.rotten) = (false, false);
                    self.power = Power::Down;
                    self.happen(Step::Start, moment);
                }
            }
            Step::Crash { disk_loss } => {
                self.note_counts();
                self.power = Power::Down;
                self.pending = None;
                self.finishing = None;
                self.doubted.clear();
                self.announced_verified = false;
                self.offers = OfferBytes::default();
                self.socket.reset();
                if let Some(store) = &mut self.store
                    && self.installed_at.is_none()
                {
                    store.crash(&mut self.random, disk_loss);
                }
            }
            Step::Leave => {
                self.note_counts();
                self.power = Power::Gone;
            }
            Step::Pause { until } => {
                self.socket.hold(until);
                self.due = self.due.max(until);
                self.finishing = self.finishing.map(|finish| finish.max(until));
            }
            Step::Jump { by } => {
                self.clock.jump(by);
                self.follow_up(moment);
            }
            Step::DiskFull => {
                if self.installed_at.is_none() && self.machine.session().is_some() {
                    self.failed = true;
                    self.finishing = None;
                    let now = self.clock.local(at);
                    self.machine
                        .finish(now, Figures::default(), Some("disk full"));
                    self.follow_up(moment);
                }
            }
            Step::Rot => {
                if let Some(store) = &mut self.store
                    && self.installed_at.is_none()
                {
                    self.rotten = true;
                    store.rot(&mut self.random);
                }
            }
        }
    }
}

/// One thing that happens to a device.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Start,
    Crash { disk_loss: f64 },
    Leave,
    Pause { until: u64 },
    Jump { by: u64 },
    DiskFull,
    Restart,
    Rot,
}

/// What happens to receiver `index`, in the order of time.
pub(super) fn steps(index: u32, scenario: &Scenario) -> Vec<(u64, Step)> {
    let mut steps = Vec::new();
    let ns = |span: Duration| span.as_nanos() as u64;
    for fault in &scenario.faults {
        match *fault {
            Fault::CrashReceiver {
                receiver,
                at,
                down,
                disk_loss,
            } if receiver == index => {
                steps.push((ns(at), Step::Crash { disk_loss }));
                steps.push((ns(at + down), Step::Start));
            }
            Fault::LateJoin { receiver, at } if receiver == index => {
                steps.push((ns(at), Step::Start));
            }
            Fault::Leave { receiver, at } if receiver == index => steps.push((ns(at), Step::Leave)),
            Fault::Pause {
                receiver,
                at,
                length,
            } if receiver == index => {
                let until = ns(at + length);
                steps.push((ns(at), Step::Pause { until }));
            }
            Fault::Jump { receiver, at, by } if receiver == index => {
                steps.push((ns(at), Step::Jump { by: ns(by) }));
            }
            Fault::DiskFull { receiver, at } if receiver == index => {
                steps.push((ns(at), Step::DiskFull));
            }
            Fault::Restart { receiver, at } if receiver == index => {
                steps.push((ns(at), Step::Restart));
            }
            Fault::RotDisk { receiver, at } if receiver == index => {
                steps.push((ns(at), Step::Rot));
            }
            _ => {}
        }
    }
    steps.sort_by_key(|&(at, _)| at);
    steps
}
