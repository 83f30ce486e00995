//! A slow link with a queue before it: between the sender and everybody, or the
//! port that one device hangs on.

use crate::scenario::Bottleneck;
use linecast_protocol::pacer::l2_bytes;

/// A slow link in progress.
#[derive(Debug)]
pub(crate) struct Link {
    shape: Bottleneck,
    free_at: u64,
    /// Most bytes that have waited.
    pub queue_bytes_max: u64,
}

impl Link {
    pub(crate) fn new(shape: Bottleneck) -> Link {
        Link {
            shape,
            free_at: 0,
            queue_bytes_max: 0,
        }
    }

    /// When a packet with `bytes` of UDP payload, which comes at `at`, is through;
    /// `None` if the queue is full. Packets come in the order of time.
    pub(crate) fn pass(&mut self, at: u64, bytes: usize) -> Option<u64> {
        let Bottleneck {
            rate_bps,
            queue_bytes,
        } = self.shape;
        let bytes = l2_bytes(bytes, false) as u64;
        let waiting_ns = self.free_at.saturating_sub(at);
        let waiting = (u128::from(waiting_ns) * u128::from(rate_bps) / 8_000_000_000) as u64;
        if waiting + bytes > queue_bytes {
            return None;
        }
        self.queue_bytes_max = self.queue_bytes_max.max(waiting + bytes);
        let tx_ns = (u128::from(bytes) * 8_000_000_000 / u128::from(rate_bps)) as u64;
        self.free_at = self.free_at.max(at) + tx_ns;
        Some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_into_the_queue_is_dropped_and_the_rest_comes_at_the_rate() {
        let mut link = Link::new(Bottleneck {
            rate_bps: 8_000_000,
            queue_bytes: 10 * l2_bytes(1_000, false) as u64,
        });
        let through: Vec<u64> = (0..100).filter_map(|_| link.pass(0, 1_000)).collect();
        assert_eq!(through.len(), 10);
        let gap = l2_bytes(1_000, false) as u64 * 1_000;
        assert!(through.windows(2).all(|pair| pair[1] - pair[0] == gap));
        assert!(link.pass(through[9], 1_000).is_some());
    }
}
