//! The real binaries of linecast in Linux network namespaces.
//!
//! A [`Site`] is a lab with a tmpfs for images and targets. A [`Program`] is a
//! `linecast` that runs in one of its nodes; it ends as an [`Outcome`]: exit
//! code, parsed report, standard error. A [`Push`] runs receivers and a sender
//! together and waits for all of them. [`hostile`] has attackers, and pushes that
//! are measured under attack.
//!
//! Everything here panics where it fails: it is for tests. Children die with
//! the thread that started them, so a test starts them from its own thread.

pub mod hostile;
mod images;
mod noise;
mod program;
mod push;
mod restrictions;
mod session_object;
mod site;
mod tcp_flow;

pub use images::Image;
pub use noise::Noise;
pub use program::{Outcome, Program};
pub use push::{Push, Pushed};
pub use restrictions::{deny_reading_all, deny_uring};
pub use session_object::{Offering, SessionObject};
pub use site::Site;
pub use tcp_flow::TcpFlow;

use std::thread;
use std::time::{Duration, Instant};

/// Longest time that one program may take in any test.
pub const PROGRAM_LIMIT: Duration = Duration::from_secs(60);

/// Waits until `reached` says so; panics with `what` after `limit`.
pub fn wait_until(what: &str, limit: Duration, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !reached() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(2));
    }
}
