//! That a device refuses a session, and why, signed: so that an operator learns
//! the cause of a machine that is missing. Its layout never changes again, so that
//! devices and senders of any two versions understand each other in this.

use crate::limits::{ERROR_BYTES_MAX, NAME_BYTES_MAX};
use crate::text::is_printable;
use alloc::string::String;
use alloc::vec::Vec;

/// Context that refusals are signed in.
pub const REFUSE_CONTEXT: &[u8] = b"linecast-refuse-v1";

/// Why a device refuses, or left, a session. Numbers that are not known yet are
/// kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause(pub u16);

impl Cause {
    /// The session is of a profile that the device does not speak.
    pub const PROFILE: Cause = Cause(1);
    /// The manifest's signature does not match.
    pub const SIGNATURE: Cause = Cause(2);
    /// The manifest is signed by a key that the device does not trust.
    pub const UNTRUSTED: Cause = Cause(3);
    /// The session is not signed by a sender that the device trusts.
    pub const SENDER: Cause = Cause(4);
    /// The image is for other hardware.
    pub const HARDWARE: Cause = Cause(5);
    /// An older version than the one installed.
    pub const VERSION: Cause = Cause(6);
    /// The manifest has expired, or is not what a manifest may be.
    pub const MANIFEST: Cause = Cause(7);
    /// There is no room for the image.
    pub const ROOM: Cause = Cause(8);
    /// The device cannot store it for another reason.
    pub const STORE: Cause = Cause(9);
    /// The session's sizes or its erasure code are none that the device has.
    pub const SHAPE: Cause = Cause(10);
    /// A person or the system stopped the device's program.
    pub const STOPPED: Cause = Cause(11);
    /// It failed in the middle.
    pub const FAILED: Cause = Cause(12);

    /// The cause in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Cause::PROFILE => "another version of linecast",
            Cause::SIGNATURE => "bad signature",
            Cause::UNTRUSTED => "untrusted key",
            Cause::SENDER => "untrusted sender",
            Cause::HARDWARE => "other hardware",
            Cause::VERSION => "newer version installed",
            Cause::MANIFEST => "manifest refused",
            Cause::ROOM => "no room",
            Cause::STORE => "cannot store it",
            Cause::SHAPE => "sizes refused",
            Cause::STOPPED => "stopped",
            Cause::FAILED => "failed",
            Cause(_) => "another cause",
        }
    }
}

/// A device that refuses.
///
/// ```text
///  0 | layout 1 | profile 8 | cause 16 | session id 128 | installation 64 | life 64 |
/// 36 | bytes of name 8 | name ... | bytes of detail 16 | detail ... |
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Profile that the device speaks.
    pub profile: u8,
    /// Why.
    pub cause: Cause,
    /// Session that is refused; zeros if its object could not be read.
    pub session: [u8; 16],
    /// The device's installation.
    pub installation: [u8; 8],
    /// Its life.
    pub life: [u8; 8],
    /// Its name, for people.
    pub name: String,
    /// More words, with limit and value got.
    pub detail: String,
}

const LAYOUT: u8 = 1;

impl Refusal {
    /// Appends the text that is signed; what is too long is cut.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[LAYOUT, self.profile]);
        out.extend_from_slice(&self.cause.0.to_be_bytes());
        out.extend_from_slice(&self.session);
        out.extend_from_slice(&self.installation);
        out.extend_from_slice(&self.life);
        let name = cut(&self.name, NAME_BYTES_MAX);
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
        let detail = cut(&self.detail, ERROR_BYTES_MAX);
        out.extend_from_slice(&(detail.len() as u16).to_be_bytes());
        out.extend_from_slice(detail.as_bytes());
    }

    /// Reads the text. Whatever follows belongs to later versions and is passed
    /// over. `None`: it is no refusal, or its words are too long or not printable.
    pub fn parse(bytes: &[u8]) -> Option<Refusal> {
        let (&[LAYOUT, profile, a, b], rest) = bytes.split_first_chunk::<4>()? else {
            return None;
        };
        let (session, rest) = rest.split_first_chunk()?;
        let (installation, rest) = rest.split_first_chunk()?;
        let (life, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*len))?;
        let (len, rest) = rest.split_first_chunk()?;
        let detail = rest.get(..usize::from(u16::from_be_bytes(*len)))?;
        Some(Refusal {
            profile,
            cause: Cause(u16::from_be_bytes([a, b])),
            session: *session,
            installation: *installation,
            life: *life,
            name: words(name, NAME_BYTES_MAX)?,
            detail: words(detail, ERROR_BYTES_MAX)?,
        })
    }
}

/// At most `limit` bytes of a text.
pub fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn words(bytes: &[u8], limit: usize) -> Option<String> {
    let text = core::str::from_utf8(bytes).ok()?;
    let fits = text.len() <= limit && text.chars().all(is_printable);
    fits.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> Refusal {
        Refusal {
            profile: 2,
            cause: Cause::ROOM,
            session: [1; 16],
            installation: [2; 8],
            life: [3; 8],
            name: "line-7".into(),
            detail: "1073741824 bytes needed, 12 free".into(),
        }
    }

    #[test]
    fn a_refusal_has_this_layout_for_ever() {
        let mut bytes = Vec::new();
        refusal().emit(&mut bytes);
        let mut wanted = [&[1, 2, 0, 8][..], &[1; 16], &[2; 8], &[3; 8]].concat();
        wanted.extend_from_slice(b"\x06line-7\x00\x201073741824 bytes needed, 12 free");
        assert_eq!(bytes, wanted);
        assert_eq!(Refusal::parse(&bytes), Some(refusal()));
        bytes.extend_from_slice(b"what a later version adds");
        assert_eq!(Refusal::parse(&bytes), Some(refusal()));
    }

    #[test]
    fn words_that_are_too_long_are_cut_and_those_that_turn_text_around_are_refused() {
        let mut long = refusal();
        long.detail = "ü".repeat(2_000);
        let mut bytes = Vec::new();
        long.emit(&mut bytes);
        assert_eq!(
            Refusal::parse(&bytes).unwrap().detail,
            "ü".repeat(ERROR_BYTES_MAX / 2)
        );
        let mut turned = refusal();
        turned.name = "a\u{202e}b".into();
        bytes.clear();
        turned.emit(&mut bytes);
        assert_eq!(Refusal::parse(&bytes), None);
    }

    #[test]
    fn no_part_of_a_refusal_is_one() {
        let mut bytes = Vec::new();
        refusal().emit(&mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(Refusal::parse(&bytes[..end]), None);
        }
    }
}
