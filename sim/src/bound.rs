//! The yardstick: how many symbols of a block even an ideal sender must send.
//!
//! In *idealised integrated FEC* every packet of a block carries new
//! information, the sender learns at once what each receiver still lacks, and
//! sends until the last of them holds `k` symbols. Receiver `i` then needs
//! `T_i` symbols, where `T_i - k` is negative binomial with loss `p_i`, and the
//! block costs
//!
//! ```text
//! E[max T_i] = k + Σ_{n ≥ k} ( 1 − Π_i P(T_i ≤ n) )
//! P(T_i ≤ n) = Σ_{j = 0}^{n − k} C(k − 1 + j, j) · p_i^j · (1 − p_i)^k
//! ```
//!
//! This is the lower bound "integrated FEC" of J. Nonnenmacher, E. Biersack and
//! D. Towsley, *Parity-Based Loss Recovery for Reliable Multicast
//! Transmission*, IEEE/ACM Transactions on Networking 6(4), 1998.

use linecast_protocol::object::ObjectLayout;

/// Terms below this do not change a figure that anybody prints.
const NEGLIGIBLE: f64 = 1e-12;

/// Symbols that an ideal sender sends for a block of `block_len` source
/// symbols to groups of `(receivers, loss)`; losses are 0 to below 1 and
/// independent.
pub fn ideal_symbols(block_len: u16, groups: &[(u64, f64)]) -> f64 {
    let k = f64::from(block_len);
    let mut tails: Vec<Tail> = groups
        .iter()
        .filter(|&&(receivers, p)| receivers > 0 && p > 0.0)
        .map(|&(receivers, p)| Tail::new(receivers, p.min(0.999_999), k))
        .collect();
    let mut expected = k;
    let mut n = k;
    while n < k + 4_000_000.0 {
        let done: f64 = tails.iter().map(Tail::log_all_done).sum();
        let open = -libm::expm1(done);
        if open < NEGLIGIBLE && n > k * 1.01 {
            break;
        }
        expected += open;
        tails.iter_mut().for_each(|tail| tail.step(k));
        n += 1.0;
    }
    expected
}

/// Symbols that an ideal sender sends for every source symbol of an object, at
/// least 1; 1 for an empty object.
pub fn ideal_expansion(layout: &ObjectLayout, groups: &[(u64, f64)]) -> f64 {
    if layout.symbols() == 0 {
        return 1.0;
    }
    let mut sent = 0.0;
    let mut sbn = 0;
    // Blocks come in at most two lengths.
    while sbn < layout.blocks() {
        let len = layout.block_len(sbn);
        let alike = (sbn..layout.blocks())
            .take_while(|&other| layout.block_len(other) == len)
            .count() as u32;
        sent += ideal_symbols(len, groups) * f64::from(alike);
        sbn += alike;
    }
    sent / layout.symbols() as f64
}

/// `P(T ≤ n)` for one receiver of a group, advanced symbol by symbol.
struct Tail {
    receivers: f64,
    log_p: f64,
    /// Logarithm of the newest term of the sum.
    log_term: f64,
    sum: f64,
    terms: f64,
}

impl Tail {
    fn new(receivers: u64, p: f64, k: f64) -> Tail {
        let log_term = k * libm::log1p(-p);
        Tail {
            receivers: receivers as f64,
            log_p: libm::log(p),
            log_term,
            sum: libm::exp(log_term),
            terms: 0.0,
        }
    }

    fn step(&mut self, k: f64) {
        self.terms += 1.0;
        self.log_term += self.log_p + libm::log((k - 1.0 + self.terms) / self.terms);
        self.sum += libm::exp(self.log_term);
    }

    fn log_all_done(&self) -> f64 {
        self.receivers * libm::log(self.sum.clamp(1e-300, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linecast_protocol::random::Random;

    #[test]
    fn the_published_figures_for_512_symbols() {
        let wanted = [
            (0.01, [1.0101, 1.0148, 1.0229, 1.0314]),
            (0.10, [1.1111, 1.1273, 1.1522, 1.1763]),
        ];
        for (p, expansions) in wanted {
            for (receivers, wanted) in [1, 4, 100, 10_000].into_iter().zip(expansions) {
                let got = ideal_symbols(512, &[(receivers, p)]) / 512.0;
                assert!((got - wanted).abs() < 0.000_06, "{receivers} {p}: {got}");
            }
        }
    }

    #[test]
    fn no_loss_and_nobody_cost_nothing() {
        assert_eq!(ideal_symbols(512, &[(100, 0.0)]), 512.0);
        assert_eq!(ideal_symbols(512, &[]), 512.0);
    }

    #[test]
    fn a_mixture_agrees_with_drawing_it() {
        let groups = [(50, 0.02), (1, 0.2)];
        let mut random = Random::new(3);
        let rounds = 2_000;
        let mut sum = 0u64;
        for _ in 0..rounds {
            let mut worst = 0;
            for (receivers, p) in groups {
                for _ in 0..receivers {
                    let (mut held, mut sent) = (0, 0u64);
                    while held < 100 {
                        sent += 1;
                        held += u32::from(random.unit() >= p);
                    }
                    worst = worst.max(sent);
                }
            }
            sum += worst;
        }
        let drawn = sum as f64 / f64::from(rounds);
        let computed = ideal_symbols(100, &groups);
        assert!((drawn - computed).abs() < 0.6, "{drawn} {computed}");
    }
}
