//! Trains of packets, and the bounded pool they come from.
//!
//! ```text
//! TrainBuffer   stride = packet_bytes
//! | slot 0: header, symbol | slot 1: header, symbol | ... | last, may be shorter |
//! ^ 64-byte aligned        ^ stride                                              ^ bytes
//! ```
//!
//! Packets lie back to back, so any run of them is one GSO payload as it is.
//! A buffer has one owner at a time: pool → encoder → lane → transmitter → pool.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

pub use linecast_protocol::pacer::{UDP_PAYLOAD_BYTES_MAX, segments_max};

const ALIGNMENT_BYTES: usize = 64;

/// Consecutive packets in one piece of memory.
pub struct TrainBuffer {
    /// For its owner: what the lane wants to remember about these packets.
    pub tag: u64,
    memory: Box<[u8]>,
    /// Where the aligned part of `memory` starts.
    start: usize,
    packet_bytes: usize,
    packets: usize,
    bytes: usize,
}

impl TrainBuffer {
    /// An empty train for packets of `packet_bytes`, headers included. It holds
    /// `segments_max(packet_bytes)` of them.
    pub fn new(packet_bytes: usize) -> TrainBuffer {
        assert!((1..=UDP_PAYLOAD_BYTES_MAX).contains(&packet_bytes));
        let memory = vec![0u8; memory_bytes(packet_bytes)].into_boxed_slice();
        // The allocation does not move with the buffer, so this stays true.
        let start = memory.as_ptr().align_offset(ALIGNMENT_BYTES);
        assert!(start < ALIGNMENT_BYTES);
        TrainBuffer {
            tag: 0,
            memory,
            start,
            packet_bytes,
            packets: 0,
            bytes: 0,
        }
    }

    /// Forgets packets and tag.
    pub fn clear(&mut self) {
        self.tag = 0;
        self.packets = 0;
        self.bytes = 0;
    }

    /// Appends a packet of `length` bytes and returns its place, which holds
    /// whatever it held before. Only the last packet may be shorter than the
    /// stride: panics after a short one, and on a full train.
    pub fn push_slot(&mut self, length: usize) -> &mut [u8] {
        assert!((1..=self.packet_bytes).contains(&length));
        assert!(self.packets < self.capacity_packets(), "train is full");
        assert!(
            self.bytes == self.packets * self.packet_bytes,
            "only the last packet of a train may be short"
        );
        self.packets += 1;
        self.bytes += length;
        self.slot_mut(self.packets - 1)
    }

    /// The bytes of one packet.
    pub fn slot(&self, packet: usize) -> &[u8] {
        self.run(packet, 1)
    }

    /// The bytes of one packet, to write.
    pub fn slot_mut(&mut self, packet: usize) -> &mut [u8] {
        let (from, to) = self.range(packet, 1);
        &mut self.memory[from..to]
    }

    /// Consecutive packets, as one GSO payload.
    pub fn run(&self, first: usize, count: usize) -> &[u8] {
        let (from, to) = self.range(first, count);
        &self.memory[from..to]
    }

    /// All packets.
    pub fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.bytes]
    }

    /// Packets in the train.
    pub fn len_packets(&self) -> usize {
        self.packets
    }

    /// Bytes in the train.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The stride: the size of every packet but a short last one.
    pub fn packet_bytes(&self) -> usize {
        self.packet_bytes
    }

    /// Packets the train can hold.
    pub fn capacity_packets(&self) -> usize {
        segments_max(self.packet_bytes)
    }

    /// Whether no packet can be appended: because of the count, or because the
    /// last one is short.
    pub fn is_full(&self) -> bool {
        self.packets == self.capacity_packets() || self.bytes < self.packets * self.packet_bytes
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.packets == 0
    }

    fn range(&self, first: usize, count: usize) -> (usize, usize) {
        assert!(first + count <= self.packets, "packets beyond the train");
        let end = self.bytes.min((first + count) * self.packet_bytes);
        (self.start + first * self.packet_bytes, self.start + end)
    }
}

impl std::fmt::Debug for TrainBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrainBuffer")
            .field("tag", &self.tag)
            .field("packet_bytes", &self.packet_bytes)
            .field("packets", &self.packets)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

fn memory_bytes(packet_bytes: usize) -> usize {
    segments_max(packet_bytes) * packet_bytes + ALIGNMENT_BYTES - 1
}

/// Where one thread takes trains from: the one that came back last, whose memory
/// is still in the cache. There is a limit to them, so a slow network slows the
/// encoder down and costs no memory; each is made when it is first needed, so a
/// push neither waits for the others nor has them.
#[derive(Debug)]
pub struct TrainPool {
    returned: Vec<TrainBuffer>,
    back: Receiver<TrainBuffer>,
    way_back: TrainReturn,
    made: usize,
    trains: usize,
}

/// The way back into a pool.
#[derive(Debug, Clone)]
pub struct TrainReturn {
    back: Sender<TrainBuffer>,
    packet_bytes: usize,
}

