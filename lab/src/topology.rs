//! The lab: a switch, a sender and receivers, up in a few calls of `ip`.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;

use crate::clean::{self, CleanReport, Registration};
use crate::config::{CutTrains, LabConfig, Loss, RateCap, RateCount, Snooping};
use crate::error::LabError;
use crate::loss::{self, LossCount};
use crate::names::{DEFAULT_PREFIX, Owner};
use crate::node::{Node, NodePlan, link_local};
use crate::tools;

/// A running lab. Dropping it kills what runs in it and removes it.
#[derive(Debug)]
pub struct Lab {
    nodes: Nodes,
    config: LabConfig,
    _registration: Registration,
}

impl Lab {
    /// Builds a lab. Root, or after
    /// [`enter_unprivileged_if_needed`](crate::enter_unprivileged_if_needed).
    pub fn up(config: LabConfig) -> Result<Self, LabError> {
        config.check()?;
        tools::require(&["ip"])?;
        if !config.loss.is_none() || !config.feedback_loss.is_none() {
            tools::require(&["nft", "ethtool"])?;
        }
        let owner = Owner::new(&config.prefix);
        let (registration, nodes) = Registration::build(owner, |owner| build(owner, &config))?;
        Ok(Self {
            nodes,
            config,
            _registration: registration,
        })
    }

    /// The sender's machine.
    pub fn sender(&self) -> &Node {
        &self.nodes.sender
    }

    /// A receiver's machine. Panics where `index` is not below
    /// [`LabConfig::receivers`].
    pub fn receiver(&self, index: usize) -> &Node {
        &self.nodes.receivers[index]
    }

    /// All receivers, in order.
    pub fn receivers(&self) -> &[Node] {
        &self.nodes.receivers
    }

    /// The switch: interface `br0`, ports in [`Node::port`] of the others.
    pub fn switch(&self) -> &Node {
        &self.nodes.switch
    }

    /// What the lab was built from. Later changes of loss are not in it.
    pub fn config(&self) -> &LabConfig {
        &self.config
    }

    /// Changes a receiver's loss now; trains are cut where it needs that. Loss
    /// that is shared stays as it was built.
    pub fn set_loss(&self, receiver: usize, loss: Loss) -> Result<(), LabError> {
        let cut = self.config.cut_trains == CutTrains::Always;
        self.apply_loss(self.receiver(receiver), loss, hash_index(receiver), cut)
    }

    /// Changes the loss on the way to the sender now.
    pub fn set_feedback_loss(&self, loss: Loss) -> Result<(), LabError> {
        self.apply_loss(self.sender(), loss, FEEDBACK_HASH_INDEX, false)
    }

    /// What a receiver's loss rules have counted; loss that is shared counts
    /// for each of them.
    pub fn loss_count(&self, receiver: usize) -> Result<LossCount, LabError> {
        match self.config.loss {
            Loss::Shared { .. } => loss::count(&self.nodes.switch),
            _ => loss::count(self.receiver(receiver)),
        }
    }

    /// What the sender's loss rules have counted.
    pub fn feedback_loss_count(&self) -> Result<LossCount, LabError> {
        loss::count(self.sender())
    }

    /// Packets of any kind that reached a receiver's interface, before loss.
    pub fn packets_received(&self, receiver: usize) -> Result<u64, LabError> {
        Ok(self.receiver(receiver).traffic()?.received_packets)
    }

    /// Packets of any kind that the sender's interface sent.
    pub fn packets_sent(&self) -> Result<u64, LabError> {
        Ok(self.sender().traffic()?.sent_packets)
    }

    /// Cuts GSO trains in front of a node, or lets them pass whole.
    pub fn cut_trains(&self, node: &Node, cut: bool) -> Result<(), LabError> {
        tools::run(segmentation(&self.nodes.switch, node, !cut)?, "").map(drop)
    }

    /// Caps what the switch sends to a node (tbf), or lifts the cap.
    pub fn set_rate(&self, node: &Node, cap: Option<RateCap>) -> Result<(), LabError> {
        let (command, input) = shaping(&self.nodes.switch, [node], cap)?;
        tools::run(command, &input).map(drop)
    }

