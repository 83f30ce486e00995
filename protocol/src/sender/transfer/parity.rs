//! How much parity to send ahead of any request.
//!
//! Two estimates come from the status reports: the loss of the worst receiver,
//! and the loss of all reports pooled. A small group gets what its worst
//! receiver needs on average. In a large group, where even equal paths make
//! somebody unlucky with every block, it is a low quantile of the greatest need
//! among so many: about three blocks of four then ask for a symbol or two, and
//! hardly any symbol is sent in vain.

use crate::limits::{PARITY_MAX, WINDOWED_GROUP_MAX};
use crate::object::ObjectLayout;
use crate::offer::LEAVES_TOI;

/// Packets over which a receiver's loss is averaged.
const MEMORY_PACKETS: f64 = 8_192.0;
/// Packets over which the loss of the group is averaged.
const POOL_PACKETS: f64 = 131_072.0;
/// Packets that a receiver is taken to lose as usual before its own count.
const DOUBT_PACKETS: f64 = 1_000.0;
/// Loss that is too rare to be worth a symbol a block.
const LOSS_MIN: f64 = 0.000_5;
const LOSS_MAX: f64 = 0.8;
/// Part of the blocks that shall need no repair after their first transmission.
const FIRST_QUANTILE: f64 = 0.5;
/// The same for blocks at the end of the image, where a repair costs time that
/// nothing else fills.
const LAST_QUANTILE: f64 = 0.9;
/// Part of the late repairs that shall do at once.
const SPARE_QUANTILE: f64 = 0.99;

/// The loss of one receiver, from its running counts.
#[derive(Debug, Clone, Default)]
pub struct LossEstimate {
    received: u64,
    lost: u64,
    average: Average,
}

impl LossEstimate {
    /// Takes a report of everything received and lost so far; gives what is new
    /// in it.
    pub fn report(&mut self, received: u64, lost: u64) -> (u64, u64) {
        let fresh_received = received.saturating_sub(self.received);
        let fresh_lost = lost.saturating_sub(self.lost);
        (self.received, self.lost) = (received.max(self.received), lost.max(self.lost));
        // Whoever loses more than half has lost its path for a while: no parity
        // helps against that, and none is wanted after it.
        let usual_lost = fresh_lost.min(fresh_received);
        self.average.add(fresh_received, usual_lost, MEMORY_PACKETS);
        (fresh_received, usual_lost)
    }

    /// Forgets the loss, but not the counts: from now on things are different.
    pub(in crate::sender) fn begin_anew(&mut self) {
        self.average = Average::default();
    }

    /// Part of the packets that are lost, 0 to 1, as if the first thousand
    /// packets had lost `usual`: a few packets prove nothing.
    pub fn loss(&self, usual: f64) -> f64 {
        let Average { loss, weight } = self.average;
        (loss * weight + usual * DOUBT_PACKETS) / (weight + DOUBT_PACKETS)
    }
}

/// A share that forgets.
#[derive(Debug, Clone, Default)]
struct Average {
    loss: f64,
    weight: f64,
}

impl Average {
    fn add(&mut self, received: u64, lost: u64, memory: f64) {
        let packets = received as f64 + lost as f64;
        if packets > 0.0 {
            self.weight = (self.weight + packets).min(memory);
            let share = (packets / self.weight).min(1.0);
            self.loss += (lost as f64 / packets - self.loss) * share;
        }
    }
}

/// The pooled loss means something after so many lost packets of so many, or
/// after very many packets.
const EVIDENCE_LOST: u64 = 64;
const EVIDENCE_PACKETS: u64 = 8_192;
const EVIDENCE_PACKETS_ALONE: u64 = 65_536;
/// What one block does to the trust in independent losses: as many steps up as
/// down when blocks need repair as often as they should.
const TRUST_UP: f64 = 0.05;
const TRUST_DOWN: f64 = TRUST_UP * (1.0 - FIRST_QUANTILE) / FIRST_QUANTILE;

/// The loss of all reports together, and how far the receivers lose
/// independently of each other.
#[derive(Debug)]
pub(in crate::sender) struct PooledLoss {
    average: Average,
    received: u64,
    lost: u64,
    trust: f64,
}

impl Default for PooledLoss {
    fn default() -> Self {
        PooledLoss {
            average: Average::default(),
            received: 0,
            lost: 0,
            trust: 1.0,
        }
    }
}

