//! What the sender says itself: the facts in every header, commands, and the end
//! of the session.

use crate::limits::{
    BACKOFF_FACTOR, BACKOFF_FACTOR_SMALL, MIDDLING_GROUP_MAX, ROSTER_MAX, WINDOWED_GROUP_MAX,
};
use crate::message::{self, EndReason, Notice};
use crate::offer::SessionShape;
use crate::pacer::l2_bytes;
use crate::sender::{Ending, Member, Phase, Sender};
use crate::time::{Duration, Time};
use crate::wire::{Command, CommandBody, DATA_HEADER_BYTES, SenderWord, quantize};
use alloc::vec::Vec;

/// The notice of the end, and EOT, are sent this often.
pub(in crate::sender) const END_REPEATS: u8 = 5;
/// Time between them: apart enough not to be lost together.
const END_SPACING: Duration = Duration::from_millis(3);
const END_SPACING_SLOW: Duration = Duration::from_millis(100);

/// Bits of L2 of a full packet.
pub(in crate::sender) fn packet_bits(shape: &SessionShape, ipv6: bool) -> u64 {
    let symbol_bytes = usize::from(shape.image.symbol_bytes());
    l2_bytes(DATA_HEADER_BYTES + symbol_bytes, ipv6) as u64 * 8
}

impl Sender {
    /// The group round-trip time, and never less than two packets of a lane
    /// take: a receiver would ask again between one packet and the next.
    pub fn grtt(&self) -> Duration {
        let bits = self.packet_bits() * u64::from(self.config.shape.lanes);
        let interval = bits.saturating_mul(1_000_000_000) / self.rate.bps().max(1);
        self.grtt.current().max(Duration::from_nanos(interval) * 2)
    }

    pub(in crate::sender) fn packet_bits(&self) -> u64 {
        packet_bits(&self.config.shape, self.config.ipv6)
    }

    /// Ends the session before everyone has the image.
    pub fn end_early(&mut self, now: Time, reason: EndReason) {
        if self.phase < Phase::Ending {
            self.end(now, Ending::Early(reason));
        }
    }

    pub(in crate::sender) fn end(&mut self, now: Time, ending: Ending) {
        self.phase = Phase::Ending;
        self.ending = ending;
        self.end_at = now;
        self.orders.clear();
    }

    pub(in crate::sender) fn say_the_end(&mut self, now: Time) {
        if now < self.end_at {
            return;
        }
        self.end_left -= 1;
        let reason = match self.ending {
            Ending::Early(reason) => reason,
            Ending::Finished | Ending::NoReceivers => EndReason::Finished,
        };
        let text = message::end_text(reason, &self.config.shape.session);
        let signature = self.config.session_key.sign(message::END_CONTEXT, &text);
        let mut content = Vec::new();
        Notice::End {
            reason,
            signature: &signature,
        }
        .emit(&mut content);
        self.push_command(&CommandBody::Application(&content));
        // For receivers of other makes.
        self.push_command(&CommandBody::Eot);
        if self.end_left == 0 {
            self.phase = Phase::Done;
            return;
        }
        // Whoever was too slow may have a long queue before it.
        let slow = self.membership.members().iter().any(Member::is_unserved);
        self.end_at = now + if slow { END_SPACING_SLOW } else { END_SPACING };
    }

    pub(in crate::sender) fn group_size(&self) -> usize {
        if self.membership.alone().is_some() {
            return 1;
        }
        let expected = self.config.receivers.unwrap_or(1);
        self.membership.heard().max(expected).min(ROSTER_MAX)
    }

    /// The backoff factor K. A small group needs no suppression. A middling one
    /// needs it no more once every block has parity that will probably do: then
    /// few are left to ask, and each round trip of backoff is one that
    /// everybody waits.
    pub(in crate::sender) fn backoff_factor(&self) -> u8 {
        let size = self.group_size();
        if size <= WINDOWED_GROUP_MAX || (self.rounded_off && size <= MIDDLING_GROUP_MAX) {
            BACKOFF_FACTOR_SMALL
        } else {
            BACKOFF_FACTOR
        }
    }

    pub(in crate::sender) fn sender_word(&self) -> SenderWord {
        let size = self.group_size();
        SenderWord {
            instance_id: self.config.instance_id,
            grtt: quantize::grtt_from_ns(self.grtt().as_nanos() as u64),
            backoff: self.backoff_factor(),
            gsize: quantize::gsize_from(size as u32),
        }
    }

    pub(in crate::sender) fn push_command(&mut self, body: &CommandBody<'_>) {
        let mut out = Vec::new();
        let command = Command {
            sequence: self.next_sequence(),
            source_id: self.config.source_id,
            sender: self.sender_word(),
            body: *body,
        };
        command.emit(&mut out);
        self.outbox.push_back(out);
    }

    /// The sequence of messages that lanes do not send: commands and object 1.
    pub fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::tests::shape;

    /// A14.
    #[test]
    fn packets_of_ipv6_are_twenty_bytes_longer() {
        let shape = shape(1 << 20);
        assert_eq!(
            packet_bits(&shape, true),
            packet_bits(&shape, false) + 20 * 8
        );
    }
}
