//! What the fuzz targets share: a tape to take decisions from, the fixed keys and
//! shapes of a session, and what its devices and its sender truly sign and seal.
//!
//! The keys are fixed and what is made with them is kept, for two reasons: a case is
//! the same in every run, and most of the time goes into the machines.

mod armor;
mod device;
mod session;
mod tape;

pub use armor::armored;
pub use device::Device;
pub use session::{SHAPES, SOURCE, Shape, end_signature, release_key, session_key, shape};
pub use tape::Tape;
