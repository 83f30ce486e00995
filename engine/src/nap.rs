//! Short sleeps of a thread that has nothing to do.
//!
//! Encoder and lanes look at their channels again by themselves instead of
//! waiting in them: waking a thread costs the other side 5 µs, more than half of
//! a train's way through the kernel, and would happen for nearly every train.

use crate::socket_wait;
use std::time::Duration;

/// Longest sleep: it delays a repair that comes when all was quiet.
const LONGEST: Duration = Duration::from_micros(640);

/// Sleeps that double as long as there is nothing to do.
#[derive(Debug)]
pub(crate) struct Nap {
    shortest: Duration,
    next: Duration,
}

impl Nap {
    /// Lets the calling thread's timers fire without slack.
    pub(crate) fn new(shortest: Duration) -> Nap {
        socket_wait::precise_timers();
        Nap {
            shortest,
            next: shortest,
        }
    }

    /// Sleeps, longer than the last time.
    pub(crate) fn sleep(&mut self) {
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(LONGEST);
    }

    /// There was something to do.
    pub(crate) fn over(&mut self) {
        self.next = self.shortest;
    }
}
