//! Flags that push and receive share: where the group is.

use super::Failure;
use crate::Interface;
use crate::error::NetError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Organization-local scope (RFC 2365).
const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 192, 76, 67));
/// Transient, organization-local scope (RFC 4291).
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff18, 0, 0, 0, 0, 0, 0x4c, 0x43));

/// Where the group is.
#[derive(Debug, Clone, clap::Args)]
pub struct NetworkArgs {
    /// Interface that reaches the group [default: by the route to it]
    #[arg(long, short, value_name = "NAME")]
    pub interface: Option<String>,
    /// Multicast group [default: 239.192.76.67, or ff18::4c:43 with --ipv6]
    #[arg(long, short, value_name = "ADDRESS")]
    pub group: Option<IpAddr>,
    /// UDP port of the session
    #[arg(long, default_value_t = 7600)]
    pub port: u16,
    /// Use the default IPv6 group
    #[arg(long, conflicts_with = "group")]
    pub ipv6: bool,
}

impl NetworkArgs {
    /// The group and the interface to use.
    pub fn resolve(&self) -> Result<(SocketAddr, Interface), Failure> {
        let group = self
            .group
            .unwrap_or(if self.ipv6 { GROUP_V6 } else { GROUP_V4 });
        if !group.is_multicast() {
            return Err(NetError::NotMulticast(group).into());
        }
        let interface = match &self.interface {
            Some(name) => Interface::by_name(name)?,
            None => Interface::for_group(group)?,
        };
        Ok((SocketAddr::new(group, self.port), interface))
    }
}
