//! What can go wrong with a lab.

use std::io;

/// Why a lab could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A program that the lab calls is not installed.
    #[error("`{tool}` is not installed; on Debian: apt-get install {package}")]
    MissingTool { tool: String, package: String },
    /// A program that the lab called failed.
    #[error("`{command}` failed ({status}): {stderr}")]
    Tool {
        command: String,
        status: String,
        stderr: String,
    },
    /// A system call or a file operation failed.
    #[error("cannot {operation} {target}: {source}")]
    Io {
        operation: &'static str,
        target: String,
        source: io::Error,
    },
    /// Neither root nor an unprivileged user namespace can be had.
    #[error("network namespaces need root or an unprivileged user namespace: {reason}; {fix}")]
    Privilege { reason: String, fix: String },
    /// The configuration asks for what a lab cannot be.
    #[error("{what} must be {allowed}, got {got}")]
    Config {
        what: &'static str,
        allowed: String,
        got: String,
    },
    /// A program's output was not what this crate knows how to read.
    #[error("cannot read the answer of {tool}: {reason}")]
    Answer { tool: &'static str, reason: String },
    /// [`cleanup`](crate::cleanup) has run in this process: nothing new is made.
    #[error("interrupted: the lab is being taken down")]
    Interrupted,
    /// A child did not end in the time it was given, and was killed.
    #[error("{what} did not finish within {seconds} s and was killed")]
    TimedOut { what: String, seconds: u64 },
}

impl LabError {
    /// An [`LabError::Io`] maker for `map_err`.
    pub(crate) fn io(
        operation: &'static str,
        target: impl ToString,
    ) -> impl FnOnce(io::Error) -> Self {
        let target = target.to_string();
        move |source| Self::Io {
            operation,
            target,
            source,
        }
    }
}
