//! Lines for people. A terminal that is gone, or a pipe that nobody reads any
//! more, is no reason to end a push: it changes neither the work nor its code.

use std::fmt;
use std::io::{self, Write as _};

/// Writes one line to stderr, if anybody reads it.
pub fn eprint_line(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes one line, or a block of them, to stdout. If that is closed or full, it
/// says so on stderr.
pub fn print_line(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        eprint_line(format_args!("linecast: stdout: {error}: output is lost"));
    }
}
