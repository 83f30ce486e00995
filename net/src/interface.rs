//! Network interfaces: by name, or by the route to a group.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::error::{Context, Family, NetError};
use crate::sockopt;

/// What linecast needs to know of one network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name in this network namespace.
    pub name: String,
    /// The kernel's number for it; never 0.
    pub index: u32,
    /// The largest IP packet it takes, in bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Marked as able to do multicast. Loopback usually is not.
    pub multicast: bool,
    /// The first IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// The first IPv6 address that is not link-local, or else the link-local one.
    pub v6: Option<Ipv6Addr>,
    /// The link-local IPv6 address.
    pub v6_link_local: Option<Ipv6Addr>,
    /// The link's speed in Mbit/s, where the driver tells one.
    pub speed_mbit: Option<u32>,
    /// The hardware address, of a link that has one of 6 bytes.
    pub hardware: Option<[u8; 6]>,
}

impl Interface {
    /// Every interface of this network namespace, in the kernel's order.
    pub fn all() -> Result<Vec<Interface>, NetError> {
        let mut found: Vec<Interface> = Vec::new();
        for entry in AddressList::new()
            .context("getifaddrs", "this namespace")?
            .entries()
        {
            let position = match found.iter().position(|i| i.name == entry.name) {
                Some(position) => position,
                None => {
                    // It may have gone since the list was made: then skip it.
                    let Ok(interface) = describe(&entry.name, entry.flags) else {
                        continue;
                    };
                    found.push(interface);
                    found.len() - 1
                }
            };
            if let Some(address) = entry.address {
                found[position].add(address);
            }
            if entry.hardware.is_some() {
                found[position].hardware = entry.hardware;
            }
        }
        Ok(found)
    }

    /// The interface of this name, up or not.
    pub fn by_name(name: &str) -> Result<Interface, NetError> {
        Interface::all()?
            .into_iter()
            .find(|interface| interface.name == name)
            .ok_or_else(|| NetError::Unknown(name.to_owned()))
    }

    /// The interface that the routing table gives for a group.
    ///
    /// Every IPv6 interface has a route to every IPv6 group, so the kernel's
    /// choice among several is arbitrary, and for link-local scope (`ff12::`)
    /// it refuses to choose. Where it does, the only interface that is up, has
    /// IPv6 and can do multicast is taken, if there is just one.
    pub fn for_group(group: IpAddr) -> Result<Interface, NetError> {
        require_multicast(group)?;
        let local = match routed_source(group) {
            Ok(local) => local,
            Err(error) if is_unroutable(&error) && group.is_ipv6() => {
                return only_v6_interface(group);
            }
            Err(error) if is_unroutable(&error) => return Err(NetError::NoRoute(group)),
            Err(error) => return Err(error).context("route lookup", group),
        };
        Interface::all()?
            .into_iter()
            .find(|interface| interface.has(local))
            .ok_or(NetError::NoRoute(group))
    }

    /// The local address to send to a group from, or to be reached at.
    ///
    /// For an IPv6 group of link-local scope it is the link-local address;
    /// for wider scopes an address that is valid further, where there is one.
    pub fn address_for(&self, group: IpAddr) -> Result<IpAddr, NetError> {
        self.require_up()?;
        let address = match group {
            IpAddr::V4(_) => self.v4.map(IpAddr::V4),
            IpAddr::V6(group) if is_link_scope(group) => {
                self.v6_link_local.or(self.v6).map(IpAddr::V6)
            }
            IpAddr::V6(_) => self.v6.map(IpAddr::V6),
        };
        address.ok_or_else(|| NetError::NoAddress {
            name: self.name.clone(),
            family: Family::of(group),
        })
    }

    /// An address of this interface with its port and, for link-local IPv6,
    /// its scope.
    pub(crate) fn scoped(&self, address: IpAddr, port: u16) -> SocketAddr {
        let mut scoped = SocketAddr::new(address, port);
        if let SocketAddr::V6(v6) = &mut scoped {
            let ip = *v6.ip();
            if ip.is_unicast_link_local() || ip.is_multicast() {
                v6.set_scope_id(self.index);
            }
        }
        scoped
    }

