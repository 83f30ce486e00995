//! Where progress goes.

use clap::ValueEnum;
use std::io::IsTerminal;

/// Where progress goes: always to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A live block on a terminal, nothing otherwise.
    Auto,
    /// One line a second.
    Plain,
    /// Nothing.
    None,
}

impl ProgressMode {
    /// Whether to draw a live block.
    pub fn is_live(self) -> bool {
        self == ProgressMode::Auto && std::io::stderr().is_terminal()
    }
}
