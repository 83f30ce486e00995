//! What the rule of `compare` decides about figures whose truth is known.
//! `scripts/bench-ab --self-test` runs these.

use super::*;
use serde_json::json;

/// As `scripts/bench-ab` does unless told otherwise.
const REPEATS: usize = 10;
const LIMIT: f64 = 0.05;
const ALPHA: f64 = 0.01;
/// Standard deviation of repeats: 6 %. Those of one lane on an idle machine lie
/// closer together (bench/README.md: 63 to 67 Gbit/s).
const SPREAD: f64 = 0.06;
/// Comparisons of each kind.
const TRIALS: usize = 500;

/// SplitMix64: the same figures in every run.
struct Figures(u64);

impl Figures {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Sums of twelve uniform values are normal enough. One repeat in twenty is
    /// disturbed and up to a half slower, as on machines that others use.
    fn repeats(&mut self, level: f64) -> Vec<Value> {
        let repeat = |_| {
            let normal = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
            let undisturbed = self.unit() > 0.05;
            let part = if undisturbed {
                1.0
            } else {
                1.0 - self.unit() / 2.0
            };
            let gbps = level * part * (1.0 + SPREAD * normal);
            json!({"bench": "transmit", "path": "engine", "gbps": gbps})
        };
        (0..REPEATS).map(repeat).collect()
    }

    /// Alarms in so many comparisons with a second half that is slower by a part.
    fn alarms(&mut self, trials: usize, slower_by: f64) -> usize {
        let mut alarm = || {
            let (before, after) = (self.repeats(50.0), self.repeats(50.0 * (1.0 - slower_by)));
            let [row] = &comparisons(&before, &after)[..] else {
                panic!("one row expected");
            };
            row.is_regression(LIMIT, ALPHA)
        };
        (0..trials).filter(|_| alarm()).count()
    }
}

#[test]
fn a_slowdown_by_a_fifth_is_caught() {
    let caught = Figures(1).alarms(TRIALS, 0.2);
    assert!(caught >= TRIALS * 95 / 100, "{caught} of {TRIALS}");
}

#[test]
fn nothing_changed_and_no_alarm_in_twenty() {
    assert_eq!(Figures(3).alarms(20, 0.0), 0);
}

#[test]
fn false_alarms_are_rarer_than_alpha() {
    let alarms = Figures(4).alarms(TRIALS, 0.0);
    assert!(
        alarms as f64 <= ALPHA * TRIALS as f64,
        "{alarms} of {TRIALS}"
    );
}

#[test]
fn less_than_the_limit_is_let_pass() {
    let alarms = Figures(5).alarms(TRIALS, 0.02);
    assert!(alarms <= TRIALS / 20, "{alarms} of {TRIALS}");
}
