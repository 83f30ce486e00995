//! Session objects and their descriptors: what parses is written again as it was,
//! and the shape that follows from it can be laid out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linecast_protocol::limits::SESSION_OBJECT_BYTES_MAX;
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::offer::{
    Descriptor, IMAGE_TOI, LEAVES_TOI, Offer, SessionShape, session_text,
};

fuzz_target!(|bytes: &[u8]| {
    // The size of the image comes from elsewhere: from the manifest.
    let (size, object) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], bytes));
    let size = u64::from_be_bytes(*size) >> (size[0] % 64);
    match Offer::parse(object) {
        Ok(offer) => {
            assert!(object.len() <= SESSION_OBJECT_BYTES_MAX);
            assert_eq!(offer.to_bytes().as_deref(), Ok(object));
            assert!(session_text(offer.descriptor, offer.manifest).starts_with(offer.descriptor));
            check_descriptor(offer.descriptor, size);
        }
        // Descriptors alone are found sooner.
        Err(_) => check_descriptor(object, size),
    }
});

fn check_descriptor(text: &[u8], size: u64) {
    let Ok(descriptor) = Descriptor::parse(text) else {
        return;
    };
    let again = descriptor
        .to_bytes()
        .expect("what parses is within its limits");
    assert_eq!(Descriptor::parse(&again).as_ref(), Ok(&descriptor));
    let Ok(shape) = SessionShape::new(&descriptor, size, [4; 32]) else {
        return;
    };
    for toi in 0..5 {
        let layout = shape.layout(toi);
        assert!(layout.is_none() || toi == LEAVES_TOI || toi == IMAGE_TOI);
        if let Some(layout) = layout {
            check_layout(layout);
        }
        assert!(shape.lane(toi, u32::MAX) < usize::from(shape.lanes));
    }
}

/// The ends of the object, and the places where long blocks become short ones.
fn check_layout(layout: &ObjectLayout) {
    let (blocks, symbols) = (layout.blocks(), layout.symbols());
    assert!(blocks > 0 && symbols > 0);
    for sbn in [0, blocks / 2, blocks - 1] {
        let (len, first) = (layout.block_len(sbn), layout.first_symbol(sbn));
        assert!(len > 0 && len <= layout.block_len_max());
        assert_eq!(layout.locate(first), (sbn, 0));
        assert_eq!(layout.locate(first + u64::from(len) - 1), (sbn, len - 1));
        assert!(layout.symbol_len(sbn, len - 1) > 0);
        assert!(layout.block_range(sbn).end <= layout.size());
        assert_eq!(
            layout.blocks_touching(&(first..first + u64::from(len))),
            sbn..sbn + 1
        );
    }
    assert_eq!(layout.block_range(blocks - 1).end, layout.size());
    assert_eq!(layout.symbols_touching(&(0..layout.size())), 0..symbols);
}
