//! What is sent, and what is sent again.

mod lacking;
mod ledger;
mod parity;
mod repair;

pub(in crate::sender) use lacking::Lacking;
pub use ledger::{Ledger, RepairOrder};
pub(in crate::sender) use parity::PooledLoss;
pub use parity::{GroupLoss, LossEstimate};
pub(in crate::sender) use repair::{FLUSH_ANYWAY, HOPE};
