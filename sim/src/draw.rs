//! Random draws that are the same on every machine: integers from the seeded
//! generator, logarithms from `libm`.

use linecast_protocol::random::Random;
use linecast_protocol::time::Duration;

/// How many times an event of probability `p` fails to happen before it does.
pub(crate) fn geometric(random: &mut Random, p: f64) -> u64 {
    if p <= 0.0 {
        return u64::MAX;
    }
    if p >= 1.0 {
        return 0;
    }
    let gap = libm::log1p(-random.unit()) / libm::log1p(-p);
    gap as u64
}

/// Whether an event of probability `p` happens.
pub(crate) fn chance(random: &mut Random, p: f64) -> bool {
    p > 0.0 && random.unit() < p
}

/// Uniform in `0..end`; 0 if `end` is 0.
pub(crate) fn below(random: &mut Random, end: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(end)) >> 64) as u64
}

/// Uniform between two spans.
pub(crate) fn between(random: &mut Random, low: Duration, high: Duration) -> Duration {
    low + random.within(high.saturating_sub(low))
}

/// A generator of its own for the `n`th use of `seed`.
pub(crate) fn stream(seed: u64, n: u64) -> Random {
    let mut first = Random::new(seed ^ n.wrapping_mul(0xD134_2543_DE82_EF95));
    Random::new(first.next_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_have_the_mean_of_their_probability() {
        let mut random = Random::new(1);
        let n = 100_000;
        let sum: u64 = (0..n).map(|_| geometric(&mut random, 0.02)).sum();
        let mean = sum as f64 / f64::from(n);
        assert!((mean - 49.0).abs() < 1.0, "{mean}");
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(stream(1, 0).next_u64(), stream(1, 1).next_u64());
        assert_ne!(stream(1, 0).next_u64(), stream(0, 1).next_u64());
    }
}
