//! How the program ends: documented exit codes, and one line on stderr.
use linecast_engine::image::ImageError;
use linecast_engine::push::PushError;
use linecast_net::{NetError, NetErrorKind};
use linecast_protocol::manifest::ManifestError;
use std::fmt;
use std::process::ExitCode;

/// The exit codes. Scripts rely on them; they never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "the commands that end with the others come later")]
pub(crate) enum Exit {
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
    pub(crate) fn from_code(code: u8) -> Exit {
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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed: its exit code and `<thing>: <limit and got>`.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    /// The arguments or the files they name cannot be used.
    pub(crate) fn usage(message: impl fmt::Display) -> Failure {
        Failure {
            exit: Exit::Usage,
            message: message.to_string(),
        }
    }

    /// The image, manifest or signature is refused.
    pub(crate) fn verification(message: impl fmt::Display) -> Failure {
        Failure {
            exit: Exit::Verification,
            message: message.to_string(),
        }
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Failure {
        match error {
            ImageError::Changed { .. } => Failure::verification(error),
            error => Failure::usage(error),
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

impl From<PushError> for Failure {
    fn from(error: PushError) -> Failure {
        match error {
            PushError::Net(error) => error.into(),
            PushError::Image(error) => error.into(),
            error => Failure::usage(error),
        }
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Failure {
        Failure::verification(format!("manifest: {error}"))
    }
}
