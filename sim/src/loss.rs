//! Which packets of one path are lost.

use crate::draw::geometric;
use crate::scenario::LossModel;
use linecast_protocol::random::Random;

/// A loss model in progress. It is asked once for every packet of its path.
#[derive(Debug)]
pub(crate) struct LossProcess {
    model: LossModel,
    random: Random,
    /// Packets that still pass (or, in a burst, are lost) before a new draw.
    run: u64,
    burst: bool,
    packets: u64,
}

impl LossProcess {
    pub(crate) fn new(model: LossModel, random: Random) -> LossProcess {
        let mut process = LossProcess {
            model,
            random,
            run: 0,
            burst: false,
            packets: 0,
        };
        process.start();
        process
    }

    fn start(&mut self) {
        match self.model {
            LossModel::Independent { p } => self.run = geometric(&mut self.random, p),
            LossModel::Step { before, .. } => self.run = geometric(&mut self.random, before),
            LossModel::GilbertElliott { p, .. } => {
                self.burst = self.random.unit() < p;
                self.run = self.sojourn();
            }
            LossModel::None => self.run = u64::MAX,
        }
    }

    /// Packets for which a Gilbert-Elliott path stays in its state. The mean
    /// burst and the mean loss give the mean gap between bursts.
    fn sojourn(&mut self) -> u64 {
        let LossModel::GilbertElliott { p, burst } = self.model else {
            return u64::MAX;
        };
        let mean = if self.burst {
            burst
        } else {
            burst * (1.0 - p) / p
        };
        geometric(&mut self.random, 1.0 / mean.max(1.0)).saturating_add(1)
    }

    /// Whether the next packet is lost.
    #[inline]
    pub(crate) fn next(&mut self) -> bool {
        match self.model {
            LossModel::None => false,
            LossModel::Independent { p } => self.gap(p),
            LossModel::Step {
                before,
                after,
                at_packet,
            } => {
                self.packets += 1;
                if self.packets == at_packet {
                    self.run = geometric(&mut self.random, after);
                }
                self.gap(if self.packets < at_packet {
                    before
                } else {
                    after
                })
            }
            LossModel::GilbertElliott { .. } => {
                if self.run == 0 {
                    self.burst = !self.burst;
                    self.run = self.sojourn();
                }
                self.run -= 1;
                self.burst
            }
        }
    }

    #[inline]
    fn gap(&mut self, p: f64) -> bool {
        if self.run > 0 {
            self.run -= 1;
            return false;
        }
        self.run = geometric(&mut self.random, p);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(model: LossModel, packets: usize) -> Vec<bool> {
        let mut process = LossProcess::new(model, Random::new(7));
        (0..packets).map(|_| process.next()).collect()
    }

    fn share(lost: &[bool]) -> f64 {
        lost.iter().filter(|l| **l).count() as f64 / lost.len() as f64
    }

    #[test]
    fn independent_loss_has_its_share() {
        let lost = lost(LossModel::Independent { p: 0.05 }, 200_000);
        assert!((share(&lost) - 0.05).abs() < 0.003);
    }

    #[test]
    fn a_step_changes_the_share_at_its_packet() {
        let model = LossModel::Step {
            before: 0.0,
            after: 0.1,
            at_packet: 50_000,
        };
        let lost = lost(model, 100_000);
        assert_eq!(share(&lost[..49_999]), 0.0);
        assert!((share(&lost[49_999..]) - 0.1).abs() < 0.006);
    }

    #[test]
    fn bursts_have_their_mean_length_and_share() {
        let lost = lost(
            LossModel::GilbertElliott {
                p: 0.02,
                burst: 50.0,
            },
            2_000_000,
        );
        let bursts = lost.windows(2).filter(|w| !w[0] && w[1]).count();
        let mean = lost.iter().filter(|l| **l).count() as f64 / bursts as f64;
        assert!((share(&lost) - 0.02).abs() < 0.004, "{}", share(&lost));
        assert!((mean - 50.0).abs() < 6.0, "{mean}");
    }

    #[test]
    fn no_loss_loses_nothing() {
        assert_eq!(share(&lost(LossModel::None, 1000)), 0.0);
        assert_eq!(share(&lost(LossModel::Independent { p: 0.0 }, 1000)), 0.0);
    }
}
