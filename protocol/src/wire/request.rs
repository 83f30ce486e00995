//! Repair requests: the content of NACK and CMD(REPAIR_ADV)
//! (RFC 5740 section 4.3.1).
//!
//! ```text
//! requests: | form 8 | level 8 | bytes of items 16 | item | item | ... | form | ...
//! item:     | fec_id 8 | 0 | toi 16 | sbn 32 | block_len 16 | esi 16 |
//! ```

use alloc::vec::Vec;
use core::ops::BitOr;

use super::field::u16_at;
use super::{FEC_ID, PayloadId, WireError};

/// Bytes of an item.
pub const ITEM_BYTES: usize = 4 + PayloadId::BYTES;

/// A place in the transmission: object, and symbol within it.
pub type Item = (u16, PayloadId);

/// The bytes of one item; an ACK(FLUSH) carries its watermark like this.
pub fn item_bytes((toi, id): Item) -> [u8; ITEM_BYTES] {
    let mut out = [0; ITEM_BYTES];
    out[0] = FEC_ID;
    out[2..4].copy_from_slice(&toi.to_be_bytes());
    out[4..].copy_from_slice(&id.to_bytes());
    out
}

/// Reads an item from exactly [`ITEM_BYTES`] bytes.
pub fn item_parse(bytes: &[u8]) -> Result<Item, WireError> {
    match *bytes {
        [] => Err(WireError::Truncated {
            need: ITEM_BYTES,
            got: 0,
        }),
        [FEC_ID, ..] if bytes.len() < ITEM_BYTES => Err(WireError::Truncated {
            need: ITEM_BYTES,
            got: bytes.len(),
        }),
        [FEC_ID, ..] if bytes.len() > ITEM_BYTES => Err(WireError::Uneven {
            unit: ITEM_BYTES,
            got: bytes.len(),
        }),
        [FEC_ID, ..] => Ok(item_read(bytes)),
        [other, ..] => Err(WireError::UnsupportedFecId(other)),
    }
}

/// How the items of a request are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Form {
    /// Each item is one thing asked for.
    Items = 1,
    /// Each pair of items spans everything between them, both included.
    Ranges = 2,
    /// Each item's `esi` is a number of symbols missing from its block.
    Erasures = 3,
}

/// What is asked for: a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Level(pub u8);

impl Level {
    /// Single symbols.
    pub const SEGMENT: Self = Self(0x01);
    /// Whole blocks.
    pub const BLOCK: Self = Self(0x02);
    /// The INFO message of the object.
    pub const INFO: Self = Self(0x04);
    /// Whole objects.
    pub const OBJECT: Self = Self(0x08);

    /// Whether all bits of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Level {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Repair requests as they are on the wire, checked to the last byte, so that
/// iterating cannot fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests<'a>(&'a [u8]);

impl<'a> Requests<'a> {
    /// Checks forms, lengths and FEC ids of everything in `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = Request::parse(rest)?.1;
        }
        Ok(Self(bytes))
    }

    /// The requests in order.
    pub fn iter(&self) -> RequestIter<'a> {
        RequestIter(self.0)
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The requests as they are on the wire.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> IntoIterator for Requests<'a> {
    type Item = Request<'a>;
    type IntoIter = RequestIter<'a>;

    fn into_iter(self) -> RequestIter<'a> {
        self.iter()
    }
}

/// Iterates over [`Requests`].
#[derive(Debug, Clone)]
pub struct RequestIter<'a>(&'a [u8]);

impl<'a> Iterator for RequestIter<'a> {
    type Item = Request<'a>;

    fn next(&mut self) -> Option<Request<'a>> {
        let (request, rest) = Request::parse(self.0).ok()?;
        self.0 = rest;
        Some(request)
    }
}

/// One request: items of the same form and level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// How to read the items.
    pub form: Form,
    /// What they ask for.
    pub level: Level,
    items: &'a [u8],
}