    /// Fails where the interface is down.
    pub(crate) fn require_up(&self) -> Result<(), NetError> {
        if self.up {
            Ok(())
        } else {
            Err(NetError::Down(self.name.clone()))
        }
    }

    fn add(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => {
                self.v4.get_or_insert(v4);
            }
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                self.v6_link_local.get_or_insert(v6);
                self.v6.get_or_insert(v6);
            }
            IpAddr::V6(v6) => {
                if self.v6.is_none_or(|old| old.is_unicast_link_local()) {
                    self.v6 = Some(v6);
                }
            }
        }
    }

    /// Whether a local address, as the kernel gave it, is this interface's.
    fn has(&self, local: SocketAddr) -> bool {
        match local {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => v6.scope_id() == self.index,
            _ => interface_addresses(&self.name).contains(&local.ip()),
        }
    }
}

/// Fails where an address is not a multicast group.
pub(crate) fn require_multicast(group: IpAddr) -> Result<(), NetError> {
    if group.is_multicast() {
        Ok(())
    } else {
        Err(NetError::NotMulticast(group))
    }
}

fn is_link_scope(group: Ipv6Addr) -> bool {
    group.segments()[0] & 0x000f <= 2
}

fn is_unroutable(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::EADDRNOTAVAIL
                | libc::ENODEV
                | libc::EINVAL
        )
    )
}

/// Connecting a UDP socket sends nothing, but chooses route and source.
fn routed_source(group: IpAddr) -> io::Result<SocketAddr> {
    const DISCARD_PORT: u16 = 9;
    let any: IpAddr = match group {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((group, DISCARD_PORT))?;
    socket.local_addr()
}

fn only_v6_interface(group: IpAddr) -> Result<Interface, NetError> {
    let mut candidates = Interface::all()?
        .into_iter()
        .filter(|i| i.up && i.multicast && i.v6.is_some() && i.name != "lo");
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(NetError::NoRoute(group)),
    }
}

fn describe(name: &str, flags: libc::c_uint) -> io::Result<Interface> {
    let index = sockopt::interface_index(name)?;
    let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .or_else(|_| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)))?;
    Ok(Interface {
        name: name.to_owned(),
        index,
        mtu: sockopt::interface_mtu(&any, name)?,
        up: flags & libc::IFF_UP as libc::c_uint != 0,
        multicast: flags & libc::IFF_MULTICAST as libc::c_uint != 0,
        v4: None,
        v6: None,
        v6_link_local: None,
        speed_mbit: speed_mbit(name, index),
        hardware: None,
    })
}

/// sysfs shows the namespace in which it was mounted, so the index is compared
/// before the speed is believed. Drivers write -1 where they do not know.
fn speed_mbit(name: &str, index: u32) -> Option<u32> {
    let read = |file: &str| fs::read_to_string(format!("/sys/class/net/{name}/{file}")).ok();
    if read("ifindex")?.trim().parse() != Ok(index) {
        return None;
    }
    read("speed")?
        .trim()
        .parse()
        .ok()
        .filter(|speed| *speed > 0)
}

fn interface_addresses(name: &str) -> Vec<IpAddr> {
    AddressList::new().map_or_else(
        |_| Vec::new(),
        |list| {
            list.entries()
                .filter(|entry| entry.name == name)
                .filter_map(|entry| entry.address)
                .collect()
        },
    )
}

struct Entry {
    name: String,
    flags: libc::c_uint,
    address: Option<IpAddr>,
    hardware: Option<[u8; 6]>,
}

/// The list of getifaddrs(3), freed on drop.
struct AddressList {
    first: *mut libc::ifaddrs,
}

