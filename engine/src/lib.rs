//! The sender of linecast: image source, encoder, lanes, io_uring, repair thread.
pub mod image;
