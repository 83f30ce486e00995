//! One namespace of a lab, and what runs in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use crate::error::LabError;
use crate::process::{Process, tie_to_parent};
use crate::sys;

/// A machine of the lab: a network namespace with one interface.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name of the namespace, as `ip netns` shows it.
    pub name: String,
    /// Name of the interface: `v0`, and `br0` for the switch.
    pub interface: &'static str,
    /// The IPv4 address, in 10.77.0.0/16.
    pub address_v4: Ipv4Addr,
    /// The IPv6 address, in fd77::/64; there is a link-local one with the same
    /// last 64 bits. Not configured where [`LabConfig::ipv6`] is off.
    ///
    /// [`LabConfig::ipv6`]: crate::LabConfig::ipv6
    pub address_v6: Ipv6Addr,
    /// The port of the switch that this node hangs on.
    pub port: String,
    namespace: Arc<File>,
}

impl Node {
    pub(crate) fn open(plan: NodePlan) -> Result<Self, LabError> {
        let path = crate::names::namespace_path(&plan.name);
        let namespace = File::open(&path).map_err(LabError::io("open", path.display()))?;
        Ok(Self {
            name: plan.name,
            interface: plan.interface,
            address_v4: plan.address_v4,
            address_v6: plan.address_v6,
            port: plan.port,
            namespace: Arc::new(namespace),
        })
    }

    /// The link-local address.
    pub fn link_local(&self) -> Ipv6Addr {
        link_local(self.address_v6)
    }

    /// A command whose process will run in this namespace, and die with the
    /// thread that starts it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        tie_to_parent(&mut command);
        let namespace = Arc::clone(&self.namespace);
        // SAFETY: the closure runs between fork and exec and makes one
        // async-signal-safe system call on a descriptor that it keeps open;
        // it neither allocates nor locks.
        unsafe {
            command.pre_exec(move || sys::enter_network_namespace(&namespace));
        }
        command
    }

    /// Starts a command made by [`Node::command`]; dropping the handle kills it.
    pub fn spawn(&self, command: &mut Command) -> Result<Process, LabError> {
        Process::start(command)
    }

    /// Runs a function on a thread of its own in this namespace; sockets that
    /// it opens stay here wherever they are used. Panics where `work` panics.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let moved = thread::scope(|scope| {
            scope
                .spawn(|| sys::enter_network_namespace(&self.namespace).map(|()| work()))
                .join()
        });
        match moved {
            Ok(result) => result.map_err(LabError::io("enter", &self.name)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Packets and bytes that crossed the node's interface since it was made.
    /// Loss counts as received: it happens after the interface.
    pub fn traffic(&self) -> Result<Traffic, LabError> {
        self.traffic_of(self.interface)
    }

    /// The same for any interface of the namespace: a port of the switch.
    pub fn traffic_of(&self, interface: &str) -> Result<Traffic, LabError> {
        let table = self
            .enter(|| fs::read_to_string(DEVICE_TABLE))?
            .map_err(LabError::io("read", DEVICE_TABLE))?;
        Traffic::parse(&table, interface).ok_or_else(|| LabError::Answer {
            tool: DEVICE_TABLE,
            reason: format!("no line for {interface}"),
        })
    }
}

/// What a node will be, before its namespace is.
#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) name: String,
    pub(crate) interface: &'static str,
    pub(crate) address_v4: Ipv4Addr,
    pub(crate) address_v6: Ipv6Addr,
    pub(crate) port: String,
}

/// The address with the same last 64 bits in fe80::/64.
pub(crate) fn link_local(address: Ipv6Addr) -> Ipv6Addr {
    let low = u128::from(address) & u128::from(u64::MAX);
    Ipv6Addr::from((0xfe80_u128 << 112) | low)
}

/// Counters of an interface. A GSO train that was not cut counts as one
/// packet, and its bytes as if it had one header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub received_packets: u64,
    pub received_bytes: u64,
    pub sent_packets: u64,
    pub sent_bytes: u64,
}

impl Traffic {
    /// Reads the columns of proc_pid_net(5)'s `dev`: bytes and packets come
    /// first and second in each half, and a half has eight columns.
    fn parse(table: &str, interface: &str) -> Option<Self> {
        let columns = table.lines().find_map(|line| {
            let (name, columns) = line.split_once(':')?;
            (name.trim() == interface).then_some(columns)
        })?;
        let counts: Vec<u64> = columns
            .split_whitespace()
            .map_while(|count| count.parse().ok())
            .collect();
        Some(Self {
            received_bytes: *counts.first()?,
            received_packets: *counts.get(1)?,
            sent_bytes: *counts.get(8)?,
            sent_packets: *counts.get(9)?,
        })
    }
}

/// Shows the devices of the calling thread's namespace.
const DEVICE_TABLE: &str = "/proc/thread-self/net/dev";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_read_by_interface() {
        let table = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n    v0: 100 7 0 0 0 0 0 5 200 9 0 0 0 0 0 0\n";
        let expected = Traffic {
            received_packets: 7,
            received_bytes: 100,
            sent_packets: 9,
            sent_bytes: 200,
        };
        assert_eq!(Traffic::parse(table, "v0"), Some(expected));
        assert_eq!(Traffic::parse(table, "v1"), None);
    }

    #[test]
    fn link_local_keeps_the_interface_part() {
        let global: Ipv6Addr = "fd77::1:5".parse().unwrap();
        assert_eq!(link_local(global), "fe80::1:5".parse::<Ipv6Addr>().unwrap());
    }
}
