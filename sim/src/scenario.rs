//! What is simulated: one push, its network, its devices, and what goes wrong.
//!
//! A scenario can be written down as JSON and run again from it: every field by
//! its name, none left out, none that is not known.

mod attack;
mod fault;
mod json;
mod network;
mod push;
mod validity;

pub use attack::{Ask, Assault, Attack, Guise};
pub use fault::{Direction, Fault, Outage, Scope};
pub use network::{Bottleneck, Device, Drop, LossModel, Network};
pub use push::{Push, Rate, Roster, Slow};
pub use validity::ScenarioError;

use linecast_fec::Codec;
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::pacer::l2_bytes;
use linecast_protocol::time::Duration;
use linecast_protocol::wire::DATA_HEADER_BYTES;
use serde::{Deserialize, Serialize};

/// Subtrees of the network: their losses travel in one word with each packet.
pub(crate) const SUBTREES_MAX: u32 = 64;

/// One run of the simulator. Equal scenarios give equal runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Decides every draw.
    pub seed: u64,
    /// Receivers.
    pub receivers: u32,
    /// Bytes of the image.
    pub size_bytes: u64,
    /// Bytes of a symbol, a multiple of 64.
    pub symbol_bytes: u16,
    /// Erasure code of the image and its leaf list.
    #[serde(with = "json::codec")]
    pub codec: Codec,
    /// Longest block, in source symbols.
    pub block_symbols: u16,
    /// Transmit lanes.
    pub lanes: u8,
    /// How the sender is told to push.
    pub push: Push,
    /// Round trip between sender and receivers.
    #[serde(rename = "rtt_ns", with = "json::nanos")]
    pub rtt: Duration,
    /// The network between them.
    pub network: Network,
    /// Devices that are not like the others.
    pub devices: Vec<Device>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What symbols are made of.
    pub content: Content,
    /// Whether receivers back off and heed what others asked for. Without it,
    /// every receiver asks at once for whatever it lacks.
    pub suppression: bool,
    /// Whether receivers take packets that follow each other as trains.
    pub trains: bool,
    /// Findings that are known: what their rules say is passed over.
    pub pardons: Vec<String>,
    /// Simulated time after which a run that has not ended is a failure.
    #[serde(rename = "limit_ns", with = "json::nanos")]
    pub limit: Duration,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            seed: 1,
            receivers: 100,
            size_bytes: 16 << 20,
            symbol_bytes: 1408,
            codec: Codec::Gf16Low,
            block_symbols: 512,
            lanes: 1,
            push: Push::default(),
            rtt: Duration::from_millis(20),
            network: Network::default(),
            devices: Vec::new(),
            faults: Vec::new(),
            content: Content::Identities,
            suppression: true,
            trains: false,
            pardons: Vec::new(),
            limit: Duration::from_secs(600),
        }
    }
}

/// What symbols are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Only which symbol it is, and whether it was damaged on the way.
    Identities,
    /// Real bytes, real parity, real hashes, a real signed manifest.
    Bytes,
}

impl Scenario {
    /// Whether a receiver is started only after the push has begun.
    pub(crate) fn joins_late(&self, receiver: u32) -> bool {
        self.faults.iter().any(
            |fault| matches!(fault, Fault::LateJoin { receiver: late, .. } if *late == receiver),
        )
    }

    /// Whether a rule that this finding breaks is passed over.
    pub(crate) fn pardons(&self, finding: &str) -> bool {
        self.pardons.iter().any(|known| known == finding)
    }

    /// Every attack.
    pub(crate) fn assaults(&self) -> impl Iterator<Item = &Assault> {
        self.faults.iter().filter_map(Fault::assault)
    }

    /// Whether somebody speaks who should not.
    pub(crate) fn is_hostile(&self) -> bool {
        self.faults.iter().any(Fault::is_hostile)
    }

    /// The device of a receiver.
    pub(crate) fn device(&self, receiver: u32) -> Device {
        let mut devices = self.devices.iter();
        let found = devices.find(|device| device.receiver == receiver);
        found.copied().unwrap_or(Device::ordinary(receiver))
    }

    /// The layout of the image; `None` if it cannot be laid out.
    pub(crate) fn image_layout(&self) -> Option<ObjectLayout> {
        ObjectLayout::new(self.size_bytes, self.symbol_bytes, self.block_symbols).ok()
    }

    /// The least that a link or a device takes, in bits of L2 a second.
    pub(crate) fn slowest_bps(&self) -> u64 {
        let bits = l2_bytes(DATA_HEADER_BYTES + usize::from(self.symbol_bytes), false) as u64 * 8;
        let devices = self.devices.iter().flat_map(|device| {
            let takes = device.packets_per_s.saturating_mul(bits);
            let port = device.port.map(|port| port.rate_bps);
            port.into_iter().chain((takes > 0).then_some(takes))
        });
        let bottleneck = self.network.bottleneck.map(|link| link.rate_bps);
        devices.chain(bottleneck).min().unwrap_or(u64::MAX)
    }

    /// Whether a lane's sequence wraps.
    pub(crate) fn is_long(&self) -> bool {
        let symbols = self.size_bytes / u64::from(self.symbol_bytes.max(1));
        symbols / u64::from(self.lanes.max(1)) > u16::MAX.into()
    }

    /// Until when a fault may hold somebody up; attacks do not count.
    pub(crate) fn held_up_until(&self) -> Duration {
        let faults = self.faults.iter().filter(|fault| fault.assault().is_none());
        faults.map(Fault::end).max().unwrap_or(Duration::ZERO)
    }

    /// Every outage.
    pub(crate) fn outages(&self) -> impl Iterator<Item = &Outage> {
        self.faults.iter().filter_map(|fault| match fault {
            Fault::Outage(outage) => Some(outage),
            _ => None,
        })
    }

    /// The subtree of a receiver.
    pub(crate) fn subtree(&self, receiver: u32) -> u32 {
        let spread = u64::from(receiver) * u64::from(self.network.subtrees);
        (spread / u64::from(self.receivers)) as u32
    }

    /// The loss of a receiver's own path.
    pub(crate) fn own_loss(&self, receiver: u32) -> LossModel {
        match self.network.outliers {
            Some((count, model)) if receiver < count => model,
            _ => self.network.loss,
        }
    }

    /// Receivers and losses for the ideal bound; `None` if losses are not
    /// independent of each other and the same all the time.
    pub(crate) fn independent_losses(&self) -> Option<Vec<(u64, f64)>> {
        let network = &self.network;
        let shared = network.trunk_loss != LossModel::None
            || network.subtree_loss != LossModel::None
            || network.bottleneck.is_some()
            || !network.drops.is_empty();
        let disturbed = !self.faults.is_empty() || !self.devices.is_empty();
        if shared || disturbed {
            return None;
        }
        let outliers = network
            .outliers
            .map_or(0, |(count, _)| count.min(self.receivers));
        let rest = self.receivers - outliers;
        let own = |receiver| match self.own_loss(receiver) {
            LossModel::None => Some(0.0),
            LossModel::Independent { p } => Some(p),
            _ => None,
        };
        let mut groups = Vec::new();
        if outliers > 0 {
            groups.push((outliers.into(), own(0)?));
        }
        if rest > 0 {
            groups.push((rest.into(), own(outliers)?));
        }
        Some(groups)
    }
}
