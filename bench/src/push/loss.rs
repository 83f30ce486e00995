//! How `push` loses packets.

use linecast_lab::Loss;
use serde::Serialize;

/// Packets of a burst: about a third of a train.
const BURST_PACKETS: u32 = 16;

/// How packets are lost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum LossModel {
    /// At each receiver's port, at random.
    #[default]
    Independent,
    /// At the sender's port, at random.
    Shared,
    /// At each receiver's port, 16 in a row, periodically.
    Bursty,
}

impl LossModel {
    /// What the lab is told.
    pub(super) fn loss(self, fraction: f64) -> Loss {
        match self {
            _ if fraction == 0.0 => Loss::None,
            LossModel::Independent => Loss::Random { fraction },
            LossModel::Shared => Loss::Shared { fraction },
            LossModel::Bursty => Loss::Bursts {
                fraction,
                packets: BURST_PACKETS,
            },
        }
    }
}

/// Every loss in every model, as a fraction; no loss is the same in all of them.
pub(super) fn grid(models: &[LossModel], losses_ppm: &[u32]) -> Vec<(LossModel, f64)> {
    let mut grid = Vec::new();
    for (index, &model) in models.iter().enumerate() {
        let wanted = losses_ppm.iter().filter(|&&ppm| ppm > 0 || index == 0);
        grid.extend(wanted.map(|&ppm| (model, f64::from(ppm) / 1e6)));
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_loss_is_measured_once() {
        let models = [LossModel::Independent, LossModel::Bursty];
        let grid = grid(&models, &[0, 10_000]);
        let wanted = [(models[0], 0.0), (models[0], 0.01), (models[1], 0.01)];
        assert_eq!(grid, wanted);
    }

    #[test]
    fn a_model_without_loss_drops_nothing() {
        for model in [LossModel::Independent, LossModel::Shared, LossModel::Bursty] {
            assert_eq!(model.loss(0.0), Loss::None);
            assert!(!model.loss(0.2).is_none());
        }
    }
}
