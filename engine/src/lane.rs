//! A lane: one pinned thread that numbers, paces and sends the trains of its
//! blocks through its own ring. No lock and no allocation per packet.
//!
//! ```text
//! first ──┐
//!         ├─ choose ─ number ─ window ─ pace ─ ring ─ reap ─ pool
//! repair ─┘
//! ```

use crate::encoder::{Sent, Work};
use crate::nap::Nap;
use crate::shared::Shared;
use crate::train::{TrainBuffer, TrainReturn};
use crate::transmitter::{IoChoice, TransmitError, Transmitter};
use crossbeam_channel::{Receiver, Sender};
use hdrhistogram::Histogram;
use linecast_net::clock;
use linecast_protocol::pacer::{Pacer, l2_bytes, train_packets};
use linecast_protocol::sender::{Class, RepairShare};
use linecast_protocol::wire::{self, Patch};
use std::collections::VecDeque;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

/// Sends that may be under way.
const IN_FLIGHT_MAX: usize = 32;
/// Trains handed to the kernel together, at most, where the pacer lets them go
/// at once.
const SUBMIT_TRAINS_MAX: usize = 8;
/// A submission takes about this long, at most. The kernel carries a train all
/// the way to its receivers within the call: to many of them, or cut into
/// packets, that takes so long that more trains at once gain nothing, and fill
/// the kernel's backlog.
const SUBMIT_NS: u64 = 64_000;
/// First sleep of a lane that has nothing to send.
const IDLE_MIN: Duration = Duration::from_micros(20);
/// How long it waits for sends that are under way before it looks again.
const DRAIN_WAIT: Duration = Duration::from_millis(1);
/// How long a lane at the end of its window sleeps.
const WINDOW_WAIT: Duration = Duration::from_micros(100);
/// The end of a wait is spun away, because sleeps end late: by so much at least
/// and at most, and by what they did lately in between.
const SPIN_NS_MIN: u64 = 15_000;
const SPIN_NS_MAX: u64 = 300_000;
/// A lane may make up for being late by this much line time, at slow rates by
/// more: a busy machine wakes it milliseconds late, and so many bytes fit the
/// queue of a cheap switch four times.
const BURST_NS: u64 = 500_000;
const SLOW_BURST_NS: u64 = 4_000_000;
const SLOW_BURST_BYTES: u64 = 32 << 10;

/// What a lane is made of.
#[derive(Debug)]
pub(crate) struct LaneParts {
    /// Number of the lane, from 0, and of all lanes.
    pub lane: usize,
    /// Lanes that share the rate.
    pub lanes: usize,
    /// Trains of first transmissions.
    pub first: Receiver<Work>,
    /// Trains of repairs.
    pub repair: Receiver<Work>,
    /// Where departures are reported.
    pub sent: Sender<Sent>,
    /// Words shared with the other threads.
    pub shared: Arc<Shared>,
    /// Where trains go that have left.
    pub done: Done,
    /// The way out, connected to the group.
    pub socket: UdpSocket,
    /// Which transmit path to take.
    pub io: IoChoice,
    /// Whether packets carry IPv6 headers.
    pub ipv6: bool,
}

/// Where a lane puts trains that have left.
#[derive(Debug)]
pub(crate) enum Done {
    /// Back to the pool that they came from.
    Pool(TrainReturn),
    /// To be sent again as they are.
    Again(Sender<Work>),
}

impl Done {
    fn put(&self, train: TrainBuffer) {
        match self {
            Done::Pool(pool) => pool.put(train),
            // It has room for all the trains there are.
            Done::Again(first) => {
                let _ = first.try_send(Work { train, ends: None });
            }
        }
    }
}

/// What a lane measured.
#[derive(Debug)]
pub struct LaneReport {
    /// Nanoseconds between departures of trains within a busy period.
    pub gaps_ns: Histogram<u64>,
    /// Nanoseconds by which trains left later than the pacer had let them.
    pub departure_ns: Histogram<u64>,
    /// Nanoseconds from a submission to the end of its call.
    pub submit_ns: Histogram<u64>,
    /// Most L2 bytes that left without a pause.
    pub burst_bytes_max: u64,
    /// L2 bytes sent.
    pub l2_bytes: u64,
    /// System calls for sending.
    pub syscalls: u64,
    /// The path in use, and why it is not the one wanted.
    pub path: String,
    /// Why a better path was not taken.
    pub fallback: Option<String>,
}

#[derive(Debug)]
struct Lane {
    lane: usize,
    lanes: usize,
    first: Receiver<Work>,
    repair: Receiver<Work>,
    sent: Sender<Sent>,
    shared: Arc<Shared>,
    done: Done,
    ipv6: bool,
    transmitter: Transmitter,
    pacer: Pacer,
    share: RepairShare,
    nap: Nap,
    position: u64,
    /// Pieces queued since the start.
    queued: u64,
    /// Of them not handed to the kernel yet.
    waiting: usize,
    /// What the departure of so many pieces means.
    departures: VecDeque<(u64, Sent)>,
    /// Pieces to hand over together, from how long they took.
    together: usize,
    recycled: Vec<TrainBuffer>,
    /// Changes of the target that this lane has followed.
    target_epoch: u32,
    report: LaneReport,
    last_departure: u64,
    burst: u64,
    spin_ns: u64,
}

