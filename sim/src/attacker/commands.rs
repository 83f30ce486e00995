//! Commands in the sender's name.

use super::identity::shifted;
use super::{Attacker, Known, nacks};
use crate::lanes::SOURCE_ID;
use crate::packet::Body;
use crate::scenario::{Ask, Attack};
use linecast_protocol::limits::{MESSAGE_BYTES_MAX, PAGE_BYTES};
use linecast_protocol::message::{Notice, WelcomeEntry};
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::random::Random;
use linecast_protocol::wire::{
    CcList, Command, CommandBody, NodeList, PayloadId, Requests, SenderWord, Timestamp,
};

/// Nodes or keys that one command lists.
const LISTED_MAX: u32 = 96;

impl Attacker {
    /// One command; `None` if there is nothing yet to make it from.
    pub(super) fn command(
        &mut self,
        known: &Known<'_>,
        at: u64,
        attack: Attack,
        random: &mut Random,
    ) -> Option<Body> {
        let word = SenderWord {
            instance_id: known.instance_id,
            ..self.ear.word
        };
        match attack {
            Attack::Header {
                grtt,
                backoff,
                gsize,
            } => {
                let word = SenderWord {
                    grtt,
                    backoff,
                    gsize,
                    ..word
                };
                self.with_parameters(at, word, random)
            }
            Attack::Stamp { offset_ms } => {
                let stamp = Timestamp::from_ns(shifted(self.ear.clock(at)?, offset_ms));
                Some(self.probe(word, stamp))
            }
            Attack::Flush => self.flush(known, word),
            Attack::Welcome { node } => self.welcome(word, node),
            Attack::Poll => {
                let known = [0; PAGE_BYTES];
                let (mut content, known) = (Vec::new(), &known);
                Notice::Poll { page: 0, known }.emit(&mut content);
                Some(self.emit(word, CommandBody::Application(&content)))
            }
            Attack::Advertise => {
                let bytes = MESSAGE_BYTES_MAX - 24;
                let requests = nacks::requests(known, Ask::Blocks, bytes.min(64), random)?;
                let requests = Requests::parse(&requests).ok()?;
                let body = CommandBody::RepairAdv {
                    limit: false,
                    requests,
                };
                Some(self.emit(word, body))
            }
            _ => None,
        }
    }

    /// A probe, or a symbol that everybody has heard, with these parameters.
    fn with_parameters(&self, at: u64, word: SenderWord, random: &mut Random) -> Option<Body> {
        if self.made.is_multiple_of(2) {
            let stamp = self
                .ear
                .clock(at)
                .map_or_else(Timestamp::default, Timestamp::from_ns);
            return Some(self.probe(word, stamp));
        }
        match self.ear.packet(random)?.body {
            Body::Data {
                mut header,
                len,
                payload,
            } => {
                header.sender = word;
                Some(Body::Data {
                    header,
                    len,
                    payload,
                })
            }
            Body::Message(_) => None,
        }
    }

    fn probe(&self, word: SenderWord, Timestamp { sec, usec }: Timestamp) -> Body {
        let body = CommandBody::Cc {
            cc_sequence: self.made as u16,
            sec,
            usec,
            rate: None,
            nodes: CcList::EMPTY,
        };
        self.emit(word, body)
    }

    fn flush(&self, known: &Known<'_>, word: SenderWord) -> Option<Body> {
        let layout = known.shape.image;
        let sbn = layout.blocks().checked_sub(1)?;
        let block_len = layout.block_len(sbn);
        let nodes: Vec<u32> = (0..known.receivers.min(LISTED_MAX))
            .map(|n| 1_000 + n)
            .collect();
        let body = CommandBody::Flush {
            toi: IMAGE_TOI,
            id: PayloadId {
                sbn,
                block_len,
                esi: block_len - 1,
            },
            nodes: NodeList::from_slice(&nodes),
        };
        Some(self.emit(word, body))
    }

    /// A welcome for every life that was heard of, newer than its own, that only
    /// the session's key could prove.
    fn welcome(&self, word: SenderWord, node: u32) -> Option<Body> {
        let mut entries = Vec::new();
        let lives = self.ear.welcomes.values().take(LISTED_MAX as usize / 3);
        for known in lives {
            let entry = WelcomeEntry {
                node,
                nonce: known.nonce + 1,
                ..*known
            };
            entry.emit(&mut entries);
        }
        if entries.is_empty() {
            return None;
        }
        let mut content = Vec::new();
        Notice::Welcome(&entries).emit(&mut content);
        Some(self.emit(word, CommandBody::Application(&content)))
    }

    fn emit(&self, sender: SenderWord, body: CommandBody<'_>) -> Body {
        command_of(SOURCE_ID, self.made as u16, sender, body)
    }
}

/// A command as it is on the wire.
pub(super) fn command_of(
    source_id: u32,
    sequence: u16,
    sender: SenderWord,
    body: CommandBody<'_>,
) -> Body {
    let command = Command {
        sequence,
        source_id,
        sender,
        body,
    };
    let mut bytes = Vec::new();
    command.emit(&mut bytes);
    Body::Message(bytes.into())
}
