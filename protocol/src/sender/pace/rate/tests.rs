use super::*;
use crate::random::Random;
use crate::sender::GrttEstimate;

const PACKET_BITS: u64 = 1_490 * 8;
const FLOOR: u64 = RateControl::FLOOR_BPS;
const GRTT: Duration = Duration::from_millis(1);
const LINK: Link = Link {
    grtt: GRTT,
    least_trip: GRTT,
    packet_bits: PACKET_BITS,
};
/// How often receivers report here.
const STEP: Duration = Duration::from_micros(500);

/// A path with a queue, losses of its own, and perhaps a TCP flow on it.
struct Path {
    carries_bps: f64,
    queue_bits: f64,
    own_loss: f64,
    tcp: Option<Tcp>,
    queued: f64,
    theirs_queued: f64,
    trips: GrttEstimate,
    now: Time,
    /// Fractions of packets not reported yet.
    received: f64,
    lost: f64,
}

/// A flow that halves its window on a loss and adds a segment each round trip.
struct Tcp {
    window_bits: f64,
    sent_bits: f64,
    /// Lost and not noticed: it takes a whole packet.
    lost_bits: f64,
    cut_at: Time,
}

impl Path {
    fn new(carries_bps: f64, own_loss: f64) -> Path {
        Path {
            carries_bps,
            queue_bits: 128.0 * 1024.0 * 8.0,
            own_loss,
            tcp: None,
            queued: 0.0,
            theirs_queued: 0.0,
            trips: GrttEstimate::default(),
            now: Time::ZERO,
            received: 0.0,
            lost: 0.0,
        }
    }

    /// Lets both flows send for a step; gives whole packets received and lost.
    fn step(&mut self, now: Time, bps: f64) -> (u64, u64) {
        let seconds = STEP.as_secs_f64();
        let waits = (self.queued + self.theirs_queued) / self.carries_bps;
        let round_trip = GRTT.as_secs_f64() + waits;
        self.trips.sample(now, Duration::from_secs_f64(round_trip));
        let ours = bps * seconds;
        let theirs = self
            .tcp
            .as_ref()
            .map_or(0.0, |tcp| tcp.window_bits / round_trip * seconds);
        let all = ours + theirs;
        let queued = self.queued + self.theirs_queued;
        let room = self.queue_bits - queued + self.carries_bps * seconds;
        let dropped = (all - room).max(0.0);
        self.queued += ours - dropped * ours / all;
        self.theirs_queued += theirs - dropped * theirs / all;
        // What leaves the queue is a mixture of both.
        let queued = self.queued + self.theirs_queued;
        let leaves = (self.carries_bps * seconds / queued.max(1e-9)).min(1.0);
        let carried = self.queued * leaves;
        self.queued -= carried;
        self.theirs_queued -= self.theirs_queued * leaves;
        if let Some(tcp) = &mut self.tcp {
            let lost = dropped * theirs / all;
            tcp.sent_bits += theirs - lost;
            tcp.lost_bits += lost;
            let noticed = tcp.lost_bits >= PACKET_BITS as f64;
            if noticed && now.since(tcp.cut_at).as_secs_f64() > round_trip {
                tcp.window_bits = (tcp.window_bits * 0.7).max(PACKET_BITS as f64);
                tcp.lost_bits = 0.0;
                tcp.cut_at = now;
            } else {
                tcp.window_bits += PACKET_BITS as f64 * seconds / round_trip;
            }
        }
        let arrived = carried * (1.0 - self.own_loss);
        self.received += arrived / PACKET_BITS as f64;
        self.lost += (carried - arrived + dropped * ours / all) / PACKET_BITS as f64;
        let whole = (self.received as u64, self.lost as u64);
        self.received -= whole.0 as f64;
        self.lost -= whole.1 as f64;
        whole
    }

    fn link(&self) -> Link {
        Link {
            grtt: self.trips.current(),
            least_trip: self.trips.least(),
            ..LINK
        }
    }
}

