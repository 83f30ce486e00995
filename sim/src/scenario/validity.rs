//! Which scenarios can be run.

use super::{Assault, Attack, LossModel, Rate, SUBTREES_MAX, Scenario};
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
    /// A receiver that there is not.
    #[error("{what}: a receiver below {receivers} expected, got {got}")]
    Receiver {
        /// Where it is named.
        what: &'static str,
        /// Receivers of the scenario.
        receivers: u32,
        /// Receiver got.
        got: u32,
    },
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
        self.check_push(&range)?;
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
        for assault in self.assaults() {
            assault.check(&range)?;
        }
        for device in &self.devices {
            self.check_receiver("device", device.receiver)?;
            if let Some(port) = device.port {
                range("port (bit/s)", 1e4, 1e12, port.rate_bps as f64)?;
            }
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

/// Checks one value against its range.
type InRange<'a> = &'a dyn Fn(&'static str, f64, f64, f64) -> Result<(), ScenarioError>;

impl Scenario {
    fn check_push(&self, range: InRange<'_>) -> Result<(), ScenarioError> {
        range("rate (bit/s)", 1e4, 1e12, self.push.rate.most_bps() as f64)?;
        if let Rate::Auto {
            floor_bps,
            start_bps,
            ceiling_bps,
        } = self.push.rate
        {
            let most = ceiling_bps as f64;
            range("floor of the rate (bit/s)", 1e4, most, floor_bps as f64)?;
            range("first rate (bit/s)", 1e4, most, start_bps as f64)?;
        }
        if let Some(roster) = &self.push.roster {
            let count = roster.enrolled.len() as f64 + f64::from(roster.absent);
            range("devices on the roster", 1.0, 4_096.0, count)?;
            for &receiver in &roster.enrolled {
                self.check_receiver("roster", receiver)?;
            }
        }
        Ok(())
    }

    fn check_receiver(&self, what: &'static str, got: u32) -> Result<(), ScenarioError> {
        let receivers = self.receivers;
        if got < receivers {
            return Ok(());
        }
        Err(ScenarioError::Receiver {
            what,
            receivers,
            got,
        })
    }
}

impl Assault {
    fn check(&self, range: InRange<'_>) -> Result<(), ScenarioError> {
        range(
            "attack (packets/s)",
            1.0,
            ATTACK_PER_S_MAX,
            self.per_s.into(),
        )?;
        let length = self.length.as_secs_f64();
        range("attack (s)", 0.0, ATTACK_S_MAX, length)?;
        match self.attack {
            Attack::Register {
                keys,
                nodes,
                ranges,
            } => {
                range("keys of an attacker", 1.0, 10_000.0, keys.into())?;
                range("node ids of a key", 1.0, 10_000.0, nodes.into())?;
                range("leaves that are held", 0.0, 6_000.0, ranges.into())
            }
            Attack::Complete { keys } | Attack::Refuse { keys } => {
                range("keys of an attacker", 1.0, 10_000.0, keys.into())
            }
            Attack::Clones { count } => range("machines of a key", 1.0, 10_000.0, count.into()),
            Attack::Header { backoff, gsize, .. } => {
                range("backoff factor", 0.0, 15.0, backoff.into())?;
                range("code of the group size", 0.0, 15.0, gsize.into())
            }
            Attack::Overheard { bytes, .. } | Attack::Nack { bytes, .. } => {
                range("bytes of a NACK", 48.0, 65_000.0, bytes.into())
            }
            _ => Ok(()),
        }
    }
}

/// More would be no attack on the protocol but on the network.
const ATTACK_PER_S_MAX: f64 = 10_000.0;
const ATTACK_S_MAX: f64 = 60.0;

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
