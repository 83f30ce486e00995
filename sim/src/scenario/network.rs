//! The network, and the devices on it.

use super::json::required;
use linecast_protocol::time::Duration;
use serde::{Deserialize, Serialize};

/// The network. Every share is between 0 and 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Loss on the way to each receiver, drawn for each on its own.
    pub loss: LossModel,
    /// Receivers with another loss, from the first on.
    #[serde(deserialize_with = "required")]
    pub outliers: Option<(u32, LossModel)>,
    /// Loss next to the sender: all receivers lose the same packets.
    pub trunk_loss: LossModel,
    /// Subtrees that the receivers are spread over; 0 is a flat network.
    pub subtrees: u32,
    /// Loss on the way to each subtree: its receivers lose the same packets.
    pub subtree_loss: LossModel,
    /// Feedback lost on its way to the sender.
    pub feedback_loss: f64,
    /// Most that a packet is delayed beyond the half round trip.
    #[serde(rename = "jitter_ns", with = "super::json::nanos")]
    pub jitter: Duration,
    /// Packets delayed enough to be overtaken.
    pub reorder: f64,
    /// Packets that come twice.
    pub duplicate: f64,
    /// Packets that come with a wrong bit that no checksum noticed.
    pub flip: f64,
    /// A slow link behind the sender.
    #[serde(deserialize_with = "required")]
    pub bottleneck: Option<Bottleneck>,
    /// Packets that are lost for certain.
    pub drops: Vec<Drop>,
}

/// Loss of one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LossModel {
    /// Every packet comes.
    #[default]
    None,
    /// Every packet is lost with probability `p`, whatever happened before.
    Independent {
        /// Share lost.
        p: f64,
    },
    /// Independent loss that changes at one packet.
    Step {
        /// Share lost before.
        before: f64,
        /// Share lost from then on.
        after: f64,
        /// Number of the packet, counted on this path.
        at_packet: u64,
    },
    /// Bursts in which every packet is lost (E. N. Gilbert, 1960).
    GilbertElliott {
        /// Share lost.
        p: f64,
        /// Mean packets in a burst.
        burst: f64,
    },
}

/// A slow link with a queue before it, as a switch with a shallow buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bottleneck {
    /// Rate in bits of L2 a second.
    pub rate_bps: u64,
    /// Bytes that wait before more are dropped.
    pub queue_bytes: u64,
}

/// The first transmission of one image symbol is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drop {
    /// For whom; `None` means everybody.
    #[serde(deserialize_with = "required")]
    pub receiver: Option<u32>,
    /// Block.
    pub sbn: u32,
    /// Encoding symbol id.
    pub esi: u16,
}

/// A device that is not like the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Which receiver.
    pub receiver: u32,
    /// Packets a second that its CPU takes; 0 is without limit.
    pub packets_per_s: u64,
    /// Packets that its socket buffer holds.
    pub buffer_packets: u32,
    /// Error of its clock.
    pub drift_ppm: i32,
    /// The port that it hangs on, if that is slower than the network.
    #[serde(deserialize_with = "required")]
    pub port: Option<Bottleneck>,
    /// Whether the sender may send to it alone; a firewall may be in the way.
    pub takes_unicast: bool,
}

impl Device {
    /// A device like all others.
    pub fn ordinary(receiver: u32) -> Device {
        Device {
            receiver,
            packets_per_s: 0,
            buffer_packets: BUFFER_PACKETS,
            drift_ppm: 0,
            port: None,
            takes_unicast: true,
        }
    }
}

/// Packets that an ordinary socket buffer holds: 8 MiB of 2,304 bytes.
const BUFFER_PACKETS: u32 = 3_640;
