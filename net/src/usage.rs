//! What this process has used: CPU time and anonymous memory, for the report.

use std::fs;
use std::mem;

/// CPU seconds of all threads of this process, user and system together.
pub fn cpu_seconds() -> f64 {
    // SAFETY: `rusage` is plain C data, for which all zeros is a valid value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: `usage` is a live, writable rusage; RUSAGE_SELF is a valid
    // selector, so the call cannot fail.
    let result = unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    debug_assert_eq!(result, 0);
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

/// Resident anonymous memory in bytes (`RssAnon` of proc(5)); pages of mapped
/// files are not in it. `None` where `/proc` is not mounted.
pub fn anon_bytes() -> Option<u64> {
    rss_anon(&fs::read_to_string("/proc/self/status").ok()?)
}

fn rss_anon(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The largest of the samples taken so far. The kernel keeps a peak of all
/// resident memory, but none of the anonymous part alone.
#[derive(Debug, Default, Clone, Copy)]
pub struct PeakSampler {
    peak_bytes: u64,
}

impl PeakSampler {
    /// A sampler that has seen nothing.
    pub fn new() -> PeakSampler {
        PeakSampler::default()
    }

    /// Looks at the process now; call it a few times a second.
    pub fn sample(&mut self) {
        if let Some(bytes) = anon_bytes() {
            self.peak_bytes = self.peak_bytes.max(bytes);
        }
    }

    /// The largest sample in bytes; 0 before the first.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_line_is_read_as_bytes() {
        let status = "VmRSS:\t  900 kB\nRssAnon:\t     132 kB\nRssFile:\t 1 kB\n";
        assert_eq!(rss_anon(status), Some(132 * 1024));
        assert_eq!(rss_anon("VmRSS: 1 kB\n"), None);
    }

    #[test]
    fn peak_keeps_the_largest_sample() {
        let mut sampler = PeakSampler::new();
        sampler.sample();
        let first = sampler.peak_bytes();
        assert!(first > 0);
        let block = vec![1u8; 8 << 20];
        sampler.sample();
        assert!(sampler.peak_bytes() >= first + (4 << 20));
        let peak = sampler.peak_bytes();
        drop(block);
        sampler.sample();
        assert_eq!(sampler.peak_bytes(), peak);
    }

    #[test]
    fn cpu_time_is_counted() {
        let before = cpu_seconds();
        let mut x = 1u64;
        for i in 0..20_000_000u64 {
            x = std::hint::black_box(x.wrapping_mul(i | 1));
        }
        assert!(cpu_seconds() > before);
    }
}
