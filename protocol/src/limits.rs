//! Every bound of the protocol in one place, each with its reason.

use core::time::Duration;

/// Object 1 (descriptor, manifest, signature) in bytes: the one thing that is
/// kept before anything is verified.
pub const SESSION_OBJECT_BYTES_MAX: usize = 64 * 1024;
/// The largest object that EXT_FTI can name (48 bits, RFC 5740 §4.2.1).
pub const IMAGE_BYTES_MAX: u64 = (1 << 48) - 1;
/// Unverified sessions whose object 1 a receiver collects at once.
pub const OFFERS_MAX: usize = 16;
/// Receivers that one session can hold.
pub const ROSTER_MAX: usize = 65_536;
/// Transmit lanes of one sender; a status report lists one sequence for each.
pub const LANES_MAX: usize = 8;
/// Largest group in which every receiver's reading position steers the sender.
pub const WINDOWED_GROUP_MAX: usize = 32;
/// Largest group in which everybody may ask at once when few are left to ask.
pub const MIDDLING_GROUP_MAX: usize = 256;
/// Packets that may be under way in a windowed group. Half the range of the
/// 16-bit sequence would be 32,768; 3,072 packets of 1,448 bytes also fit the
/// 8 MiB that an unprivileged socket buffer holds (2,304 bytes a packet).
pub const WINDOW_PACKETS: u64 = 3_072;
/// A receiver that said nothing for this long no longer holds the window back.
pub const WINDOW_SILENCE: Duration = Duration::from_secs(2);
/// Backoff factor K for unicast feedback (RFC 5740 §5.3.2.1).
pub const BACKOFF_FACTOR: u8 = 6;
/// Backoff factor of a windowed group: so few NACKs need no suppression, and a
/// short backoff keeps the last repairs short.
pub const BACKOFF_FACTOR_SMALL: u8 = 1;
/// Least group round-trip time that is used.
pub const GRTT_MIN: Duration = Duration::from_millis(1);
/// Greatest group round-trip time that is used.
pub const GRTT_MAX: Duration = Duration::from_secs(10);
/// Group round-trip time until one has been measured.
pub const GRTT_INITIAL: Duration = Duration::from_millis(10);
/// Bytes of one feedback or command message: fits MTU 1280 with IPv6.
pub const MESSAGE_BYTES_MAX: usize = 1_200;
/// Commands that wait to be sent: one of each kind, and what is repeated.
pub const COMMANDS_MAX: usize = 64;
/// Events that wait for the caller of a receiver.
pub const EVENTS_MAX: usize = 8;
/// NACK messages that one receiver sends at the end of one backoff.
pub const NACKS_PER_ROUND: usize = 4;
/// Symbols of one block: block length and ESI share 16 bits with parity.
pub const BLOCK_SYMBOLS_MAX: u16 = 32_768;
/// Parity symbols for one block. Beyond it the sources are sent again.
pub const PARITY_MAX: u16 = 2_048;
/// Repairs are at most this part of the packets while first transmissions last:
/// one repair for three others.
pub const REPAIR_SHARE: u32 = 4;
/// Bytes of the map of one page of leaves: with its head, what fits one message.
pub const PAGE_BYTES: usize = 1_024;
/// Leaves of one page: 512 MiB of the image.
pub const PAGE_LEAVES: u64 = PAGE_BYTES as u64 * 8;
/// Ranges of one NACK that are looked at: what fits one message.
pub const SPANS_MAX: usize = MESSAGE_BYTES_MAX / 28 + 1;
/// Installations of one key that are served: clones of one disk.
pub const CLONES_MAX: usize = 16;
/// Times that one device may start again in a session.
pub const LIVES_MAX: u16 = 64;
/// Lives of one installation that wait for a proof: a replayed registration may
/// come beside the true one.
pub const PENDING_LIVES_MAX: usize = 3;
/// Receivers that no roster names and that have proven nothing yet, from one
/// address; and all that no roster names.
pub const UNPROVEN_PER_ADDRESS_MAX: u32 = 64;
/// See [`UNPROVEN_PER_ADDRESS_MAX`].
pub const UNENROLLED_PER_ADDRESS_MAX: u32 = 1_024;
/// Bytes of the reason that a receiver gives for a failure.
pub const ERROR_BYTES_MAX: usize = 512;
/// Bytes of a receiver's name.
pub const NAME_BYTES_MAX: usize = 64;

const _: () = assert!(WINDOW_PACKETS < 32_768);
const _: () = assert!(BLOCK_SYMBOLS_MAX as u32 + PARITY_MAX as u32 <= 65_536);
