//! Answers the polls of a sender that wants to know which leaves somebody lacks.

use crate::budget::Budget;
use crate::limits::{PAGE_BYTES, PAGE_LEAVES};
use crate::message::Page;
use crate::object::Leaves;
use crate::random::Random;
use crate::time::Time;
use crate::timer::{Group, Scale, Timer, Timers, Wait};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Pages that wait to be answered for: the sender polls for no more at once.
const WAITING_MAX: usize = 8;
/// Answers in a second, and at once: a sender needs one or two for each page.
const ANSWERS_PER_S: u64 = 1_000;
const ANSWERS_BURST: u64 = 256;

#[derive(Debug)]
pub(in crate::receiver) struct LackingPages {
    waiting: VecDeque<Page>,
    answers: Budget,
}

impl Default for LackingPages {
    fn default() -> Self {
        LackingPages {
            waiting: VecDeque::new(),
            answers: Budget::new(ANSWERS_PER_S, ANSWERS_BURST),
        }
    }
}

impl LackingPages {
    /// The sender knows that somebody lacks `known` of page `number`.
    #[allow(clippy::too_many_arguments)]
    pub(in crate::receiver) fn poll_heard(
        &mut self,
        now: Time,
        group: Group,
        number: u32,
        known: &[u8; PAGE_BYTES],
        leaves: &Leaves,
        random: &mut Random,
        timers: &mut Timers,
    ) {
        self.waiting.retain(|page| page.number != number);
        let lacking = map_of(leaves, number);
        let news = lacking
            .iter()
            .zip(known)
            .any(|(own, known)| own & !known != 0);
        if !news || self.waiting.len() >= WAITING_MAX || !self.answers.take(now) {
            return;
        }
        self.waiting.push_back(Page { number, lacking });
        timers.set_sooner(Timer::Page, now, Wait::within(Scale::Spread, random), group);
    }

    /// The next answer, if it is time.
    pub(in crate::receiver) fn poll(
        &mut self,
        now: Time,
        group: Group,
        timers: &mut Timers,
    ) -> Option<Vec<u8>> {
        if !timers.is_due(Timer::Page, now, group) {
            return None;
        }
        let page = self.waiting.pop_front();
        if self.waiting.is_empty() {
            timers.clear(Timer::Page);
        }
        let mut payload = Vec::new();
        page?.emit(&mut payload);
        Some(payload)
    }
}

fn map_of(leaves: &Leaves, number: u32) -> [u8; PAGE_BYTES] {
    let first = u64::from(number) * PAGE_LEAVES;
    let end = (first + PAGE_LEAVES).min(leaves.count());
    let mut map = [0; PAGE_BYTES];
    for leaf in (first..end).filter(|&leaf| !leaves.is_verified(leaf)) {
        Page::set(&mut map, (leaf - first) as usize);
    }
    map
}
