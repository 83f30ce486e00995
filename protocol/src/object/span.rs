//! Repair requests in the one form that sender and receiver work with,
//! whatever form they had on the wire.

use crate::wire::{Form, Level, PayloadId, Requests};

/// Symbols `first..=last` of one block, whole blocks, or a whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// `SEGMENT`, `BLOCK` or `OBJECT`.
    pub level: Level,
    /// Object.
    pub toi: u16,
    /// First symbol or block.
    pub first: PayloadId,
    /// Last symbol or block.
    pub last: PayloadId,
}

/// Every span of `requests`. An erasure count of `n` becomes the first `n`
/// parity symbols; requests for INFO, which no session has, are passed over.
pub fn spans<'a>(requests: &Requests<'a>) -> impl Iterator<Item = Span> + use<'a> {
    requests.iter().flat_map(|request| {
        let level = [Level::OBJECT, Level::BLOCK, Level::SEGMENT]
            .into_iter()
            .find(|&level| request.level.contains(level));
        request
            .spans()
            .filter_map(move |((toi, mut first), (_, mut last))| {
                if request.form == Form::Erasures {
                    let missing = first.esi.checked_sub(1)?;
                    first.esi = first.block_len;
                    last.esi = first.block_len.checked_add(missing)?;
                }
                Some(Span {
                    level: level?,
                    toi,
                    first,
                    last,
                })
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RequestBuilder;
    use alloc::vec::Vec;

    #[test]
    fn items_ranges_and_erasures_become_spans() {
        let id = |esi| PayloadId {
            sbn: 3,
            block_len: 10,
            esi,
        };
        let mut bytes = Vec::new();
        let mut builder = RequestBuilder::new(&mut bytes, 1000);
        assert!(builder.push_item(Level::SEGMENT, 3, id(4)));
        assert!(builder.push_range(Level::BLOCK, 3, id(0), id(0)));
        assert!(builder.push(Form::Erasures, Level::SEGMENT, &[(3, id(2))]));
        assert!(builder.push_item(Level::INFO, 3, id(0)));
        let requests = Requests::parse(&bytes).unwrap();
        let span = |level, a, b| Span {
            level,
            toi: 3,
            first: id(a),
            last: id(b),
        };
        let found: Vec<Span> = spans(&requests).collect();
        let wanted = [
            span(Level::SEGMENT, 4, 4),
            span(Level::BLOCK, 0, 0),
            span(Level::SEGMENT, 10, 11),
        ];
        assert_eq!(found, wanted);
    }
}
