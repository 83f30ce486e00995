//! When the next train may leave: an integer token bucket that is told the time.
//!
//! The bucket is kept as one instant, `full_ns`, at which it will be full
//! again. That makes the arithmetic exact: what a division by the rate leaves
//! over is carried into the next one, so the error does not grow with time.

/// Bytes of the largest UDP payload over IPv4; a train is one such payload.
pub const UDP_PAYLOAD_BYTES_MAX: usize = 65_507;

/// Packets in one train at most: the kernel's `UDP_MAX_SEGMENTS` was 64 before
/// Linux 6.9 doubled it.
pub const TRAIN_SEGMENTS_MAX: usize = 64;

/// Line time of one train at most. Longer trains save nothing more, and burst
/// into the buffers of switches.
const TRAIN_NS_MAX: u64 = 250_000;

/// Line time of stalls that is made up at most.
const OWED_NS_MAX: u64 = 100_000_000;

/// It is made up by sending faster by about this part, which a port that was
/// not full before can take.
pub(crate) const MAKE_UP_PART: u64 = 128;

const NS_PER_SECOND: u128 = 1_000_000_000;
const ETHERNET_HEADER_BYTES: usize = 14;
const UDP_HEADER_BYTES: usize = 8;
const IPV4_HEADER_BYTES: usize = 20;
const IPV6_HEADER_BYTES: usize = 40;

/// Bytes that a UDP payload takes on Ethernet as `tc` counts them: with the
/// IP and Ethernet headers, without preamble, checksum and gap.
pub const fn l2_bytes(payload_bytes: usize, ipv6: bool) -> usize {
    let ip = if ipv6 {
        IPV6_HEADER_BYTES
    } else {
        IPV4_HEADER_BYTES
    };
    payload_bytes + UDP_HEADER_BYTES + ip + ETHERNET_HEADER_BYTES
}

/// Packets of this UDP payload that one GSO send can take, at least 1.
pub const fn segments_max(packet_bytes: usize) -> usize {
    if packet_bytes == 0 {
        return TRAIN_SEGMENTS_MAX;
    }
    let fit = UDP_PAYLOAD_BYTES_MAX / packet_bytes;
    if fit == 0 {
        1
    } else if fit > TRAIN_SEGMENTS_MAX {
        TRAIN_SEGMENTS_MAX
    } else {
        fit
    }
}

/// How many packets of this UDP payload make a train at this rate: at most
/// 250 µs of line time, between 1 and `segments_max`.
pub fn train_packets(rate_bps: u64, packet_bytes: usize) -> usize {
    let packet_bits = l2_bytes(packet_bytes, false) as u128 * 8;
    let train_bits = u128::from(rate_bps) * u128::from(TRAIN_NS_MAX) / NS_PER_SECOND;
    let packets = usize::try_from(train_bits / packet_bits).unwrap_or(usize::MAX);
    packets.clamp(1, segments_max(packet_bytes))
}

/// A token bucket in bits and nanoseconds.
///
/// The credit of an idle or stalled sender is capped at the burst. Lateness
/// shorter than the burst's line time minus one train's is made up at once, so
/// a burst of two trains keeps the rate exact on a clock that wakes up to one
/// train late. What a longer stall took is never made up by a burst but by going
/// 0.8 % faster for a while, unless the sender says that it was [idle].
///
/// [idle]: Pacer::note_idle
#[derive(Debug, Clone)]
pub struct Pacer {
    rate_bps: u64,
    burst_bytes: u64,
    /// When the bucket will be full, if nothing more is spent.
    full_ns: u64,
    /// Part of a nanosecond beyond `full_ns`, in units of 1/`rate_bps` ns.
    remainder: u64,
    /// Line time that stalls took beyond the burst, not made up yet.
    owed_ns: u64,
}

impl Pacer {
    /// A full bucket. A rate of 0 counts as 1 bit/s.
    pub fn new(rate_bps: u64, burst_bytes: u64) -> Pacer {
        Pacer {
            rate_bps: rate_bps.max(1),
            burst_bytes,
            full_ns: 0,
            remainder: 0,
            owed_ns: 0,
        }
    }

    /// The rate in L2 bits a second.
    pub fn rate_bps(&self) -> u64 {
        self.rate_bps
    }

    /// Changes the rate; bytes already spent and not yet earned stay spent,
    /// and are earned at the new rate. Stalls at the old rate are not made up.
    pub fn set_rate(&mut self, now_ns: u64, rate_bps: u64) {
        let rate_bps = rate_bps.max(1);
        let debt_ns = u128::from(self.full_ns.saturating_sub(now_ns));
        let debt_scaled = debt_ns * u128::from(self.rate_bps) + u128::from(self.remainder);
        if debt_ns > 0 {
            let rate = u128::from(rate_bps);
            self.full_ns = now_ns.saturating_add(saturate(debt_scaled / rate));
            self.remainder = saturate(debt_scaled % rate);
        } else {
            self.remainder = 0;
        }
        self.rate_bps = rate_bps;
        self.owed_ns = 0;
    }

