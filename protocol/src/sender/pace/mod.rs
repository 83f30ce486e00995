//! How fast, and how far ahead of whom.

mod grtt;
mod observed;
mod path;
mod rate;
mod share;
mod straggler;
mod window;

pub use grtt::GrttEstimate;
pub(in crate::sender) use observed::RateReport;
pub(in crate::sender) use rate::Link;
pub use rate::RateControl;
pub use share::{Class, RepairShare};
pub use straggler::OnSlow;
pub(in crate::sender) use straggler::{PaceReport, Stragglers};
pub(in crate::sender) use window::Window;
