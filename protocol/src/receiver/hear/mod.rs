//! What a receiver hears.

mod offers;

pub use offers::{OfferKey, Offers};
