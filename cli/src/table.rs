//! Reports as tables for people.

use indicatif::HumanBytes;
use linecast_engine::report::PushReport;

/// Prints the report of a push on stdout.
pub(crate) fn push_report(report: &PushReport) {
    println!(
        "{:<24} {:<10} {:>9} {:>8} {:>10} {:>9}  verified",
        "receiver", "state", "done", "lost", "decoded", "Mbit/s"
    );
    for receiver in &report.receivers {
        println!(
            "{:<24} {:<10} {:>7} s {:>8} {:>10} {:>9}  {}{}",
            receiver.name,
            receiver.state,
            receiver
                .elapsed_ms
                .map_or("-".into(), |ms| format!("{:.2}", ms / 1e3)),
            receiver.lost_symbols,
            receiver.blocks_decoded,
            receiver
                .goodput_bps
                .map_or("-".into(), |bps| format!("{:.0}", bps / 1e6)),
            if receiver.verified { "yes" } else { "no" },
            receiver
                .error
                .as_ref()
                .map(|error| format!("  ({error})"))
                .unwrap_or_default(),
        );
    }
    let complete = report.receivers.iter().filter(|r| r.verified).count();
    let delivered = report.image.size_bytes * complete as u64;
    println!(
        "{}: {} in {:.2} s by {}{}; sent {} ({:.3} x the image) for {} delivered; {}",
        report.image.name,
        HumanBytes(report.image.size_bytes),
        report.elapsed_ms.total / 1e3,
        report.session.io,
        report
            .session
            .io_fallback
            .as_ref()
            .map(|why| format!(" ({why})"))
            .unwrap_or_default(),
        HumanBytes(report.sent.bytes),
        report.sent.expansion,
        HumanBytes(delivered),
        report.reason,
    );
}
