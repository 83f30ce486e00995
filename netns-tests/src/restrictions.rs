//! Processes that may do less than root.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes io_uring_setup(2) fail with EPERM in the child of this command, as
/// container runtimes do.
pub fn deny_uring(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and makes two
    // async-signal-safe system calls; it neither allocates nor locks.
    unsafe {
        command.pre_exec(install);
    }
}

/// Takes from the child of this command root's right to read every file.
pub fn deny_reading_all(command: &mut Command) {
    // Numbers from capabilities(7): exec then grants root all but these.
    const CAP_DAC_OVERRIDE: libc::c_ulong = 1;
    const CAP_DAC_READ_SEARCH: libc::c_ulong = 2;
    let install = || {
        for capability in [CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH] {
            // SAFETY: takes integers only.
            check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) })?;
        }
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec and makes two
    // async-signal-safe system calls; it neither allocates nor locks.
    unsafe {
        command.pre_exec(install);
    }
}

fn install() -> io::Result<()> {
    const NUMBER_OFFSET: u32 = 0;
    let statement = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let filter = [
        statement(
            libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
            NUMBER_OFFSET,
            0,
            0,
        ),
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            libc::SYS_io_uring_setup as u32,
            0,
            1,
        ),
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
            0,
            0,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as libc::c_ushort,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: `program` and the filter that it points to outlive the call; the
    // kernel copies them and writes nothing.
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
