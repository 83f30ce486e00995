//! What a receiver asks for.

mod requests;
mod solicit;

pub use requests::{Group, Objects, Requests};
pub(in crate::receiver) use solicit::Solicitation;
