//! Lanes without a session: trains that are encoded already, sent over and over.
//!
//! This is the transmit path of a push and nothing else: channels, numbering,
//! window, pacing, ring, accounting. Benchmarks compare it with bare loops.

use crate::encoder::{HeaderFields, Work};
use crate::lane::{self, Done, LaneParts, LaneReport};
use crate::shared::Shared;
use crate::train::TrainBuffer;
use crate::transmitter::{IoChoice, TransmitError};
use crossbeam_channel::{bounded, unbounded};
use linecast_fec::Codec;
use linecast_protocol::limits::LANES_MAX;
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::sender::{Control, GroupLoss};
use linecast_protocol::wire::{DATA_HEADER_BYTES, DataHeader, PayloadId, SenderWord};
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Trains of one lane: 2 MiB, more than a core keeps in its own cache.
const LANE_TRAINS: usize = 32;

/// How often the first departure is looked for.
const FIRST_POLL: Duration = Duration::from_micros(200);

/// What to send, and how.
#[derive(Debug)]
pub struct Drive {
    /// A socket for each lane, connected to the group.
    pub sockets: Vec<UdpSocket>,
    /// UDP payload of a packet: the DATA header and at least one byte.
    pub packet_bytes: usize,
    /// Rate of all lanes together in bits of L2 a second.
    pub rate_bps: u64,
    /// Transmit path.
    pub io: IoChoice,
    /// How long.
    pub duration: Duration,
}

/// What was sent.
#[derive(Debug)]
pub struct Driven {
    /// Packets, as they are on the wire.
    pub packets: u64,
    /// Their UDP payload.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// What each lane measured.
    pub lanes: Vec<LaneReport>,
}

/// Sends for a while on all lanes at once.
///
/// # Errors
/// The path does not work here, or a socket fails for good.
///
/// # Panics
/// Without a lane or with more than 8, and if packets are too short for their header.
pub fn drive(drive: Drive) -> Result<Driven, TransmitError> {
    let Drive {
        sockets,
        packet_bytes,
        rate_bps,
        io,
        duration,
    } = drive;
    let lanes = sockets.len();
    assert!((1..=LANES_MAX).contains(&lanes) && packet_bytes > DATA_HEADER_BYTES);
    let shared = Arc::new(Shared::default());
    shared.publish(&Control {
        rate_bps,
        loss: GroupLoss::default(),
        word: SenderWord::default(),
        target: None,
    });
    let (sent, _departures) = unbounded();
    let mut repairs = Vec::new();
    let mut parts = Vec::new();
    for (lane, socket) in sockets.into_iter().enumerate() {
        shared.set_limit(lane, u64::MAX);
        let (again, first) = bounded(LANE_TRAINS);
        for _ in 0..LANE_TRAINS {
            let train = encoded_train(packet_bytes);
            // The channel has room for as many.
            let _ = again.try_send(Work { train, ends: None });
        }
        // Nothing is repaired; the lane must not find its channel closed.
        let (repair_in, repair) = bounded(1);
        repairs.push(repair_in);
        let ipv6 = socket.local_addr().is_ok_and(|address| address.is_ipv6());
        parts.push(LaneParts {
            lane,
            lanes,
            first,
            repair,
            sent: sent.clone(),
            shared: shared.clone(),
            done: Done::Again(again),
            socket,
            io,
            ipv6,
        });
    }
    let (reports, measured) = thread::scope(|scope| {
        let lanes: Vec<_> = parts
            .into_iter()
            .map(|parts| {
                named(format!("lane-{}", parts.lane))
                    .spawn_scoped(scope, || lane::run_pinned(parts))
                    .expect("the machine has room for a thread")
            })
            .collect();
        // Rings take a while to set up, which is not what is measured.
        while shared.sent().0 == 0 && lanes.iter().any(|lane| !lane.is_finished()) {
            thread::sleep(FIRST_POLL);
        }
        let (began, before) = (Instant::now(), shared.sent());
        thread::sleep(duration);
        let (elapsed, after) = (began.elapsed(), shared.sent());
        shared.stop();
        let reports = lanes
            .into_iter()
            .map(|lane| lane.join().expect("a lane does not panic"))
            .collect::<Result<Vec<_>, _>>();
        (reports, (elapsed, before, after))
    });
    let (elapsed, before, after) = measured;
    Ok(Driven {
        packets: after.0 - before.0,
        bytes: after.1 - before.1,
        elapsed,
        lanes: reports?,
    })
}

fn named(name: String) -> thread::Builder {
    thread::Builder::new().name(name)
}

fn encoded_train(packet_bytes: usize) -> TrainBuffer {
    let mut train = TrainBuffer::new(packet_bytes);
    for esi in 0..train.capacity_packets() {
        let slot = train.push_slot(packet_bytes);
        if let Some(head) = slot.first_chunk_mut() {
            header(esi as u16, packet_bytes - DATA_HEADER_BYTES).emit(head);
        }
    }
    train
}

fn header(esi: u16, symbol_bytes: usize) -> DataHeader {
    let fields = HeaderFields {
        source_id: 1,
        instance_id: 0,
        codec: Codec::Gf8,
    };
    let layout = ObjectLayout::new(1 << 30, symbol_bytes as u16, 200);
    let id = PayloadId {
        sbn: 0,
        block_len: 200,
        esi,
    };
    fields.data(&layout.expect("a symbol fits a packet"), IMAGE_TOI, id)
}
