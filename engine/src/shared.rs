//! What the repair thread tells encoder and lanes, and what they tell it back,
//! without a lock: single words that are read when they are needed. Only the
//! address that lanes send to has one, taken when a word says that it changed.

use linecast_protocol::limits::LANES_MAX;
use linecast_protocol::sender::{Control, GroupLoss};
use linecast_protocol::wire::SenderWord;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Words shared by the threads of one push. None of them orders another (the
/// epoch of the target changes under its lock), so relaxed access is enough.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    rate_bps: AtomicU64,
    loss_worst: AtomicU64,
    loss_pooled: AtomicU64,
    independent_receivers: AtomicU32,
    header: AtomicU32,
    /// Position that each lane must not go beyond.
    limits: [AtomicU64; LANES_MAX],
    /// Packets that each lane has numbered so far.
    positions: [AtomicU64; LANES_MAX],
    /// Whether packets that each lane has numbered wait in the kernel.
    held_up: [AtomicBool; LANES_MAX],
    /// Packets and bytes that each lane has sent.
    sent_packets: AtomicU64,
    sent_bytes: AtomicU64,
    stop: AtomicBool,
    /// Where lanes send to instead of to the group, and how often that changed.
    target: Mutex<Option<SocketAddr>>,
    target_epoch: AtomicU32,
    /// The newest epoch whose target a lane could not send to; 0: none.
    unreachable_epoch: AtomicU32,
}

impl Shared {
    /// Publishes what the session decided.
    pub(crate) fn publish(&self, control: &Control) {
        self.rate_bps.store(control.rate_bps, Relaxed);
        let GroupLoss {
            worst,
            pooled,
            receivers,
        } = control.loss;
        self.loss_worst.store(worst.to_bits(), Relaxed);
        self.loss_pooled.store(pooled.to_bits(), Relaxed);
        self.independent_receivers.store(receivers, Relaxed);
        let SenderWord {
            grtt,
            backoff,
            gsize,
            ..
        } = control.word;
        self.header
            .store(u32::from_be_bytes([0, grtt, backoff, gsize]), Relaxed);
        let mut target = self.locked_target();
        if *target != control.target {
            *target = control.target;
            self.target_epoch.fetch_add(1, Relaxed);
        }
    }

    /// Changes with the target: lanes look at this before every train.
    pub(crate) fn target_epoch(&self) -> u32 {
        self.target_epoch.load(Relaxed)
    }

    /// The target, and its epoch.
    pub(crate) fn target(&self) -> (Option<SocketAddr>, u32) {
        let target = self.locked_target();
        (*target, self.target_epoch())
    }

    /// A lane cannot send to the target of this epoch.
    pub(crate) fn note_unreachable(&self, epoch: u32) {
        self.unreachable_epoch.fetch_max(epoch, Relaxed);
    }

    /// Whether the present target cannot be sent to.
    pub(crate) fn is_target_unreachable(&self) -> bool {
        let epoch = self.unreachable_epoch.load(Relaxed);
        epoch > 0 && epoch == self.target_epoch()
    }

    fn locked_target(&self) -> MutexGuard<'_, Option<SocketAddr>> {
        // An address is whole, whatever became of the thread that wrote it.
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `lane` go up to `limit`.
    pub(crate) fn set_limit(&self, lane: usize, limit: u64) {
        self.limits[lane].store(limit, Relaxed);
    }

    /// The position that `lane` must not go beyond.
    pub(crate) fn limit(&self, lane: usize) -> u64 {
        self.limits[lane].load(Relaxed)
    }

    /// Rate of all lanes together, in bits of L2 a second.
    pub(crate) fn rate_bps(&self) -> u64 {
        self.rate_bps.load(Relaxed)
    }

    /// Loss of the group. Its words may be of two moments: it is an estimate.
    pub(crate) fn loss(&self) -> GroupLoss {
        GroupLoss {
            worst: f64::from_bits(self.loss_worst.load(Relaxed)),
            pooled: f64::from_bits(self.loss_pooled.load(Relaxed)),
            receivers: self.independent_receivers.load(Relaxed),
        }
    }

    /// Quantised GRTT, backoff factor and quantised group size for headers; the
    /// instance id is in the packets already.
    pub(crate) fn header(&self) -> SenderWord {
        let [_, grtt, backoff, gsize] = self.header.load(Relaxed).to_be_bytes();
        SenderWord {
            instance_id: 0,
            grtt,
            backoff,
            gsize,
        }
    }

    /// `lane` has numbered packets up to `position`.
    pub(crate) fn set_position(&self, lane: usize, position: u64) {
        self.positions[lane].store(position, Relaxed);
    }

    /// The position of `lane`.
    pub(crate) fn position(&self, lane: usize) -> u64 {
        self.positions[lane].load(Relaxed)
    }

    /// Packets of `lane` wait for room in its socket's buffer, or none do.
    pub(crate) fn set_held_up(&self, lane: usize, held_up: bool) {
        self.held_up[lane].store(held_up, Relaxed);
    }

    /// Whether packets of `lane` have a number and have not left.
    pub(crate) fn is_held_up(&self, lane: usize) -> bool {
        self.held_up[lane].load(Relaxed)
    }

    /// A lane sent this much.
    pub(crate) fn add_sent(&self, packets: u64, bytes: u64) {
        self.sent_packets.fetch_add(packets, Relaxed);
        self.sent_bytes.fetch_add(bytes, Relaxed);
    }

    /// Packets and UDP payload bytes that all lanes sent.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (
            self.sent_packets.load(Relaxed),
            self.sent_bytes.load(Relaxed),
        )
    }

    /// Asks encoder and lanes to end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Whether encoder and lanes shall end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }
}
