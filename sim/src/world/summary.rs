//! What a run is summed up as.

use super::World;
use crate::receiver::ReceiverNode;
use crate::report::{Completion, QueueDepth, Report, SCHEMA};
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::pacer::l2_bytes;
use linecast_protocol::wire::DATA_HEADER_BYTES;

impl World<'_> {
    pub(super) fn report(&self) -> Report {
        let layout = self.sender.objects.shape.image;
        let symbols = layout.symbols();
        let totals = self.sender.lanes.totals;
        let sent = totals.source + totals.parity + totals.repair;
        let ratio = |sent: u64| {
            if symbols == 0 {
                1.0
            } else {
                sent as f64 / symbols as f64
            }
        };
        let start = self.sender.data_started.unwrap_or(0);
        let times = self.receivers.iter().filter_map(|node| node.verified_at);
        let times = times
            .map(|at| at.saturating_sub(start) as f64 / 1e6)
            .collect();
        let completion_ms = Completion::of(times);
        let wire = l2_bytes(DATA_HEADER_BYTES, false) as u64 * symbols + layout.size();
        let ideal_send_ms = wire as f64 * 8e3 / self.scenario.push.rate.most_bps() as f64;
        let rtt_ms = self.scenario.rtt.as_secs_f64() * 1e3;
        let sum = |each: fn(&ReceiverNode) -> u64| self.receivers.iter().map(each).sum::<u64>();
        let per_byte = |bytes: u64| bytes as f64 / (totals.data_bytes.max(1)) as f64;
        let said = sum(|node| node.counts.bytes) / u64::from(self.scenario.receivers);
        let rounds = self
            .sender
            .rounds
            .iter()
            .filter(|((toi, _), _)| *toi == IMAGE_TOI);
        let mut report = Report {
            schema: SCHEMA,
            seed: self.scenario.seed,
            trace_hash: self.trace_hash(),
            receivers: self.scenario.receivers,
            size_bytes: layout.size(),
            source_symbols: symbols,
            block_symbols: self.scenario.block_symbols,
            blocks: layout.blocks(),
            rate_bps: self.scenario.push.rate.most_bps(),
            rtt_ms,
            completed: sum(|node| node.installed_at.is_some().into()) as u32,
            violations: 0,
            violation_list: Vec::new(),
            expansion: ratio(sent),
            bound_expansion: 1.0,
            bound: "",
            overhead_factor: None,
            trace_expansion: ratio(self.least_symbols()),
            source_sent: totals.source,
            parity_sent: totals.parity,
            repair_sent: totals.repair,
            data_bytes: totals.data_bytes,
            unicast_sent: totals.unicast,
            trains_taken: sum(|node| node.counts.trains),
            members: self.sender.members_max,
            nacks_sent: sum(|node| node.counts.nacks_sent),
            nacks_suppressed: sum(|node| node.counts.nacks_suppressed),
            nacks_heard: self.sender.heard.nacks,
            nack_bytes_heard: self.sender.heard.nack_bytes,
            report_bytes_heard: self.sender.heard.other_bytes,
            nack_bytes_per_data_byte: per_byte(self.sender.heard.nack_bytes),
            feedback_bytes_per_data_byte_per_receiver: per_byte(said),
            repair_rounds: rounds.map(|(_, &rounds)| rounds).max().unwrap_or(0),
            repair_orders: self.sender.repair_orders,
            ideal_send_ms,
            completion_ms,
            completion_rtts: completion_ms.scaled(rtt_ms),
            completion_send_times: completion_ms.scaled(ideal_send_ms.max(1e-9)),
            queues: self.queue_depths(),
            socket_drops: sum(|node| node.socket_drops()),
            simulated_ms: self.now as f64 / 1e6,
        };
        report.compare(&layout, self.scenario.independent_losses());
        report.violated(self.checker.count, &self.checker.violations);
        report
    }

    fn queue_depths(&self) -> Vec<QueueDepth> {
        let mut depths: Vec<QueueDepth> = self.checker.depths.values().cloned().collect();
        let sockets = self.receivers.iter().map(ReceiverNode::socket_depth);
        if let Some((depth, bound)) = sockets.max_by_key(|&(depth, _)| depth) {
            depths.push(QueueDepth {
                name: "packets in a socket",
                depth,
                bound,
            });
        }
        let link = self.trunk.bottleneck.as_ref();
        if let (Some(bottleneck), Some(link)) = (self.scenario.network.bottleneck, link) {
            depths.push(QueueDepth {
                name: "bytes before the bottleneck",
                depth: link.queue_bytes_max as usize,
                bound: bottleneck.queue_bytes as usize,
            });
        }
        depths
    }

    /// The least that would have done for the losses that were drawn: of each
    /// block, the symbols that were sent until the last receiver had enough.
    fn least_symbols(&self) -> u64 {
        let layout = self.sender.objects.shape.image;
        let of_block = |sbn: u32| {
            let after = self
                .receivers
                .iter()
                .map(|node| node.whole_after[sbn as usize]);
            after.max().unwrap_or(0).max(layout.block_len(sbn).into())
        };
        (0..layout.blocks())
            .map(|sbn| u64::from(of_block(sbn)))
            .sum()
    }

    fn trace_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.sender.trace.value().to_be_bytes());
        for node in &self.receivers {
            hasher.update(&node.trace.value().to_be_bytes());
        }
        hasher.update(&self.now.to_be_bytes());
        hasher.finalize().to_hex()[..32].to_string()
    }
}