/// Pins a lane to a core of its own where there are cores to spare, and runs it.
///
/// # Errors
/// The socket refuses to send for good.
pub(crate) fn run_pinned(parts: LaneParts) -> Result<LaneReport, TransmitError> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if cores.len() > parts.lanes + 2
        && let Some(core) = cores.iter().rev().nth(parts.lane)
    {
        core_affinity::set_for_current(*core);
    }
    run(parts)
}

/// Runs a lane until it is stopped.
///
/// # Errors
/// The socket refuses to send for good.
fn run(parts: LaneParts) -> Result<LaneReport, TransmitError> {
    let histogram = || Histogram::new(3).expect("3 significant digits are allowed");
    let report = LaneReport {
        gaps_ns: histogram(),
        departure_ns: histogram(),
        submit_ns: histogram(),
        burst_bytes_max: 0,
        l2_bytes: 0,
        syscalls: 0,
        path: String::new(),
        fallback: None,
    };
    let LaneParts {
        lane,
        lanes,
        first,
        repair,
        sent,
        shared,
        done,
        socket,
        io,
        ipv6,
    } = parts;
    let rate = shared.rate_bps();
    let mut lane = Lane {
        pacer: Pacer::new(rate, burst_bytes(rate)),
        transmitter: Transmitter::open(io, socket, IN_FLIGHT_MAX)?,
        lane,
        lanes,
        first,
        repair,
        sent,
        shared,
        done,
        ipv6,
        share: RepairShare::default(),
        nap: Nap::new(IDLE_MIN),
        position: 0,
        queued: 0,
        waiting: 0,
        departures: VecDeque::new(),
        together: 1,
        recycled: Vec::new(),
        target_epoch: 0,
        report,
        last_departure: 0,
        burst: 0,
        spin_ns: SPIN_NS_MIN,
    };
    while !lane.shared.is_stopped() {
        match lane.next() {
            Some((class, work)) => {
                lane.nap.over();
                lane.send(class, work)?;
            }
            None => lane.idle()?,
        }
    }
    lane.drain()?;
    Ok(lane.report)
}

fn burst_bytes(rate_bps: u64) -> u64 {
    let line = |ns: u64| {
        let bytes = u128::from(rate_bps) * u128::from(ns) / 8_000_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    };
    let slow = line(SLOW_BURST_NS).clamp(3_000, SLOW_BURST_BYTES);
    line(BURST_NS).max(slow)
}

impl Lane {
    fn next(&mut self) -> Option<(Class, Work)> {
        let (first, repair) = (&self.first, &self.repair);
        let class = self
            .share
            .choose(!first.is_empty(), false, !repair.is_empty())?;
        let queue = if class == Class::First { first } else { repair };
        Some((class, queue.try_recv().ok()?))
    }

    fn idle(&mut self) -> Result<(), TransmitError> {
        self.flush()?;
        self.reap(None)?;
        match self.transmitter.is_parked() {
            true => self.rest(WINDOW_WAIT)?,
            false => self.nap.sleep(),
        }
        self.burst = 0;
        self.last_departure = 0;
        Ok(())
    }

    fn send(&mut self, class: Class, work: Work) -> Result<(), TransmitError> {
        let Work { mut train, ends } = work;
        let packets = train.len_packets();
        if !self.await_window(packets as u64)? {
            self.done.put(train);
            return Ok(());
        }
        if self.shared.target_epoch() != self.target_epoch {
            self.retarget()?;
        }
        self.number(class, &mut train);
        let (stride, bytes) = (train.packet_bytes(), train.bytes());
        let key = self.transmitter.load(train);
        let mut first = 0;
        while first < packets {
            let rate = (self.shared.rate_bps() / self.lanes as u64).max(1);
            let count = train_packets(rate, stride).min(packets - first);
            let payload = (bytes - first * stride).min(count * stride);
            self.pace(rate, count, payload)?;
            while !self.transmitter.has_room() {
                self.flush()?;
                self.reap(Some(WINDOW_WAIT))?;
            }
            self.transmitter.send(key, first, count);
            self.queued += 1;
            self.waiting += 1;
            if self.waiting >= self.together {
                self.flush()?;
            }
            self.shared.add_sent(count as u64, payload as u64);
            first += count;
        }
        self.transmitter.release(key);
        self.share.spend(class, packets as u32);
        if let Some(ends) = ends {
            self.departures.push_back((self.queued, ends));
        }
        Ok(())
    }

    /// Hands to the kernel what waits for it.
    fn flush(&mut self) -> Result<(), TransmitError> {
        if self.waiting == 0 {
            return Ok(());
        }
        let pieces = std::mem::take(&mut self.waiting);
        let before = clock::now_ns();
        self.transmitter.submit()?;
        let took = clock::now_ns() - before;
        // The histograms resize themselves; recording cannot fail.
        let _ = self.report.submit_ns.record(took);
        let fit = SUBMIT_NS * pieces as u64 / took.max(1);
        // Slowly up, at once down.
        self.together = (fit as usize).clamp(1, SUBMIT_TRAINS_MAX.min(self.together + 1));
        self.reap(None)
    }

