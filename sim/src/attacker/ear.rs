//! What an attacker has overheard: the newest, and the first of the run.

use crate::draw::below;
use crate::packet::Body;
use crate::sender::Feedback;
use crate::trunk::Departure;
use linecast_protocol::message::{ACK_REGISTER, Notice, WelcomeEntry};
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::random::Random;
use linecast_protocol::wire::{CommandBody, DataHeader, Message, SenderWord, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Newest packets, and as many datagrams, that are kept.
const NEWEST_MAX: usize = 512;
/// Oldest packets that are kept for good.
const OLDEST_MAX: usize = 64;

/// Packets to the group and datagrams to the sender.
#[derive(Debug, Default)]
pub(super) struct Ear {
    packets: Memory<Departure>,
    feedback: Memory<Feedback>,
    registrations: Memory<Feedback>,
    /// The parameters that the sender writes.
    pub(super) word: SenderWord,
    /// The newest probe, and when it left.
    pub(super) probe: Option<(Timestamp, u64)>,
    /// The newest symbol of the image.
    pub(super) symbol: Option<DataHeader>,
    /// Who is welcome, by the name of its life.
    pub(super) welcomes: BTreeMap<[u8; 8], WelcomeEntry>,
}

#[derive(Debug)]
struct Memory<T> {
    oldest: Vec<T>,
    newest: VecDeque<T>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Memory {
            oldest: Vec::new(),
            newest: VecDeque::new(),
        }
    }
}

impl<T: Clone> Memory<T> {
    fn keep(&mut self, what: &T) {
        if self.oldest.len() < OLDEST_MAX {
            self.oldest.push(what.clone());
        }
        self.newest.push_back(what.clone());
        if self.newest.len() > NEWEST_MAX {
            self.newest.pop_front();
        }
    }

    /// One of the newest.
    fn new_one(&self, random: &mut Random) -> Option<T> {
        let at = below(random, self.newest.len() as u64) as usize;
        self.newest.get(at).cloned()
    }

    /// One of any age.
    fn any(&self, random: &mut Random) -> Option<T> {
        if below(random, 2) == 0 {
            return self.new_one(random);
        }
        let at = below(random, self.oldest.len() as u64) as usize;
        self.oldest.get(at).cloned()
    }
}

impl Ear {
    pub(super) fn hear_packet(&mut self, packet: &Departure) {
        match &packet.body {
            Body::Data { header, .. } => {
                self.word = header.sender;
                if header.toi == IMAGE_TOI {
                    self.symbol = Some(*header);
                }
            }
            Body::Message(bytes) => {
                if let Ok(Message::Command(command)) = Message::parse(bytes) {
                    self.word = command.sender;
                    match command.body {
                        CommandBody::Cc { sec, usec, .. } => {
                            self.probe = Some((Timestamp { sec, usec }, packet.at));
                        }
                        CommandBody::Application(content) => self.hear_notice(content),
                        _ => {}
                    }
                }
            }
        }
        self.packets.keep(packet);
    }

    fn hear_notice(&mut self, content: &[u8]) {
        let Some(Notice::Welcome(entries)) = Notice::parse(content) else {
            return;
        };
        for name in entries
            .chunks(WelcomeEntry::BYTES)
            .filter_map(<[u8]>::first_chunk)
        {
            let welcome = WelcomeEntry::find(entries, *name).last();
            self.welcomes.extend(welcome.map(|entry| (*name, entry)));
        }
    }

    pub(super) fn hear_feedback(&mut self, feedback: &Feedback) {
        if let Ok(Message::Ack(ack)) = Message::parse(&feedback.bytes)
            && ack.ack_type == ACK_REGISTER
        {
            self.registrations.keep(feedback);
        }
        self.feedback.keep(feedback);
    }

    /// A registration of any age.
    pub(super) fn registration(&self, random: &mut Random) -> Option<Feedback> {
        self.registrations.any(random)
    }

    /// One of the newest packets.
    pub(super) fn packet(&self, random: &mut Random) -> Option<Departure> {
        self.packets.new_one(random)
    }

    /// One of the newest datagrams.
    pub(super) fn datagram(&self, random: &mut Random) -> Option<Feedback> {
        self.feedback.new_one(random)
    }

    /// A packet of any age.
    pub(super) fn old_packet(&self, random: &mut Random) -> Option<Departure> {
        self.packets.any(random)
    }

    /// A datagram of any age.
    pub(super) fn old_datagram(&self, random: &mut Random) -> Option<Feedback> {
        self.feedback.any(random)
    }

    /// What the sender's clock shows at `now`, from its newest probe.
    pub(super) fn clock(&self, now: u64) -> Option<u64> {
        let (stamp, at) = self.probe?;
        Some(stamp.as_ns() + now.saturating_sub(at))
    }
}
