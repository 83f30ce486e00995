//! What can go wrong between a name on the command line and an open socket.

use std::io;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

/// Whom an error concerns; the command line has an exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetErrorKind {
    /// The user asked for something that does not exist or makes no sense.
    Usage,
    /// The request is sound, but this machine has no path for it now.
    Path,
    /// The kernel refused an operation that should have worked.
    Internal,
}

/// An address family, as error messages write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// Why an interface or a socket could not be used.
#[derive(Debug, Error)]
pub enum NetError {
    /// No interface of this name in this network namespace.
    #[error("no interface is named {0:?}")]
    Unknown(String),
    /// The interface exists but is administratively down.
    #[error("interface {0} is down")]
    Down(String),
    /// The interface has no address of the group's family.
    #[error("interface {name} has no {family} address")]
    NoAddress {
        /// The interface.
        name: String,
        /// The family that is missing.
        family: Family,
    },
    /// The routing table has nothing for the group, and no interface was named.
    #[error("no route to {0}: add a multicast or default route, or name the interface")]
    NoRoute(IpAddr),
    /// The address given as a group is not a multicast address.
    #[error("{0} is not a multicast address")]
    NotMulticast(IpAddr),
    /// Source and group of a source-specific join are of different families.
    #[error("source {source_address} and group {group} are of different families")]
    MixedFamilies {
        /// The group to join.
        group: IpAddr,
        /// The source to join it for.
        source_address: IpAddr,
    },
    /// Another process has the port.
    #[error("{0} is in use by another process")]
    PortInUse(SocketAddr),
    /// A system call failed.
    #[error("{operation} for {target}: {source}")]
    Io {
        /// What was tried, in words or by the option's name.
        operation: &'static str,
        /// The interface, address or file concerned.
        target: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl NetError {
    /// Whom the error concerns.
    pub fn kind(&self) -> NetErrorKind {
        match self {
            NetError::Unknown(_) | NetError::NotMulticast(_) | NetError::MixedFamilies { .. } => {
                NetErrorKind::Usage
            }
            NetError::Down(_)
            | NetError::NoAddress { .. }
            | NetError::NoRoute(_)
            | NetError::PortInUse(_) => NetErrorKind::Path,
            NetError::Io { .. } => NetErrorKind::Internal,
        }
    }
}

/// Gives an I/O error the name of what was tried and on what.
pub(crate) trait Context<T> {
    fn context(
        self,
        operation: &'static str,
        target: impl std::fmt::Display,
    ) -> Result<T, NetError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(
        self,
        operation: &'static str,
        target: impl std::fmt::Display,
    ) -> Result<T, NetError> {
        self.map_err(|source| NetError::Io {
            operation,
            target: target.to_string(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_its_target_and_its_kind() {
        let down = NetError::Down("eth7".into());
        assert_eq!(down.to_string(), "interface eth7 is down");
        assert_eq!(down.kind(), NetErrorKind::Path);
        let missing = NetError::NoAddress {
            name: "eth7".into(),
            family: Family::V6,
        };
        assert_eq!(missing.to_string(), "interface eth7 has no IPv6 address");
        assert_eq!(
            NetError::Unknown("x".into()).kind(),
            NetErrorKind::Usage,
            "an unknown name is the user's slip"
        );
        let refused: Result<(), NetError> =
            Err(io::Error::from_raw_os_error(libc::EPERM)).context("bind", "10.0.0.1:5");
        let refused = refused.expect_err("built from an error");
        assert!(refused.to_string().starts_with("bind for 10.0.0.1:5: "));
        assert_eq!(refused.kind(), NetErrorKind::Internal);
    }
}
