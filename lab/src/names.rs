//! Names that say whose they are: `<prefix>-<pid>-<number>-<role>`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// First part of every name that a lab makes, unless told otherwise.
pub const DEFAULT_PREFIX: &str = "linecast";

/// Where `ip netns` keeps its names.
pub(crate) const NAMESPACE_DIRECTORY: &str = "/run/netns";

/// Where mount points and directories of labs may be. `/run` is first: it
/// exists for root, and is private where a user namespace was entered.
pub(crate) const PLACES: [&str; 2] = ["/run", "/dev/shm"];

/// The owner of namespaces, mounts and directories: one lab, or one staging
/// area, of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) prefix: String,
    pub(crate) pid: u32,
    pub(crate) number: u32,
}

impl Owner {
    /// An owner of this process that was never used before.
    pub(crate) fn new(prefix: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self {
            prefix: prefix.to_owned(),
            pid: std::process::id(),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The name of what plays this role.
    pub(crate) fn name(&self, role: &str) -> String {
        format!("{}-{}-{}-{role}", self.prefix, self.pid, self.number)
    }

    /// Whose this name is, if it has the form that [`Owner::name`] gives.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let mut parts = name.splitn(4, '-');
        let prefix = parts.next().filter(|p| !p.is_empty())?;
        let pid = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        parts.next().filter(|role| !role.is_empty())?;
        Some(Self {
            prefix: prefix.to_owned(),
            pid,
            number,
        })
    }
}

/// The file that holds a named namespace.
pub(crate) fn namespace_path(name: &str) -> PathBuf {
    PathBuf::from(NAMESPACE_DIRECTORY).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner() {
        let owner = Owner::new("linecast");
        assert_eq!(Owner::of(&owner.name("rx12")), Some(owner));
    }

    #[test]
    fn foreign_names_have_no_owner() {
        for name in [
            "",
            "blue",
            "linecast-12",
            "linecast-x-0-tx",
            "linecast-1-0-",
            "-1-0-tx",
        ] {
            assert_eq!(Owner::of(name), None, "{name}");
        }
    }
}
