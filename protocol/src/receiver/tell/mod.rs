//! What a receiver tells of itself: that it is there, how far it is, what it lacks,
//! that it is done, or that it refuses.

mod completion;
mod lacking;
mod refusal;
mod registration;
mod signet;
mod status;

pub(in crate::receiver) use completion::{Completion, LINGER};
pub(in crate::receiver) use lacking::LackingPages;
pub(in crate::receiver) use refusal::Refusals;
pub(in crate::receiver) use registration::Registration;
pub(in crate::receiver) use signet::Signet;
pub(in crate::receiver) use status::StatusReports;
pub use status::report_packets;
