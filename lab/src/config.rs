//! What a lab looks like.

use crate::error::LabError;
use crate::names::DEFAULT_PREFIX;

/// The shape of a lab. `LabConfig::default()` is one receiver without loss.
#[derive(Clone, Debug)]
pub struct LabConfig {
    /// Receiver namespaces, 0 to 250.
    pub receivers: usize,
    /// MTU of every link in bytes, 1280 to 65,535.
    pub mtu: u32,
    /// Loss on each receiver's ingress, independent from receiver to receiver;
    /// [`Loss::Shared`] is put where the sender's packets enter the switch.
    pub loss: Loss,
    /// Loss on the sender's ingress: feedback that never arrives.
    pub feedback_loss: Loss,
    /// Whether the nodes have IPv6 addresses besides their IPv4 ones.
    pub ipv6: bool,
    /// What the bridge does with multicast.
    pub snooping: Snooping,
    /// Where GSO trains are cut into packets.
    pub cut_trains: CutTrains,
    /// A `tbf` cap on what the bridge sends to each receiver.
    pub receiver_rate: Option<RateCap>,
    /// First part of every name that the lab makes: letters and digits.
    pub prefix: String,
}

impl Default for LabConfig {
    fn default() -> Self {
        Self {
            receivers: 1,
            mtu: 1500,
            loss: Loss::None,
            feedback_loss: Loss::None,
            ipv6: true,
            snooping: Snooping::Querier,
            cut_trains: CutTrains::WhereLossy,
            receiver_rate: None,
            prefix: DEFAULT_PREFIX.to_owned(),
        }
    }
}

impl LabConfig {
    pub(crate) fn check(&self) -> Result<(), LabError> {
        let wrong =
            |what, allowed: String, got: String| Err(LabError::Config { what, allowed, got });
        if self.receivers > RECEIVERS_MAX {
            return wrong(
                "the number of receivers",
                format!("at most {RECEIVERS_MAX}"),
                self.receivers.to_string(),
            );
        }
        if !(MTU_BYTES_MIN..=MTU_BYTES_MAX).contains(&self.mtu) {
            return wrong(
                "the MTU",
                format!("{MTU_BYTES_MIN} to {MTU_BYTES_MAX} bytes"),
                self.mtu.to_string(),
            );
        }
        if self.prefix.is_empty() || !self.prefix.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return wrong(
                "the prefix",
                "letters and digits".to_owned(),
                format!("`{}`", self.prefix),
            );
        }
        self.loss.check()?;
        self.feedback_loss.check_alone()
    }
}

/// Which UDP packets are dropped on the way into a node.
///
/// Applied per packet: wherever there is loss, GSO trains are cut before it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// Nothing is dropped.
    #[default]
    None,
    /// Each packet is dropped with this probability, 0.0 to 1.0, independently.
    Random { fraction: f64 },
    /// Exactly every `n`th packet is dropped, `n` ≥ 1.
    EveryNth(u32),
    /// Packets are dropped by a hash of the first four bytes of their payload
    /// (in NORM: type, header length and sequence number), so that the same
    /// packets are lost on every run. The seed is mixed with the receiver's
    /// index, so receivers lose different packets. Payloads under four bytes
    /// always pass.
    Hash { seed: u32, fraction: f64 },
    /// `packets` in a row are dropped at equal distances that make up the
    /// fraction. Each receiver has a phase of its own.
    Bursts { fraction: f64, packets: u32 },
    /// Random loss that all receivers have in common: only for
    /// [`LabConfig::loss`].
    Shared { fraction: f64 },
}

impl Loss {
    /// Random loss of so many per cent; [`Loss::None`] for 0.
    pub fn percent(percent: f64) -> Self {
        if percent == 0.0 {
            return Self::None;
        }
        Self::Random {
            fraction: percent / 100.0,
        }
    }

    /// Whether this drops nothing at all.
    pub fn is_none(self) -> bool {
        match self {
            Self::None => true,
            Self::Random { fraction }
            | Self::Hash { fraction, .. }
            | Self::Bursts { fraction, .. }
            | Self::Shared { fraction } => fraction == 0.0,
            Self::EveryNth(_) => false,
        }
    }

    pub(crate) fn check(self) -> Result<(), LabError> {
        match self {
            Self::Random { fraction }
            | Self::Hash { fraction, .. }
            | Self::Bursts { fraction, .. }
            | Self::Shared { fraction }
                if !(0.0..=1.0).contains(&fraction) =>
            {
                Err(LabError::Config {
                    what: "a loss fraction",
                    allowed: "0.0 to 1.0".to_owned(),
                    got: fraction.to_string(),
                })
            }
            Self::EveryNth(0) => Err(LabError::Config {
                what: "the n of every nth packet",
                allowed: "at least 1".to_owned(),
                got: "0".to_owned(),
            }),
            Self::Bursts { packets: 0, .. } => Err(LabError::Config {
                what: "the packets of a burst",
                allowed: "at least 1".to_owned(),
                got: "0".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The same for one node, which can share loss with nobody.
    pub(crate) fn check_alone(self) -> Result<(), LabError> {
        if let Self::Shared { .. } = self {
            return Err(LabError::Config {
                what: "the loss of one node",
                allowed: "any but shared loss".to_owned(),
                got: "shared loss".to_owned(),
            });
        }
        self.check()
    }
}

/// What the bridge does with multicast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Snooping {
    /// Forwards a group to those who joined it; the bridge is the querier
    /// (IGMPv3 and MLDv2). Snooping begins 100 ms after the bridge is up; from
    /// then on a new join takes effect when the host has reported it, some
    /// 10 to 20 ms later.
    #[default]
    Querier,
    /// Floods every group to everyone, as an unmanaged switch does.
    Off,
}

/// Where GSO trains are cut into single packets (bridge side of a receiver's
/// veth pair). Without cutting, a train crosses the lab as one packet: it is
/// faster, a drop takes all of it, and counters count it once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CutTrains {
    /// In front of every receiver that has loss.
    #[default]
    WhereLossy,
    /// In front of every receiver.
    Always,
}

/// A token bucket on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateCap {
    /// Rate of layer-2 bits per second.
    pub rate_bps: u64,
    /// Bucket size in bytes; must hold at least one packet.
    pub burst_bytes: u32,
    /// Queue in bytes; what does not fit is dropped.
    pub queue_bytes: u32,
}

/// What a token bucket has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateCount {
    /// Packets that it let through.
    pub passed: u64,
    /// Packets that found its queue full.
    pub dropped: u64,
}

/// A bridge can have 1023 ports; the addresses of receivers are 10.77.1.1 to
/// 10.77.1.250.
pub(crate) const RECEIVERS_MAX: usize = 250;
/// The least MTU that IPv6 allows.
const MTU_BYTES_MIN: u32 = 1280;
/// The greatest MTU of a veth device.
const MTU_BYTES_MAX: u32 = 65_535;
