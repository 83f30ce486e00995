//! What the command lines of the sender and of a device have in common: exit
//! codes, units, progress modes, and the flags that say where the group is.

mod exit;
mod network;
mod print;
mod progress;
pub mod units;

pub use exit::{Exit, Failure, interrupted};
pub use network::NetworkArgs;
pub use print::{eprint_line, print_line};
pub use progress::ProgressMode;
