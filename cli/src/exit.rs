//! Exit codes, and failures that carry one.

use linecast_engine::image::ImageError;
use linecast_engine::push::PushError;
use linecast_net::{NetError, NetErrorKind};
use std::fmt::Display;

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every expected receiver has it.
    Ok = 0,
    /// Wrong usage, or an internal error.
    Usage = 1,
    /// Some receivers failed.
    Some = 2,
    /// No receiver has it.
    NoneSucceeded = 3,
    /// A signature, a manifest or an image does not verify.
    Verification = 4,
    /// There is no path to the group.
    Path = 5,
    /// The deadline passed.
    Deadline = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why a command failed, in one sentence, and its exit code.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// The sentence.
    pub message: String,
}

impl Failure {
    /// The user asked for something that cannot be.
    pub fn usage(message: String) -> Failure {
        Failure {
            exit: Exit::Usage,
            message,
        }
    }

    /// Something that should have worked did not.
    pub fn internal(error: impl Display) -> Failure {
        Failure {
            exit: Exit::Usage,
            message: error.to_string(),
        }
    }

    /// Something does not verify.
    pub fn verification(message: String) -> Failure {
        Failure {
            exit: Exit::Verification,
            message,
        }
    }
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Failure {
        let exit = match error.kind() {
            NetErrorKind::Path => Exit::Path,
            NetErrorKind::Usage | NetErrorKind::Internal => Exit::Usage,
        };
        Failure {
            exit,
            message: error.to_string(),
        }
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Failure {
        let changed = matches!(error, ImageError::Changed { .. });
        let exit = if changed {
            Exit::Verification
        } else {
            Exit::Usage
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
            error => Failure {
                exit: Exit::Usage,
                message: error.to_string(),
            },
        }
    }
}
