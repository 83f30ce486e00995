//! The two clocks: one that only rises, and the date.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds of CLOCK_MONOTONIC. The C library answers from the vDSO, so a
/// reading costs tens of nanoseconds and no system call.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live, writable timespec; CLOCK_MONOTONIC exists on
    // every Linux, so the call cannot fail.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    debug_assert_eq!(result, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Seconds since 1970 in UTC; 0 where the machine's date is before that.
pub fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_never_falls() {
        let mut last = now_ns();
        for _ in 0..1000 {
            let next = now_ns();
            assert!(next >= last);
            last = next;
        }
    }
}
