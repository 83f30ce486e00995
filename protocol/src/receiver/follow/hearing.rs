//! What the sender says.

use super::{Event, Session};
use crate::key::PublicKey;
use crate::message::{self, EndReason, Notice};
use crate::object::spans;
use crate::offer::{IMAGE_TOI, LEAVES_TOI};
use crate::receiver::Group;
use crate::time::Time;
use crate::wire::{CommandBody, Message, Requests as WireRequests, SenderWord, Timestamp};
use core::net::SocketAddr;

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
                self.heard = now;
                self.note_group(command.sender);
                self.handle_command(now, &command.body);
                true
            }
            Message::Nack(nack) if (nack.server_id, nack.instance_id) == self.sender => {
                self.handle_requests(&nack.requests);
                true
            }
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
        spans(requests).for_each(|span| self.requests.covered(&span));
    }

    fn handle_command(&mut self, now: Time, body: &CommandBody<'_>) {
        match body {
            CommandBody::Flush { nodes, .. } => self.handle_flush(now, nodes.contains(self.node())),
            // A probe that waited in the socket while space was reserved would
            // measure the disk.
            CommandBody::Cc { sec, usec, .. } if now >= self.probes_from => {
                // The sender starts when it knows the round trip: whatever was
                // said without one may have been all that there was to say.
                if self.probe.is_none() {
                    self.reports.soon(now, self.group);
                }
                self.probe = Some((
                    Timestamp {
                        sec: *sec,
                        usec: *usec,
                    },
                    now,
                ));
            }
            CommandBody::RepairAdv { requests, .. } => self.handle_requests(requests),
            CommandBody::Application(content) => self.handle_notice(now, content),
            _ => {}
        }
    }

    fn handle_flush(&mut self, now: Time, listed: bool) {
        for toi in [LEAVES_TOI, IMAGE_TOI] {
            let count = self
                .objects
                .blocks(toi)
                .filter(|b| b.open() > 0)
                .map_or(0, |b| b.layout().blocks());
            for sbn in 0..count {
                self.want_if_open(now, toi, sbn);
            }
        }
        self.requests.all_due(now, self.group);
        if listed {
            self.completion
                .ask(now + self.random.within(self.group.grtt));
            self.reports.soon(now, self.group);
        }
    }

    fn handle_notice(&mut self, now: Time, content: &[u8]) {
        match Notice::parse(content) {
            Some(Notice::Welcome(entries)) => {
                let key = self.key.public();
                if let Some(node) = message::welcomed(entries, key.as_bytes())
                    && self.registration.welcome(now, node, self.group)
                {
                    self.events.push_back(Event::Welcomed);
                    self.reports.soon(now, self.group);
                }
            }
            Some(Notice::End { reason, signature }) => {
                let text = message::end_text(reason, &self.shape.session);
                let signed = PublicKey::from_bytes(self.shape.session_key)
                    .and_then(|key| key.verify(message::END_CONTEXT, &text, signature));
                if signed.is_ok() && !self.over {
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
