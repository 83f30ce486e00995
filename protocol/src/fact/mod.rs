//! Facts: what a machine may come to know of what is said to it.
//!
//! Whatever is heard goes through `hear`, the border before each machine. What
//! comes out is bounded in size, ranges and work, and attributed: every kind of
//! fact says what it takes to be one. What a stranger says costs them a counter.

mod unheard;

pub use unheard::{Unheard, UnheardCounts};

use crate::limits::SPANS_MAX;
use crate::message::{Complete, Page, Status};
use crate::object::{Span, spans};
use crate::time::Duration;
use crate::wire::Requests;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What the sender may come to know. All but the first are signed or sealed by the
/// device that says it; `place` is that member.
#[derive(Debug)]
pub(crate) enum Feedback {
    /// Somebody, anybody, heard symbols and does not know the session.
    Solicited,
    /// A device is there that was not there before, or again.
    Registered {
        /// Whether it is new to the session.
        fresh: bool,
    },
    /// A registration that is known came again.
    Known,
    /// How a receiver is doing.
    Reported {
        place: usize,
        /// Its counts, if they can be true.
        status: Status,
        plausible: bool,
        trip: Option<Duration>,
    },
    /// What it asks for.
    Asked {
        place: usize,
        asked: Asked,
        trip: Option<Duration>,
    },
    /// Leaves that it lacks.
    Lacking { place: usize, page: Box<Page> },
    /// How it ended.
    Completed {
        place: usize,
        complete: Complete,
        trip: Option<Duration>,
    },
    /// That it refuses the session, or leaves it.
    Refused,
}

/// What one NACK asks for: no more ranges than fit a message of ours, each once.
#[derive(Debug, Default)]
pub(crate) struct Asked(Vec<Span>);

impl Asked {
    /// Reads requests that are known to fit one message.
    pub(crate) fn of(requests: &Requests<'_>) -> Asked {
        let mut asked = Vec::with_capacity(8);
        for span in spans(requests).take(SPANS_MAX) {
            if !asked.contains(&span) {
                asked.push(span);
            }
        }
        Asked(asked)
    }

    /// The ranges.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.0
    }
}
