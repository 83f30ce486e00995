//! How a receiver is doing: binary, frequent, sealed, and about nothing but pace.

use alloc::vec::Vec;

/// Layout of this version.
const LAYOUT: u8 = 2;

/// What a receiver is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Activity {
    /// Taking symbols.
    #[default]
    Receiving = 0,
    /// Every leaf is verified; syncing, reading back, renaming.
    Finishing = 1,
    /// In place.
    Complete = 2,
}

/// A receiver's running counts. All of them only rise, so that a lost report
/// costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// What it is doing.
    pub activity: Activity,
    /// DATA packets received.
    pub received: u64,
    /// DATA packets missed, from sequence gaps.
    pub lost: u64,
    /// `SO_RXQ_OVFL` of its socket: an indicator, in buffers.
    pub socket_drops: u32,
    /// Leaves verified.
    pub leaves_verified: u32,
    /// Blocks from which `lost_in_range` symbols were lost since the report
    /// before: first, and one past the last.
    pub range: (u32, u32),
    /// Symbols lost in `range`.
    pub lost_in_range: u32,
    /// Milliseconds that it waited for its disk; 0 from who does not measure it, as
    /// this version.
    pub disk_wait_ms: u32,
    /// Milliseconds of CPU that its process has used.
    pub busy_ms: u32,
    /// Last sequence seen of each lane.
    pub sequences: Vec<u16>,
}

impl Status {
    const HEAD_BYTES: usize = 48;

    /// Appends the payload to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[LAYOUT, self.activity as u8, self.sequences.len() as u8, 0]);
        out.extend_from_slice(&self.received.to_be_bytes());
        out.extend_from_slice(&self.lost.to_be_bytes());
        for word in [
            self.socket_drops,
            self.leaves_verified,
            self.range.0,
            self.range.1,
            self.lost_in_range,
            self.disk_wait_ms,
            self.busy_ms,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        for sequence in &self.sequences {
            out.extend_from_slice(&sequence.to_be_bytes());
        }
    }

    /// Reads a payload; `None` if it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Status> {
        let (head, tail) = bytes.split_at_checked(Self::HEAD_BYTES)?;
        let activity = match head[1] {
            0 => Activity::Receiving,
            1 => Activity::Finishing,
            2 => Activity::Complete,
            _ => return None,
        };
        let lanes = usize::from(head[2]);
        if head[0] != LAYOUT || lanes > crate::limits::LANES_MAX || tail.len() != lanes * 2 {
            return None;
        }
        let long = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().unwrap_or_default());
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap_or_default());
        Some(Status {
            activity,
            received: long(4),
            lost: long(12),
            socket_drops: word(20),
            leaves_verified: word(24),
            range: (word(28), word(32)),
            lost_in_range: word(36),
            disk_wait_ms: word(40),
            busy_ms: word(44),
            sequences: tail
                .chunks(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_the_round_trip() {
        let status = Status {
            activity: Activity::Finishing,
            received: 1 << 40,
            lost: 7,
            socket_drops: 3,
            leaves_verified: 9,
            range: (4, 8),
            lost_in_range: 2,
            disk_wait_ms: 11,
            busy_ms: 12,
            sequences: alloc::vec![1, 65_535],
        };
        let mut bytes = Vec::new();
        status.emit(&mut bytes);
        assert_eq!(Status::parse(&bytes), Some(status));
        bytes.push(0);
        assert_eq!(Status::parse(&bytes), None);
    }
}
