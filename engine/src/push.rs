//! One push from beginning to end: opens the sockets, starts encoder and lanes,
//! runs the session, and makes the report.

use crate::encoder::{EncodeError, Encoder, HeaderFields, LaneQueues};
use crate::image::{Image, ImageError, ImageHash};
use crate::lane::{self, Done, LaneParts, LaneReport};
use crate::report::PushReport;
use crate::session::{SessionLoop, Totals, now};
use crate::shared::Shared;
use crate::source::Source;
use crate::summary::{self, Facts};
use crate::train::TrainPool;
use crate::transmitter::{IoChoice, TransmitError};
use crossbeam_channel::bounded;
use linecast_fec::{Codec, Encoder as Fec, FecError};
use linecast_net::command::Failure;
use linecast_net::{Interface, NetError, PeakSampler, SenderConfig as SocketConfig, SenderSockets};
use linecast_protocol::hex;
use linecast_protocol::key::{PublicKey, SigningKey};
use linecast_protocol::limits::{PARITY_MAX, WINDOW_PACKETS};
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::offer::{
    DESCRIPTOR_SCHEMA, Descriptor, Offer, OfferError, SESSION_NAMESPACE, SESSION_TOI, SessionShape,
    session_text,
};
use linecast_protocol::sender::{OnSlow, RateControl, Sender, SenderConfig};
use linecast_protocol::time::Duration;
use linecast_protocol::wire::{DATA_HEADER_BYTES, PayloadId};
use linecast_release::manifest::Manifest;
use linecast_release::sshsig;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

/// Memory for trains: enough for two long blocks and all that is under way.
const POOL_BYTES_MIN: usize = 24 << 20;
/// Trains that wait for a lane.
const LANE_QUEUE_TRAINS: usize = 16;
const ORDERS_MAX: usize = 4_096;
const SEND_BUFFER_BYTES: usize = 4 << 20;

/// How to push.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// Group and port.
    pub group: SocketAddr,
    /// Interface that the group is reached by.
    pub interface: Interface,
    /// TTL or hop limit.
    pub hops: u8,
    /// Fixed rate in bits of L2 a second; `None`: find it.
    pub rate_bps: Option<u64>,
    /// What a rate that is found never goes below, in bits of L2 a second.
    pub rate_floor_bps: u64,
    /// What becomes of receivers that do not sustain it.
    pub on_slow: OnSlow,
    /// Bytes of a symbol; `None`: from the interface's MTU.
    pub symbol_bytes: Option<u16>,
    /// Erasure code.
    pub codec: Codec,
    /// Source symbols of a block, at most.
    pub block_symbols: u16,
    /// Transmit lanes.
    pub lanes: usize,
    /// Transmit path.
    pub io: IoChoice,
    /// Receivers to wait for.
    pub receivers: Option<usize>,
    /// Receivers that must have the image: others weigh nothing.
    pub roster: Vec<(String, PublicKey)>,
    /// Signs the session; `None`: it is a hint.
    pub sender_key: Option<SigningKey>,
    /// How long to wait for receivers.
    pub wait: Duration,
    /// How long a silent receiver is waited for.
    pub stall_timeout: Duration,
    /// When to give up altogether.
    pub deadline: Option<Duration>,
}

impl PushConfig {
    /// How the rate is found.
    pub(crate) fn rate(&self) -> RateControl {
        let mbit = self.interface.speed_mbit.map(u64::from);
        let speed = mbit.map(|mbit| mbit * 1_000_000);
        match self.rate_bps {
            Some(bps) => RateControl::fixed(bps),
            None => RateControl::auto(self.rate_floor_bps, speed, RateControl::start()),
        }
    }
}

/// A release to push: the image, its hash, and the signed manifest.
#[derive(Debug)]
pub struct Release {
    /// The image, open.
    pub image: Image,
    /// Root and leaf list.
    pub hash: ImageHash,
    /// The manifest, parsed.
    pub manifest: Manifest,
    /// The manifest's exact bytes.
    pub manifest_bytes: Vec<u8>,
    /// Its armoured signature.
    pub signature: Vec<u8>,
    /// The key that made the signature.
    pub signer: PublicKey,
}

