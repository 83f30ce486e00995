//! The state of one reception, and its loop: a batch from the socket, what it
//! completed, what is to be said.

mod batch;

use crate::acceptance::{self, Accepted, Refused, Stage};
use crate::assembly::{Assembly, Batch};
use crate::finish::{self, FinishOptions, Finished};
use crate::inbox::{Inbox, PacketShape};
use crate::offers::OfferBytes;
use crate::receive::{Progress, ReceiveConfig, ReceiveError};
use crate::report::{ImageReport, ReceiveReport};
use crate::stage_error::StageError;
use crate::target::Target;
use linecast_net::{JoinConfig, PeakSampler, clock, feedback_socket, join, usage};
use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::message::{EndReason, Figures};
use linecast_protocol::object::tree;
use linecast_protocol::receiver::{Event, OfferKey, Receiver, SessionConfig};
use linecast_protocol::text::Printable;
use linecast_protocol::time::{Duration, Time};
use linecast_protocol::wire::DATA_HEADER_BYTES;
use linecast_release::openssh;
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

/// Socket buffer asked for: without privilege the kernel grants what
/// `net.core.rmem_max` allows.
const RECEIVE_BUFFER_BYTES: usize = 32 << 20;
/// Socket memory that one small packet takes (a 2 KiB fragment and its header),
/// for telling the sender how many packets the buffer holds.
const PACKET_TRUESIZE: usize = 2_304;
const LONGEST_WAIT: Duration = Duration::from_millis(50);
const FINISHING_WAIT: Duration = Duration::from_millis(2);
/// Between the last words of a receiver, and longer than the machine takes to repeat
/// a refusal.
const LAST_WORDS_APART: Duration = Duration::from_millis(45);
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// Symbols of a session that is not known yet.
const USUAL_SYMBOL_BYTES: usize = 1_408;

type Finishing = JoinHandle<Result<Finished, StageError>>;

/// A reception in progress.
pub(crate) struct Reception<'a> {
    config: &'a ReceiveConfig,
    target: Target,
    inbox: Inbox,
    feedback: UdpSocket,
    receiver: Receiver,
    offers: OfferBytes,
    assembly: Option<Assembly>,
    finishing: Option<Finishing>,
    image: Option<ImageReport>,
    refused: BTreeMap<&'static str, u64>,
    last_refusal: Option<Refused>,
    batch: Batch,
    memory: PeakSampler,
    buffer_bytes: usize,
    moved: u64,
    started: Time,
    first_symbol: Option<Time>,
    finished: Option<Finished>,
    /// The image was here before its session.
    had: bool,
    finished_at: Option<Time>,
    ended_at: Option<Time>,
    damaged_leaf: Option<u64>,
    resumed_bytes: u64,
}

