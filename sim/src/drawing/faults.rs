//! Faults drawn at random.

use super::pick;
use crate::draw::{below, between};
use crate::scenario::{Direction, Fault, Outage, Scope};
use linecast_protocol::random::Random;
use linecast_protocol::time::Duration;

pub(super) fn fault(random: &mut Random, receivers: u32, subtrees: u32, span: Duration) -> Fault {
    let at = random.within(span);
    let receiver = below(random, receivers.into()) as u32;
    match below(random, 12) {
        0..2 => Fault::CrashReceiver {
            receiver,
            at,
            down: between(random, Duration::from_millis(50), Duration::from_secs(3)),
            disk_loss: pick(random, &[0.0, 0.05, 1.0]),
        },
        2 => Fault::CrashSender {
            at,
            down: between(random, Duration::from_millis(50), Duration::from_secs(4)),
        },
        3 => Fault::LateJoin { receiver, at },
        4 => Fault::Leave { receiver, at },
        5 => Fault::Pause {
            receiver,
            at,
            length: random.within(Duration::from_secs(3)),
        },
        6 => Fault::Jump {
            receiver,
            at,
            by: random.within(Duration::from_secs(10)),
        },
        7 => Fault::DiskFull { receiver, at },
        8 => Fault::RotDisk { receiver, at },
        9 => Fault::Forge {
            at,
            count: 1 + below(random, 40) as u32,
        },
        10 => Fault::Replay {
            at,
            count: 1 + below(random, 100) as u32,
        },
        _ => Fault::Outage(Outage {
            at,
            length: random.within(Duration::from_secs(5)),
            scope: match below(random, 3) {
                0 if subtrees > 0 => Scope::Subtree(below(random, subtrees.into()) as u32),
                1 => Scope::Receiver(receiver),
                _ => Scope::All,
            },
            direction: pick(random, &[Direction::Down, Direction::Up, Direction::Both]),
        }),
    }
}
