//! Taking labs down: when dropped, on signals, and after their owner died.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::LabError;
use crate::names::{NAMESPACE_DIRECTORY, Owner, PLACES, namespace_path};
use crate::sys;

/// What a clean-up took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanReport {
    pub namespaces: usize,
    pub processes: usize,
    /// Mount points and directories.
    pub directories: usize,
}

/// Takes down every lab and staging area of this process, and lets no new one
/// come up. For a thread that waits for signals: it locks and allocates, so it
/// must not run in a signal handler. Calling it again does nothing.
pub fn cleanup() -> Result<CleanReport, LabError> {
    let mut live = lock_live();
    live.closed = true;
    let mut report = CleanReport::default();
    let results: Vec<_> = live
        .owners
        .drain(..)
        .map(|owner| remove(&owner, &mut report))
        .collect();
    results.into_iter().collect::<Result<(), _>>()?;
    Ok(report)
}

/// Starts a thread that calls [`cleanup`] on SIGINT, SIGTERM and SIGHUP and then
/// ends the process as the signal would have. Call it before a lab comes up;
/// programs with handlers of their own call [`cleanup`] from those instead.
pub fn cleanup_on_signals() -> Result<(), LabError> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(LabError::io("handle", "signals"))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if let Err(error) = cleanup() {
                eprintln!("lab: {error}");
            }
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// Removes what labs with this prefix left behind whose owner is dead:
/// processes in their namespaces, the namespaces, mounts and directories.
/// Needs the rights of whoever made them. A dead owner's process id that has
/// been given to a new process hides its leftovers until that one has ended.
pub fn clean_stale(prefix: &str) -> Result<CleanReport, LabError> {
    let mut owners: Vec<Owner> = Vec::new();
    for place in PLACES.iter().chain([&NAMESPACE_DIRECTORY]) {
        for owner in entries(Path::new(place)).filter_map(|name| Owner::of(&name)) {
            if owner.prefix == prefix && !owners.contains(&owner) && !is_alive(owner.pid) {
                owners.push(owner);
            }
        }
    }
    let mut report = CleanReport::default();
    for owner in &owners {
        remove(owner, &mut report)?;
    }
    Ok(report)
}

/// Keeps an owner's things until dropped.
#[derive(Debug)]
pub(crate) struct Registration(Owner);

impl Registration {
    /// Lets `build` make the owner's things. [`cleanup`] waits for it, so it
    /// finds either all of them or none; what a failed `build` left is removed.
    pub(crate) fn build<T>(
        owner: Owner,
        build: impl FnOnce(&Owner) -> Result<T, LabError>,
    ) -> Result<(Self, T), LabError> {
        let mut live = lock_live();
        if live.closed {
            return Err(LabError::Interrupted);
        }
        let built = build(&owner).inspect_err(|_| {
            // The first failure is the one to report.
            let _ = remove(&owner, &mut CleanReport::default());
        })?;
        live.owners.push(owner.clone());
        Ok((Self(owner), built))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut live = lock_live();
        let Some(index) = live.owners.iter().position(|owner| *owner == self.0) else {
            return; // `cleanup` was here first.
        };
        live.owners.swap_remove(index);
        if let Err(error) = remove(&self.0, &mut CleanReport::default()) {
            eprintln!("lab: {error}");
        }
    }
}

/// The owners of this process whose things exist.
struct Live {
    owners: Vec<Owner>,
    closed: bool,
}

fn lock_live() -> MutexGuard<'static, Live> {
    static LIVE: Mutex<Live> = Mutex::new(Live {
        owners: Vec::new(),
        closed: false,
    });
    // A panic while building leaves the list itself whole.
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all that has this owner's name: processes first, for they keep a
/// namespace alive after its name has gone.
fn remove(owner: &Owner, report: &mut CleanReport) -> Result<(), LabError> {
    let namespaces: Vec<PathBuf> = entries(Path::new(NAMESPACE_DIRECTORY))
        .filter(|name| Owner::of(name).as_ref() == Some(owner))
        .map(|name| namespace_path(&name))
        .collect();
    report.processes += kill_inside(&namespaces)?;
    for path in &namespaces {
        // Not mounted when its maker died between creating and mounting.
        unmount_all(path).map_err(LabError::io("unmount", path.display()))?;
        fs::remove_file(path).map_err(LabError::io("remove", path.display()))?;
        report.namespaces += 1;
    }
    for place in PLACES.map(Path::new) {
        for name in entries(place).filter(|name| Owner::of(name).as_ref() == Some(owner)) {
            let path = place.join(name);
            unmount_all(&path).map_err(LabError::io("unmount", path.display()))?;
            fs::remove_dir_all(&path).map_err(LabError::io("remove", path.display()))?;
            report.directories += 1;
        }
    }
    Ok(())
}

/// Kills the processes in these namespaces, until a look finds none, and says
/// how many they were. Never touches a namespace that this process or the
/// machine's first one is in.
fn kill_inside(namespaces: &[PathBuf]) -> Result<usize, LabError> {
    let spared: Vec<_> = [process::id(), 1]
        .into_iter()
        .filter_map(|pid| identity(&namespace_of(pid)))
        .collect();
    let doomed: Vec<_> = namespaces
        .iter()
        .filter_map(|path| identity(path))
        .filter(|namespace| !spared.contains(namespace))
        .collect();
    let mut killed = Vec::new();
    let deadline = Instant::now() + KILL_LIMIT;
    while !doomed.is_empty() {
        let inside: Vec<u32> = entries(Path::new("/proc"))
            .filter_map(|name| name.parse().ok())
            .filter(|pid| identity(&namespace_of(*pid)).is_some_and(|id| doomed.contains(&id)))
            .collect();
        if inside.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            return Err(LabError::TimedOut {
                what: format!("the end of processes {inside:?}"),
                seconds: KILL_LIMIT.as_secs(),
            });
        }
        for pid in inside {
            // One that ended in between is as good as killed.
            let _ = sys::kill(pid, libc::SIGKILL);
            if !killed.contains(&pid) {
                killed.push(pid);
            }
        }
        thread::sleep(KILL_POLL);
    }
    Ok(killed.len())
}

fn namespace_of(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/ns/net"))
}

/// Two files are the same namespace when device and inode are (namespaces(7)).
fn identity(namespace: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(namespace).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Whether a process runs; a zombie does not.
fn is_alive(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The state follows the name, which is in parentheses and may hold any.
        Ok(stat) => !stat
            .rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X'])),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Unmounts until nothing is mounted there.
fn unmount_all(path: &Path) -> io::Result<()> {
    loop {
        match sys::unmount(path) {
            Ok(()) => {}
            // Not a mount point; or unprivileged, when it cannot be one of ours.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM)) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The names in a directory; none if it cannot be read.
fn entries(directory: &Path) -> impl Iterator<Item = String> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// How long a killed process may take to go: the kernel may be freeing much
/// memory, or waiting for a disk.
const KILL_LIMIT: Duration = Duration::from_secs(10);
const KILL_POLL: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_pid_max_is_not() {
        assert!(is_alive(process::id()));
        assert!(!is_alive(1 << 22));
    }

    #[test]
    fn our_own_namespace_is_spared() {
        let killed = kill_inside(&[namespace_of(process::id())]);
        assert_eq!(killed.unwrap(), 0);
    }
}