impl TrainPool {
    /// As many trains as fit into `pool_bytes`, at least 2: one to fill while
    /// the other is sent.
    pub fn new(pool_bytes: usize, packet_bytes: usize) -> TrainPool {
        let trains = (pool_bytes / memory_bytes(packet_bytes)).max(2);
        let (way_back, back) = bounded(trains);
        TrainPool {
            returned: Vec::with_capacity(trains),
            back,
            way_back: TrainReturn {
                back: way_back,
                packet_bytes,
            },
            made: 0,
            trains,
        }
    }

    /// An empty train; waits until one is put back when all are away.
    pub fn take(&mut self) -> TrainBuffer {
        self.returned.extend(self.back.try_iter());
        if let Some(train) = self.returned.pop() {
            return train;
        }
        if self.made < self.trains {
            self.made += 1;
            return TrainBuffer::new(self.packet_bytes());
        }
        self.back
            .recv()
            .expect("the pool itself holds a sender, so the channel is open")
    }

    /// Where its trains are put back.
    pub fn way_back(&self) -> TrainReturn {
        self.way_back.clone()
    }

    /// Trains that there may be, made or not.
    pub fn trains(&self) -> usize {
        self.trains
    }

    /// The stride of its trains.
    pub fn packet_bytes(&self) -> usize {
        self.way_back.packet_bytes
    }
}

impl TrainReturn {
    /// Gives a train back, cleared; when the pool is gone, its memory is freed.
    /// Panics on a train of another pool: there is no room for it.
    pub fn put(&self, mut train: TrainBuffer) {
        assert_eq!(train.packet_bytes, self.packet_bytes);
        train.clear();
        if let Err(TrySendError::Full(_)) = self.back.try_send(train) {
            panic!("train of another pool");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_lie_back_to_back_and_the_last_may_be_short() {
        let mut train = TrainBuffer::new(100);
        train.push_slot(100).fill(1);
        train.push_slot(100).fill(2);
        train.push_slot(30).fill(3);
        assert_eq!(train.as_slice().as_ptr().align_offset(64), 0);
        assert_eq!((train.len_packets(), train.bytes()), (3, 230));
        assert_eq!(train.slot(1), [2; 100]);
        assert_eq!(train.slot(2), [3; 30]);
        assert_eq!(train.run(1, 2).len(), 130);
        assert_eq!(train.run(0, 2), &train.as_slice()[..200]);
        train.tag = 9;
        train.clear();
        assert!(train.is_empty() && train.tag == 0);
    }

    #[test]
    #[should_panic(expected = "only the last packet")]
    fn nothing_follows_a_short_packet() {
        let mut train = TrainBuffer::new(100);
        train.push_slot(99);
        train.push_slot(100);
    }

    #[test]
    fn train_is_full_at_the_kernels_limit() {
        for (packet_bytes, packets) in [(1448, 45), (8936, 7), (64, 64), (65_507, 1)] {
            let mut train = TrainBuffer::new(packet_bytes);
            while !train.is_full() {
                train.push_slot(packet_bytes);
            }
            assert_eq!(train.len_packets(), packets);
            assert!(train.bytes() <= UDP_PAYLOAD_BYTES_MAX);
        }
    }

    #[test]
    fn pool_is_bounded_and_reuses_its_memory() {
        let mut pool = TrainPool::new(200_000, 1448);
        assert_eq!((pool.trains(), pool.made), (3, 0));
        let mut held: Vec<_> = (0..3).map(|_| pool.take()).collect();
        let mut train = held.pop().expect("three");
        train.push_slot(10);
        let address = train.as_slice().as_ptr();
        pool.way_back().put(train);
        let again = pool.take();
        assert!(again.is_empty() && pool.made == 3);
        assert_eq!(again.memory[again.start..].as_ptr(), address);
    }

    #[test]
    fn pool_gives_the_train_that_came_back_last_and_makes_no_more_than_are_needed() {
        let mut pool = TrainPool::new(1 << 20, 1448);
        let (first, last) = (pool.take(), pool.take());
        let address = last.memory.as_ptr();
        pool.way_back().put(first);
        pool.way_back().put(last);
        let again = pool.take();
        assert_eq!(again.memory.as_ptr(), address);
        let other = pool.take();
        assert_eq!(pool.made, 2);
        drop((again, other));
    }

    #[test]
    fn a_train_may_come_back_after_its_pool_is_gone() {
        let mut pool = TrainPool::new(0, 100);
        let (train, way_back) = (pool.take(), pool.way_back());
        drop(pool);
        way_back.put(train);
    }

    #[test]
    #[should_panic(expected = "another pool")]
    fn a_train_of_another_pool_has_no_room() {
        let pool = TrainPool::new(0, 100);
        (0..3).for_each(|_| pool.way_back().put(TrainBuffer::new(100)));
    }

    #[test]
    fn smallest_pool_has_two_trains() {
        assert_eq!(TrainPool::new(0, 9000).trains(), 2);
    }
}