    /// Packets that a node's rate cap has let through, and those that found its
    /// queue full.
    pub fn rate_count(&self, node: &Node) -> Result<RateCount, LabError> {
        let mut command = Command::new(tools::find("tc")?);
        let namespace = &self.nodes.switch.name;
        command.args([
            "-n", namespace, "-s", "-j", "qdisc", "show", "dev", &node.port,
        ]);
        parse_rate_count(&tools::run(command, "")?)
    }

    /// Takes a node's cable out, or puts it back.
    pub fn set_link(&self, node: &Node, up: bool) -> Result<(), LabError> {
        let state = if up { "up" } else { "down" };
        let input = format!("link set {} {state}\n", node.port);
        tools::run(tools::ip_batch(Some(&self.nodes.switch.name))?, &input).map(drop)
    }

    /// Makes the switch forget where a node is, and never learn it: what is sent
    /// to it goes to every port, as where a table of addresses has overflowed.
    pub fn flood(&self, node: &Node) -> Result<(), LabError> {
        let port = &node.port;
        let input = format!(
            "link set {port} type bridge_slave learning off\n\
             link set {port} type bridge_slave fdb_flush\n"
        );
        tools::run(tools::ip_batch(Some(&self.nodes.switch.name))?, &input).map(drop)
    }

    /// Lets a node take packets that are not addressed to it.
    pub fn hear_all(&self, node: &Node) -> Result<(), LabError> {
        let input = format!("link set {} promisc on\n", node.interface);
        tools::run(tools::ip_batch(Some(&node.name))?, &input).map(drop)
    }

    /// [`clean_stale`](crate::clean_stale) with the prefix that labs have
    /// unless told otherwise.
    pub fn clean_stale() -> Result<CleanReport, LabError> {
        clean::clean_stale(DEFAULT_PREFIX)
    }

