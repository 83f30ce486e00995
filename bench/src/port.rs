//! A port of a cheap switch.

use linecast_lab::RateCap;

/// Bucket of the port. A real one has none; but timers of a virtual machine end
/// late, and tokens that find the bucket full are lost.
const BURST_BYTES: u32 = 64 << 10;
/// Queue before it.
pub(crate) const QUEUE_BYTES: u32 = 128 << 10;

/// A port of so many L2 bits a second, with a queue of so many bytes.
pub(crate) fn port(rate_bps: u64, queue_bytes: u32) -> RateCap {
    RateCap {
        rate_bps,
        burst_bytes: BURST_BYTES,
        queue_bytes,
    }
}
