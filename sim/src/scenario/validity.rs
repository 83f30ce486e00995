//! Which scenarios can be run.

use super::{LossModel, SUBTREES_MAX, Scenario};
use linecast_protocol::limits::{LANES_MAX, ROSTER_MAX};
use linecast_protocol::object::{LayoutError, ObjectLayout};

/// A scenario that cannot be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScenarioError {
    /// A value outside its range.
    #[error("{what}: {low} to {high} expected, got {got}")]
    Range {
        /// Name of the value.
        what: &'static str,
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
        /// Value got.
        got: f64,
    },
    /// A size that cannot be laid out.
    #[error(transparent)]
    Geometry(#[from] LayoutError),
}

impl Scenario {
    /// Checks every value.
    ///
    /// # Errors
    /// The first that is out of range, by name.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let range = |what, low: f64, high: f64, got: f64| {
            if (low..=high).contains(&got) {
                return Ok(());
            }
            Err(ScenarioError::Range {
                what,
                low,
                high,
                got,
            })
        };
        range("receivers", 1.0, ROSTER_MAX as f64, self.receivers.into())?;
        range("lanes", 1.0, LANES_MAX as f64, self.lanes.into())?;
        range("rate (bit/s)", 1e4, 1e12, self.rate_bps as f64)?;
        range("symbol bytes", 64.0, 8896.0, self.symbol_bytes.into())?;
        let odd = f64::from(self.symbol_bytes % 64);
        range("symbol bytes modulo 64", 0.0, 0.0, odd)?;
        range("size (bytes)", 0.0, 256e9, self.size_bytes as f64)?;
        range("rtt (s)", 20e-6, 10.0, self.rtt.as_secs_f64())?;
        range(
            "subtrees",
            0.0,
            SUBTREES_MAX.into(),
            self.network.subtrees.into(),
        )?;
        let network = &self.network;
        for (what, share) in [
            ("feedback loss", network.feedback_loss),
            ("reordering", network.reorder),
            ("duplication", network.duplicate),
            ("bit flips", network.flip),
        ] {
            range(what, 0.0, 0.9, share)?;
        }
        let outliers = network.outliers.map(|(_, model)| model);
        let models = [network.loss, network.trunk_loss, network.subtree_loss];
        for model in models.into_iter().chain(outliers) {
            model.check(&range)?;
        }
        for device in &self.devices {
            range("buffer (packets)", 64.0, 1e9, device.buffer_packets.into())?;
            range(
                "clock drift (ppm)",
                -1000.0,
                1000.0,
                device.drift_ppm.into(),
            )?;
        }
        let longest = self.codec.max_block_len() as f64;
        range("block symbols", 1.0, longest, self.block_symbols.into())?;
        ObjectLayout::new(self.size_bytes, self.symbol_bytes, self.block_symbols)?;
        Ok(())
    }
}

impl LossModel {
    fn check(
        &self,
        range: &impl Fn(&'static str, f64, f64, f64) -> Result<(), ScenarioError>,
    ) -> Result<(), ScenarioError> {
        match *self {
            LossModel::None => Ok(()),
            LossModel::Independent { p } => range("loss", 0.0, 0.9, p),
            LossModel::Step { before, after, .. } => {
                range("loss", 0.0, 0.9, before)?;
                range("loss", 0.0, 0.9, after)
            }
            LossModel::GilbertElliott { p, burst } => {
                range("loss in bursts", 1e-6, 0.5, p)?;
                range("mean burst (packets)", 1.0, 1e6, burst)
            }
        }
    }
}
