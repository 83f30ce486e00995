//! Lists of equal entries: node ids, object ids, congestion reports.

use alloc::vec::Vec;
use core::fmt;

use super::WireError;
use super::field::{u16_at, u32_at};

/// Node ids, as FLUSH and ACK_REQ carry them.
pub type NodeList<'a> = List<'a, u32>;

/// Object ids, as SQUELCH carries them.
pub type ToiList<'a> = List<'a, u16>;

/// Receivers that CMD(CC) reports on.
pub type CcList<'a> = List<'a, CcNode>;

/// One receiver in CMD(CC) (RFC 5740 section 4.2.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CcNode {
    /// Node id of the receiver.
    pub node: u32,
    /// CLR 0x01, PLR 0x02, RTT 0x04, START 0x08, LEAVE 0x10.
    pub flags: u8,
    /// Quantized round-trip time.
    pub rtt: u8,
    /// Quantized rate.
    pub rate: u16,
}

/// A list that is either still in its datagram or the caller's own slice, so
/// that one type serves reading and writing without a copy.
pub struct List<'a, T>(Repr<'a, T>);

enum Repr<'a, T> {
    /// A whole number of entries.
    Wire(&'a [u8]),
    Host(&'a [T]),
}

impl<'a, T: Entry> List<'a, T> {
    /// A list without entries.
    pub const EMPTY: Self = Self(Repr::Host(&[]));

    /// A list to be emitted.
    pub fn from_slice(entries: &'a [T]) -> Self {
        Self(Repr::Host(entries))
    }

    /// A list as it is on the wire; the bytes must divide into entries.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, WireError> {
        if bytes.len().is_multiple_of(T::BYTES) {
            Ok(Self(Repr::Wire(bytes)))
        } else {
            Err(WireError::Uneven {
                unit: T::BYTES,
                got: bytes.len(),
            })
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        match self.0 {
            Repr::Wire(bytes) => bytes.len() / T::BYTES,
            Repr::Host(entries) => entries.len(),
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + use<'a, T> {
        let list = *self;
        (0..self.len()).map(move |index| match list.0 {
            Repr::Wire(bytes) => T::read(&bytes[index * T::BYTES..][..T::BYTES]),
            Repr::Host(entries) => entries[index],
        })
    }

    /// Whether `entry` is among them.
    pub fn contains(&self, entry: T) -> bool {
        self.iter().any(|other| other == entry)
    }

    /// Appends the list.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self.0 {
            Repr::Wire(bytes) => out.extend_from_slice(bytes),
            Repr::Host(entries) => entries.iter().for_each(|entry| entry.write(out)),
        }
    }
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<T> Clone for Repr<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Repr<'_, T> {}

impl<T: Entry> Default for List<'_, T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<T: Entry> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Entry> Eq for List<'_, T> {}

impl<T: Entry> fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What a [`List`] can hold. Only the types of this module implement it.
pub trait Entry: sealed::Sealed + Copy + Eq + fmt::Debug + 'static {
    /// Bytes on the wire.
    const BYTES: usize;
    /// Reads an entry from exactly `BYTES` bytes.
    #[doc(hidden)]
    fn read(bytes: &[u8]) -> Self;
    /// Appends the entry.
    #[doc(hidden)]
    fn write(&self, out: &mut Vec<u8>);
}

impl Entry for u32 {
    const BYTES: usize = 4;
    #[inline]
    fn read(bytes: &[u8]) -> Self {
        u32_at(bytes, 0)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl Entry for u16 {
    const BYTES: usize = 2;
    #[inline]
    fn read(bytes: &[u8]) -> Self {
        u16_at(bytes, 0)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl Entry for CcNode {
    const BYTES: usize = 8;
    #[inline]
    fn read(bytes: &[u8]) -> Self {
        Self {
            node: u32_at(bytes, 0),
            flags: bytes[4],
            rtt: bytes[5],
            rate: u16_at(bytes, 6),
        }
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.node.to_be_bytes());
        out.extend_from_slice(&[self.flags, self.rtt]);
        out.extend_from_slice(&self.rate.to_be_bytes());
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u16 {}
    impl Sealed for u32 {}
    impl Sealed for super::CcNode {}
}
