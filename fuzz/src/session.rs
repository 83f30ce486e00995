//! The session that both machines are put into: ids, keys and shapes.

use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::message::{END_CONTEXT, EndReason, end_text};
use linecast_protocol::offer::{DESCRIPTOR_SCHEMA, Descriptor, SessionShape};
use std::sync::LazyLock;

/// Source id and instance id of the sender.
pub const SOURCE: (u32, u16) = (77, 5);

/// What makes one shape differ from another.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    size: u64,
    symbol_bytes: u16,
    block_symbols: u16,
    num_parity: u16,
    lanes: u8,
}

const fn of(size: u64, symbol_bytes: u16, block_symbols: u16, num_parity: u16, lanes: u8) -> Shape {
    Shape {
        size,
        symbol_bytes,
        block_symbols,
        num_parity,
        lanes,
    }
}

/// From nothing to the largest that a test can afford: odd ends, blocks of one
/// symbol, no parity, all lanes, more leaves than one page and more blocks than one look.
pub const SHAPES: [Shape; 7] = [
    of(200_005, 1408, 16, 2048, 1),
    of(0, 1408, 128, 2048, 1),
    of(1, 64, 1, 1, 1),
    of(256 << 10, 64, 8, 4, 8),
    of(300_000, 1408, 255, 0, 2),
    of(66_000, 64, 1, 2048, 3),
    of(600 << 20, 8896, 64, 2048, 4),
];

/// The shape with this number.
pub fn shape(number: usize) -> SessionShape {
    static ALL: LazyLock<[SessionShape; SHAPES.len()]> = LazyLock::new(|| SHAPES.map(laid_out));
    ALL[number % SHAPES.len()]
}

fn laid_out(shape: Shape) -> SessionShape {
    let descriptor = Descriptor {
        schema: DESCRIPTOR_SCHEMA.into(),
        session: hex(&[3; 16]),
        session_key: hex(session_key().public().as_bytes()),
        symbol_bytes: shape.symbol_bytes,
        block_symbols: shape.block_symbols,
        codec: "gf16-low".into(),
        num_parity: shape.num_parity,
        lanes: shape.lanes,
        window_packets: 3_072,
    };
    SessionShape::new(&descriptor, shape.size, [4; 32]).expect("the shape can be laid out")
}

/// The key that signs the end of the session.
pub fn session_key() -> &'static SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed([9; 32]));
    &KEY
}

/// The key that the seeds of `sshsig` are signed with.
pub fn release_key() -> &'static SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed([5; 32]));
    &KEY
}

/// The true signature of an end.
pub fn end_signature(reason: EndReason) -> &'static [u8; 64] {
    static ALL: LazyLock<[[u8; 64]; 4]> = LazyLock::new(|| {
        use EndReason::{Deadline, Finished, ImageChanged, Interrupted};
        [Interrupted, ImageChanged, Deadline, Finished]
            .map(|reason| session_key().sign(END_CONTEXT, &end_text(reason, &[3; 16])))
    });
    &ALL[reason as usize - 1]
}
