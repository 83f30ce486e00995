//! Medians, spreads, and whether two sets of figures differ.

/// The value that a part `q` (0 to 1) of the values lies below, interpolated.
/// NaN without values.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = q * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64)
}

/// The median. NaN without values.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The probability that values of `b` would be as much smaller than those of
/// `a` as they are, were both drawn alike: Mann and Whitney's U test, one-sided,
/// exact without ties up to 30 values, else by the normal approximation with
/// its corrections for ties and continuity.
pub fn smaller_by_chance(a: &[f64], b: &[f64]) -> f64 {
    let pairs = || a.iter().flat_map(|x| b.iter().map(move |y| (x, y)));
    // How often a value of `b` is above one of `a`: little if `b` is smaller.
    let above = pairs().filter(|(x, y)| y > x).count() as f64;
    let ties = pairs().filter(|(x, y)| x == y).count() as f64;
    let u = above + ties / 2.0;
    if ties == 0.0 && a.len() + b.len() <= EXACT_MAX {
        return exact(a.len(), b.len(), u as usize);
    }
    approximate(a, b, u)
}

/// Values up to which all arrangements are counted.
const EXACT_MAX: usize = 30;

/// The part of all arrangements of `m` and `n` values with at most `u` pairs in
/// order. `counts[j][k]`: arrangements of `i` and `j` values with `k` pairs, by
/// whether the greatest value is one of the first or of the second kind.
fn exact(m: usize, n: usize, u: usize) -> f64 {
    let pairs = m * n;
    let mut counts = vec![vec![0.0; pairs + 1]; n + 1];
    for row in &mut counts {
        row[0] = 1.0;
    }
    for i in 1..=m {
        let mut next = vec![vec![0.0; pairs + 1]; n + 1];
        next[0][0] = 1.0;
        for j in 1..=n {
            for k in 0..=pairs {
                let first = counts[j][k];
                let second = if k >= i { next[j - 1][k - i] } else { 0.0 };
                next[j][k] = first + second;
            }
        }
        counts = next;
    }
    let all: f64 = counts[n].iter().sum();
    counts[n][..=u.min(pairs)].iter().sum::<f64>() / all
}

fn approximate(a: &[f64], b: &[f64], u: f64) -> f64 {
    let (m, n) = (a.len() as f64, b.len() as f64);
    let total = m + n;
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_by(f64::total_cmp);
    let tied: f64 = all
        .chunk_by(|x, y| x == y)
        .map(|run| (run.len() as f64).powi(3) - run.len() as f64)
        .sum();
    let variance = m * n / 12.0 * (total + 1.0 - tied / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    normal((u + 0.5 - m * n / 2.0) / variance.sqrt())
}

/// The normal distribution function, by Abramowitz and Stegun 26.2.17 (error
/// below 1e-7).
fn normal(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let polynomial = series.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
    let tail = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * polynomial;
    if z > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert_eq!(quantile(&[0.0, 10.0], 0.1), 1.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn exact_probabilities_are_those_of_the_tables() {
        // All of `b` below all of `a`: one arrangement of 252, and of 20.
        let (a, b) = ([6.0, 7.0, 8.0, 9.0, 10.0], [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((smaller_by_chance(&a, &b) - 1.0 / 252.0).abs() < 1e-12);
        assert!((smaller_by_chance(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.0]) - 0.05).abs() < 1e-12);
        // U = 4 of 5 and 5: 4.76 % in the tables of the two-sided test at 10 %.
        assert!((exact(5, 5, 4) - 0.047_619).abs() < 1e-6);
        assert!((exact(3, 7, 21) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_approximation_agrees_with_the_exact_test() {
        let a: Vec<f64> = (0..15).map(|i| f64::from(i * 2)).collect();
        let b: Vec<f64> = (0..15).map(|i| f64::from(i * 2) - 7.0).collect();
        let u = a
            .iter()
            .flat_map(|x| b.iter().map(move |y| (x, y)))
            .filter(|(x, y)| y > x)
            .count();
        let difference = exact(15, 15, u) - approximate(&a, &b, u as f64);
        assert!(difference.abs() < 0.003, "{difference}");
    }

    #[test]
    fn equal_values_are_no_difference() {
        assert_eq!(smaller_by_chance(&[1.0; 5], &[1.0; 5]), 1.0);
        assert!(smaller_by_chance(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]) > 0.4);
    }

    #[test]
    fn normal_distribution_is_that_of_the_tables() {
        for (z, p) in [(0.0, 0.5), (-1.644_854, 0.05), (1.959_964, 0.975)] {
            assert!((normal(z) - p).abs() < 1e-6);
        }
    }
}
