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

mod attacker;
mod bound;
mod campaign;
mod check;
mod clock;
mod draw;
mod drawing;
mod image;
mod keys;
mod lanes;
mod link;
mod loss;
mod noise;
mod packet;
mod pinned;
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
pub use campaign::{run_many, run_seeds};
pub use check::{Rule, Violation};
pub use drawing::random_scenario;
pub use pinned::Pinned;
pub use report::{Completion, QueueDepth, Report, SCHEMA};
pub use scenario::{
    Ask, Assault, Attack, Bottleneck, Content, Device, Direction, Drop, Fault, Guise, LossModel,
    Network, Outage, Push, Rate, Roster, Scenario, ScenarioError, Scope, Slow,
};
pub use world::run;
