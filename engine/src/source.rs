//! Where the symbols come from: the image by block, and the leaf list.

use crate::image::{Image, ImageError};
use linecast_protocol::offer::{LEAVES_TOI, SessionShape};
use std::io::IoSliceMut;

/// The objects of a session, ready to be read block by block.
#[derive(Debug)]
pub(crate) struct Source {
    image: Image,
    leaf_list: Vec<u8>,
    shape: SessionShape,
}

impl Source {
    /// An image that was hashed, and its leaf list.
    pub(crate) fn new(image: Image, leaf_list: Vec<u8>, shape: SessionShape) -> Source {
        Source {
            image,
            leaf_list,
            shape,
        }
    }

    /// The shape of the session.
    pub(crate) fn shape(&self) -> &SessionShape {
        &self.shape
    }

    /// Reads the bytes from `offset` of object `toi` on into `parts`, one after
    /// the other.
    ///
    /// # Errors
    /// The image cannot be read, or has changed since it was hashed.
    pub(crate) fn read_scattered(
        &self,
        toi: u16,
        offset: u64,
        parts: &mut [IoSliceMut<'_>],
    ) -> Result<(), ImageError> {
        if toi == LEAVES_TOI {
            let mut rest = &self.leaf_list[offset as usize..];
            for part in parts {
                let (head, tail) = rest.split_at(part.len());
                part.copy_from_slice(head);
                rest = tail;
            }
            return Ok(());
        }
        self.image.read_scattered(offset, parts)?;
        self.image.unchanged()
    }

    /// Reads block `sbn` of object `toi` into `block`, which becomes as long as
    /// the block; the last symbol of the object may be short.
    ///
    /// # Errors
    /// The image cannot be read, or has changed since it was hashed.
    pub(crate) fn read_block(
        &self,
        toi: u16,
        sbn: u32,
        block: &mut Vec<u8>,
    ) -> Result<(), ImageError> {
        let Some(layout) = self.shape.layout(toi) else {
            return Ok(());
        };
        let range = layout.block_range(sbn);
        if toi == LEAVES_TOI {
            block.clear();
            block.extend_from_slice(&self.leaf_list[range.start as usize..range.end as usize]);
            return Ok(());
        }
        block.resize((range.end - range.start) as usize, 0);
        self.image.read_at(range.start, block)?;
        self.image.unchanged()
    }
}