/// Why a push could not be started or carried on.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Interface or socket.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Sizes, or manifest too long.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The transmit path.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
    /// The erasure code.
    #[error(transparent)]
    Fec(#[from] FecError),
    /// The symbols do not fit the interface.
    #[error("symbols of {got} bytes do not fit MTU {mtu} of {interface}: {limit} at most")]
    SymbolBytes {
        /// Largest size.
        limit: usize,
        /// Size asked for.
        got: usize,
        /// The interface's MTU.
        mtu: u32,
        /// Its name.
        interface: String,
    },
    /// A thread could not be started.
    #[error("cannot start the {name} thread: {source}")]
    Spawn {
        /// Which thread.
        name: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A thread ended by a panic: a bug.
    #[error("the {0} thread panicked")]
    Panicked(&'static str),
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Failure {
        match error {
            PushError::Net(error) => error.into(),
            PushError::Image(error) => error.into(),
            error => Failure::usage(error),
        }
    }
}

/// Bytes of headers around a symbol, IPv6 counted always so that one size fits
/// both families.
const HEADERS_BYTES: usize = 40 + 8 + DATA_HEADER_BYTES;

/// The symbol size for an interface: the largest multiple of 64 that fits, and
/// no more than 8,896 (jumbo frames).
///
/// # Errors
/// The MTU is too small for any symbol, or for the size asked for.
pub fn symbol_bytes(interface: &Interface, asked: Option<u16>) -> Result<u16, PushError> {
    let limit = (interface.mtu as usize)
        .saturating_sub(HEADERS_BYTES)
        .min(8_896)
        / 64
        * 64;
    let got = asked.map_or(limit, usize::from);
    if got == 0 || got > limit {
        let (mtu, interface) = (interface.mtu, interface.name.clone());
        return Err(PushError::SymbolBytes {
            limit,
            got,
            mtu,
            interface,
        });
    }
    Ok(got as u16)
}

/// Values that must differ from push to push.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// Random session id.
    pub session: [u8; 16],
    /// Seed of the session's own key.
    pub key_seed: [u8; 32],
    /// NORM source id.
    pub source_id: u32,
    /// NORM instance id.
    pub instance_id: u16,
}

/// Pushes `release`; `observe` is called about ten times a second. Ends early
/// when `interrupted` is raised.
///
/// # Errors
/// The push could not be started, or a socket failed for good. That receivers
/// failed is no error: the report says so.
pub fn push(
    config: &PushConfig,
    release: Release,
    identity: &Identity,
    interrupted: &AtomicBool,
    observe: &mut dyn FnMut(&Sender, &Totals),
) -> Result<PushReport, PushError> {
    let symbol = symbol_bytes(&config.interface, config.symbol_bytes)?;
    let session_key = SigningKey::from_seed(identity.key_seed);
    let descriptor = Descriptor {
        schema: DESCRIPTOR_SCHEMA.into(),
        session: hex(&identity.session),
        session_key: hex(session_key.public().as_bytes()),
        symbol_bytes: symbol,
        block_symbols: config.block_symbols,
        codec: config.codec.name().into(),
        num_parity: config.codec.num_parity(config.block_symbols, PARITY_MAX),
        lanes: config.lanes as u8,
        window_packets: WINDOW_PACKETS as u16,
    };
    let shape = SessionShape::new(&descriptor, release.hash.size, release.hash.root)?;
    let text = descriptor.to_bytes()?;
    let sender_signature = config.sender_key.as_ref().map(|key| {
        let signed = session_text(&text, &release.manifest_bytes);
        sshsig::sign(key, SESSION_NAMESPACE, &signed).into_bytes()
    });
    let offer = Offer {
        descriptor: &text,
        manifest: &release.manifest_bytes,
        signature: &release.signature,
        sender_signature: sender_signature.as_deref().unwrap_or_default(),
    };
    let header = HeaderFields {
        source_id: identity.source_id,
        instance_id: identity.instance_id,
        codec: config.codec,
    };
    let session_object = session_packets(&offer.to_bytes()?, symbol, &header)?;
    let sockets = SenderSockets::open(&SocketConfig {
        group: config.group,
        interface: &config.interface,
        hops: config.hops,
        send_buffer: SEND_BUFFER_BYTES,
        loopback: true,
    })?;
    let started = now();
    let sender = Sender::new(started, sender_config(config, identity, shape, session_key));
    let stage = Stage {
        config,
        shape,
        header,
        sockets,
        session_object,
        interrupted,
    };
    let mut facts = Facts::new(config, &shape, &release, started);
    let source = Source::new(release.image, &release.hash, shape);
    stage.run(sender, source, &mut facts, observe)?;
    Ok(summary::report(facts))
}

fn sender_config(
    config: &PushConfig,
    identity: &Identity,
    shape: SessionShape,
    session_key: SigningKey,
) -> SenderConfig {
    SenderConfig {
        source_id: identity.source_id,
        instance_id: identity.instance_id,
        shape,
        session_key,
        receivers: config.receivers,
        roster: config.roster.clone(),
        wait: config.wait,
        settle: Duration::from_millis(300),
        stall_timeout: config.stall_timeout,
        deadline: config.deadline,
        rate: config.rate(),
        on_slow: config.on_slow,
        ipv6: config.group.is_ipv6(),
    }
}

/// Every packet of object 1, with as much parity as source.
fn session_packets(
    object: &[u8],
    symbol: u16,
    fields: &HeaderFields,
) -> Result<Vec<Vec<u8>>, PushError> {
    let width = usize::from(symbol);
    let len = object.len().div_ceil(width) as u16;
    // Receivers learn of the session's own code from this object.
    let codec = match Codec::Gf8.max_parity(len.into()) {
        parity if parity >= len.into() => Codec::Gf8,
        _ => Codec::Gf16Low,
    };
    let layout = ObjectLayout::new(object.len() as u64, symbol, len)
        .map_err(OfferError::from)?
        .with_parity_max(len);
    let fields = HeaderFields { codec, ..*fields };
    let packet = |esi: u16, symbol: &[u8]| {
        let id = PayloadId {
            sbn: 0,
            block_len: len,
            esi,
        };
        let mut bytes = [0; DATA_HEADER_BYTES];
        fields.data(&layout, SESSION_TOI, id).emit(&mut bytes);
        [&bytes, symbol].concat()
    };
    let sources = object.chunks(width);
    let mut packets: Vec<Vec<u8>> = (0..)
        .zip(sources.clone())
        .map(|(i, s)| packet(i, s))
        .collect();
    let mut fec = Fec::new(codec, width, len.into())?;
    fec.parity(sources, 0..len.into(), |index, symbol| {
        packets.push(packet(len + index as u16, symbol));
    })?;
    Ok(packets)
}

/// Everything that the threads of one push share.
struct Stage<'a> {
    config: &'a PushConfig,
    shape: SessionShape,
    header: HeaderFields,
    sockets: SenderSockets,
    session_object: Vec<Vec<u8>>,
    interrupted: &'a AtomicBool,
}

