//! From what a push counted to what it reports.

use crate::lane::LaneReport;
use crate::push::{PushConfig, Release};
use crate::report::*;
use crate::session::{Totals, now};
use hdrhistogram::Histogram;
use linecast_net::usage;
use linecast_protocol::hex;
use linecast_protocol::message::{Cause, EndReason, PROFILE, Refusal};
use linecast_protocol::offer::{IMAGE_TOI, SessionShape};
use linecast_protocol::sender::{Ending, Member, MemberState, Sender};
use linecast_protocol::time::Time;

/// Facts gathered while a push runs.
#[derive(Debug)]
pub(crate) struct Facts {
    image: ImageReport,
    session: SessionReport,
    started: Time,
    fixed_rate: Option<u64>,
    floor_bps: Option<u64>,
    expected: Option<usize>,
    ended: Option<Ended>,
    /// Why the image could not be read to its end.
    pub image_error: Option<String>,
}

#[derive(Debug)]
struct Ended {
    sender: Sender,
    totals: Totals,
    lanes: Vec<LaneReport>,
    sent: (u64, u64),
    anon_peak_bytes: u64,
    at: Time,
}

impl Facts {
    /// What is known before the first packet.
    pub(crate) fn new(
        config: &PushConfig,
        shape: &SessionShape,
        release: &Release,
        started: Time,
    ) -> Facts {
        Facts {
            image: ImageReport {
                name: release.manifest.name.clone(),
                size_bytes: release.hash.size,
                root_b3: hex(&release.hash.root),
                version: release.manifest.version,
            },
            session: SessionReport {
                group: config.group.to_string(),
                source: config
                    .interface
                    .address_for(config.group.ip())
                    .map_or_else(|_| String::new(), |ip| ip.to_string()),
                toi: IMAGE_TOI,
                symbol_bytes: shape.image.symbol_bytes(),
                block_symbols: config.block_symbols,
                codec: config.codec.name().into(),
                rate_bps: 0,
                io: String::new(),
                io_fallback: None,
                lanes: config.lanes,
                grtt_us: 0,
                signed_by: release.signer.fingerprint(),
            },
            started,
            fixed_rate: config.rate_bps,
            floor_bps: config.rate().floor(),
            expected: config.receivers,
            ended: None,
            image_error: None,
        }
    }

    /// What the threads counted.
    pub(crate) fn finish(
        &mut self,
        sender: Sender,
        totals: Totals,
        lanes: Vec<LaneReport>,
        sent: (u64, u64),
        anon_peak_bytes: u64,
    ) {
        self.ended = Some(Ended {
            sender,
            totals,
            lanes,
            sent,
            anon_peak_bytes,
            at: now(),
        });
    }
}

/// Makes the report; `elapsed_ms.total` and `prepare` are the caller's to set,
/// who knows when the process started.
pub(crate) fn report(facts: Facts) -> PushReport {
    let Facts {
        image,
        mut session,
        started,
        fixed_rate,
        floor_bps,
        expected,
        ended,
        image_error,
    } = facts;
    let Some(ended) = ended else {
        unreachable!("a push that ran has ended")
    };
    let sender = &ended.sender;
    session.rate_bps = sender.control().rate_bps;
    session.grtt_us = sender.grtt().as_micros() as u64;
    if let Some(lane) = ended.lanes.first() {
        session.io.clone_from(&lane.path);
        session.io_fallback.clone_from(&lane.fallback);
    }
    let data_started = sender.data_started().unwrap_or(ended.at);
    let members = sender.membership().members();
    let (outcome, reason) = judge(sender, expected, image_error);
    PushReport {
        schema: SCHEMA,
        elapsed_ms: ElapsedReport {
            prepare: 0.0,
            wait: ms(data_started, started),
            send: ms(ended.at, data_started),
            total: 0.0,
        },
        sent: sent_report(&ended, image.size_bytes),
        feedback: {
            let heard = sender.feedback();
            FeedbackReport {
                nacks_heard: heard.nacks_heard,
                nacks_served: heard.nacks_served,
                acks_heard: heard.acks_heard,
                bytes_heard: heard.bytes_heard,
                refused: heard.refused,
                refused_by_cause: heard.unheard.iter().collect(),
            }
        },
        pacing: pacing_report(&ended, fixed_rate, data_started),
        cpu: CpuReport {
            sender_s: usage::cpu_seconds(),
        },
        memory: MemoryReport {
            anon_peak_bytes: ended.anon_peak_bytes,
        },
        receivers: members
            .iter()
            .map(|m| ReceiverReport {
                clone: sender.membership().is_clone(m),
                ..receiver_report(m, data_started, image.size_bytes, floor_bps)
            })
            .collect(),
        outcome,
        reason,
        image,
        session,
    }
}

