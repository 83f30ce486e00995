//! Network namespaces for linecast: topology, loss, captures, clean-up.
//!
//! One switch namespace with a bridge, one sender and any number of receivers,
//! each in a namespace of its own behind a veth pair:
//!
//! ```text
//!   linecast-<pid>-0-tx          linecast-<pid>-0-sw          linecast-<pid>-0-rx0
//!   ┌────────────────┐   ┌─────────────────────────────┐   ┌────────────────┐
//!   │ v0 10.77.0.1   ├───┤ p-tx        br0       p-rx0 ├───┤ v0 10.77.1.1   │
//!   └────────────────┘   │ 10.77.255.254         p-rx1 ├─ ⋯ └────────────────┘
//!     feedback loss      └─────────────────────────────┘     loss
//!     (ingress of v0)      trains are cut at p-rx*           (ingress of v0)
//! ```
//!
//! ```no_run
//! use linecast_lab::{Lab, LabConfig, Loss};
//!
//! linecast_lab::enter_unprivileged_if_needed()?; // first thing in `main`
//! let lab = Lab::up(LabConfig { receivers: 4, loss: Loss::percent(1.0), ..LabConfig::default() })?;
//! let _receiver = lab.receiver(0).spawn(lab.receiver(0).command("linecast").arg("receive"))?;
//! println!("{} packets arrived", lab.receiver(0).traffic()?.received_packets);
//! # Ok::<(), linecast_lab::LabError>(())
//! ```
//!
//! Everything that a lab makes carries the prefix, the owner's process id and a
//! number in its name. It goes when the [`Lab`] is dropped; when [`cleanup`] is
//! called, which is meant for a thread that waits for signals (or use
//! [`cleanup_on_signals`]); and, if the owner was killed, at the next
//! [`clean_stale`].

mod capture;
mod clean;
mod config;
pub mod demo;
mod error;
mod loss;
mod names;
mod node;
mod peers;
mod privilege;
mod process;
mod staging;
mod sys;
mod tools;
mod topology;

pub use capture::Capture;
pub use clean::{CleanReport, clean_stale, cleanup, cleanup_on_signals};
pub use config::{CutTrains, LabConfig, Loss, RateCap, RateCount, Snooping};
pub use error::LabError;
pub use loss::LossCount;
pub use names::DEFAULT_PREFIX;
pub use node::{Node, Traffic};
pub use peers::{Peer, PeerRun, run_peer};
pub use privilege::{Privilege, enter_unprivileged_if_needed};
pub use process::Process;
pub use staging::Staging;
pub use topology::Lab;