impl Stage<'_> {
    fn run(
        self,
        sender: Sender,
        source: Source,
        facts: &mut Facts,
        observe: &mut dyn FnMut(&Sender, &Totals),
    ) -> Result<(), PushError> {
        let shared = Arc::new(Shared::default());
        shared.publish(&sender.control());
        let packet_bytes = DATA_HEADER_BYTES + usize::from(self.shape.image.symbol_bytes());
        let block_bytes = packet_bytes * usize::from(self.config.block_symbols);
        let trains = TrainPool::new(POOL_BYTES_MIN.max(4 * block_bytes), packet_bytes);
        let (orders_in, orders) = bounded(ORDERS_MAX);
        let (sent_in, sent) = bounded(ORDERS_MAX);
        let mut queues = Vec::new();
        let mut parts = Vec::new();
        for lane in 0..self.config.lanes {
            let (first_in, first) = bounded(LANE_QUEUE_TRAINS);
            let (repair_in, repair) = bounded(LANE_QUEUE_TRAINS);
            queues.push(LaneQueues {
                first: first_in,
                repair: repair_in,
            });
            parts.push(LaneParts {
                lane,
                lanes: self.config.lanes,
                first,
                repair,
                sent: sent_in.clone(),
                shared: shared.clone(),
                done: Done::Pool(trains.way_back()),
                socket: self.sockets.lane_socket()?,
                io: self.config.io,
                ipv6: self.config.group.is_ipv6(),
            });
        }
        let (image_changed, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        let encoder = Encoder::new(source, self.header, trains, shared.clone(), orders, queues)?;
        let session = SessionLoop {
            sender,
            socket: &self.sockets.feedback,
            group: self.sockets.group(),
            session_object: self.session_object,
            orders: orders_in,
            sent,
            shared: shared.clone(),
            lanes: self.config.lanes,
            interrupted: self.interrupted,
            image_changed: &image_changed,
            failed: &failed,
        };
        self.sockets
            .feedback
            .set_nonblocking(true)
            .map_err(|source| NetError::Io {
                operation: "setting non-blocking",
                target: self.sockets.local().to_string(),
                source,
            })?;
        let mut memory = PeakSampler::new();
        let mut observe = |sender: &Sender, totals: &Totals| {
            memory.sample();
            observe(sender, totals);
        };
        let (session, encoded, lanes) = thread::scope(|scope| {
            let failed = &failed;
            // Whatever ends this closure ends the threads: it waits for them.
            let _stop = Stop(&shared);
            let encoder = named("encoder").spawn_scoped(scope, || {
                let _alarm = Alarm(failed);
                let result = encoder.run();
                image_changed.store(result.is_err(), Relaxed);
                result
            });
            let lanes = parts.into_iter().map(|parts| {
                named(&format!("lane-{}", parts.lane)).spawn_scoped(scope, move || {
                    let _alarm = Alarm(failed);
                    let result = lane::run_pinned(parts);
                    failed.fetch_or(result.is_err(), Relaxed);
                    result
                })
            });
            let lanes: Vec<_> = lanes.collect();
            let session = catch_unwind(AssertUnwindSafe(|| session.run(&mut observe)));
            shared.stop();
            let lanes: Vec<_> = lanes.into_iter().map(|lane| join("lane", lane)).collect();
            (session, join("encoder", encoder), lanes)
        });
        let (sender, totals) = session.map_err(|_| PushError::Panicked("session"))??;
        match encoded? {
            Ok(()) => {}
            Err(EncodeError::Image(error)) => facts.image_error = Some(error.to_string()),
            Err(EncodeError::Fec(error)) => return Err(error.into()),
        }
        let mut reports: Vec<LaneReport> = Vec::new();
        for lane in lanes {
            reports.push(lane??);
        }
        facts.finish(sender, totals, reports, shared.sent(), memory.peak_bytes());
        Ok(())
    }
}