fn ms(later: Time, earlier: Time) -> f64 {
    later.since(earlier).as_secs_f64() * 1e3
}

fn sent_report(ended: &Ended, size_bytes: u64) -> SentReport {
    let symbols = ended.totals.symbols;
    let all = symbols.source + symbols.parity + symbols.repair;
    let image_symbols = ended.sender.image_symbols();
    SentReport {
        packets: ended.sent.0 + ended.totals.packets,
        bytes: ended.sent.1 + ended.totals.bytes,
        source_symbols: symbols.source,
        parity_symbols: symbols.parity,
        repair_symbols: symbols.repair,
        expansion: if size_bytes == 0 {
            1.0
        } else {
            all as f64 / image_symbols as f64
        },
        syscalls: ended.lanes.iter().map(|lane| lane.syscalls).sum(),
    }
}

fn pacing_report(ended: &Ended, fixed_rate: Option<u64>, data_started: Time) -> PacingReport {
    let mut gaps: Option<Histogram<u64>> = None;
    for lane in &ended.lanes {
        match &mut gaps {
            // Same bounds: adding cannot fail.
            Some(all) => drop(all.add(&lane.gaps_ns)),
            None => gaps = Some(lane.gaps_ns.clone()),
        }
    }
    let quantile = |q| {
        gaps.as_ref()
            .map_or(0.0, |h| h.value_at_quantile(q) as f64 / 1e3)
    };
    let l2_bytes: u64 = ended.lanes.iter().map(|lane| lane.l2_bytes).sum();
    let rate_error_ppm = fixed_rate
        .zip(ended.totals.first_pass_ended)
        .map(|(rate, end)| {
            let seconds = end.since(data_started).as_secs_f64();
            (l2_bytes as f64 * 8.0 / seconds / rate as f64 - 1.0) * 1e6
        });
    PacingReport {
        gap_p50_us: quantile(0.5),
        gap_p99_us: quantile(0.99),
        max_burst_bytes: ended
            .lanes
            .iter()
            .map(|lane| lane.burst_bytes_max)
            .max()
            .unwrap_or(0),
        rate_error_ppm: rate_error_ppm.filter(|ppm| ppm.is_finite()),
    }
}

