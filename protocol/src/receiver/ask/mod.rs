//! What a receiver asks for.

mod requests;
mod solicit;

pub use requests::{Objects, Requests};
pub(in crate::receiver) use solicit::Solicitation;