impl PooledLoss {
    /// Somebody received and lost these packets since the report before.
    pub(in crate::sender) fn add(&mut self, received: u64, lost: u64) {
        self.average.add(received, lost, POOL_PACKETS);
        self.received = self.received.saturating_add(received);
        self.lost = self.lost.saturating_add(lost);
    }

    /// The pooled loss, if it is known.
    pub(in crate::sender) fn loss(&self) -> Option<f64> {
        self.is_evident().then_some(self.average.loss)
    }

    fn is_evident(&self) -> bool {
        let packets = self.received.saturating_add(self.lost);
        let enough = packets >= EVIDENCE_PACKETS && self.lost >= EVIDENCE_LOST;
        enough || packets >= EVIDENCE_PACKETS_ALONE
    }

    /// Whether a block that was sent with parity for the group was asked for.
    /// Groups that share their losses need less than the independent: their
    /// blocks are asked for less often than they should be.
    pub(in crate::sender) fn note_outcome(&mut self, asked: bool) {
        let step = if asked { TRUST_UP } else { -TRUST_DOWN };
        self.trust = (self.trust + step).clamp(0.0, 1.0);
    }

    /// What the encoder and the lanes need of it, for `receivers` with these
    /// losses of their own.
    pub(in crate::sender) fn of_group<'a>(
        &self,
        receivers: usize,
        losses: impl Iterator<Item = &'a LossEstimate>,
    ) -> GroupLoss {
        let large = receivers > WINDOWED_GROUP_MAX;
        let independent = libm::pow(receivers.max(1) as f64, self.trust);
        let pooled = self.loss().filter(|_| large).unwrap_or(0.0);
        GroupLoss {
            worst: losses.map(|own| own.loss(pooled)).fold(0.0, f64::max),
            pooled,
            receivers: independent as u32,
        }
    }
}

/// The loss of a group, as far as it decides about parity.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GroupLoss {
    /// Part of the packets that the worst receiver loses, 0 to 1.
    pub worst: f64,
    /// Part of the packets that receivers lose on average; 0 in a small group,
    /// or while it is not known.
    pub pooled: f64,
    /// Receivers that lose independently of each other.
    pub receivers: u32,
}

impl GroupLoss {
    /// Whether losses of a large group are known.
    pub fn is_known(&self) -> bool {
        self.pooled >= LOSS_MIN
    }

    /// The same group in better times, when it lost no more than `pooled`.
    pub fn at_most(self, pooled: Option<f64>) -> GroupLoss {
        let pooled = pooled.unwrap_or(1.0).min(self.pooled);
        GroupLoss {
            pooled,
            worst: 0.0,
            ..self
        }
    }

    /// Parity symbols to send with the first transmission of block `sbn` of object
    /// `toi`. The leaf list gets as much as it has sources, if the code has that
    /// many: nothing can be verified before it is whole.
    pub fn parity_of(&self, toi: u16, layout: &ObjectLayout, sbn: u32) -> u16 {
        let block_len = layout.block_len(sbn);
        let parity = if toi == LEAVES_TOI {
            block_len
        } else {
            self.first_parity(block_len)
        };
        parity.min(layout.parity_max())
    }

    /// Parity symbols to send with a block of the image, of `block_len`.
    pub fn first_parity(&self, block_len: u16) -> u16 {
        self.parity(block_len, FIRST_QUANTILE)
    }

    /// Parity symbols that a block of `block_len` at the end of the image shall
    /// have.
    pub fn last_parity(&self, block_len: u16) -> u16 {
        self.parity(block_len, LAST_QUANTILE)
    }

    /// Symbols to add to `count` at the end of the image, so that whoever asked
    /// for them hardly ever has to ask again.
    pub fn spare_parity(&self, count: u16) -> u16 {
        let loss = self.worst.max(self.pooled);
        if loss < LOSS_MIN {
            return 0;
        }
        greatest_need(count, loss, 1, SPARE_QUANTILE)
    }

    fn parity(&self, block_len: u16, quantile: f64) -> u16 {
        let group = if self.is_known() {
            greatest_need(block_len, self.pooled, self.receivers, quantile)
        } else {
            0
        };
        mean_need(block_len, self.worst).max(group)
    }
}

/// Parity symbols that a receiver with this loss needs on average.
fn mean_need(block_len: u16, loss: f64) -> u16 {
    if loss < LOSS_MIN {
        return 0;
    }
    let loss = loss.min(LOSS_MAX);
    let mean = f64::from(block_len) * loss / (1.0 - loss);
    (mean as u16).min(PARITY_MAX / 2)
}

