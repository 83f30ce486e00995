//! What a run is summed up as.

use crate::bound::ideal_expansion;
use crate::check::Violation;
use serde::Serialize;

/// The schema of the report.
pub const SCHEMA: &str = "linecast.sim.v1";

/// The figures of one run. Equal scenarios give equal reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// Seed of the run.
    pub seed: u64,
    /// Hash of every event at every node, in hexadecimal.
    pub trace_hash: String,
    /// Receivers of the scenario.
    pub receivers: u32,
    /// Bytes of the image.
    pub size_bytes: u64,
    /// Source symbols of the image.
    pub source_symbols: u64,
    /// Longest block, in source symbols.
    pub block_symbols: u16,
    /// Blocks of the image.
    pub blocks: u32,
    /// Rate of the push; of one that is searched, the greatest.
    pub rate_bps: u64,
    /// Round trip.
    pub rtt_ms: f64,
    /// Receivers that have the image in place.
    pub completed: u32,
    /// Rules that did not hold, each time counted.
    pub violations: u64,
    /// The first of them.
    pub violation_list: Vec<String>,
    /// Image symbols sent for each source symbol.
    pub expansion: f64,
    /// What an ideal sender would need; see `bound`.
    pub bound_expansion: f64,
    /// Where the bound comes from: `integrated-fec` is the expectation for
    /// these losses, `trace` the least that would have done for the losses
    /// that were drawn.
    pub bound: &'static str,
    /// `(expansion - 1) / (bound_expansion - 1)`; `null` where nothing is lost.
    pub overhead_factor: Option<f64>,
    /// Least expansion for the losses that were drawn.
    pub trace_expansion: f64,
    /// First transmissions of source symbols.
    pub source_sent: u64,
    /// Parity sent with them.
    pub parity_sent: u64,
    /// Symbols sent as repair.
    pub repair_sent: u64,
    /// UDP payload bytes of image symbols.
    pub data_bytes: u64,
    /// Image symbols sent to one receiver alone.
    pub unicast_sent: u64,
    /// Trains that receivers took at once.
    pub trains_taken: u64,
    /// Most members that the sender had.
    pub members: usize,
    /// NACK messages that receivers sent.
    pub nacks_sent: u64,
    /// Rounds in which a request of somebody else's, or the sender's
    /// advertisement, made a NACK unnecessary.
    pub nacks_suppressed: u64,
    /// NACK messages that the sender took.
    pub nacks_heard: u64,
    /// Their UDP payload bytes.
    pub nack_bytes_heard: u64,
    /// Bytes of registrations, status reports and completions that it took.
    pub report_bytes_heard: u64,
    /// NACK bytes at the sender for each data byte.
    pub nack_bytes_per_data_byte: f64,
    /// Bytes that a receiver said, on average, for each data byte.
    pub feedback_bytes_per_data_byte_per_receiver: f64,
    /// Most rounds of repair that one block took.
    pub repair_rounds: u32,
    /// Repair orders of all blocks.
    pub repair_orders: u64,
    /// Sending every source symbol once at the rate.
    pub ideal_send_ms: f64,
    /// From the first image symbol's departure until a receiver had verified
    /// the whole image.
    pub completion_ms: Completion,
    /// The same in round trips.
    pub completion_rtts: Completion,
    /// The same in ideal send times.
    pub completion_send_times: Completion,
    /// Worst depth of every queue that has a bound.
    pub queues: Vec<QueueDepth>,
    /// Packets that sockets dropped.
    pub socket_drops: u64,
    /// Time that was simulated.
    pub simulated_ms: f64,
}

/// Of all receivers that completed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Completion {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// The last.
    pub max: f64,
}

impl Completion {
    /// Of these values, in any order; nobody gives zeros.
    pub(crate) fn of(mut values: Vec<f64>) -> Completion {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = values.len().saturating_sub(1);
            let index = libm::ceil(values.len() as f64 * share) as usize;
            values
                .get(index.saturating_sub(1).min(last))
                .copied()
                .unwrap_or(0.0)
        };
        Completion {
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
        }
    }

    pub(crate) fn scaled(self, unit: f64) -> Completion {
        Completion {
            p50: self.p50 / unit,
            p99: self.p99 / unit,
            max: self.max / unit,
        }
    }
}

/// The most that one queue held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueDepth {
    /// Which queue.
    pub name: &'static str,
    /// Most that it held.
    pub depth: usize,
    /// Most that it may hold.
    pub bound: usize,
}

impl Report {
    /// Sets the bound and the overhead factor.
    pub(crate) fn compare(
        &mut self,
        layout: &linecast_protocol::object::ObjectLayout,
        losses: Option<Vec<(u64, f64)>>,
    ) {
        (self.bound, self.bound_expansion) = match losses {
            Some(groups) => ("integrated-fec", ideal_expansion(layout, &groups)),
            None => ("trace", self.trace_expansion),
        };
        let excess = self.bound_expansion - 1.0;
        self.overhead_factor = (excess > 1e-9).then(|| (self.expansion - 1.0) / excess);
    }

    /// Takes the violations that were seen.
    pub(crate) fn violated(&mut self, count: u64, seen: &[Violation]) {
        self.violations = count;
        self.violation_list = seen.iter().map(Violation::to_string).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let completion = Completion::of((1..=100).map(f64::from).collect());
        assert_eq!(
            (completion.p50, completion.p99, completion.max),
            (50.0, 99.0, 100.0)
        );
        assert_eq!(Completion::of(vec![3.0]).p99, 3.0);
        assert_eq!(Completion::of(Vec::new()), Completion::default());
    }
}
