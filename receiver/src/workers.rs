//! Threads that restore blocks and hash leaves beside the one that receives.
//!
//! Each task owns what it needs: the bytes are lent to it. A thread that keeps
//! up with its socket does everything itself, while the bytes are still in its
//! cache, since waking a worker costs as much as hashing a quarter of a leaf.
//! So does one whose workers have no room.
//!
//! ```text
//! give ─► behind: queue, two a worker ─► worker ─► poll, wait
//!   └──── full, or not behind: done at once ─────────┘
//! ```

use crate::mapping::Loan;
use crate::symbols::{Restoration, Restored, decoder};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use linecast_fec::{Codec, Decoder, FecError};
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::object::tree;
use std::collections::VecDeque;
use std::thread;

/// Tasks that may wait for each worker.
const QUEUED: usize = 2;

/// Something to do with bytes of the image.
#[derive(Debug)]
pub(crate) enum Task {
    /// Hash this leaf, whose bytes are lent.
    Hash(u64, Loan),
    /// Restore a block, whose places are lent.
    Restore(Restoration, Loan),
}

/// What came of a task, and the loan, to be taken back.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The leaf and its hash; none if the image has no such leaf.
    Hashed(u64, Option<[u8; 32]>, Loan),
    /// The block and the sources that were missing; none if the erasure code
    /// refuses its symbols.
    Restored(u32, Option<Restored>, Loan),
}

/// The workers of one image. Dropped, they end with what they are at.
#[derive(Debug)]
pub(crate) struct Workers {
    tasks: Sender<Task>,
    /// The same queue, to take back what nobody has begun.
    queue: Receiver<Task>,
    outcomes: Receiver<Outcome>,
    /// Of tasks that were done at once.
    done: VecDeque<Outcome>,
    out: usize,
    own: Craft,
}

impl Workers {
    /// `count` threads for an image of this layout; may be 0.
    pub(crate) fn new(count: usize, codec: Codec, layout: ObjectLayout) -> Workers {
        let (tasks, queue) = bounded(count * QUEUED);
        let (done, outcomes) = unbounded();
        for number in 0..count {
            let (queue, done) = (queue.clone(), done.clone());
            let mut craft = Craft::new(codec, layout);
            let work = move || {
                while let Ok(task) = queue.recv() {
                    if done.send(craft.run(task)).is_err() {
                        return;
                    }
                }
            };
            // Without a thread, its share is done by the others.
            let _ = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(work);
        }
        Workers {
            tasks,
            queue,
            outcomes,
            done: VecDeque::new(),
            out: 0,
            own: Craft::new(codec, layout),
        }
    }

    /// Hands a task out if the receiving thread is `behind` and a worker has
    /// room, or does it.
    pub(crate) fn give(&mut self, task: Task, behind: bool) {
        self.out += 1;
        let task = match behind {
            true => match self.tasks.try_send(task) {
                Ok(()) => return,
                Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) => task,
            },
            false => task,
        };
        self.done.push_back(self.own.run(task));
    }

    /// Whether outcomes are still to come.
    pub(crate) fn is_busy(&self) -> bool {
        self.out > 0
    }

    /// An outcome that is there.
    pub(crate) fn poll(&mut self) -> Option<Outcome> {
        let done = self.done.pop_front();
        self.count(done.or_else(|| self.outcomes.try_recv().ok()))
    }

    /// The next outcome of those to come; does what nobody has begun, and waits
    /// for what somebody has. `None` if there are none.
    pub(crate) fn wait(&mut self) -> Option<Outcome> {
        if let Some(outcome) = self.poll() {
            return Some(outcome);
        }
        if let Ok(task) = self.queue.try_recv() {
            let done = self.own.run(task);
            return self.count(Some(done));
        }
        let outcome = self.is_busy().then(|| self.outcomes.recv().ok());
        self.count(outcome.flatten())
    }

    fn count(&mut self, outcome: Option<Outcome>) -> Option<Outcome> {
        self.out -= usize::from(outcome.is_some());
        outcome
    }
}

/// What one thread needs to do tasks.
#[derive(Debug)]
struct Craft {
    codec: Codec,
    layout: ObjectLayout,
    /// Made when a block has to be restored: its tables take 10 ms.
    decoder: Option<Decoder>,
}

impl Craft {
    fn new(codec: Codec, layout: ObjectLayout) -> Craft {
        Craft {
            codec,
            layout,
            decoder: None,
        }
    }

    fn run(&mut self, task: Task) -> Outcome {
        match task {
            Task::Hash(leaf, loan) => {
                let hash = tree::leaf_hash(self.layout.size(), leaf, loan.bytes());
                Outcome::Hashed(leaf, hash.ok(), loan)
            }
            Task::Restore(restoration, loan) => {
                let restored = self.restore(&restoration, loan.bytes());
                Outcome::Restored(restoration.sbn, restored.ok(), loan)
            }
        }
    }

    fn restore(&mut self, restoration: &Restoration, block: &[u8]) -> Result<Restored, FecError> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            empty => empty.insert(decoder(self.codec, &self.layout)?),
        };
        restoration.run(block, decoder)
    }
}

#[cfg(test)]
mod tests;
