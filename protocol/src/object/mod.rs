//! The objects of a session: how they are cut into blocks, symbols and leaves,
//! and which of them somebody has.

mod blocks;
mod layout;
mod leaves;
mod list;
mod span;
pub mod tree;

pub use blocks::{BlockPhase, Blocks, Held, Need};
pub use layout::{LayoutError, ObjectLayout};
pub use leaves::Leaves;
pub use list::{GROUP_LEAVES, ListLayout};
pub use span::{Span, spans};
