//! What is sent, and what is sent again.

mod ledger;
mod parity;
mod repair;

pub use ledger::{Ledger, RepairOrder};
pub(in crate::sender) use parity::PooledLoss;
pub use parity::{GroupLoss, LossEstimate};
