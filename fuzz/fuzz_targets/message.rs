//! What linecast says inside NORM's messages: status, page, refusal, notice. What
//! parses is written again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linecast_protocol::limits::{ERROR_BYTES_MAX, NAME_BYTES_MAX, PAGE_LEAVES};
use linecast_protocol::message::{
    Complete, Notice, Page, Refusal, Register, Signed, Status, WelcomeEntry,
};
use linecast_protocol::text::is_printable;

fuzz_target!(|bytes: &[u8]| {
    let mut again = Vec::new();
    if let Some(status) = Status::parse(bytes) {
        status.emit(&mut again);
        assert_eq!(Status::parse(&again), Some(status));
    }
    again.clear();
    if let Some(page) = Page::parse(bytes) {
        page.emit(&mut again);
        assert_eq!(again, bytes);
        let first = u64::from(page.number) * PAGE_LEAVES;
        let mut leaves = Page::leaves(page.number, &page.lacking);
        assert!(leaves.all(|leaf| (first..first + PAGE_LEAVES).contains(&leaf)));
    }
    again.clear();
    if let Some(refusal) = Refusal::parse(bytes) {
        assert!(refusal.name.len() <= NAME_BYTES_MAX && refusal.detail.len() <= ERROR_BYTES_MAX);
        assert!(
            refusal
                .name
                .chars()
                .chain(refusal.detail.chars())
                .all(is_printable)
        );
        refusal.emit(&mut again);
        assert!(bytes.starts_with(&again), "a later version may add to it");
        assert_eq!(Refusal::parse(&again), Some(refusal));
    }
    again.clear();
    if let Some(notice) = Notice::parse(bytes) {
        notice.emit(&mut again);
        assert_eq!(again, bytes);
        if let Notice::Welcome(entries) = notice
            && let Some(name) = entries.first_chunk::<8>()
        {
            let mut found = WelcomeEntry::find(entries, *name);
            assert!(found.all(|entry| entry.life == *name));
        }
    }
    check_json(Signed::parse(bytes).map_or(bytes, |signed| signed.text));
});

/// Registration and completion, as the sender reads them.
fn check_json(text: &[u8]) {
    if let Ok(register) = serde_json::from_slice::<Register>(text) {
        let again = serde_json::to_vec(&register).expect("it is plain data");
        assert_eq!(
            serde_json::from_slice::<Register>(&again).ok(),
            Some(register)
        );
    }
    if let Ok(complete) = serde_json::from_slice::<Complete>(text) {
        let again = serde_json::to_vec(&complete).expect("it is plain data");
        assert!(serde_json::from_slice::<Complete>(&again).is_ok());
    }
}
