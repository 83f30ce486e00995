//! The queues of the state machines, for whoever watches that they stay bounded.

/// One queue as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Which queue.
    pub name: &'static str,
    /// Entries that it holds.
    pub depth: usize,
    /// Entries that it may hold.
    pub bound: usize,
}