/// Parity symbols with which all of `receivers` can restore a block in
/// `quantile` of the cases. The need of one receiver is negative binomial.
fn greatest_need(block_len: u16, loss: f64, receivers: u32, quantile: f64) -> u16 {
    let (k, loss) = (f64::from(block_len), loss.min(LOSS_MAX));
    let enough = libm::pow(quantile, 1.0 / f64::from(receivers.max(1)));
    let log_loss = libm::log(loss);
    let mut log_term = k * libm::log1p(-loss);
    let mut sum = libm::exp(log_term);
    let mut need = 0;
    while sum < enough && need < PARITY_MAX / 2 {
        need += 1;
        let n = f64::from(need);
        log_term += log_loss + libm::log((k - 1.0 + n) / n);
        sum += libm::exp(log_term);
    }
    need
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(worst: f64) -> GroupLoss {
        GroupLoss {
            worst,
            ..GroupLoss::default()
        }
    }

    fn pool(loss_percent: u64, receivers: usize) -> PooledLoss {
        let mut pooled = PooledLoss::default();
        (0..receivers).for_each(|_| pooled.add(10_000 - loss_percent * 100, loss_percent * 100));
        pooled
    }

    fn of_group(pooled: &PooledLoss, receivers: usize) -> GroupLoss {
        pooled.of_group(receivers, [].iter())
    }

    #[test]
    fn no_loss_means_no_parity() {
        let mut estimate = LossEstimate::default();
        estimate.report(100_000, 0);
        assert_eq!(worst(estimate.loss(0.0)).first_parity(512), 0);
        assert_eq!(of_group(&pool(0, 1000), 1000).last_parity(512), 0);
    }

    #[test]
    fn a_small_group_gets_the_mean_need_of_its_worst() {
        let mut estimate = LossEstimate::default();
        for n in 1..500 {
            estimate.report(950 * n, 50 * n);
        }
        // 26.9, less the doubt.
        assert_eq!(worst(estimate.loss(0.0)).first_parity(512), 23);
    }

    #[test]
    fn a_few_packets_prove_no_loss() {
        let mut estimate = LossEstimate::default();
        estimate.report(8, 2);
        assert!(estimate.loss(0.01) < 0.013, "{}", estimate.loss(0.01));
    }

    #[test]
    fn the_estimate_follows_a_change() {
        let mut estimate = LossEstimate::default();
        estimate.report(100_000, 0);
        estimate.report(107_372, 820);
        assert!(estimate.loss(0.0) > 0.08, "{}", estimate.loss(0.0));
    }

    #[test]
    fn a_large_group_gets_a_quantile_of_its_greatest_need() {
        // E[max] is 11.7 for 100 and 16.1 for 10,000 receivers at 1 %.
        let hundred = of_group(&pool(1, 100), 100);
        assert_eq!(
            (hundred.first_parity(512), hundred.last_parity(512)),
            (12, 13)
        );
        let many = of_group(&pool(1, 10_000), 10_000);
        assert_eq!((many.first_parity(512), many.last_parity(512)), (16, 17));
    }

    #[test]
    fn late_repairs_get_spare_symbols_for_what_may_be_lost_of_them() {
        assert_eq!(worst(0.0).spare_parity(20), 0);
        assert_eq!(worst(0.001).spare_parity(1), 0);
        assert_eq!(worst(0.02).spare_parity(1), 1);
        assert_eq!(worst(0.02).spare_parity(20), 2);
        assert_eq!(worst(0.2).spare_parity(5), 5);
    }

    #[test]
    fn an_outage_is_no_loss_to_prepare_for() {
        let mut estimate = LossEstimate::default();
        estimate.report(10_000, 0);
        estimate.report(10_020, 9_000);
        assert_eq!(worst(estimate.loss(0.0)).first_parity(512), 1);
    }

    #[test]
    fn one_bad_path_among_many_good_ones_counts() {
        let mut bad = LossEstimate::default();
        bad.report(90_000, 10_000);
        let group = pool(0, 10_000).of_group(10_000, [bad].iter());
        assert!(group.first_parity(512) > 45, "{}", group.first_parity(512));
    }

    #[test]
    fn groups_that_share_their_losses_come_to_get_what_one_receiver_needs() {
        let mut pooled = pool(1, 100);
        (0..20).for_each(|_| pooled.note_outcome(false));
        assert_eq!(of_group(&pooled, 100).first_parity(512), 5);
        (0..40).for_each(|_| pooled.note_outcome(true));
        assert_eq!(of_group(&pooled, 100).first_parity(512), 12);
    }
}
