//! System calls without a safe wrapper in the standard library. All of this
//! crate's `unsafe` is here and in `process.rs` and `node.rs`, where children
//! are prepared.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Moves the calling thread into a network namespace (setns(2)).
/// Async-signal-safe: a single system call.
pub(crate) fn enter_network_namespace(namespace: &File) -> io::Result<()> {
    // SAFETY: setns takes two integers and touches no memory of ours; the
    // descriptor is open because `namespace` is borrowed.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })
}

/// Moves the process into new namespaces (unshare(2)).
pub(crate) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: unshare takes an integer and touches no memory of ours.
    check(unsafe { libc::unshare(flags) })
}

/// Asks for SIGKILL when the thread that started this process ends
/// (prctl(2)). Async-signal-safe: a single system call.
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one integer and touches no memory.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong) })
}

/// CPU seconds of all children that have ended and were waited for
/// (getrusage(2)).
pub(crate) fn children_cpu_seconds() -> f64 {
    // SAFETY: `rusage` is plain C data, for which all zeros is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a live, writable rusage; RUSAGE_CHILDREN is a valid
    // selector, so the call cannot fail.
    let result = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    debug_assert_eq!(result, 0);
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// The most memory that a child had resident, in bytes, once it has ended; the
/// child stays to be waited for. `None` if it runs still and `block` is false.
///
/// It counts pages of mapped files, and what the child had between fork and
/// exec: the anonymous memory of this process (getrusage(2), `ru_maxrss`).
pub(crate) fn peak_rss_bytes(pid: u32, block: bool) -> Option<u64> {
    let hang = if block { 0 } else { libc::WNOHANG };
    // SAFETY: `siginfo_t` is plain C data, for which all zeros is a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `rusage` is plain C data, for which all zeros is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live, writable values of the types that
    // waitid(2) names; libc's function lacks the kernel's fifth argument.
    let result = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PID,
            pid,
            &mut info,
            libc::WEXITED | libc::WNOWAIT | hang,
            &mut usage,
        )
    };
    // With nothing to tell, all of `info` stays zero.
    let ended = result == 0 && info.si_signo == libc::SIGCHLD;
    ended.then(|| usage.ru_maxrss as u64 * 1024)
}

/// The parent's process id (getppid(2)). Async-signal-safe.
pub(crate) fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// Sends a signal to a process (kill(2)); signal 0 only asks whether it is.
pub(crate) fn kill(pid: u32, signal: libc::c_int) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    // A pid of 0 would mean the caller's whole process group.
    if pid == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: kill takes two integers and touches no memory.
    check(unsafe { libc::kill(pid, signal) })
}

/// The effective user and group of this process.
pub(crate) fn effective_ids() -> (u32, u32) {
    // SAFETY: geteuid has no arguments and cannot fail.
    let user = unsafe { libc::geteuid() };
    // SAFETY: getegid has no arguments and cannot fail.
    let group = unsafe { libc::getegid() };
    (user, group)
}

/// Mounts a tmpfs; `options` as in tmpfs(5), for example `size=1073741824`.
pub(crate) fn mount_tmpfs(target: &Path, options: &str) -> io::Result<()> {
    let target = CString::new(target.as_os_str().as_bytes())?;
    let options = CString::new(options)?;
    // SAFETY: source, target, type and data are NUL-terminated strings that
    // outlive the call; mount copies them.
    check(unsafe {
        libc::mount(
            c"linecast".as_ptr(),
            target.as_ptr(),
            c"tmpfs".as_ptr(),
            libc::MS_NOSUID | libc::MS_NODEV,
            options.as_ptr().cast(),
        )
    })
}

/// Keeps later mounts of this mount namespace out of all others
/// (mount_namespaces(7)).
pub(crate) fn make_mounts_private() -> io::Result<()> {
    // SAFETY: a propagation change reads only the target, a constant string;
    // source, type and data are documented to be ignored and may be null.
    check(unsafe {
        libc::mount(
            std::ptr::null(),
            c"/".as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        )
    })
}

/// Takes a mount away now, and its file system when the last user is gone
/// (umount2(2), MNT_DETACH).
pub(crate) fn unmount(target: &Path) -> io::Result<()> {
    let target = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: the target is a NUL-terminated string that outlives the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