    /// There was nothing to send until `now_ns`: that is made up neither.
    pub fn note_idle(&mut self, now_ns: u64) {
        self.owed_ns = 0;
        self.fill(now_ns);
    }

    /// Changes the burst, in L2 bytes.
    pub fn set_burst(&mut self, burst_bytes: u64) {
        self.burst_bytes = burst_bytes;
    }

    /// The earliest time at which this many L2 bytes may leave; `now_ns` or
    /// earlier means now. More bytes than the burst may leave when the bucket
    /// is full, and put it into debt.
    pub fn ready_at(&self, now_ns: u64, bytes: u64) -> u64 {
        let spare = self.burst_bytes.saturating_sub(bytes);
        let spare_ns = saturate(scaled(spare) / u128::from(self.rate_bps));
        let round_up = u64::from(self.remainder > 0);
        let ready = (self.full_ns + round_up).saturating_sub(spare_ns);
        ready.max(now_ns)
    }

    /// Takes the L2 bytes that leave at `now_ns` out of the bucket.
    pub fn spend(&mut self, now_ns: u64, bytes: u64) {
        let lost = self.fill(now_ns);
        self.owed_ns = self.owed_ns.saturating_add(lost).min(OWED_NS_MAX);
        let rate = u128::from(self.rate_bps);
        let total = scaled(bytes) + u128::from(self.remainder);
        let line_ns = saturate(total / rate);
        let made_up = self.owed_ns.min(line_ns / MAKE_UP_PART);
        self.owed_ns -= made_up;
        self.full_ns = self.full_ns.saturating_add(line_ns - made_up);
        self.remainder = saturate(total % rate);
    }

    /// Fills the bucket, if it is full by `now_ns`; gives the time for which it
    /// could take no more.
    fn fill(&mut self, now_ns: u64) -> u64 {
        let lost = now_ns.saturating_sub(self.full_ns);
        if lost > 0 {
            self.full_ns = now_ns;
            self.remainder = 0;
        }
        lost
    }
}

/// Bytes as bits times nanoseconds a second: divided by a rate, it is a time.
fn scaled(bytes: u64) -> u128 {
    u128::from(bytes) * 8 * NS_PER_SECOND
}

