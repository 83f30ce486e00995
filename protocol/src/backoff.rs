//! The truncated exponential backoff that keeps thousands of receivers from
//! answering at once (RFC 5401 §3.2.2, RFC 5740 §5.3).

use crate::random::Random;
use core::time::Duration;

/// A random delay in [0, `longest`], most often near `longest`, such that few
/// of `group` receivers draw a delay much shorter than the others.
pub fn random_backoff(random: &mut Random, longest: Duration, group: u32) -> Duration {
    let t = longest.as_nanos() as f64;
    if t <= 0.0 {
        return Duration::ZERO;
    }
    let lambda = libm::log(f64::from(group.max(1))) + 1.0;
    let scale = libm::exp(lambda) - 1.0;
    let x = random.unit() * lambda / t + lambda / (t * scale);
    let delay = t / lambda * libm::log(x * scale * t / lambda);
    Duration::from_nanos(delay.clamp(0.0, t) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_within_the_longest() {
        let mut random = Random::new(1);
        let longest = Duration::from_millis(120);
        for _ in 0..10_000 {
            assert!(random_backoff(&mut random, longest, 1000) <= longest);
        }
    }

    #[test]
    fn few_of_a_large_group_answer_early() {
        let mut random = Random::new(2);
        let longest = Duration::from_millis(120);
        let early = (0..10_000)
            .filter(|_| random_backoff(&mut random, longest, 10_000) < longest / 4)
            .count();
        assert!(
            early < 50,
            "{early} of 10,000 answered in the first quarter"
        );
    }

    #[test]
    fn no_backoff_means_no_delay() {
        assert_eq!(
            random_backoff(&mut Random::new(3), Duration::ZERO, 10),
            Duration::ZERO
        );
    }
}
