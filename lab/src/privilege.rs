//! Labs without root, in a user namespace.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::LabError;
use crate::names::NAMESPACE_DIRECTORY;
use crate::sys;

/// How this process came to be allowed to build labs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// It was: root, or the same capabilities. Labs are visible to `ip netns`.
    Root,
    /// In a user namespace of its own, as its root. Labs, the private `/run`
    /// and the network are gone when its last process is.
    UserNamespace,
}

/// Enters a user, mount and network namespace of its own unless this process
/// may build labs as it is; `/run` is then private. Must be called while the
/// process has one thread: first thing in `main`.
///
/// Inside, the process sees itself as root, files of the calling user are
/// root's, everyone else's are nobody's, and the machine's own network is out
/// of reach. `SO_RCVBUFFORCE` is refused there, so socket buffers are bounded
/// by `net.core.rmem_max`.
pub fn enter_unprivileged_if_needed() -> Result<Privilege, LabError> {
    if has_capabilities() && namespaces_can_be_named() {
        return Ok(Privilege::Root);
    }
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(LabError::Privilege {
            reason: format!("this process has {threads} threads already"),
            fix: "enter the user namespace first thing in main".to_owned(),
        });
    }
    let (user, group) = sys::effective_ids();
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET)
        .map_err(|error| refusal("unshare", &error))?;
    // user_namespaces(7): an unprivileged process must give up setgroups
    // before it may map its group.
    for (file, line) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1")),
        ("/proc/self/gid_map", format!("0 {group} 1")),
    ] {
        fs::write(file, line).map_err(|error| refusal(file, &error))?;
    }
    sys::make_mounts_private().map_err(|error| refusal("mount --make-private /", &error))?;
    sys::mount_tmpfs(Path::new("/run"), "mode=0755")
        .map_err(|error| refusal("mount on /run", &error))?;
    Ok(Privilege::UserNamespace)
}

/// Whether this process has the capabilities that `ip netns` and `nft` need.
fn has_capabilities() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective_capabilities(&status).is_some_and(|set| set & NEEDED == NEEDED)
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Whether names can be made under `/run/netns`. The root of a user namespace
/// that someone else made cannot, where `/run` is still the machine's.
fn namespaces_can_be_named() -> bool {
    let probe = format!(
        "{NAMESPACE_DIRECTORY}/linecast-probe-{}",
        std::process::id()
    );
    fs::create_dir_all(&probe)
        .and_then(|()| fs::remove_dir(&probe))
        .is_ok()
}

/// Names the setting that is in the way, and how to change it.
fn refusal(step: &str, error: &io::Error) -> LabError {
    let setting = |path: &str| {
        let value = fs::read_to_string(path).ok()?;
        value.trim().parse::<u64>().ok()
    };
    let fix = if setting("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        "allow it with: sysctl kernel.unprivileged_userns_clone=1"
    } else if setting("/proc/sys/user/max_user_namespaces") == Some(0) {
        "allow it with: sysctl user.max_user_namespaces=15000"
    } else if setting("/proc/sys/user/max_net_namespaces") == Some(0) {
        "allow it with: sysctl user.max_net_namespaces=15000"
    } else if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        "allow it with: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    } else {
        "run as root, and in a container with --privileged"
    };
    LabError::Privilege {
        reason: format!("{step}: {error}"),
        fix: fix.to_owned(),
    }
}

/// CAP_NET_ADMIN and CAP_SYS_ADMIN, by their numbers in capability.h.
const NEEDED: u64 = 1 << 12 | 1 << 21;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_status() {
        let status = "Name:\tx\nCapEff:\t0000000000201000\nSeccomp:\t0\n";
        assert_eq!(effective_capabilities(status), Some(NEEDED));
        assert_eq!(effective_capabilities("Name:\tx\n"), None);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let error = refusal("unshare", &io::Error::from_raw_os_error(libc::EPERM));
        let text = error.to_string();
        assert!(text.contains("unshare") && text.contains("root"), "{text}");
    }
}