/// Runs for `ms`; gives the mean rate that arrived and the part that was lost,
/// over the second half.
fn run(rate: &mut RateControl, path: &mut Path, ms: u64, reads_bps: f64) -> (f64, f64) {
    run_with(rate, path, ms, reads_bps, &mut |_| Some(Duration::ZERO))
}

/// The same, where `report` says for every step whether receivers report then,
/// and how late that arrives.
fn run_with(
    rate: &mut RateControl,
    path: &mut Path,
    ms: u64,
    reads_bps: f64,
    report: &mut dyn FnMut(u64) -> Option<Duration>,
) -> (f64, f64) {
    let (mut received, mut lost) = (0, 0);
    let mut unreported = (0, 0);
    let steps = ms * 2;
    for step in 0..steps {
        let now = path.now + STEP;
        path.now = now;
        let sent = (rate.bps() as f64).min(reads_bps);
        let (fresh, gone) = path.step(now, sent);
        if step >= steps / 2 {
            received += fresh;
            lost += gone;
        }
        unreported = (unreported.0 + fresh, unreported.1 + gone);
        if let Some(late) = report(step) {
            let (received, lost) = core::mem::take(&mut unreported);
            let report = RateReport {
                member: 0,
                received,
                lost,
                socket_dropped: false,
            };
            rate.report(now + late, &path.link(), &report);
        }
    }
    let seconds = ms as f64 / 2e3;
    let all = (received + lost) as f64;
    (
        received as f64 * PACKET_BITS as f64 / seconds,
        lost as f64 / all,
    )
}

fn auto() -> RateControl {
    RateControl::auto(FLOOR, Some(10_000_000_000), RateControl::start())
}

#[test]
fn a_free_path_is_used_up_to_the_ceiling() {
    let mut rate = auto();
    run(&mut rate, &mut Path::new(1e12, 0.0), 200, 1e12);
    assert_eq!(rate.bps(), 10_000_000_000);
}

#[test]
fn losses_that_do_not_depend_on_the_rate_do_not_lower_it() {
    for loss in [0.01, 0.05, 0.2] {
        let mut rate = auto();
        run(&mut rate, &mut Path::new(1e12, loss), 400, 1e12);
        assert!(rate.bps() > 8_000_000_000, "{loss}: {}", rate.bps());
    }
}

#[test]
fn a_slow_port_is_filled_and_hardly_overrun() {
    for carries in [1e8, 1e9, 4e9] {
        let mut rate = auto();
        let (bps, lost) = run(&mut rate, &mut Path::new(carries, 0.0), 8_000, 1e12);
        assert!(bps > 0.95 * carries, "{carries}: {bps}");
        assert!(lost < 0.005, "{carries}: {lost}");
    }
}

#[test]
fn a_slow_port_is_filled_however_unevenly_reports_arrive() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut rate = auto();
        let mut path = Path::new(1e9, 0.0);
        let mut report = |step| {
            let late = random.within(Duration::from_micros(800));
            (step % 10 == 9).then_some(late)
        };
        let (carried, lost) = run_with(&mut rate, &mut path, 10_000, 1e12, &mut report);
        assert!(carried > 0.95e9, "seed {seed}: {carried}");
        assert!(lost < 0.002, "seed {seed}: {lost}");
    }
}

#[test]
fn a_slow_port_behind_a_bad_cable_is_found() {
    let mut rate = auto();
    let (bps, lost) = run(&mut rate, &mut Path::new(1e9, 0.02), 8_000, 1e12);
    assert!(bps > 0.85e9, "{bps}");
    assert!(lost < 0.05, "{lost}");
}

#[test]
fn a_bad_cable_is_not_taken_for_others_when_the_port_was_full_before() {
    let mut rate = auto();
    let mut path = Path::new(1e9, 0.01);
    run(&mut rate, &mut path, 4_000, 1e12);
    path.carries_bps = 1e12;
    run(&mut rate, &mut path, 4_000, 1e12);
    assert_eq!(rate.bps(), 10_000_000_000);
}