impl AddressList {
    fn new() -> io::Result<AddressList> {
        let mut first = std::ptr::null_mut();
        // SAFETY: `first` is a live, writable pointer; the list written there
        // is freed once, by `drop`.
        let result = unsafe { libc::getifaddrs(&mut first) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(AddressList { first })
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut next = self.first;
        std::iter::from_fn(move || {
            // SAFETY: `next` is null or a node of the list, which lives as
            // long as `self`; the C library initialised every node.
            let node = unsafe { next.as_ref() }?;
            next = node.ifa_next;
            // SAFETY: `ifa_name` is a NUL-terminated string inside the list.
            let name = unsafe { CStr::from_ptr(node.ifa_name) };
            Some(Entry {
                name: name.to_string_lossy().into_owned(),
                flags: node.ifa_flags,
                address: ip_address(node.ifa_addr),
                hardware: hardware_address(node.ifa_addr),
            })
        })
    }
}

impl Drop for AddressList {
    fn drop(&mut self) {
        // SAFETY: `first` came from getifaddrs and is freed only here; nothing
        // borrowed from the list outlives `self`.
        unsafe { libc::freeifaddrs(self.first) };
    }
}

/// The IP address of a node of getifaddrs; `address` must come from a live list.
fn ip_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null, and the C library gives every address at least the
    // family field; the caller keeps the list alive.
    let family = unsafe { (*address).sa_family };
    match libc::c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a whole sockaddr_in; the C
            // library aligns its nodes for every address type.
            let v4 = unsafe { *address.cast::<libc::sockaddr_in>() };
            Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { *address.cast::<libc::sockaddr_in6>() };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// The hardware address of a node of getifaddrs, if it is one of 6 bytes that is
/// not zero; `address` must come from a live list.
fn hardware_address(address: *const libc::sockaddr) -> Option<[u8; 6]> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null, and the C library gives every address at least the
    // family field; the caller keeps the list alive.
    let family = unsafe { (*address).sa_family };
    if libc::c_int::from(family) != libc::AF_PACKET {
        return None;
    }
    // SAFETY: the family says that this is a whole sockaddr_ll; the C library
    // aligns its nodes for every address type.
    let link = unsafe { *address.cast::<libc::sockaddr_ll>() };
    let hardware = link.sll_addr.first_chunk::<6>().copied()?;
    (link.sll_halen == 6 && hardware != [0; 6]).then_some(hardware)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_by_name() {
        let lo = Interface::by_name("lo").expect("lo exists everywhere");
        assert!(lo.index > 0 && lo.mtu >= 1280);
        assert_eq!(lo.v4, Some(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn unknown_name_is_named() {
        let error = Interface::by_name("linecast-none0").expect_err("no such interface");
        assert!(error.to_string().contains("linecast-none0"));
    }

    #[test]
    fn unicast_is_not_a_group() {
        let error = Interface::for_group(Ipv4Addr::LOCALHOST.into());
        assert!(matches!(error, Err(NetError::NotMulticast(_))));
    }

    #[test]
    fn link_local_address_serves_link_scope_only_by_choice() {
        let mut interface = Interface {
            name: "eth7".into(),
            index: 7,
            mtu: 1500,
            up: true,
            multicast: true,
            v4: None,
            v6: None,
            v6_link_local: None,
            speed_mbit: None,
            hardware: None,
        };
        let near: Ipv6Addr = "fe80::7".parse().expect("literal");
        let far: Ipv6Addr = "2001:db8::7".parse().expect("literal");
        interface.add(near.into());
        let link = "ff12::1".parse().expect("literal");
        let site = "ff15::1".parse().expect("literal");
        assert_eq!(interface.address_for(site).ok(), Some(near.into()));
        interface.add(far.into());
        assert_eq!(interface.address_for(site).ok(), Some(far.into()));
        assert_eq!(interface.address_for(link).ok(), Some(near.into()));
        assert!(matches!(
            interface.address_for("239.1.1.1".parse().expect("literal")),
            Err(NetError::NoAddress {
                family: Family::V4,
                ..
            })
        ));
        interface.up = false;
        assert!(matches!(
            interface.address_for(link),
            Err(NetError::Down(_))
        ));
    }
}
