//! What must hold in every run, whatever goes wrong in it.

use crate::report::QueueDepth;
use linecast_protocol::queue::Queue;
use std::collections::BTreeMap;
use std::fmt;

/// One thing that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Nothing is installed that is not the signed image, byte for byte.
    OnlyTheImage,
    /// Nothing is put in place before its root is verified.
    VerifiedFirst,
    /// Once faults stop, every live receiver completes.
    LiveComplete,
    /// The sender hears of every completion, unless somebody was silenced.
    CompletionHeard,
    /// No parity symbol is sent twice while unsent parity remains.
    FreshParity,
    /// No repair is ordered beyond what a live receiver lacks.
    NeededRepair,
    /// Every queue stays within its bound.
    BoundedQueue,
    /// Strangers fill nobody's memory, and nothing longer than a message is taken.
    BoundedMemory,
    /// Nobody counts more packets than there were, nor far fewer.
    Counters,
    /// A long attack keeps nobody from the image.
    Endures,
    /// No more is sent than the losses call for, with room to spare.
    Expansion,
    /// The rate stays between what it may be.
    Rate,
    /// The window of a small group keeps its sockets from overflowing.
    Window,
    /// The round trip that the sender believes in is that of the network.
    RoundTrip,
    /// A push ends by its deadline.
    Deadline,
    /// A push that ends before its time is told to end for the reason that it has.
    TrueEnd,
    /// Who counts as complete has the image.
    Verdict,
    /// No receiver says more than its budget.
    FeedbackBudget,
    /// Nobody asks to be woken in the past, or never while work is left.
    Wakeups,
    /// The session comes to an end.
    Ends,
    /// No machine panics, nor what runs it.
    NoPanic,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::OnlyTheImage => "only the image is installed",
            Rule::VerifiedFirst => "nothing is installed unverified",
            Rule::LiveComplete => "live receivers complete",
            Rule::CompletionHeard => "completions are heard",
            Rule::FreshParity => "no parity is sent twice",
            Rule::NeededRepair => "repairs are needed by somebody",
            Rule::BoundedQueue => "queues stay within their bounds",
            Rule::BoundedMemory => "memory stays bounded",
            Rule::Counters => "counts are possible",
            Rule::Endures => "attacks keep nobody from the image",
            Rule::Expansion => "no more is sent than losses call for",
            Rule::Rate => "the rate stays within its limits",
            Rule::Window => "the window keeps sockets from overflowing",
            Rule::RoundTrip => "the round trip is that of the network",
            Rule::Deadline => "the deadline is kept",
            Rule::TrueEnd => "the end is told as it is",
            Rule::Verdict => "who counts as complete has the image",
            Rule::FeedbackBudget => "feedback stays within its budget",
            Rule::Wakeups => "wakeups lie ahead",
            Rule::Ends => "the session ends",
            Rule::NoPanic => "nothing panics",
        })
    }
}

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// When, in nanoseconds from the start.
    pub at_ns: u64,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at_ns as f64 / 1e6;
        write!(f, "{} at {ms:.3} ms: {}", self.rule, self.what)
    }
}

/// Violations kept for the report; more of them say nothing new.
const KEPT_MAX: usize = 20;

/// Collects violations.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    pub violations: Vec<Violation>,
    pub count: u64,
    /// Worst depth of every queue, by name.
    pub depths: BTreeMap<&'static str, QueueDepth>,
}

impl Checker {
    /// `rule` did not hold.
    pub(crate) fn violated(&mut self, rule: Rule, at_ns: u64, what: impl Into<String>) {
        self.count += 1;
        if self.violations.len() < KEPT_MAX {
            self.violations.push(Violation {
                rule,
                at_ns,
                what: what.into(),
            });
        }
    }

    /// `rule` must hold.
    pub(crate) fn check(
        &mut self,
        holds: bool,
        rule: Rule,
        at_ns: u64,
        what: impl FnOnce() -> String,
    ) {
        if !holds {
            self.violated(rule, at_ns, what());
        }
    }

    /// A queue of `whose` as it is now.
    pub(crate) fn watch(&mut self, queue: Queue, at_ns: u64, whose: impl FnOnce() -> String) {
        let Queue { name, depth, bound } = queue;
        self.check(depth <= bound, Rule::BoundedQueue, at_ns, || {
            format!("{}: {name} {depth} of {bound}", whose())
        });
        let now = QueueDepth { name, depth, bound };
        let worst = self.depths.entry(name).or_insert_with(|| now.clone());
        if depth > worst.depth {
            *worst = now;
        }
    }
}