/// What a push and a TCP flow get of a port in the end, if the flow had it to
/// itself for two seconds.
fn shares(carries_bps: f64) -> (f64, f64) {
    let mut path = Path::new(carries_bps, 0.0);
    path.tcp = Some(Tcp {
        window_bits: 10.0 * PACKET_BITS as f64,
        sent_bits: 0.0,
        lost_bits: 0.0,
        cut_at: Time::ZERO,
    });
    for _ in 0..4_000 {
        path.now = path.now + STEP;
        path.step(path.now, 0.0);
    }
    let mut rate = auto();
    run(&mut rate, &mut path, 10_000, 1e12);
    if let Some(tcp) = &mut path.tcp {
        tcp.sent_bits = 0.0;
    }
    let (ours, _) = run(&mut rate, &mut path, 10_000, 1e12);
    let theirs = path.tcp.map_or(0.0, |tcp| tcp.sent_bits / 10.0);
    (ours / carries_bps, theirs / carries_bps)
}

#[test]
fn a_push_and_a_tcp_flow_that_was_there_before_leave_each_other_a_third() {
    for carries_bps in [1e8, 3e8, 1e9] {
        let (ours, theirs) = shares(carries_bps);
        assert!(ours > 0.33, "of {carries_bps} we get {ours}");
        assert!(theirs > 0.33, "of {carries_bps} they get {theirs}");
    }
}

#[test]
fn a_sender_that_is_held_does_not_raise_its_rate() {
    let mut rate = auto();
    run(&mut rate, &mut Path::new(1e12, 0.0), 400, 5e8);
    assert!(rate.bps() <= 1_000_000_000, "{}", rate.bps());
}

#[test]
fn a_full_socket_halves_the_rate_once() {
    let mut rate = RateControl::auto(FLOOR, None, 8_000_000_000);
    let drop = RateReport {
        member: 0,
        received: 100,
        lost: 0,
        socket_dropped: true,
    };
    rate.report(Time::from_ns(1), &LINK, &drop);
    rate.report(Time::from_ns(2), &LINK, &drop);
    assert_eq!(rate.bps(), 4_000_000_000);
}

#[test]
fn it_never_leaves_floor_and_ceiling() {
    let mut rate = RateControl::auto(30_000_000, Some(2_000_000_000), 1_000_000_000);
    run(&mut rate, &mut Path::new(1e12, 0.0), 400, 1e12);
    assert_eq!(rate.bps(), 2_000_000_000);
    let (_, lost) = run(&mut rate, &mut Path::new(1e6, 0.0), 2_000, 1e12);
    assert!(lost > 0.0);
    assert_eq!(rate.bps(), 30_000_000);
    assert_eq!(rate.floor(), Some(30_000_000));
}

#[test]
fn a_fixed_rate_stays() {
    let mut rate = RateControl::fixed(5);
    run(&mut rate, &mut Path::new(1e6, 0.5), 100, 1e12);
    assert_eq!(rate.bps(), 5);
}

/// The worst of sixteen receivers always looks worse than the path is.
#[test]
fn chance_does_not_lower_the_rate() {
    for percent in [1, 5, 20] {
        let mut rate = auto();
        let mut random = Random::new(7);
        let (mut now, mut lowest) = (Time::ZERO, u64::MAX);
        for report in 0..200_000_u64 {
            now = now + Duration::from_micros(30);
            let packets = 400;
            let lost = (0..packets).filter(|_| random.next_u64() % 100 < percent);
            let lost = lost.count() as u64;
            let report = RateReport {
                member: report as usize % 16,
                received: packets - lost,
                lost,
                socket_dropped: false,
            };
            rate.report(now, &LINK, &report);
            if now > Time::from_ns(500_000_000) {
                lowest = lowest.min(rate.bps());
            }
        }
        assert!(lowest >= 5_000_000_000, "{percent} %: {lowest}");
    }
}