fn receiver_report(
    member: &Member,
    data_started: Time,
    size_bytes: u64,
    floor_bps: Option<u64>,
) -> ReceiverReport {
    let figures = &member.figures;
    let (state, error) = match &member.state {
        MemberState::Expected => ("expected", Some("never heard".to_owned())),
        MemberState::Receiving => ("receiving", None),
        MemberState::Finishing => ("finishing", None),
        MemberState::Complete => ("complete", None),
        MemberState::Failed(error) => ("failed", Some(error.clone())),
        MemberState::Stalled => (
            "stalled",
            Some("silent for longer than --stall-timeout".to_owned()),
        ),
        MemberState::Slow { sustained_bps } => ("slow", Some(too_slow(*sustained_bps, floor_bps))),
        MemberState::Aside => {
            let slow = member.sustained_bps.map(|bps| too_slow(bps, floor_bps));
            let why = slow.unwrap_or_else(|| "came late".to_owned());
            ("slow", Some(format!("{why}; its turn did not come")))
        }
        MemberState::Refused(refusal) => ("refused", Some(refused(refusal))),
    };
    let complete = member.state == MemberState::Complete;
    let elapsed_ms = member
        .completed_at
        .filter(|_| complete)
        .map(|at| ms(at, data_started));
    ReceiverReport {
        id: member.key.fingerprint(),
        name: member.name.clone(),
        enrolled: member.enrolled,
        installation: member.installation.map(|id| hex(&id)),
        clone: false,
        address: member.address.map(|address| address.to_string()),
        had: member.had,
        state,
        verified: complete,
        elapsed_ms,
        sync_ms: figures.sync_ms,
        read_back_ms: figures.read_back_ms,
        goodput_bps: elapsed_ms.map(|ms| size_bytes as f64 * 8e3 / ms.max(1e-3)),
        lost_symbols: member.lost,
        socket_drops_estimate: figures.socket_drops_estimate,
        duplicates: figures.duplicates,
        blocks_decoded: figures.blocks_decoded,
        leaves_damaged: figures.leaves_damaged,
        packets_refused: figures.packets_refused,
        nacks_sent: figures.nacks_sent,
        nacks_suppressed: figures.nacks_suppressed,
        cpu_s: figures.cpu_s,
        anon_peak_bytes: figures.anon_peak_bytes,
        socket_buffer_bytes: figures.socket_buffer_bytes,
        resumed_bytes: figures.resumed_bytes,
        sustained_bps: member.sustained_bps,
        unicast: member.unicast,
        busy_ms: member.busy_ms,
        error,
    }
}

/// Why a device refuses, in its own words.
fn refused(refusal: &Refusal) -> String {
    let cause = refusal.cause.words();
    match refusal.cause {
        Cause::PROFILE => format!("{cause}: profile {} there, {PROFILE} here", refusal.profile),
        _ if refusal.detail.is_empty() => cause.into(),
        _ => format!("{cause}: {}", refusal.detail),
    }
}

fn too_slow(sustained_bps: u64, floor_bps: Option<u64>) -> String {
    let floor = mbit(floor_bps.unwrap_or_default());
    format!("slow: sustained {}, floor {floor}", mbit(sustained_bps))
}

/// A rate in Mbit/s, with a digit behind the point where there is something.
fn mbit(bps: u64) -> String {
    let tenths = bps / 100_000;
    match tenths % 10 {
        0 => format!("{} Mbit/s", tenths / 10),
        tenth => format!("{}.{tenth} Mbit/s", tenths / 10),
    }
}

fn judge(
    sender: &Sender,
    expected: Option<usize>,
    image_error: Option<String>,
) -> (&'static str, String) {
    let membership = sender.membership();
    let members = membership.members();
    // With a roster, only those on it are expected; without one, whoever was there.
    let roster = membership.is_exclusive();
    let expected_members = || {
        members
            .iter()
            .filter(|m| m.enrolled || membership.weighs(m))
    };
    let complete = expected_members()
        .filter(|m| m.state == MemberState::Complete)
        .count();
    let wanted = expected_members().count().max(expected.unwrap_or(0));
    let outcome = match complete {
        _ if image_error.is_some() => "failed",
        n if n > 0 && n == wanted => "ok",
        0 => "failed",
        _ => "partial",
    };
    let unverified = if roster { "" } else { "unverified " };
    let tally = format!("{complete} of {wanted} {unverified}receivers have the image");
    let reason = match (sender.ending(), image_error) {
        (_, Some(error)) => error,
        (Ending::NoReceivers, _) => "no receiver registered in time".into(),
        (Ending::Early(EndReason::Deadline), _) => format!("deadline passed: {tally}"),
        (Ending::Early(_), _) => format!("interrupted: {tally}"),
        (Ending::Finished, _) => tally,
    };
    (outcome, reason)
}