impl<'a> Reception<'a> {
    pub(crate) fn open(
        config: &'a ReceiveConfig,
        target: Target,
        report: &mut ReceiveReport,
    ) -> Result<Reception<'a>, ReceiveError> {
        target.final_path(&[0; 32], config.file_name.as_deref())?;
        let key = SigningKey::from_seed(target.device_key()?);
        report.id = key.public().fingerprint();
        report.public_key = openssh::write_public(&key.public(), &config.name);
        let joined = join(&JoinConfig {
            group: config.group,
            interface: &config.interface,
            source: config.source,
            receive_buffer: RECEIVE_BUFFER_BYTES,
        })?;
        let group = config.group.ip();
        let feedback = feedback_socket(&config.interface, group, RECEIVE_BUFFER_BYTES)?;
        let hardware = config.interface.hardware.unwrap_or_default();
        let installation = target.installation(&hardware)?;
        let life = Target::random_life()?;
        let [a, b, c, d, ..] = *key.public().as_bytes();
        let session = SessionConfig {
            key,
            installation,
            life,
            node: u32::from_be_bytes([a, b, c, d]) | 1,
            name: config.name.clone(),
            buffer_packets: (joined.receive_buffer_bytes / PACKET_TRUESIZE) as u32,
            seed: clock::now_ns() ^ u64::from(u32::from_be_bytes([d, c, b, a])) << 32,
        };
        Ok(Reception {
            config,
            target,
            inbox: Inbox::new(joined.socket, packet_shape(USUAL_SYMBOL_BYTES)),
            feedback,
            receiver: Receiver::new(session),
            offers: OfferBytes::default(),
            assembly: None,
            finishing: None,
            image: None,
            refused: BTreeMap::new(),
            last_refusal: None,
            batch: Batch::default(),
            memory: PeakSampler::new(),
            buffer_bytes: joined.receive_buffer_bytes,
            moved: 0,
            started: now(),
            first_symbol: None,
            finished: None,
            had: false,
            finished_at: None,
            ended_at: None,
            damaged_leaf: None,
            resumed_bytes: 0,
        })
    }

    pub(crate) fn run(
        &mut self,
        interrupted: &AtomicBool,
        observe: &mut dyn FnMut(&Progress),
    ) -> Result<(), ReceiveError> {
        let mut message = Vec::new();
        let mut sampled = Time::ZERO;
        loop {
            self.take_batch()?;
            if interrupted.load(Relaxed) {
                return Err(ReceiveError::Interrupted(self.verified_bytes()));
            }
            self.poll_finishing()?;
            let over = self
                .receiver
                .session()
                .is_none_or(|session| session.is_over());
            if self.finished.is_some() && over && !self.forget_replay() {
                return Ok(());
            }
            while let Some(event) = self.receiver.poll_event() {
                self.handle_event(event)?;
            }
            self.check_patience()?;
            while let Some(to) = self.receiver.poll_transmit(now(), &mut message) {
                // Feedback is repeated: a send that fails is a loss like others.
                let _ = self.feedback.send_to(&message, to);
            }
            if now().since(sampled) >= SAMPLE_EVERY {
                sampled = now();
                self.memory.sample();
                if let Some(session) = self.receiver.session_mut() {
                    session.note_busy((usage::cpu_seconds() * 1e3) as u32);
                }
                observe(&self.progress());
            }
        }
    }

    fn take_batch(&mut self) -> Result<(), ReceiveError> {
        // Nothing tells when the thread that finishes is done.
        let longest = match self.finishing {
            Some(_) => FINISHING_WAIT,
            None => LONGEST_WAIT,
        };
        let due = self
            .receiver
            .poll_timeout()
            .map_or(longest, |at| at.since(now()));
        let busy = self.assembly.as_ref().is_some_and(Assembly::is_busy);
        let doubts = self.assembly.as_ref().and_then(Assembly::doubts_until);
        let due = doubts.map_or(due, |at| due.min(at.since(now())));
        let (staging, places) = match (&mut self.assembly, self.receiver.session()) {
            (Some(assembly), Some(session)) => assembly.places(&self.inbox, session),
            _ => (None, &[][..]),
        };
        // While the workers are at something, what comes of it is not waited for
        // with the packets.
        let wait = match busy {
            true => Duration::ZERO,
            false => due.min(longest),
        };
        let received = self.inbox.receive(staging, places, wait);
        let count = received.map_err(|source| ReceiveError::Receive {
            group: self.config.group,
            source,
        })?;
        match &mut self.assembly {
            _ if count > 0 => self.handle_batch()?,
            Some(assembly) if busy || doubts.is_some() => {
                assembly.finish_work(now(), &mut self.receiver)?;
            }
            _ => {}
        }
        let damaged_leaf = self.assembly.as_ref().and_then(|a| a.damaged_leaf);
        self.damaged_leaf = damaged_leaf.or(self.damaged_leaf);
        Ok(())
    }

    /// Checks an offer and, if it passes, reserves its space and follows it. What is
    /// refused, or does not fit, is told to its sender; others may come.
    fn consider(&mut self, key: OfferKey, object: &[u8]) -> Result<(), ReceiveError> {
        let accepted = match self.config.acceptance.check(object, &self.target) {
            Ok(accepted) => accepted,
            Err(refused) => return self.refuse(key, object, refused),
        };
        if self.receiver.is_followed(now(), key, &accepted.shape) {
            return Ok(());
        }
        let had = self.has_installed(&accepted)?;
        let shape = accepted.shape;
        if self
            .assembly
            .as_ref()
            .is_some_and(|old| old.root() == shape.root)
        {
            // It holds what is to be reserved.
            self.abandon();
        }
        let stage = match had.is_some() {
            true => None,
            false => match Stage::open(&self.target, &shape) {
                Ok(stage) => Some(stage),
                Err(error) => return self.refuse(key, object, Refused::Stage(error)),
            },
        };
        self.abandon();
        let manifest = &accepted.manifest;
        self.image = Some(ImageReport {
            name: manifest.name.clone(),
            size_bytes: manifest.size_bytes,
            root_b3: hex(&manifest.root_b3),
            version: manifest.version,
            signed_by: accepted.signer.fingerprint(),
        });
        self.fit_inbox(shape.image.symbol_bytes().into(), key.from)?;
        let Some(stage) = stage else {
            let all = 0..tree::leaf_count(shape.image.size());
            self.receiver.follow(now(), key, shape, true, all);
            (self.finished, self.had) = (had, true);
            self.finished_at = Some(now());
            let figures = self.figures();
            self.receiver.finish_had(now(), figures);
            return Ok(());
        };
        let (known, verified) = (stage.leaf_list.is_some(), stage.verified.clone());
        let assembly = Assembly::new(accepted, stage, self.target.clone(), self.config.workers);
        self.resumed_bytes = assembly.resumed_bytes;
        self.assembly = Some(assembly);
        self.receiver
            .follow(now(), key, shape, known, verified.into_iter());
        Ok(())
    }

    fn refuse(
        &mut self,
        key: OfferKey,
        object: &[u8],
        refused: Refused,
    ) -> Result<(), ReceiveError> {
        let session = acceptance::session_id(object);
        let detail = Printable(&refused.to_string()).to_string();
        self.receiver
            .refuse(now(), key, session, refused.cause(), &detail);
        self.last_refusal = Some(refused);
        Ok(())
    }

    /// The image that is offered, if it is in place already: the same bytes under the
    /// same name. Nothing is written then.
    fn has_installed(&self, accepted: &Accepted) -> Result<Option<Finished>, ReceiveError> {
        let (root, size) = (accepted.shape.root, accepted.shape.image.size());
        let name = self.config.file_name.as_deref();
        let path = self.target.final_path(&root, name)?;
        let same = self.target.installed_root(&accepted.manifest.name)? == Some(root);
        let has = same && finish::holds(&path, &root, size);
        Ok(has.then_some(Finished {
            path,
            sync_ms: 0,
            read_back_ms: None,
        }))
    }

    /// Packets of another size need other places. The sender that is followed may
    /// send to this receiver's own address, too.
    fn fit_inbox(&mut self, symbol_bytes: usize, sender: SocketAddr) -> Result<(), ReceiveError> {
        let group = self.config.group;
        let clone = |socket: &UdpSocket| {
            let cloned = socket.try_clone();
            cloned.map_err(|source| ReceiveError::Receive { group, source })
        };
        let (socket, direct) = (clone(self.inbox.socket())?, clone(&self.feedback)?);
        self.inbox = Inbox::new(socket, packet_shape(symbol_bytes));
        self.inbox.hear_directly(direct, sender);
        Ok(())
    }

    /// Lets go of the session that was followed; what it verified stays staged.
    fn abandon(&mut self) {
        self.assembly = None;
        self.offers.clear();
        self.finishing = None;
    }

    /// A session of an image that is here already, whose sender never proved to be
    /// there, was a replay: another may come. Whether it was one.
    fn forget_replay(&mut self) -> bool {
        let session = self.receiver.session();
        let replay = self.had && session.is_some_and(|session| !session.is_welcome());
        if replay {
            self.receiver.leave();
            self.offers.clear();
            (self.finished, self.finished_at, self.image) = (None, None, None);
            self.had = false;
        }
        replay
    }

    fn is_verified(&self) -> bool {
        self.finishing.is_some() || self.finished.is_some()
    }

    fn handle_event(&mut self, event: Event) -> Result<(), ReceiveError> {
        match event {
            Event::Welcomed => {}
            Event::Verified => self.start_finishing(),
            // Verified is verified: however the session ends, the image stays.
            Event::Ended(_) | Event::Over { .. } if self.is_verified() => {}
            // What is verified matches the signed root, whatever became of the
            // sender's file: it stays.
            Event::Ended(EndReason::ImageChanged) => {
                return Err(ReceiveError::ImageChanged(self.verified_bytes()));
            }
            // Its sender may come back, or another: what is verified stays.
            Event::Ended(EndReason::Interrupted) => {
                self.ended_at = Some(now());
            }
            Event::Ended(EndReason::Deadline) => {
                return Err(ReceiveError::SenderGone(
                    "gave up at its deadline",
                    self.verified_bytes(),
                ));
            }
            Event::Ended(EndReason::Finished) | Event::Over { .. } => {
                if self.ended_at.is_none() {
                    let bytes = self.verified_bytes();
                    return Err(ReceiveError::SenderGone("ended the session", bytes));
                }
            }
        }
        Ok(())
    }

    /// Syncs and renames on a thread of its own, so that the sender goes on
    /// hearing from this receiver.
    fn start_finishing(&mut self) {
        let Some(staging) = self.assembly.take().and_then(Assembly::into_staging) else {
            return;
        };
        let options = FinishOptions {
            read_back: self.config.read_back,
            final_name: self.config.file_name.clone(),
        };
        self.finishing = Some(thread::spawn(move || staging.finish(&options)));
    }

    fn poll_finishing(&mut self) -> Result<(), ReceiveError> {
        let Some(handle) = self.finishing.take_if(|handle| handle.is_finished()) else {
            return Ok(());
        };
        let Ok(result) = handle.join() else {
            unreachable!("finishing an image does not panic")
        };
        let result = result.and_then(|finished| {
            if let Some(image) = &self.image
                && let Some(session) = self.receiver.session()
            {
                self.target
                    .record_installed(&image.name, image.version, &session.shape().root)?;
            }
            Ok(finished)
        });
        self.finished_at = Some(now());
        match result {
            Ok(finished) => {
                self.finished = Some(finished);
                let figures = self.figures();
                self.receiver.finish(now(), figures, None);
                Ok(())
            }
            Err(error) => {
                let figures = self.figures();
                self.receiver
                    .finish(now(), figures, Some(&error.to_string()));
                self.say_last_words();
                Err(error.into())
            }
        }
    }

    /// Tells the sender why this process ends without the image.
    pub(crate) fn quit(&mut self, error: &ReceiveError) {
        let detail = Printable(&error.to_string()).to_string();
        self.receiver.quit(now(), error.cause(), &detail);
        self.say_last_words();
    }

    /// What is to be said before this process ends: it may be lost once.
    fn say_last_words(&mut self) {
        let mut message = Vec::new();
        for _ in 0..3 {
            thread::sleep(LAST_WORDS_APART);
            while let Some(to) = self.receiver.poll_transmit(now(), &mut message) {
                let _ = self.feedback.send_to(&message, to);
            }
        }
    }

    fn check_patience(&mut self) -> Result<(), ReceiveError> {
        let at = now();
        if let Some(session) = self.receiver.session() {
            let since = self
                .ended_at
                .map_or(session.silent_for(at), |ended| at.since(ended));
            if since >= self.config.stall_timeout && !self.is_verified() {
                let bytes = self.verified_bytes();
                return Err(ReceiveError::SenderGone("was silent for too long", bytes));
            }
            return Ok(());
        }
        let Some(wait) = self
            .config
            .wait
            .filter(|&wait| at.since(self.started) >= wait)
        else {
            return Ok(());
        };
        Err(match self.last_refusal.take() {
            Some(refused) => ReceiveError::Refused(refused),
            None => ReceiveError::NoSession {
                group: self.config.group,
                waited: wait,
            },
        })
    }

    fn verified_bytes(&self) -> u64 {
        self.receiver
            .session()
            .map_or(0, |session| session.verified_bytes())
    }

    fn progress(&self) -> Progress {
        let counters = self
            .receiver
            .session()
            .map(|session| session.counters())
            .unwrap_or_default();
        Progress {
            image: self
                .image
                .as_ref()
                .map(|image| image.name.clone())
                .unwrap_or_default(),
            size_bytes: self.image.as_ref().map_or(0, |image| image.size_bytes),
            verified_bytes: self.verified_bytes(),
            lost: counters.lost,
            nacks: counters.nacks_sent,
            refused: self.last_refusal.as_ref().map(ToString::to_string),
        }
    }

    /// A dropped buffer holds one packet, or a train of them; what was lost in
    /// all is the ceiling.
    fn socket_drops_estimate(&self, lost: u64) -> u64 {
        let counters = self.inbox.counters();
        let per_buffer = counters.datagrams as f64 / counters.messages.max(1) as f64;
        ((f64::from(self.inbox.dropped()) * per_buffer) as u64).min(lost)
    }

    fn figures(&mut self) -> Figures {
        self.memory.sample();
        let session = self.receiver.session();
        let counters = session
            .map(|session| session.counters())
            .unwrap_or_default();
        Figures {
            sync_ms: self.finished.as_ref().map_or(0.0, |f| f.sync_ms as f64),
            read_back_ms: self
                .finished
                .as_ref()
                .and_then(|f| f.read_back_ms)
                .unwrap_or(0) as f64,
            lost_symbols: counters.lost,
            socket_drops_estimate: self.socket_drops_estimate(counters.lost),
            duplicates: counters.duplicates,
            blocks_decoded: counters.blocks_decoded,
            leaves_damaged: counters.leaves_damaged,
            packets_refused: self.refused.values().sum(),
            nacks_sent: counters.nacks_sent,
            nacks_suppressed: session.map_or(0, |session| session.nacks_suppressed()),
            cpu_s: usage::cpu_seconds(),
            anon_peak_bytes: self.memory.peak_bytes(),
            socket_buffer_bytes: self.buffer_bytes as u64,
            resumed_bytes: self.resumed_bytes,
        }
    }

    /// Fills the report in.
    pub(crate) fn report(&mut self, report: &mut ReceiveReport) {
        let figures = self.figures();
        let received = self
            .receiver
            .session()
            .map_or(0, |session| session.counters().received);
        let end = self.finished_at.unwrap_or_else(now);
        let elapsed = self
            .first_symbol
            .map_or(0.0, |start| end.since(start).as_secs_f64());
        let size = self.image.as_ref().map_or(0, |image| image.size_bytes);
        report.image = self.image.take();
        report.path = self.finished.as_ref().map(|f| f.path.display().to_string());
        report.elapsed_ms = elapsed * 1e3;
        report.goodput_bps = if elapsed > 0.0 {
            size as f64 * 8.0 / elapsed
        } else {
            0.0
        };
        report.sync_ms = figures.sync_ms;
        report.read_back_ms = figures.read_back_ms;
        report.received_packets = received;
        report.lost_symbols = figures.lost_symbols;
        report.socket_drops_estimate = figures.socket_drops_estimate;
        report.duplicates = figures.duplicates;
        report.blocks_decoded = figures.blocks_decoded;
        report.leaves_damaged = figures.leaves_damaged;
        report.damaged_leaf = self.damaged_leaf;
        report.refused = std::mem::take(&mut self.refused);
        report.other_sessions = self.receiver.other_sessions;
        report.nacks_sent = figures.nacks_sent;
        report.nacks_suppressed = figures.nacks_suppressed;
        report.resumed_bytes = figures.resumed_bytes;
        report.moved_packets = self.moved;
        report.cpu_s = figures.cpu_s;
        report.anon_peak_bytes = figures.anon_peak_bytes;
        report.socket_buffer_bytes = figures.socket_buffer_bytes;
    }
}

fn packet_shape(symbol_bytes: usize) -> PacketShape {
    PacketShape {
        header_bytes: DATA_HEADER_BYTES,
        symbol_bytes,
    }
}

fn now() -> Time {
    Time::from_ns(clock::now_ns())
}