fn saturate(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    /// Sends trains for `duration_ns`, waking up to `late_ns` late; returns
    /// the bytes sent.
    fn run(pacer: &mut Pacer, train: u64, duration_ns: u64, late_ns: u64, seed: u64) -> u64 {
        let mut random = seed | 1;
        let (mut now, mut sent) = (0u64, 0u64);
        while now < duration_ns {
            pacer.spend(now, train);
            sent += train;
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let late = if late_ns == 0 {
                0
            } else {
                (random >> 33) % late_ns
            };
            let ready = pacer.ready_at(now, train);
            now = if ready > now { ready + late } else { now };
        }
        sent
    }

    #[test]
    fn segment_limits_are_those_of_the_kernel() {
        assert_eq!(segments_max(1448), 45);
        assert_eq!(segments_max(8936), 7);
        assert_eq!(segments_max(100), 64);
        assert_eq!(segments_max(65_507), 1);
        assert_eq!(segments_max(100_000), 1);
        assert_eq!(segments_max(0), 64);
    }

    #[test]
    fn trains_follow_the_rate() {
        assert_eq!(train_packets(1_000_000, 1448), 1);
        assert_eq!(train_packets(100_000_000, 1448), 2);
        assert_eq!(train_packets(1_000_000_000, 1448), 20);
        assert_eq!(train_packets(10_000_000_000, 1448), 45);
        assert_eq!(train_packets(u64::MAX, 1448), 45);
        assert_eq!(train_packets(0, 1448), 1);
    }

    #[test]
    fn l2_counts_what_tc_counts() {
        assert_eq!(l2_bytes(1448, false), 1490);
        assert_eq!(l2_bytes(1448, true), 1510);
    }

    #[test]
    fn stall_earns_no_more_than_the_burst() {
        let mut pacer = Pacer::new(8_000_000, 3_000);
        let now = 100 * SECOND;
        pacer.note_idle(now);
        for _ in 0..3 {
            assert_eq!(pacer.ready_at(now, 1_000), now);
            pacer.spend(now, 1_000);
        }
        assert_eq!(pacer.ready_at(now, 1_000), now + 1_000_000);
    }

    /// Sends trains for a second, after `before` has happened to the pacer.
    fn sent_in_a_second(before: impl Fn(&mut Pacer, u64)) -> u64 {
        let mut pacer = Pacer::new(8_000_000, 2_000);
        pacer.spend(0, 1_000);
        let start = 100 * SECOND;
        before(&mut pacer, start);
        let (mut now, mut sent) = (start, 0);
        while now < start + SECOND {
            pacer.spend(now, 1_000);
            sent += 1_000;
            now = pacer.ready_at(now, 1_000);
        }
        sent
    }

    #[test]
    fn a_stall_is_made_up_slowly_and_idle_time_is_not() {
        let idle = sent_in_a_second(|pacer, now| pacer.note_idle(now));
        assert_eq!(idle, 1_001_000);
        let stalled = sent_in_a_second(|_, _| {});
        assert_eq!(stalled, idle + 8_000);
    }

    #[test]
    fn no_more_than_a_tenth_of_a_second_is_made_up() {
        let mut pacer = Pacer::new(8_000_000, 0);
        let mut now = 100 * SECOND;
        let start = now;
        let packets = 20_000;
        for _ in 0..packets {
            now = pacer.ready_at(now, 1_000);
            pacer.spend(now, 1_000);
        }
        let exact = (packets - 1) * 1_000_000;
        assert_eq!(now - start, exact - OWED_NS_MAX);
    }

    #[test]
    fn train_above_the_burst_waits_for_a_full_bucket() {
        let mut pacer = Pacer::new(8_000, 10);
        assert_eq!(pacer.ready_at(0, 1_000), 0);
        pacer.spend(0, 1_000);
        assert_eq!(pacer.ready_at(0, 1_000), SECOND);
        assert_eq!(pacer.ready_at(0, 0), SECOND - 10_000_000);
    }

    #[test]
    fn debt_is_earned_at_the_new_rate() {
        let mut pacer = Pacer::new(8_000, 0);
        pacer.spend(0, 1_000);
        pacer.set_rate(SECOND / 2, 80_000);
        assert_eq!(pacer.ready_at(0, 1), SECOND / 2 + SECOND / 20);
        pacer.set_rate(10 * SECOND, 8_000);
        assert_eq!(pacer.ready_at(10 * SECOND, 1), 10 * SECOND);
    }

    #[test]
    fn extreme_rates_do_not_overflow() {
        for rate in [0, 1, u64::MAX] {
            let mut pacer = Pacer::new(rate, u64::MAX);
            pacer.spend(u64::MAX, u64::MAX);
            pacer.set_rate(5, u64::MAX);
            pacer.ready_at(0, 0);
        }
    }

    proptest! {
        /// 20 simulated seconds, lateness within the burst's slack.
        #[test]
        fn rate_is_right_within_100_ppm(
            rate_bps in 1_000_000u64..20_000_000_000,
            packets in 1u64..45,
            seed: u64,
        ) {
            let train = packets * 1490;
            let train_ns = train * 8 * SECOND / rate_bps;
            prop_assume!(train_ns < SECOND / 100 && train_ns > 2_000);
            let mut pacer = Pacer::new(rate_bps, 3 * train);
            let duration = 20 * SECOND;
            let sent = run(&mut pacer, train, duration, train_ns, seed);
            let exact = (u128::from(rate_bps) * u128::from(duration) / NS_PER_SECOND / 8) as f64;
            // The bucket starts full and the last train may be in debt.
            let slack = 4.0 * train as f64;
            let error = ((sent as f64 - exact).abs() - slack).max(0.0) / exact;
            prop_assert!(error < 100e-6, "sent {sent}, exact {exact}");
        }

        /// In any interval no more leaves than rate × interval + burst, and what
        /// is made up.
        #[test]
        fn no_interval_exceeds_rate_and_burst(
            rate_bps in 1_000u64..40_000_000_000,
            burst in 0u64..200_000,
            sizes in prop::collection::vec(1u64..70_000, 1..60),
            idle in prop::collection::vec(0u64..2_000_000, 60),
        ) {
            let mut pacer = Pacer::new(rate_bps, burst);
            let mut now = 1u64;
            let mut sent: Vec<(u64, u64)> = Vec::new();
            for (bytes, idle) in sizes.iter().zip(&idle) {
                now = pacer.ready_at(now + idle * (idle % 2), *bytes);
                pacer.spend(now, *bytes);
                sent.push((now, *bytes));
            }
            for first in 0..sent.len() {
                let mut total = 0u128;
                for (at, bytes) in &sent[first..] {
                    // What leaves last may put the bucket into debt.
                    let over = u128::from(burst.max(*bytes));
                    let span = u128::from(at - sent[first].0) + 1;
                    let earned = span * u128::from(rate_bps) / 8 / NS_PER_SECOND + 1;
                    total += u128::from(*bytes);
                    let allowed = earned + over;
                    let made_up = allowed / u128::from(MAKE_UP_PART - 1);
                    prop_assert!(total <= allowed + made_up + 1);
                }
            }
        }
    }
}