    fn apply_loss(&self, node: &Node, loss: Loss, index: u32, cut: bool) -> Result<(), LabError> {
        loss.check_alone()?;
        // Cut before the loss begins, stop cutting after it has ended.
        if !loss.is_none() {
            self.cut_trains(node, true)?;
        }
        let (command, input) = loss::rules(node, loss, index)?;
        tools::run(command, &input)?;
        if loss.is_none() && !cut {
            self.cut_trains(node, false)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Nodes {
    switch: Node,
    sender: Node,
    receivers: Vec<Node>,
}

/// Namespaces, then bridge and cables, then addresses, then loss and caps: each
/// step is one program, or one a node, side by side.
fn build(owner: &Owner, config: &LabConfig) -> Result<Nodes, LabError> {
    let plans = plans(owner, config.receivers);
    let names: String = plans
        .iter()
        .map(|plan| format!("netns add {}\n", plan.name))
        .collect();
    tools::run(tools::ip_batch(None)?, &names)?;

    let (switch, machines) = plans.split_first().expect("the switch is always planned");
    let cables = switch_batch(config, switch, machines);
    tools::run(tools::ip_batch(Some(&switch.name))?, &cables)?;

    let calls: Result<Vec<_>, LabError> = machines
        .iter()
        .map(|plan| {
            Ok((
                tools::ip_batch(Some(&plan.name))?,
                machine_batch(config, plan),
            ))
        })
        .collect();
    tools::run_all(calls?)?;

    let mut nodes = plans.into_iter().map(Node::open);
    let mut next = || nodes.next().expect("switch and sender are always planned");
    let (switch, sender) = (next()?, next()?);
    let receivers = nodes.collect::<Result<Vec<_>, _>>()?;
    let nodes = Nodes {
        switch,
        sender,
        receivers,
    };
    bypass_netfilter(&nodes.switch)?;
    impair(config, &nodes)?;
    Ok(nodes)
}

/// Keeps the switch's packets from the host's firewall: a switch has none, and
/// where the kernel has `br_netfilter` loaded, for containers, they would pass it
/// as if they were routed (kernel: net/bridge/br_netfilter_hooks.c).
fn bypass_netfilter(switch: &Node) -> Result<(), LabError> {
    let settings = ["iptables", "ip6tables", "arptables"]
        .map(|family| format!("/proc/sys/net/bridge/bridge-nf-call-{family}"));
    for setting in settings.iter().filter(|path| Path::new(path).exists()) {
        let mut command = switch.command(tools::find("tee")?);
        command.arg(setting);
        tools::run(command, "0")?;
    }
    Ok(())
}

/// The switch, the sender and the receivers, in this order.
fn plans(owner: &Owner, receivers: usize) -> Vec<NodePlan> {
    let plan = |role: &str, interface, v4, low| NodePlan {
        name: owner.name(role),
        interface,
        address_v4: v4,
        address_v6: Ipv6Addr::from((0xfd77_u128 << 112) | low),
        // Not the bare role: `ip` takes `tx` for `txqueuelen`.
        port: format!("p-{role}"),
    };
    let mut plans = vec![
        plan("sw", "br0", Ipv4Addr::new(10, 77, 255, 254), 0xffff),
        plan("tx", "v0", Ipv4Addr::new(10, 77, 0, 1), 1),
    ];
    // 1 to 250: `LabConfig::check` has bounded the number of receivers.
    for host in (1..=u8::MAX).take(receivers) {
        plans.push(plan(
            &format!("rx{}", host - 1),
            "v0",
            Ipv4Addr::new(10, 77, 1, host),
            0x1_0000 | u128::from(host),
        ));
    }
    plans
}

fn switch_batch(config: &LabConfig, switch: &NodePlan, machines: &[NodePlan]) -> String {
    let mtu = config.mtu;
    // A bridge floods until a querier has been there for one response interval
    // (kernel: net/bridge/br_multicast.c, delay_time): 100 ms instead of 10 s.
    let snooping = match config.snooping {
        Snooping::Querier => {
            "mcast_snooping 1 mcast_query_response_interval 10 mcast_igmp_version 3 mcast_mld_version 2"
        }
        Snooping::Off => "mcast_snooping 0",
    };
    let mut batch = format!(
        "link add br0 mtu {mtu} type bridge forward_delay 0 stp_state 0 {snooping}\n\
         link set br0 addrgenmode none\n"
    );
    // An MLD querier needs a link-local address, whatever the nodes have.
    address_lines(&mut batch, "br0", switch, true);
    batch.push_str("link set lo up\nlink set br0 up\n");
    if config.snooping == Snooping::Querier {
        batch.push_str("link set br0 type bridge mcast_querier 1\n");
    }
    for NodePlan { name, port, .. } in machines {
        let _ = write!(
            batch,
            "link add {port} mtu {mtu} type veth peer name v0 netns {name}\n\
             link set {port} addrgenmode none master br0 up\n"
        );
    }
    batch
}

fn machine_batch(config: &LabConfig, plan: &NodePlan) -> String {
    let interface = plan.interface;
    // No generated address: it would be tentative for a second or two.
    let mut batch = format!(
        "link set lo up\nlink set {interface} mtu {} addrgenmode none up\n",
        config.mtu
    );
    address_lines(&mut batch, interface, plan, config.ipv6);
    // For IPv6 the kernel itself adds ff00::/8 to table local.
    let _ = writeln!(batch, "route add 224.0.0.0/4 dev {interface}");
    batch
}

fn address_lines(batch: &mut String, interface: &str, plan: &NodePlan, ipv6: bool) {
    let (v4, v6) = (plan.address_v4, plan.address_v6);
    let _ = writeln!(batch, "addr add {v4}/16 broadcast + dev {interface}");
    if ipv6 {
        let _ = write!(
            batch,
            "addr add {v6}/64 dev {interface} nodad\n\
             addr add {}/64 dev {interface} nodad\n",
            link_local(v6)
        );
    }
}

/// Loss, cutting and caps that the configuration asks for.
fn impair(config: &LabConfig, nodes: &Nodes) -> Result<(), LabError> {
    let mut calls = Vec::new();
    let own = match config.loss {
        Loss::Shared { .. } => Loss::None,
        loss => loss,
    };
    for (index, node) in nodes.receivers.iter().enumerate() {
        if !own.is_none() || config.cut_trains == CutTrains::Always {
            calls.push((segmentation(&nodes.switch, node, false)?, String::new()));
        }
        if !own.is_none() {
            calls.push(loss::rules(node, own, hash_index(index))?);
        }
    }
    if let Loss::Shared { .. } = config.loss {
        calls.extend(share_loss(config.loss, nodes)?);
    }
    if !config.feedback_loss.is_none() {
        calls.push((
            segmentation(&nodes.switch, &nodes.sender, false)?,
            String::new(),
        ));
        calls.push(loss::rules(
            &nodes.sender,
            config.feedback_loss,
            FEEDBACK_HASH_INDEX,
        )?);
    }
    if config.receiver_rate.is_some() {
        calls.push(shaping(
            &nodes.switch,
            &nodes.receivers,
            config.receiver_rate,
        )?);
    }
    tools::run_all(calls)
}

/// Loss where the sender's packets enter the switch; trains are cut before that,
/// by the sender's own kernel.
fn share_loss(loss: Loss, nodes: &Nodes) -> Result<[(Command, String); 2], LabError> {
    let sender = &nodes.sender;
    let mut cut = sender.command(tools::find("ethtool")?);
    cut.args(["-K", sender.interface, "tx-udp-segmentation", "off"]);
    let rules = loss::rules_at(&nodes.switch, &sender.port, loss, 0)?;
    Ok([(cut, String::new()), rules])
}

/// Whether trains may leave the switch whole towards this node.
fn segmentation(switch: &Node, node: &Node, whole: bool) -> Result<Command, LabError> {
    let mut command = switch.command(tools::find("ethtool")?);
    let state = if whole { "on" } else { "off" };
    command.args(["-K", &node.port, "tx-udp-segmentation", state]);
    Ok(command)
}

fn shaping<'a>(
    switch: &Node,
    nodes: impl IntoIterator<Item = &'a Node>,
    cap: Option<RateCap>,
) -> Result<(Command, String), LabError> {
    let mut command = Command::new(tools::find("tc")?);
    command.args(["-n", &switch.name, "-batch", "-"]);
    let lines = nodes.into_iter().map(|node| match cap {
        Some(cap) => format!(
            "qdisc replace dev {} root tbf rate {}bit burst {} limit {}\n",
            node.port, cap.rate_bps, cap.burst_bytes, cap.queue_bytes
        ),
        None => format!("qdisc del dev {} root\n", node.port),
    });
    Ok((command, lines.collect()))
}

fn parse_rate_count(answer: &str) -> Result<RateCount, LabError> {
    let unreadable = |reason: String| LabError::Answer { tool: "tc", reason };
    let disciplines: serde_json::Value =
        serde_json::from_str(answer).map_err(|error| unreadable(error.to_string()))?;
    let disciplines = disciplines.as_array().map_or(&[][..], Vec::as_slice);
    let tbf = disciplines.iter().find(|one| one["kind"] == "tbf");
    let count = |field: &str| tbf.and_then(|tbf| tbf[field].as_u64());
    match (count("packets"), count("drops")) {
        (Some(passed), Some(dropped)) => Ok(RateCount { passed, dropped }),
        _ => Err(unreadable("no tbf with counters".to_owned())),
    }
}

/// What a receiver's hash seed is mixed with.
fn hash_index(receiver: usize) -> u32 {
    // Below 250: `LabConfig::check` has bounded the number of receivers.
    receiver as u32
}

/// Differs from every receiver's.
const FEEDBACK_HASH_INDEX: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_its_own_addresses() {
        let plans = plans(&Owner::new("linecast"), 250);
        assert_eq!(plans.len(), 252);
        for (index, plan) in plans.iter().enumerate() {
            for other in &plans[index + 1..] {
                assert_ne!(plan.address_v4, other.address_v4);
                assert_ne!(plan.address_v6, other.address_v6);
                assert_ne!(plan.name, other.name);
            }
        }
    }

    #[test]
    fn counters_of_a_cap_are_read() {
        let answer = r#"[{"kind":"noqueue"},{"kind":"tbf","bytes":9,"packets":5,"drops":2}]"#;
        let count = parse_rate_count(answer).unwrap();
        assert_eq!((count.passed, count.dropped), (5, 2));
        assert!(parse_rate_count("[]").is_err());
    }

    #[test]
    fn an_impossible_lab_is_refused() {
        for config in [
            LabConfig {
                receivers: 251,
                ..LabConfig::default()
            },
            LabConfig {
                mtu: 1279,
                ..LabConfig::default()
            },
            LabConfig {
                prefix: "a-b".to_owned(),
                ..LabConfig::default()
            },
            LabConfig {
                loss: Loss::Random { fraction: 1.5 },
                ..LabConfig::default()
            },
            LabConfig {
                loss: Loss::EveryNth(0),
                ..LabConfig::default()
            },
        ] {
            assert!(matches!(Lab::up(config), Err(LabError::Config { .. })));
        }
    }
}
