//! Memory that the kernel copies whole reads into.

/// Bytes that start at a page: what O_DIRECT asks of a buffer on every file
/// system we know of, and where the kernel copies fastest.
///
/// Allocators put large memory 16 bytes behind the start of a page. A page of a
/// file copied there by `rep movsb` takes four times as long on some AMD
/// processors (588 against 160 ms a GiB on the one of the README's table): they
/// are slow where the target is 1 to 31 bytes ahead of the source, modulo 4096.
#[derive(Debug)]
pub struct PageAligned {
    memory: Vec<u8>,
    start: usize,
    bytes: usize,
}

impl PageAligned {
    /// So many zeros.
    pub fn zeroed(bytes: usize) -> PageAligned {
        let memory = vec![0; bytes + PAGE_BYTES - 1];
        // A vector that never grows does not move its bytes.
        let start = memory.as_ptr().align_offset(PAGE_BYTES);
        assert!(start < PAGE_BYTES, "every byte address can be aligned");
        PageAligned {
            memory,
            start,
            bytes,
        }
    }

    /// All of it, to write.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.bytes]
    }
}

/// The usual page, which is a multiple of every logical block size.
const PAGE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_at_a_page_and_is_as_long_as_asked_for() {
        for bytes in [0, 1, 4095, 4096, 1 << 20] {
            let mut memory = PageAligned::zeroed(bytes);
            let slice = memory.as_mut_slice();
            assert_eq!(slice.as_ptr().align_offset(PAGE_BYTES), 0);
            assert_eq!(slice.len(), bytes);
        }
    }
}
