//! The push report: one JSON object, the last line on stdout.

use serde::Serialize;
use std::collections::BTreeMap;

/// Schema of the report.
pub const SCHEMA: &str = "linecast.push.v1";

/// Everything a push has to say when it ends. Fields may be added, never
/// renamed.
#[derive(Debug, Clone, Serialize)]
pub struct PushReport {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// What was pushed.
    pub image: ImageReport,
    /// How it was pushed.
    pub session: SessionReport,
    /// Where the time went, in milliseconds.
    pub elapsed_ms: ElapsedReport,
    /// What left this machine.
    pub sent: SentReport,
    /// What came back.
    pub feedback: FeedbackReport,
    /// How evenly packets left.
    pub pacing: PacingReport,
    /// CPU time.
    pub cpu: CpuReport,
    /// Memory of the sender's own.
    pub memory: MemoryReport,
    /// Every receiver expected or heard.
    pub receivers: Vec<ReceiverReport>,
    /// `ok`, `partial` or `failed`.
    pub outcome: &'static str,
    /// Why, in a sentence.
    pub reason: String,
}

/// The image.
#[derive(Debug, Clone, Serialize)]
pub struct ImageReport {
    /// Name in the manifest.
    pub name: String,
    /// Bytes.
    pub size_bytes: u64,
    /// BLAKE3 root, hexadecimal.
    pub root_b3: String,
    /// Version counter in the manifest.
    pub version: u64,
}

/// The session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionReport {
    /// Group and port.
    pub group: String,
    /// Address and port of the sender.
    pub source: String,
    /// TOI of the image.
    pub toi: u16,
    /// Bytes of a symbol.
    pub symbol_bytes: u16,
    /// Longest block, in source symbols.
    pub block_symbols: u16,
    /// Erasure code.
    pub codec: String,
    /// Rate at the end, in bits of L2 a second.
    pub rate_bps: u64,
    /// Transmit path in use.
    pub io: String,
    /// Why a better path was not taken.
    pub io_fallback: Option<String>,
    /// Transmit lanes.
    pub lanes: usize,
    /// Group round-trip time at the end.
    pub grtt_us: u64,
    /// Fingerprint of the key that signed the manifest.
    pub signed_by: String,
}

/// Times.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ElapsedReport {
    /// From the start of the process to the first announcement.
    pub prepare: f64,
    /// From the first announcement to the first symbol.
    pub wait: f64,
    /// From the first symbol to the end of the session.
    pub send: f64,
    /// From the start of the process to this report.
    pub total: f64,
}

/// Packets and symbols.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SentReport {
    /// All packets, commands and announcements included.
    pub packets: u64,
    /// Their UDP payload bytes.
    pub bytes: u64,
    /// Source symbols of first transmissions.
    pub source_symbols: u64,
    /// Parity symbols sent with them.
    pub parity_symbols: u64,
    /// Symbols sent as repair.
    pub repair_symbols: u64,
    /// Symbols of the image sent, for each source symbol; 1.0 for 0 bytes.
    pub expansion: f64,
    /// System calls that sent them.
    pub syscalls: u64,
}

/// Feedback.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FeedbackReport {
    /// NACKs heard.
    pub nacks_heard: u64,
    /// NACKs that led to a repair.
    pub nacks_served: u64,
    /// ACKs heard: registrations, status reports, completions.
    pub acks_heard: u64,
    /// Bytes heard.
    pub bytes_heard: u64,
    /// Datagrams that were no feedback of this session.
    pub refused: u64,
    /// The same by cause.
    pub refused_by_cause: BTreeMap<&'static str, u64>,
}

/// Pacing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PacingReport {
    /// Median time between departures of trains.
    pub gap_p50_us: f64,
    /// 99th percentile of it.
    pub gap_p99_us: f64,
    /// Most L2 bytes that left without a pause.
    pub max_burst_bytes: u64,
    /// Deviation from a fixed rate over the first transmissions; `null` for
    /// `auto`.
    pub rate_error_ppm: Option<f64>,
}

/// CPU.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CpuReport {
    /// Seconds of CPU of the sender.
    pub sender_s: f64,
}

/// Memory.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MemoryReport {
    /// Greatest anonymous memory of the sender that was seen.
    pub anon_peak_bytes: u64,
}

/// One receiver.
#[derive(Debug, Clone, Serialize)]
pub struct ReceiverReport {
    /// Fingerprint of its key.
    pub id: String,
    /// Name.
    pub name: String,
    /// Whether the roster lists it.
    pub enrolled: bool,
    /// Id of its installation, 16 hexadecimal digits; `null`: never heard.
    pub installation: Option<String>,
    /// Whether other machines have the same key.
    pub clone: bool,
    /// Address of its feedback.
    pub address: Option<String>,
    /// Whether it had the image before this push.
    pub had: bool,
    /// `complete`, `failed`, `refused`, `stalled`, `slow`, `receiving`, `finishing`
    /// or `expected`.
    pub state: &'static str,
    /// Whether it verified the image.
    pub verified: bool,
    /// From the session's first packet to its completion report.
    pub elapsed_ms: Option<f64>,
    /// How much of that was fdatasync and rename.
    pub sync_ms: f64,
    /// How much of that was reading back.
    pub read_back_ms: f64,
    /// Image bits over `elapsed_ms`.
    pub goodput_bps: Option<f64>,
    /// Symbols that did not arrive.
    pub lost_symbols: u64,
    /// Estimate of those that its own socket dropped.
    pub socket_drops_estimate: u64,
    /// Symbols that it did not need.
    pub duplicates: u64,
    /// Blocks restored from parity.
    pub blocks_decoded: u64,
    /// Leaves that did not match and were fetched again.
    pub leaves_damaged: u64,
    /// Packets that it refused.
    pub packets_refused: u64,
    /// NACKs sent.
    pub nacks_sent: u64,
    /// NACKs that were not necessary.
    pub nacks_suppressed: u64,
    /// Seconds of CPU.
    pub cpu_s: f64,
    /// Greatest anonymous memory seen.
    pub anon_peak_bytes: u64,
    /// Size of its socket buffer.
    pub socket_buffer_bytes: u64,
    /// Bytes that it had from an earlier session.
    pub resumed_bytes: u64,
    /// Where it held the session below the floor of its rate: what it sustained
    /// then, in bits of L2 a second.
    pub sustained_bps: Option<u64>,
    /// Whether it was served by unicast, after the others.
    pub unicast: bool,
    /// Milliseconds of CPU that it told of last.
    pub busy_ms: u32,
    /// Why it failed.
    pub error: Option<String>,
}