impl<'a> Request<'a> {
    /// The items one by one; for [`Form::Ranges`] first and last alternate.
    pub fn items(&self) -> Items<'a> {
        Items(self.items)
    }

    /// The items as inclusive pairs: of first and last for [`Form::Ranges`],
    /// of an item with itself for the other forms.
    pub fn spans(&self) -> Spans<'a> {
        Spans {
            items: self.items(),
            paired: self.form == Form::Ranges,
        }
    }

    fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), WireError> {
        let Some((&[form, level, high, low], rest)) = bytes.split_first_chunk::<HEADER_BYTES>()
        else {
            return Err(WireError::Truncated {
                need: HEADER_BYTES,
                got: bytes.len(),
            });
        };
        let (form, unit) = match form {
            1 => (Form::Items, ITEM_BYTES),
            2 => (Form::Ranges, 2 * ITEM_BYTES),
            3 => (Form::Erasures, ITEM_BYTES),
            other => return Err(WireError::Form(other)),
        };
        let need = usize::from(u16::from_be_bytes([high, low]));
        let (items, rest) = rest.split_at_checked(need).ok_or(WireError::Truncated {
            need,
            got: rest.len(),
        })?;
        // A foreign FEC id comes with items of another size, so it is looked
        // for first: it is the better reason.
        if let Some(&id) = items.iter().step_by(ITEM_BYTES).find(|&&id| id != FEC_ID) {
            return Err(WireError::UnsupportedFecId(id));
        }
        if !need.is_multiple_of(unit) {
            return Err(WireError::Uneven { unit, got: need });
        }
        Ok((
            Self {
                form,
                level: Level(level),
                items,
            },
            rest,
        ))
    }
}

/// Iterates over the items of a request.
#[derive(Debug, Clone)]
pub struct Items<'a>(&'a [u8]);

impl Iterator for Items<'_> {
    type Item = Item;

    #[inline]
    fn next(&mut self) -> Option<Item> {
        let (item, rest) = self.0.split_first_chunk::<ITEM_BYTES>()?;
        self.0 = rest;
        Some(item_read(item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.0.len() / ITEM_BYTES;
        (len, Some(len))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// Iterates over the inclusive pairs of a request.
#[derive(Debug, Clone)]
pub struct Spans<'a> {
    items: Items<'a>,
    paired: bool,
}

impl Iterator for Spans<'_> {
    type Item = (Item, Item);

    #[inline]
    fn next(&mut self) -> Option<(Item, Item)> {
        let first = self.items.next()?;
        Some((
            first,
            if self.paired {
                self.items.next()?
            } else {
                first
            },
        ))
    }
}

/// Writes repair requests, as many as fit.
///
/// Consecutive pushes of the same form and level share one request header.
#[derive(Debug)]
pub struct RequestBuilder<'v> {
    out: &'v mut Vec<u8>,
    end: usize,
    open: Option<Open>,
}

/// The request that is being added to.
#[derive(Debug)]
struct Open {
    at: usize,
    form: Form,
    level: Level,
}

impl<'v> RequestBuilder<'v> {
    /// Appends to `out`, at most `limit_bytes` in all.
    pub fn new(out: &'v mut Vec<u8>, limit_bytes: usize) -> Self {
        let end = out.len().saturating_add(limit_bytes);
        Self {
            out,
            end,
            open: None,
        }
    }

    /// Asks for one thing. `false`: it did not fit and nothing was written.
    #[must_use]
    pub fn push_item(&mut self, level: Level, toi: u16, id: PayloadId) -> bool {
        self.push(Form::Items, level, &[(toi, id)])
    }

    /// Asks for everything from `first` to `last`, both included. `false`: it
    /// did not fit and nothing was written.
    #[must_use]
    pub fn push_range(
        &mut self,
        level: Level,
        toi: u16,
        first: PayloadId,
        last: PayloadId,
    ) -> bool {
        self.push(Form::Ranges, level, &[(toi, first), (toi, last)])
    }

    /// Adds items of any form; those of [`Form::Ranges`] come in pairs.
    /// `false`: they did not fit and nothing was written.
    #[must_use]
    pub fn push(&mut self, form: Form, level: Level, items: &[Item]) -> bool {
        debug_assert!(form != Form::Ranges || items.len().is_multiple_of(2));
        let bytes = items.len() * ITEM_BYTES;
        let joined = self.open.as_ref().and_then(|open| {
            let length = self.out.len() - open.at - HEADER_BYTES + bytes;
            let same = open.form == form && open.level == level;
            u16::try_from(length)
                .ok()
                .filter(|_| same)
                .map(|length| (open.at, length))
        });
        let need = if joined.is_some() {
            bytes
        } else {
            HEADER_BYTES + bytes
        };
        if self.out.len() + need > self.end {
            return false;
        }
        match (joined, u16::try_from(bytes)) {
            (Some((at, length)), _) => {
                self.out[at + 2..at + HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
            }
            (None, Ok(length)) => {
                self.open = Some(Open {
                    at: self.out.len(),
                    form,
                    level,
                });
                self.out.extend_from_slice(&[form as u8, level.0]);
                self.out.extend_from_slice(&length.to_be_bytes());
            }
            (None, Err(_)) => return false,
        }
        items
            .iter()
            .for_each(|&item| self.out.extend_from_slice(&item_bytes(item)));
        true
    }
}

#[inline]
fn item_read(bytes: &[u8]) -> Item {
    (u16_at(bytes, 2), PayloadId::read(bytes, 4))
}

const HEADER_BYTES: usize = 4;
