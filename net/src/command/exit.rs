//! How the program ends: documented exit codes, and one line on stderr.
use super::print::eprint_line;
use crate::error::{NetError, NetErrorKind};
use linecast_protocol::text::Printable;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The exit codes. Scripts rely on them; they never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every expected receiver has it, or the command did what it was asked.
    Success = 0,
    /// Wrong usage, a file that cannot be read or written, or an internal fault.
    Usage = 1,
    /// Some receivers failed.
    SomeFailed = 2,
    /// No receiver succeeded.
    NoneSucceeded = 3,
    /// A hash, a signature or a manifest's policy refused the image.
    Verification = 4,
    /// The network path or another precondition is not there.
    Preflight = 5,
    /// The deadline passed.
    Deadline = 6,
    /// The commit was aborted.
    CommitAborted = 7,
    /// A benchmark got worse than it may.
    Regression = 8,
    /// Interrupted by a signal.
    Interrupted = 130,
}

impl Exit {
    /// The exit code of another `linecast` process.
    pub fn from_code(code: u8) -> Exit {
        let known = [
            Exit::Success,
            Exit::SomeFailed,
            Exit::NoneSucceeded,
            Exit::Verification,
            Exit::Preflight,
            Exit::Deadline,
            Exit::CommitAborted,
            Exit::Regression,
            Exit::Interrupted,
        ];
        known
            .into_iter()
            .find(|&exit| exit as u8 == code)
            .unwrap_or(Exit::Usage)
    }
}

impl Exit {
    /// Runs a parsed command line, says on stderr why it failed, and gives the
    /// code to end with.
    pub fn of<C>(
        parsed: Result<C, clap::Error>,
        run: impl FnOnce(C) -> Result<Exit, Failure>,
    ) -> ExitCode {
        let exit = match parsed.map(run) {
            Ok(Ok(exit)) => exit,
            Ok(Err(failure)) => {
                // It may quote what a stranger sent.
                let message = Printable(&failure.message);
                eprint_line(format_args!("linecast: {message}"));
                failure.exit
            }
            // Help and version are answers, not errors; clap's own code for
            // wrong usage, 2, means "some receivers failed" here.
            Err(message) => {
                // A closed pipe leaves nobody to tell.
                let _ = message.print();
                if message.use_stderr() {
                    Exit::Usage
                } else {
                    Exit::Success
                }
            }
        };
        exit.into()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed: its exit code and `<thing>: <limit and got>`.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What is wrong, naming the thing, the limit and the value got.
    pub message: String,
}

impl Failure {
    /// The arguments or the files they name cannot be used.
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure {
            exit: Exit::Usage,
            message: message.to_string(),
        }
    }

    /// The machine or its network cannot do what is asked.
    pub fn preflight(message: impl fmt::Display) -> Failure {
        Failure {
            exit: Exit::Preflight,
            message: message.to_string(),
        }
    }

    /// The image, manifest or signature is refused.
    pub fn verification(message: impl fmt::Display) -> Failure {
        Failure {
            exit: Exit::Verification,
            message: message.to_string(),
        }
    }
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Failure {
        let exit = match error.kind() {
            NetErrorKind::Path => Exit::Preflight,
            NetErrorKind::Usage | NetErrorKind::Internal => Exit::Usage,
        };
        Failure {
            exit,
            message: error.to_string(),
        }
    }
}

/// A flag that SIGINT and SIGTERM raise. The second signal ends the process at
/// once: the first asked it to end with a report.
///
/// # Errors
/// The handlers cannot be installed.
pub fn interrupted() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let code = i32::from(Exit::Interrupted as u8);
        signal_hook::flag::register_conditional_shutdown(signal, code, flag.clone())
            .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
            .map_err(|error| Failure::usage(format!("cannot handle signals: {error}")))?;
    }
    Ok(flag)
}
