//! Programs that are watched while they run.

use crate::program::{Outcome, Program};
use std::fs;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(25);
/// After the sender's end receivers have heard it, or wait in vain.
const LINGER: Duration = Duration::from_secs(8);
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// USER_HZ of proc_pid_stat(5), the same on all architectures that we have.
const TICKS_PER_S: f64 = 100.0;

/// What a process has used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Most anonymous memory that was seen, in bytes.
    pub anon_peak_bytes: u64,
    /// Seconds of CPU.
    pub cpu_s: f64,
}

/// How one ended, and what it used.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) outcome: Outcome,
    pub(super) usage: Usage,
    /// It had to be killed.
    pub(super) overdue: bool,
}

/// Waits for the sender, the first, and the receivers; kills what runs after
/// `limit`. The last receiver stands still in `pause`.
pub(super) fn watch(
    mut programs: Vec<Program>,
    limit: Duration,
    pause: Option<Range<Duration>>,
) -> Vec<Watched> {
    let mut usages = vec![Usage::default(); programs.len()];
    let began = Instant::now();
    let mut deadline = began + limit;
    let mut sender_runs = true;
    let mut paused = false;
    loop {
        let due = pause
            .as_ref()
            .is_some_and(|pause| pause.contains(&began.elapsed()));
        if due != paused
            && let Some(last) = programs.last_mut()
            && last.runs()
        {
            last.signal(if due { libc::SIGSTOP } else { libc::SIGCONT });
            paused = due;
        }
        let mut running = 0;
        for (index, program) in programs.iter_mut().enumerate() {
            // Before it is collected, while its figures are there.
            note(&mut usages[index], program.id());
            let runs = program.runs();
            running += usize::from(runs);
            if index == 0 && sender_runs && !runs {
                sender_runs = false;
                deadline = deadline.min(Instant::now() + LINGER);
            }
        }
        if running == 0 || Instant::now() >= deadline {
            break;
        }
        thread::sleep(LOOK_EVERY);
    }
    programs
        .into_iter()
        .zip(usages)
        .map(|(mut program, usage)| {
            let overdue = program.runs();
            if overdue {
                program.signal(libc::SIGKILL);
            }
            Watched {
                outcome: program.finish(KILL_LIMIT),
                usage,
                overdue,
            }
        })
        .collect()
}

/// Takes what proc(5) says; a process that has ended changes nothing.
fn note(usage: &mut Usage, id: u32) {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    if let Some(anonymous) = anonymous_bytes(&status) {
        usage.anon_peak_bytes = usage.anon_peak_bytes.max(anonymous);
    }
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    if let Some(cpu_s) = cpu_seconds(&stat) {
        usage.cpu_s = usage.cpu_s.max(cpu_s);
    }
}

fn anonymous_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The name is in parentheses and may hold any; user and system time are the
    // 12th and 13th field behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map_while(|field| field.parse().ok())
        .collect();
    (ticks.len() == 2).then(|| ticks.iter().sum::<u64>() as f64 / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_the_kernel_writes_them() {
        assert_eq!(
            anonymous_bytes("Name:\tx\nRssAnon:\t    12 kB\n"),
            Some(12 << 10)
        );
        assert_eq!(anonymous_bytes("Name:\tx\n"), None);
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 9";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds(""), None);
    }

    #[test]
    fn this_process_has_memory() {
        let mut usage = Usage::default();
        note(&mut usage, std::process::id());
        assert!(usage.anon_peak_bytes > 0);
    }
}
