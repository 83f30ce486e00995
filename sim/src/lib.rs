//! A deterministic simulator of linecast: the sender and receiver state
//! machines that the binaries use, over a simulated multicast network, with
//! simulated clocks and disks. One seed decides everything.
//!
//! ```text
//! Scenario ─ World ─┬─ SenderNode ── lanes ── Trunk ──┐ packets
//!                   │      ▲                          ▼
//!                   │      └──── feedback ──── ReceiverNode × N ── Store
//!                   └─ Checker: what must hold at every step
//!                        ▼
//!                     Report
//! ```
//!
//! Time runs in windows that are no longer than the way back to the sender.
//! What a receiver says within a window cannot reach the sender before the next
//! one, so each node runs through its window alone, in the order of its own
//! events, and the result is that of one global event queue. It is what makes
//! ten thousand receivers fit one core: a node's state is fetched into the cache
//! once a window instead of once a packet.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bound;
mod campaign;
mod check;
mod clock;
mod draw;
mod forgery;
mod image;
mod lanes;
mod loss;
mod packet;
mod receiver;
mod report;
mod scenario;
mod sender;
mod socket;
mod store;
mod trace;
mod trunk;
mod world;

pub use bound::{ideal_expansion, ideal_symbols};
pub use campaign::{random_scenario, run_many, run_seeds};
pub use check::{Rule, Violation};
pub use report::{Completion, QueueDepth, Report, SCHEMA};
pub use scenario::{
    Bottleneck, Content, Device, Direction, Drop, Fault, LossModel, Network, Outage, Scenario,
    ScenarioError, Scope,
};
pub use world::run;
