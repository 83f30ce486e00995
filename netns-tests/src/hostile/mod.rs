//! Attackers on the network of a push, and what they can do to it.
//!
//! An attacker is a machine on the same switch. It hears every packet, feedback
//! too ([`Wiretap`]), and sends its own from its own address or from any other
//! ([`Launcher`]). What it sends is one of [`ATTACKS`]; what the messages look
//! like is in `messages.rs` and `replies.rs` alone. An [`Arena`] runs pushes under attack, and a
//! [`Trial`] says how one went.

mod arena;
mod attacks;
mod commands;
mod devices;
mod feedback;
mod ground;
mod keys;
mod launcher;
mod messages;
mod offers;
mod overheard;
mod processes;
mod release;
mod replies;
mod rubbish;
mod symbols;
mod table;
mod trial;
mod wiretap;

pub use arena::{Arena, Settings};
pub use attacks::{ATTACKS, Attack, Scene};
pub use ground::{Datagram, Generator, Ground};
pub use launcher::{Launched, Launcher, Origin, Pace};
pub(crate) use messages::object_packets;
pub use overheard::{Member, Overheard, Place, Sender, Session};
pub use processes::Usage;
pub use release::Release;
pub use table::Table;
pub use trial::{Bounds, Trial};
pub use wiretap::Wiretap;
