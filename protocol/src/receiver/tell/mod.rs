//! What a receiver tells of itself.

mod reports;

pub use reports::report_packets;
pub(in crate::receiver) use reports::{Completion, Registration, StatusReports};
