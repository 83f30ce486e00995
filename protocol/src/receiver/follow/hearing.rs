//! What the sender says.

use super::{Event, Session};
use crate::key::PublicKey;
use crate::limits::SPANS_MAX;
use crate::message::Activity;
use crate::message::{self, EndReason, Notice};
use crate::object::spans;
use crate::offer::{IMAGE_TOI, LEAVES_TOI};
use crate::time::{Duration, Time};
use crate::timer::Group;
use crate::wire::{CommandBody, Message, Requests as WireRequests, SenderWord, Timestamp};
use core::net::SocketAddr;

/// A sender that asks for everything is believed to have sent it this often.
const HASTEN_EVERY: Duration = Duration::from_millis(5);
/// Blocks that are looked at together, and how often.
const SWEEP_BLOCKS: u32 = 1_024;
const SWEEP_EVERY: Duration = Duration::from_micros(200);

impl Session {
    pub(in crate::receiver) fn handle_message(
        &mut self,
        now: Time,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> bool {
        match message {
            Message::Command(command) => {
                if !self.belongs((command.source_id, command.sender.instance_id), from) {
                    return false;
                }
                self.note_heard(now);
                self.note_group(command.sender);
                self.handle_command(now, &command.body);
                true
            }
            // Receivers of ours never send feedback to each other: what comes of it
            // is a stranger's.
            _ => false,
        }
    }

    /// The group's parameters change seldom, and cost an exponential to read.
    pub(in crate::receiver) fn note_group(&mut self, word: SenderWord) {
        if self.word != word {
            self.word = word;
            self.group = Group::of(word);
        }
    }

    fn handle_requests(&mut self, requests: &WireRequests<'_>) {
        let spans = spans(requests).take(SPANS_MAX);
        spans.for_each(|span| self.requests.covered(&span));
    }

    fn handle_command(&mut self, now: Time, body: &CommandBody<'_>) {
        match body {
            CommandBody::Flush { nodes, .. } => self.handle_flush(now, nodes.contains(self.node())),
            // A probe that waited in the socket while space was reserved would
            // measure the disk.
            CommandBody::Cc { sec, usec, .. } if now >= self.probes_from => {
                // The sender starts when it knows the round trip: whatever was
                // said without one may have been all that there was to say.
                let stamp = Timestamp {
                    sec: *sec,
                    usec: *usec,
                };
                if self.probes.take(now, stamp) {
                    self.reports.soon(now, self.group, &mut self.timers);
                }
            }
            CommandBody::RepairAdv { requests, .. } => self.handle_requests(requests),
            CommandBody::Application(content) => self.handle_notice(now, content),
            _ => {}
        }
    }

    fn handle_flush(&mut self, now: Time, listed: bool) {
        let complete = self.activity == Activity::Complete;
        if !complete && now.since(self.hastened) >= self.group.grtt.max(HASTEN_EVERY) {
            self.hastened = now;
            (self.sweep, self.sweep_at) = (Some((LEAVES_TOI, 0)), now);
            self.sweep(now);
            self.requests.all_due(now, self.group);
        }
        if listed {
            let (random, timers) = (&mut self.random, &mut self.timers);
            self.completion.ask(now, self.group, random, timers);
            self.reports.answer(now, self.group, timers);
        }
    }

    /// Everything was sent: looks for blocks that are still open, a few at a time.
    pub(super) fn sweep(&mut self, now: Time) {
        let mut left = SWEEP_BLOCKS;
        if self.sweep_at > now {
            return;
        }
        self.sweep_at = now + SWEEP_EVERY;
        while let Some((toi, from)) = self.sweep {
            let blocks = self.objects.blocks(toi).filter(|b| b.open() > 0);
            let count = blocks.map_or(0, |b| b.layout().blocks());
            let end = count.min(from.saturating_add(left));
            (from..end).for_each(|sbn| self.want_if_open(now, toi, sbn));
            left -= end.saturating_sub(from);
            self.sweep = match toi {
                _ if end < count => Some((toi, end)),
                LEAVES_TOI => Some((IMAGE_TOI, 0)),
                _ => None,
            };
            if left == 0 {
                break;
            }
        }
    }

    fn handle_notice(&mut self, now: Time, content: &[u8]) {
        match Notice::parse(content) {
            Some(Notice::Welcome(entries)) => {
                let before = self.signet.nonce;
                if !self.signet.take_welcome(entries) {
                    return;
                }
                let (random, timers) = (&mut self.random, &mut self.timers);
                self.registration.confirmed(now, random, timers);
                if self.signet.nonce != before {
                    self.reports.begin(now, self.group, random, timers);
                }
                if before == 0 {
                    self.events.push_back(Event::Welcomed);
                }
            }
            Some(Notice::Poll { page, known }) => {
                // No sender asks once it has begun, or where anybody begins with nothing.
                let may_be_asked = self.registration.held > 0 && self.progressed == self.followed;
                if let Some(leaves) = self.leaves.as_ref().filter(|_| may_be_asked) {
                    let (random, timers) = (&mut self.random, &mut self.timers);
                    self.lacking
                        .poll_heard(now, self.group, page, known, leaves, random, timers);
                }
            }
            Some(Notice::End { reason, signature }) => {
                let text = message::end_text(reason, &self.shape.session);
                if self.over || !self.ends.take(now) {
                    return;
                }
                let signed = PublicKey::from_bytes(self.shape.session_key)
                    .and_then(|key| key.verify(message::END_CONTEXT, &text, signature));
                if signed.is_ok() {
                    if reason != EndReason::Finished {
                        self.events.push_back(Event::Ended(reason));
                    }
                    self.end();
                }
            }
            None => {}
        }
    }
}