/// Raises a flag when its thread panics: the session must end, or the push would
/// wait for ever for what that thread no longer does.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(thread::panicking(), Relaxed);
    }
}

/// Asks encoder and lanes to end when it goes out of scope.
struct Stop<'a>(&'a Shared);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.to_owned())
}

fn join<T>(
    name: &'static str,
    thread: std::io::Result<thread::ScopedJoinHandle<'_, T>>,
) -> Result<T, PushError> {
    let thread = thread.map_err(|source| PushError::Spawn { name, source })?;
    thread.join().map_err(|_| PushError::Panicked(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_raises_the_alarm_and_one_that_ends_does_not() {
        let raised = AtomicBool::new(false);
        thread::scope(|scope| {
            let ends = scope.spawn(|| _ = Alarm(&raised));
            assert!(ends.join().is_ok() && !raised.load(Relaxed));
            let panics = scope.spawn(|| {
                let _alarm = Alarm(&raised);
                std::panic::resume_unwind(Box::new("as a bug would"));
            });
            assert!(panics.join().is_err());
        });
        assert!(raised.load(Relaxed));
    }

    fn release(bytes: &[u8]) -> (tempfile::NamedTempFile, Release) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let image = Image::open(file.path()).unwrap();
        let hash = image.hash(1).unwrap();
        let key = SigningKey::from_seed([1; 32]);
        let manifest = Manifest {
            name: "image".into(),
            version: 1,
            hardware: Vec::new(),
            target: None,
            size_bytes: hash.size,
            root_b3: hash.root,
            sha256: None,
            created: 0,
            expires: None,
        };
        let release = Release {
            image,
            hash,
            manifest_bytes: manifest.to_bytes(),
            manifest,
            signature: Vec::new(),
            signer: key.public(),
        };
        (file, release)
    }

    /// B3: the threads beside it were waited for, and they for its orders.
    #[test]
    fn a_session_that_panics_ends_the_push_and_every_thread_of_it() {
        let config = PushConfig {
            group: "239.255.76.1:47600".parse().unwrap(),
            interface: Interface::by_name("lo").unwrap(),
            hops: 0,
            rate_bps: None,
            rate_floor_bps: 10_000_000,
            on_slow: OnSlow::Wait,
            symbol_bytes: None,
            codec: Codec::Gf8,
            block_symbols: 128,
            lanes: 2,
            io: IoChoice::Auto,
            receivers: None,
            roster: Vec::new(),
            sender_key: None,
            wait: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            deadline: None,
        };
        let identity = Identity {
            session: [1; 16],
            key_seed: [2; 32],
            source_id: 7,
            instance_id: 7,
        };
        let (_file, release) = release(&[5; 200_000]);
        let mut observe = |_: &Sender, _: &Totals| {
            std::panic::resume_unwind(Box::new("as a bug would"));
        };
        let ended = push(
            &config,
            release,
            &identity,
            &AtomicBool::new(false),
            &mut observe,
        );
        assert!(
            matches!(ended, Err(PushError::Panicked("session"))),
            "{ended:?}"
        );
    }
}
