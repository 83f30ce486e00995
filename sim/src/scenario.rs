//! What is simulated: one push, its network, its devices, and what goes wrong.

mod validity;

pub use validity::ScenarioError;

use linecast_fec::Codec;
use linecast_protocol::time::Duration;

/// Subtrees of the network: their losses travel in one word with each packet.
pub(crate) const SUBTREES_MAX: u32 = 64;

/// One run of the simulator. Equal scenarios give equal runs.
#[derive(Debug, Clone, PartialEq)]
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
    pub codec: Codec,
    /// Longest block, in source symbols.
    pub block_symbols: u16,
    /// Transmit lanes.
    pub lanes: u8,
    /// Rate of the push, in bits of L2 a second.
    pub rate_bps: u64,
    /// Round trip between sender and receivers.
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
    /// How long the sender waits for a silent receiver.
    pub stall_timeout: Duration,
    /// How long the sender waits for receivers before it starts without them.
    pub wait: Duration,
    /// Simulated time after which a run that has not ended is a failure.
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
            rate_bps: 1_000_000_000,
            rtt: Duration::from_millis(20),
            network: Network::default(),
            devices: Vec::new(),
            faults: Vec::new(),
            content: Content::Identities,
            suppression: true,
            stall_timeout: Duration::from_secs(60),
            wait: Duration::from_secs(30),
            limit: Duration::from_secs(600),
        }
    }
}

/// What symbols are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Only which symbol it is, and whether it was damaged on the way.
    Identities,
    /// Real bytes, real parity, real hashes, a real signed manifest.
    Bytes,
}

/// The network. Every share is between 0 and 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Network {
    /// Loss on the way to each receiver, drawn for each on its own.
    pub loss: LossModel,
    /// Receivers with another loss, from the first on.
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
    pub jitter: Duration,
    /// Packets delayed enough to be overtaken.
    pub reorder: f64,
    /// Packets that come twice.
    pub duplicate: f64,
    /// Packets that come with a wrong bit that no checksum noticed.
    pub flip: f64,
    /// A slow link behind the sender.
    pub bottleneck: Option<Bottleneck>,
    /// Packets that are lost for certain.
    pub drops: Vec<Drop>,
}

/// Loss of one path.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bottleneck {
    /// Rate in bits of L2 a second.
    pub rate_bps: u64,
    /// Bytes that wait before more are dropped.
    pub queue_bytes: u64,
}

/// The first transmission of one image symbol is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Drop {
    /// For whom; `None` means everybody.
    pub receiver: Option<u32>,
    /// Block.
    pub sbn: u32,
    /// Encoding symbol id.
    pub esi: u16,
}

/// A device that is not like the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Which receiver.
    pub receiver: u32,
    /// Packets a second that its CPU takes; 0 is without limit.
    pub packets_per_s: u64,
    /// Packets that its socket buffer holds.
    pub buffer_packets: u32,
    /// Error of its clock.
    pub drift_ppm: i32,
}

/// Which way of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the sender.
    Down,
    /// To the sender.
    Up,
    /// Both.
    Both,
}

/// Whose path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every receiver's.
    All,
    /// One receiver's.
    Receiver(u32),
    /// That of a subtree.
    Subtree(u32),
}

/// A path that carries nothing for a while, as when a rendezvous point moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it begins, from the start of the run.
    pub at: Duration,
    /// How long it lasts.
    pub length: Duration,
    /// Whose path.
    pub scope: Scope,
    /// Which way.
    pub direction: Direction,
}

/// What goes wrong. Times run from the start of the simulation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// A path carries nothing.
    Outage(Outage),
    /// A receiver's process dies and is started again.
    CrashReceiver {
        /// Which.
        receiver: u32,
        /// When it dies.
        at: Duration,
        /// How long it is down.
        down: Duration,
        /// Share of its unsynced writes that are lost with it, or torn.
        disk_loss: f64,
    },
    /// The sender dies; a new push of the same image is started.
    CrashSender {
        /// When it dies.
        at: Duration,
        /// How long until the next.
        down: Duration,
    },
    /// A receiver is started only now.
    LateJoin {
        /// Which.
        receiver: u32,
        /// When.
        at: Duration,
    },
    /// A receiver is switched off for good.
    Leave {
        /// Which.
        receiver: u32,
        /// When.
        at: Duration,
    },
    /// A receiver's process stands still while the world goes on.
    Pause {
        /// Which.
        receiver: u32,
        /// When.
        at: Duration,
        /// How long.
        length: Duration,
    },
    /// A receiver's clock jumps ahead.
    Jump {
        /// Which.
        receiver: u32,
        /// When.
        at: Duration,
        /// By how much.
        by: Duration,
    },
    /// A receiver's disk fails for good: it reports so and is done.
    DiskFull {
        /// Which.
        receiver: u32,
        /// When.
        at: Duration,
    },
    /// A byte that a receiver has staged and hashed changes on its disk.
    RotDisk {
        /// Which.
        receiver: u32,
        /// When.
        at: Duration,
    },
    /// Somebody sends packets that pretend to be of the session.
    Forge {
        /// When.
        at: Duration,
        /// How many.
        count: u32,
    },
    /// Somebody sends again what was sent before, to the group and to the
    /// sender.
    Replay {
        /// When.
        at: Duration,
        /// How many.
        count: u32,
    },
}

impl Fault {
    /// When the fault is over.
    pub fn end(&self) -> Duration {
        match *self {
            Fault::Outage(Outage { at, length, .. }) | Fault::Pause { at, length, .. } => {
                at + length
            }
            Fault::CrashReceiver { at, down, .. } | Fault::CrashSender { at, down } => at + down,
            Fault::LateJoin { at, .. }
            | Fault::Leave { at, .. }
            | Fault::Jump { at, .. }
            | Fault::DiskFull { at, .. }
            | Fault::RotDisk { at, .. }
            | Fault::Forge { at, .. }
            | Fault::Replay { at, .. } => at,
        }
    }

    /// Whether somebody may be silent for a while, or for good, because of it.
    pub(crate) fn silences(&self) -> bool {
        matches!(
            self,
            Fault::CrashReceiver { .. }
                | Fault::CrashSender { .. }
                | Fault::Leave { .. }
                | Fault::Pause { .. }
                | Fault::Jump { .. }
                | Fault::Outage(_)
        )
    }

    /// Whether a request may ask for more than is lacking when it is served:
    /// somebody else wrote it, or its receiver lost or regained symbols since.
    pub(crate) fn disturbs_requests(&self) -> bool {
        matches!(
            self,
            Fault::Forge { .. }
                | Fault::Replay { .. }
                | Fault::CrashReceiver { .. }
                | Fault::Leave { .. }
                | Fault::DiskFull { .. }
                | Fault::Pause { .. }
        )
    }
}

impl Scenario {
    /// Whether a receiver is started only after the push has begun.
    pub(crate) fn joins_late(&self, receiver: u32) -> bool {
        self.faults.iter().any(
            |fault| matches!(fault, Fault::LateJoin { receiver: late, .. } if *late == receiver),
        )
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