    /// Waits until the window lets the whole train go; false if stopped.
    fn await_window(&mut self, packets: u64) -> Result<bool, TransmitError> {
        while self.position + packets > self.shared.limit(self.lane) {
            if self.shared.is_stopped() {
                return Ok(false);
            }
            self.flush()?;
            self.rest(WINDOW_WAIT)?;
            self.burst = 0;
            self.last_departure = 0;
        }
        Ok(true)
    }

    /// Follows a change of the target, once everything for the old one has left.
    fn retarget(&mut self) -> Result<(), TransmitError> {
        self.settle()?;
        let (target, epoch) = self.shared.target();
        self.transmitter.send_to(target);
        self.target_epoch = epoch;
        Ok(())
    }

    /// Writes what is only known at departure into every header.
    fn number(&mut self, class: Class, train: &mut TrainBuffer) {
        let word = self.shared.header();
        let flags = if class == Class::Repair {
            wire::flag::REPAIR
        } else {
            0
        };
        for packet in 0..train.len_packets() {
            let sequence = self.position as u16;
            self.position += 1;
            let patch = Patch::new(sequence, flags, &word);
            wire::patch_data(train.slot_mut(packet), patch);
        }
        self.shared.set_position(self.lane, self.position);
    }

    /// Waits until `count` packets of `payload` bytes may leave.
    fn pace(&mut self, rate: u64, count: usize, payload: usize) -> Result<(), TransmitError> {
        let mut now = clock::now_ns();
        if rate != self.pacer.rate_bps() {
            self.pacer.set_rate(now, rate);
            self.pacer.set_burst(burst_bytes(rate));
        }
        if self.last_departure == 0 {
            self.pacer.note_idle(now);
        }
        let bytes = (payload + count * l2_bytes(0, self.ipv6)) as u64;
        let ready = self.pacer.ready_at(now, bytes);
        if ready > now {
            self.burst = 0;
            self.flush()?;
        }
        while now < ready && !self.shared.is_stopped() {
            if ready - now > self.spin_ns {
                let wake = ready - self.spin_ns;
                self.rest(Duration::from_nanos(wake - now))?;
                now = clock::now_ns();
                let late = now.saturating_sub(wake).clamp(SPIN_NS_MIN, SPIN_NS_MAX / 2);
                self.spin_ns = (self.spin_ns * 7 + late * 2) / 8;
            } else {
                // Whoever else wants the core may have it.
                std::thread::yield_now();
                now = clock::now_ns();
            }
        }
        self.pacer.spend(now, bytes);
        self.burst += bytes;
        self.report.l2_bytes += bytes;
        self.report.burst_bytes_max = self.report.burst_bytes_max.max(self.burst);
        if self.last_departure > 0 {
            let _ = self.report.gaps_ns.record(now - self.last_departure);
        }
        if self.burst == bytes {
            let _ = self.report.departure_ns.record(now.saturating_sub(ready));
        }
        self.last_departure = now;
        Ok(())
    }

    /// Passes the time. A batch that is parked in the ring goes on meanwhile.
    fn rest(&mut self, time: Duration) -> Result<(), TransmitError> {
        if self.transmitter.is_parked() {
            return self.reap(Some(time));
        }
        self.reap(None)?;
        std::thread::sleep(time);
        Ok(())
    }

    fn reap(&mut self, wait: Option<Duration>) -> Result<(), TransmitError> {
        self.transmitter.reap(wait, &mut self.recycled)?;
        for train in self.recycled.drain(..) {
            self.done.put(train);
        }
        let in_flight = self.transmitter.in_flight();
        self.shared
            .set_held_up(self.lane, self.transmitter.is_parked());
        let left = self.queued - in_flight as u64;
        while let Some((_, ends)) = self.departures.pop_front_if(|(at, _)| *at <= left) {
            // The session hangs up only when it has stopped the lanes.
            let _ = self.sent.send(ends);
        }
        if self.transmitter.is_unreachable() {
            self.shared.note_unreachable(self.target_epoch);
        }
        Ok(())
    }

    /// Waits for what is in flight.
    fn settle(&mut self) -> Result<(), TransmitError> {
        self.flush()?;
        while self.transmitter.in_flight() > 0 {
            self.reap(Some(DRAIN_WAIT))?;
        }
        Ok(())
    }

    /// Waits for what is in flight, so that its memory may go, and sums up.
    fn drain(&mut self) -> Result<(), TransmitError> {
        self.settle()?;
        let counters = self.transmitter.counters();
        self.report.syscalls = counters.syscalls;
        self.report.path = self.transmitter.path().to_string();
        self.report.fallback = self
            .transmitter
            .fallback_reason()
            .map(|reason| reason.to_string());
        Ok(())
    }
}
