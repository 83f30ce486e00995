//! From the messages of a batch to its datagrams.

use std::ops::Range;

use super::{At, Inbox, Segment, control, slice};
use crate::mmsg::{Layout, TAIL_BYTES};
use crate::staging::Staging;

impl Inbox {
    /// Finds the datagrams in the messages, and chooses the next layout: the
    /// longest train of this batch, since a message posted with fewer pairs
    /// than its train has packets spills into its tail. A message shorter than
    /// its pairs misplaces only those after it, so one message alone is no
    /// reason to shorten.
    pub(super) fn split(&mut self, messages: usize, staging: Option<&Staging>) {
        let packet_bytes = self.shape.packet_bytes();
        let (mut trains, mut longest) = (0, 0);
        for message in 0..messages {
            let received = self.batch.message(message);
            let control = control::parse(received.control);
            self.dropped = control.dropped.unwrap_or(self.dropped);
            let from = control::address(received.name);
            let (Some(from), false) = (from, received.truncated) else {
                self.counters.rejected += 1;
                continue;
            };
            if self.senders.last() != Some(&from) {
                self.senders.push(from);
            }
            let bytes = received.bytes;
            let step = control.segment_bytes.filter(|step| *step > 0);
            let step = step.unwrap_or(bytes.max(1));
            if step == packet_bytes {
                trains += 1;
                longest = longest.max(bytes.div_ceil(step));
            }
            let mut start = 0;
            while start == 0 || start < bytes {
                let end = (start + step).min(bytes);
                self.add(message, start..end, staging);
                start += step;
            }
        }
        let pairs = self.batch.layout.pairs;
        self.batch.layout = match trains {
            0 => return,
            1 => Layout::for_trains_of(longest.max(pairs)),
            _ => Layout::for_trains_of(longest),
        };
    }

    /// Adds the datagram in `range` of a message from the newest sender.
    fn add(&mut self, message: usize, range: Range<usize>, staging: Option<&Staging>) {
        let packet_bytes = self.shape.packet_bytes();
        let pairs = self.batch.layout.pairs;
        let in_pairs = pairs * packet_bytes;
        let bytes = range.len() as u32;
        // Every index and offset below is one into scratch memory of a few
        // mebibytes.
        let at = if range.start >= in_pairs {
            At::Tail((message * TAIL_BYTES + range.start - in_pairs) as u32)
        } else if range.len() == packet_bytes && range.start.is_multiple_of(packet_bytes) {
            At::Pair((message * pairs + range.start / packet_bytes) as u32)
        } else {
            let start = self.bounce.len() as u32;
            self.gather(message, range, staging);
            At::Bounce(start)
        };
        let sender = (self.senders.len() - 1) as u16;
        self.segments.push(Segment { sender, bytes, at });
    }

    /// Puts the bytes in `range` of a message together in the bounce memory,
    /// piece by piece: header, place, header, place, … tail.
    fn gather(&mut self, message: usize, range: Range<usize>, staging: Option<&Staging>) {
        let (header_bytes, symbol_bytes) = (self.shape.header_bytes, self.shape.symbol_bytes);
        let packet_bytes = self.shape.packet_bytes();
        let pairs = self.batch.layout.pairs;
        let scratch = &self.batch.scratch;
        let mut at = range.start;
        while at < range.end {
            let (pair, inside) = (at / packet_bytes, at % packet_bytes);
            let index = (message * pairs + pair) as u32;
            let piece = if pair >= pairs {
                &slice(&scratch.tails, message as u32, TAIL_BYTES)[at - pairs * packet_bytes..]
            } else if inside < header_bytes {
                &slice(&scratch.headers, index, header_bytes)[inside..]
            } else {
                let offset = self.batch.posted[index as usize];
                let end = offset.saturating_add(symbol_bytes as u64);
                let staged = staging.and_then(|staging| staging.bytes(offset..end).ok());
                let place = staged.unwrap_or(slice(&scratch.places, index, symbol_bytes));
                &place[inside - header_bytes..]
            };
            let bytes = piece.len().min(range.end - at);
            self.bounce.extend_from_slice(&piece[..bytes]);
            at += bytes;
        }
        self.counters.gathered += 1;
    }
}
