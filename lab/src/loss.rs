//! Loss on a node's ingress, as nftables rules.

use std::fmt::Write;
use std::process::Command;

use crate::config::Loss;
use crate::error::LabError;
use crate::node::Node;
use crate::tools;

/// What the loss rules of a node have counted since the lab came up. Packets
/// that came while the node had no loss are not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossCount {
    /// UDP packets that met the rules.
    pub seen: u64,
    /// Those of them that were dropped.
    pub dropped: u64,
}

/// The call of `nft` that gives the node this loss, and its input. Rules are
/// replaced in one transaction and the counters go on.
pub(crate) fn rules(node: &Node, loss: Loss, index: u32) -> Result<(Command, String), LabError> {
    rules_at(node, node.interface, loss, index)
}

/// The same for any interface of the node: a port of the switch.
pub(crate) fn rules_at(
    node: &Node,
    interface: &str,
    loss: Loss,
    index: u32,
) -> Result<(Command, String), LabError> {
    let mut command = node.command(tools::find("nft")?);
    command.args(["-f", "-"]);
    Ok((command, script(interface, loss, index)))
}

/// Reads the counters back.
pub(crate) fn count(node: &Node) -> Result<LossCount, LabError> {
    let mut command = node.command(tools::find("nft")?);
    command.args(["-j", "list", "counters"]);
    parse_counters(&tools::run(command, "")?)
}

fn script(interface: &str, loss: Loss, index: u32) -> String {
    let mut script = format!(
        "add table {TABLE}\n\
         add counter {TABLE} seen\n\
         add counter {TABLE} dropped\n\
         add chain {TABLE} loss {{ type filter hook ingress device \"{interface}\" priority 0; policy accept; }}\n\
         flush chain {TABLE} loss\n"
    );
    if let Some(condition) = condition(loss, index) {
        // Writing to a String cannot fail.
        let _ = write!(
            script,
            "add rule {TABLE} loss meta l4proto udp counter name seen\n\
             add rule {TABLE} loss meta l4proto udp {condition} counter name dropped drop\n"
        );
    }
    script
}

/// The nft expression that is true for a packet to be dropped; `None` if none
/// is. An empty one is always true.
fn condition(loss: Loss, index: u32) -> Option<String> {
    if loss.is_none() {
        return None;
    }
    Some(match loss {
        Loss::None => return None,
        Loss::Random { fraction } | Loss::Shared { fraction } => {
            let share = share(fraction);
            if share == SHARES {
                String::new()
            } else {
                format!("numgen random mod {SHARES} < {share}")
            }
        }
        Loss::EveryNth(1) => String::new(),
        // The generator starts at 0: the n-th packet is the first to go.
        Loss::EveryNth(n) => format!("numgen inc mod {n} == {}", n - 1),
        Loss::Hash { seed, fraction } => {
            let share = share(fraction);
            let seed = seed ^ index.wrapping_mul(SEED_STEP);
            // The transport header of UDP has 64 bits; 32 bits of payload follow.
            format!("jhash @th,64,32 mod {SHARES} seed 0x{seed:08x} < {share}")
        }
        Loss::Bursts { fraction, packets } => bursts(fraction, packets, index),
    })
}

/// `packets` of so many in a row, from a place that the index chooses.
fn bursts(fraction: f64, packets: u32, index: u32) -> String {
    // Saturates: a distance of four thousand million packets is no loss.
    let distance = (f64::from(packets) / fraction).round() as u32;
    if distance <= packets {
        return String::new();
    }
    let first = index.wrapping_mul(SEED_STEP) % (distance - packets);
    let last = first + packets - 1;
    format!("numgen inc mod {distance} {first}-{last}")
}

/// A fraction in whole shares of [`SHARES`].
fn share(fraction: f64) -> u32 {
    // In range: `Loss::check` has bounded the fraction to 0.0 to 1.0.
    (fraction * f64::from(SHARES)).round() as u32
}

fn parse_counters(answer: &str) -> Result<LossCount, LabError> {
    let unreadable = |reason: String| LabError::Answer {
        tool: "nft -j list counters",
        reason,
    };
    let answer: serde_json::Value =
        serde_json::from_str(answer).map_err(|error| unreadable(error.to_string()))?;
    let items = answer["nftables"]
        .as_array()
        .ok_or_else(|| unreadable("no list of objects".to_owned()))?;
    let mut count = LossCount::default();
    for counter in items.iter().map(|item| &item["counter"]) {
        let packets = counter["packets"].as_u64().unwrap_or(0);
        match counter["name"].as_str() {
            Some("seen") => count.seen = packets,
            Some("dropped") => count.dropped = packets,
            _ => {}
        }
    }
    Ok(count)
}

/// Family and name of the table.
const TABLE: &str = "netdev linecast";

/// Resolution of a loss fraction: one in a million.
const SHARES: u32 = 1_000_000;

/// Spreads consecutive receiver indices over the seeds (2³² divided by the
/// golden ratio). Index 0 keeps the seed as it is.
const SEED_STEP: u32 = 0x9e37_79b9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_say_what_the_loss_says() {
        let random = Loss::percent(5.0);
        assert_eq!(
            condition(random, 3).unwrap(),
            "numgen random mod 1000000 < 50000"
        );
        assert_eq!(
            condition(Loss::EveryNth(10), 0).unwrap(),
            "numgen inc mod 10 == 9"
        );
        assert_eq!(condition(Loss::Random { fraction: 1.0 }, 0).unwrap(), "");
        assert_eq!(condition(Loss::percent(0.0), 0), None);
    }

    #[test]
    fn bursts_make_up_the_fraction_in_phases_of_their_own() {
        let loss = |fraction| Loss::Bursts {
            fraction,
            packets: 16,
        };
        assert_eq!(
            condition(loss(0.01), 0).unwrap(),
            "numgen inc mod 1600 0-15"
        );
        assert_ne!(condition(loss(0.01), 1), condition(loss(0.01), 2));
        assert_eq!(condition(loss(1.0), 0).unwrap(), "");
        assert_eq!(condition(loss(0.0), 0), None);
    }

    #[test]
    fn receivers_hash_with_different_seeds() {
        let loss = Loss::Hash {
            seed: 7,
            fraction: 0.01,
        };
        assert!(
            condition(loss, 0)
                .unwrap()
                .contains("seed 0x00000007 < 10000")
        );
        assert_ne!(condition(loss, 1), condition(loss, 2));
    }

    #[test]
    fn no_loss_leaves_no_rule() {
        assert!(!script("v0", Loss::None, 0).contains("add rule"));
    }

    #[test]
    fn counters_are_read_by_name() {
        let answer = r#"{"nftables": [{"metainfo": {}},
            {"counter": {"name": "seen", "packets": 200, "bytes": 1}},
            {"counter": {"name": "dropped", "packets": 19, "bytes": 1}}]}"#;
        let expected = LossCount {
            seen: 200,
            dropped: 19,
        };
        assert_eq!(parse_counters(answer).unwrap(), expected);
        assert!(parse_counters("nonsense").is_err());
    }
}
