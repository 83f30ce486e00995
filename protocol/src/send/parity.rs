//! How much parity to send ahead of any request: as much as the receiver with
//! the greatest loss needs on average, so that about every second block needs a
//! repair of a few symbols, and hardly any symbol is sent in vain.

use crate::limits::PARITY_MAX;

/// Packets over which a receiver's loss is averaged.
const MEMORY_PACKETS: f64 = 8_192.0;
/// Loss that is too rare to be worth a symbol a block.
const LOSS_MIN: f64 = 0.000_5;
const LOSS_MAX: f64 = 0.8;

/// The loss of one receiver, from its running counts.
#[derive(Debug, Clone, Default)]
pub struct LossEstimate {
    received: u64,
    lost: u64,
    loss: f64,
    weight: f64,
}

impl LossEstimate {
    /// Takes a report of everything received and lost so far.
    pub fn report(&mut self, received: u64, lost: u64) {
        let fresh_received = received.saturating_sub(self.received);
        let fresh_lost = lost.saturating_sub(self.lost);
        (self.received, self.lost) = (received.max(self.received), lost.max(self.lost));
        let packets = (fresh_received + fresh_lost) as f64;
        if packets == 0.0 {
            return;
        }
        self.weight = (self.weight + packets).min(MEMORY_PACKETS);
        let share = (packets / self.weight).min(1.0);
        self.loss += (fresh_lost as f64 / packets - self.loss) * share;
    }

    /// Part of the packets that are lost, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.loss
    }
}

/// Parity symbols to send with a block of `block_len` when the worst receiver
/// loses `loss` of all packets.
pub fn proactive_parity(block_len: u16, loss: f64) -> u16 {
    if loss < LOSS_MIN {
        return 0;
    }
    let loss = loss.min(LOSS_MAX);
    let mean = f64::from(block_len) * loss / (1.0 - loss);
    (mean as u16).min(PARITY_MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_loss_means_no_parity() {
        let mut estimate = LossEstimate::default();
        estimate.report(100_000, 0);
        assert_eq!(proactive_parity(512, estimate.loss()), 0);
    }

    #[test]
    fn parity_is_the_mean_need_of_the_worst() {
        let mut estimate = LossEstimate::default();
        for n in 1..50 {
            estimate.report(950 * n, 50 * n);
        }
        assert_eq!(proactive_parity(512, estimate.loss()), 26);
    }

    #[test]
    fn the_estimate_follows_a_change() {
        let mut estimate = LossEstimate::default();
        estimate.report(100_000, 0);
        estimate.report(107_372, 820);
        assert!(estimate.loss() > 0.09, "{}", estimate.loss());
    }
}
