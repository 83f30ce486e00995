//! Where the symbols come from: the image by block, and the leaf list.

use crate::image::{Image, ImageError, ImageHash};
use linecast_protocol::object::ListLayout;
use linecast_protocol::offer::{LEAVES_TOI, SessionShape};
use std::ops::Range;

/// The objects of a session, ready to be read block by block.
#[derive(Debug)]
pub(crate) struct Source {
    image: Image,
    leaf_list: Vec<u8>,
    shape: SessionShape,
}

impl Source {
    /// An image, and its hash, from which the leaf list is made.
    pub(crate) fn new(image: Image, hash: &ImageHash, shape: SessionShape) -> Source {
        let leaf_list = match shape.leaves {
            Some(_) => ListLayout::new(hash.size).compose(&hash.leaves, &hash.zero_map),
            None => Vec::new(),
        };
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

    /// Reads the bytes `range` of object `toi` into `memory`, which becomes as
    /// long as they are.
    ///
    /// # Errors
    /// The image cannot be read, or has changed since it was hashed.
    pub(crate) fn read(
        &self,
        toi: u16,
        range: Range<u64>,
        memory: &mut Vec<u8>,
    ) -> Result<(), ImageError> {
        if toi == LEAVES_TOI {
            memory.clear();
            memory.extend_from_slice(&self.leaf_list[range.start as usize..range.end as usize]);
            return Ok(());
        }
        memory.resize((range.end - range.start) as usize, 0);
        self.image.read_at(range.start, memory)?;
        self.image.unchanged()
    }
}
