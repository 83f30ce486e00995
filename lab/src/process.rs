//! Children that end with what started them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::sys;

/// A child that is killed and waited for when this is dropped.
///
/// It also dies when the *thread* that started it ends (PR_SET_PDEATHSIG), so
/// start children from a thread that lives as long as they should.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    peak_rss_bytes: Option<u64>,
}

impl Process {
    /// Starts a command made by [`Node::command`](crate::Node::command).
    pub(crate) fn start(command: &mut Command) -> Result<Self, LabError> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(LabError::io("start", &name))?;
        Ok(Self {
            child,
            name,
            peak_rss_bytes: None,
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that the child had resident, mapped files included; known
    /// when it has been waited for or killed.
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        self.peak_rss_bytes
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal, for example `libc::SIGTERM`.
    pub fn signal(&self, signal: i32) -> Result<(), LabError> {
        sys::kill(self.child.id(), signal).map_err(LabError::io("signal", &self.name))
    }

    /// Kills the child with SIGKILL and collects it.
    pub fn kill(&mut self) -> Result<ExitStatus, LabError> {
        // Killing a child that has ended is no failure.
        let _ = self.child.kill();
        self.note_memory(true);
        self.child
            .wait()
            .map_err(LabError::io("wait for", &self.name))
    }

    /// The exit status if the child has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, LabError> {
        self.note_memory(false);
        self.child
            .try_wait()
            .map_err(LabError::io("wait for", &self.name))
    }

    /// Before the child is collected, which takes its figures away.
    fn note_memory(&mut self, block: bool) {
        if self.peak_rss_bytes.is_none() {
            self.peak_rss_bytes = sys::peak_rss_bytes(self.child.id(), block);
        }
    }

    /// Waits for the child to end, for so long; then kills it and fails with
    /// [`LabError::TimedOut`].
    pub fn wait_for(&mut self, limit: Duration) -> Result<ExitStatus, LabError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.kill()?;
                return Err(LabError::TimedOut {
                    what: self.name.clone(),
                    seconds: limit.as_secs(),
                });
            }
            thread::sleep(POLL_EVERY);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when the child has been collected already.
        let _ = self.kill();
    }
}

/// Makes the child of this command die with the thread that starts it.
pub(crate) fn tie_to_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: the closure runs between fork and exec and makes two
    // async-signal-safe system calls; it neither allocates nor locks.
    unsafe {
        command.pre_exec(move || {
            sys::die_with_parent()?;
            // The parent may have died before the request was in place.
            if sys::parent() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

const POLL_EVERY: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_child_is_known_when_it_has_ended() {
        let mut command = Command::new("/bin/sh");
        // A variable of 32 MiB.
        command.args(["-c", "x=$(head -c 33554432 /dev/zero | tr '\\0' x)"]);
        let mut process = Process::start(&mut command).unwrap();
        assert_eq!(process.peak_rss_bytes(), None);
        process.wait_for(Duration::from_secs(60)).unwrap();
        let peak = process.peak_rss_bytes().unwrap();
        assert!((32 << 20..1 << 30).contains(&peak), "{peak}");
    }

    #[test]
    fn an_overdue_child_is_killed() {
        let mut command = Command::new("/bin/sleep");
        command.arg("1000");
        let mut process = Process::start(&mut command).unwrap();
        let error = process.wait_for(Duration::from_millis(10)).unwrap_err();
        assert!(matches!(error, LabError::TimedOut { .. }), "{error}");
        assert!(process.try_wait().unwrap().is_some());
    }
}
