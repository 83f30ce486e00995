//! Which of two ready trains goes next: first transmissions or repairs.

use crate::limits::REPAIR_SHARE;

/// What a train carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Symbols sent for the first time, with their proactive parity.
    First,
    /// Symbols that somebody asked for.
    Repair,
}

/// Packets of credit that repairs may save up.
const CREDIT_MAX: i64 = 256;

/// Gives repairs precedence, but no more than a quarter of the packets while
/// first transmissions are unfinished.
#[derive(Debug, Clone, Default)]
pub struct RepairShare {
    credit: i64,
}

impl RepairShare {
    /// Chooses between what is ready; `None` if nothing is.
    pub fn choose(&self, first_ready: bool, first_done: bool, repair_ready: bool) -> Option<Class> {
        match (first_ready, repair_ready) {
            (false, true) => Some(Class::Repair),
            (true, true) if first_done || self.credit > 0 => Some(Class::Repair),
            (true, _) => Some(Class::First),
            _ => None,
        }
    }

    /// `packets` of a class were sent.
    pub fn spend(&mut self, class: Class, packets: u32) {
        let share = i64::from(REPAIR_SHARE);
        self.credit = match class {
            Class::First => (self.credit + i64::from(packets)).min(CREDIT_MAX * share),
            Class::Repair => self.credit - i64::from(packets) * (share - 1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_take_a_quarter_while_first_transmissions_last() {
        let mut share = RepairShare::default();
        let mut sent = [0u32; 2];
        for _ in 0..40_000 {
            let class = share.choose(true, false, true).unwrap();
            share.spend(class, 45);
            sent[usize::from(class == Class::Repair)] += 45;
        }
        let part = f64::from(sent[1]) / f64::from(sent[0] + sent[1]);
        assert!((part - 0.25).abs() < 0.01, "{part}");
    }

    #[test]
    fn whatever_is_ready_alone_goes_at_once() {
        let share = RepairShare::default();
        assert_eq!(share.choose(false, false, true), Some(Class::Repair));
        assert_eq!(share.choose(true, true, true), Some(Class::Repair));
        assert_eq!(share.choose(true, false, false), Some(Class::First));
        assert_eq!(share.choose(false, true, false), None);
    }
}
