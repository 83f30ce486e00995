//! Which leaves somebody lacks, where everybody has some already: asked page by
//! page, each poll with what is known, so that a thousand equal receivers say it
//! about once.

use crate::limits::{PAGE_BYTES, PAGE_LEAVES};
use crate::message::Page;
use crate::time::{Duration, Time};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Pages that are asked for at the same time.
const PAGES_AT_ONCE: usize = 8;
/// Polls of a page that bring nothing new until it is settled: one may be lost.
const QUIET_POLLS: u8 = 2;
/// An answer takes this long at least.
const GAP_MIN: Duration = Duration::from_millis(5);
/// What is not known after this is taken for lacking: a round of repairs less.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Asked {
    known: Box<[u8; PAGE_BYTES]>,
    quiet: u8,
    due: Time,
}

/// The pages of one image.
#[derive(Debug)]
pub(in crate::sender) struct Lacking {
    leaves: u64,
    pages: Vec<Asked>,
    begun: Option<Time>,
}

impl Lacking {
    /// Nothing is known of the leaves of an image.
    pub(in crate::sender) fn new(leaves: u64) -> Lacking {
        Lacking {
            leaves,
            pages: Vec::new(),
            begun: None,
        }
    }

    /// Begins to ask, if that has not begun.
    pub(in crate::sender) fn begin(&mut self, now: Time) {
        if self.begun.is_none() {
            self.begun = Some(now);
            let pages = self.leaves.div_ceil(PAGE_LEAVES);
            let fresh = || Asked {
                known: Box::new([0; PAGE_BYTES]),
                quiet: 0,
                due: now,
            };
            self.pages = (0..pages).map(|_| fresh()).collect();
        }
    }

    /// Whether all is known, or has been waited for long enough.
    pub(in crate::sender) fn is_settled(&self, now: Time) -> bool {
        let late = self.begun.is_some_and(|begun| now.since(begun) >= PATIENCE);
        late || self.begun.is_some() && self.unsettled().next().is_none()
    }

    fn unsettled(&self) -> impl Iterator<Item = usize> {
        let pages = self.pages.iter();
        let asked = pages
            .enumerate()
            .filter(|(_, page)| page.quiet < QUIET_POLLS);
        asked.map(|(at, _)| at).take(PAGES_AT_ONCE)
    }

    /// The next page to poll for, with what is known of it; answers take `gap`.
    pub(in crate::sender) fn poll(
        &mut self,
        now: Time,
        gap: Duration,
    ) -> Option<(u32, Box<[u8; PAGE_BYTES]>)> {
        let at = self.unsettled().find(|&at| self.pages[at].due <= now)?;
        let page = &mut self.pages[at];
        page.quiet += 1;
        page.due = now + gap.max(GAP_MIN);
        Some((at as u32, page.known.clone()))
    }

    /// When to poll next.
    pub(in crate::sender) fn poll_timeout(&self) -> Option<Time> {
        let end = self.begun? + PATIENCE;
        let due = self.unsettled().map(|at| self.pages[at].due).min();
        Some(due.map_or(end, |due| due.min(end)))
    }

    /// Somebody lacks these.
    pub(in crate::sender) fn answer(&mut self, now: Time, page: &Page) {
        let Some(asked) = self.pages.get_mut(page.number as usize) else {
            return;
        };
        let mut news = 0;
        for (known, lacking) in asked.known.iter_mut().zip(&page.lacking) {
            news |= lacking & !*known;
            *known |= lacking;
        }
        if news != 0 {
            asked.quiet = 0;
            // Others with the same answer hear of it before theirs are due.
            asked.due = asked.due.min(now + GAP_MIN / 2);
        }
    }

    /// The leaves that somebody lacks: those of unsettled pages all.
    pub(in crate::sender) fn leaves(&self) -> impl Iterator<Item = u64> {
        let pages = self.pages.iter().zip(0u32..);
        let leaves = pages.flat_map(|(asked, number)| {
            let settled = asked.quiet >= QUIET_POLLS;
            let all = if settled { 0 } else { 0xff };
            let map: [u8; PAGE_BYTES] = core::array::from_fn(|at| asked.known[at] | all);
            Page::leaves(number, &map).collect::<Vec<_>>()
        });
        leaves.filter(|leaf| *leaf < self.leaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, bits: &[usize]) -> Page {
        let mut lacking = [0; PAGE_BYTES];
        bits.iter().for_each(|&bit| Page::set(&mut lacking, bit));
        Page { number, lacking }
    }

    fn at(ms: u64) -> Time {
        Time::from_ns(ms * 1_000_000)
    }

    #[test]
    fn a_page_is_asked_until_nobody_adds_to_what_is_known() {
        let mut lacking = Lacking::new(10);
        assert!(!lacking.is_settled(at(0)));
        lacking.begin(at(0));
        let (number, known) = lacking.poll(at(0), GAP_MIN).unwrap();
        assert_eq!((number, *known), (0, [0; PAGE_BYTES]));
        lacking.answer(at(1), &page(0, &[3, 900]));
        lacking.answer(at(2), &page(0, &[3]));
        for ms in [10, 20] {
            let (_, known) = lacking.poll(at(ms), GAP_MIN).unwrap();
            assert_eq!(*known, page(0, &[3, 900]).lacking);
        }
        assert!(lacking.is_settled(at(21)) && lacking.poll(at(30), GAP_MIN).is_none());
        // The image has no leaf 900.
        assert_eq!(lacking.leaves().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn what_is_not_known_in_time_is_sent() {
        let mut lacking = Lacking::new(PAGE_LEAVES + 2);
        lacking.begin(at(0));
        // Two polls of the first page, one of the second.
        for (ms, page) in [(0, 0), (1, 1), (10, 0)] {
            assert_eq!(lacking.poll(at(ms), GAP_MIN * 2).unwrap().0, page);
        }
        assert!(!lacking.is_settled(at(10)));
        assert!(lacking.is_settled(at(2_000)));
        let lacked: Vec<u64> = lacking.leaves().collect();
        assert_eq!(lacked, [PAGE_LEAVES, PAGE_LEAVES + 1]);
    }

    #[test]
    fn a_page_that_the_image_does_not_have_is_passed_over() {
        let mut lacking = Lacking::new(10);
        lacking.answer(at(0), &page(7, &[1]));
        lacking.begin(at(0));
        lacking.answer(at(0), &page(7, &[1]));
        lacking.answer(at(0), &page(u32::MAX, &[1]));
    }
}
