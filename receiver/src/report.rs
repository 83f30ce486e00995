//! The receive report: one JSON object, the last line on stdout.

use serde::Serialize;
use std::collections::BTreeMap;

/// Schema of the report.
pub const SCHEMA: &str = "linecast.receive.v1";

/// Everything that a receiver has to say when it ends. Fields may be added,
/// never renamed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReceiveReport {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// Fingerprint of this device's key.
    pub id: String,
    /// Its public key, as a roster lists it.
    pub public_key: String,
    /// Name of this device.
    pub name: String,
    /// The image; `null` if no session was followed.
    pub image: Option<ImageReport>,
    /// Where it is; `null` unless it is complete.
    pub path: Option<String>,
    /// `trusted`, or `none` when no `--trust` was given.
    pub trust: &'static str,
    /// Milliseconds from the first symbol to the completed rename.
    pub elapsed_ms: f64,
    /// Milliseconds in fdatasync, rename and directory fsync.
    pub sync_ms: f64,
    /// Milliseconds in reading back.
    pub read_back_ms: f64,
    /// Image bits over `elapsed_ms`.
    pub goodput_bps: f64,
    /// DATA packets received.
    pub received_packets: u64,
    /// Symbols lost, from sequence gaps.
    pub lost_symbols: u64,
    /// Estimate of those that the own socket dropped.
    pub socket_drops_estimate: u64,
    /// Symbols that were not needed.
    pub duplicates: u64,
    /// Blocks restored from parity.
    pub blocks_decoded: u64,
    /// Leaves that did not match and were fetched again.
    pub leaves_damaged: u64,
    /// The newest of them.
    pub damaged_leaf: Option<u64>,
    /// Packets refused, by cause.
    pub refused: BTreeMap<&'static str, u64>,
    /// Packets of sessions other than the one followed.
    pub other_sessions: u64,
    /// NACKs sent.
    pub nacks_sent: u64,
    /// NACKs that were not necessary.
    pub nacks_suppressed: u64,
    /// Bytes that an earlier session had verified.
    pub resumed_bytes: u64,
    /// Packets that had to be moved.
    pub moved_packets: u64,
    /// Seconds of CPU.
    pub cpu_s: f64,
    /// Greatest anonymous memory seen.
    pub anon_peak_bytes: u64,
    /// Effective size of the socket buffer.
    pub socket_buffer_bytes: u64,
    /// `ok` or `failed`.
    pub outcome: &'static str,
    /// Why, in a sentence.
    pub reason: String,
}

/// The image.
#[derive(Debug, Clone, Serialize)]
pub struct ImageReport {
    /// Name in the manifest: data, never a path.
    pub name: String,
    /// Bytes.
    pub size_bytes: u64,
    /// BLAKE3 root, hexadecimal.
    pub root_b3: String,
    /// Version counter.
    pub version: u64,
    /// Fingerprint of the key that signed it.
    pub signed_by: String,
}
