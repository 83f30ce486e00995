//! Keys as OpenSSH writes them, and the files that say whom to trust and expect.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linecast_fuzz::armored;
use linecast_release::lists::{ROSTER_MAX, Roster, TRUST_MAX, TrustSet};
use linecast_release::openssh::{read_private, read_public, write_private, write_public};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    match kind % 3 {
        0 => check_private(rest),
        1 => check_private(armored("OPENSSH PRIVATE KEY", rest).as_bytes()),
        _ => {
            if let Ok(text) = core::str::from_utf8(rest) {
                check_lists(text);
            }
        }
    }
});

fn check_private(text: &[u8]) {
    if let Ok(key) = read_private(text) {
        let again = read_private(write_private(&key, "fuzz").as_bytes());
        assert_eq!(again.map(|key| key.to_seed()), Ok(key.to_seed()));
    }
}

fn check_lists(text: &str) {
    if let Ok((key, comment)) = read_public(text) {
        let line = write_public(&key, comment);
        assert_eq!(read_public(&line).map(|(key, _)| key), Ok(key));
    }
    match TrustSet::parse(text) {
        Ok(trust) => {
            let count = trust.iter().count();
            assert!((1..=TRUST_MAX).contains(&count));
            assert!(
                trust
                    .iter()
                    .all(|(key, name)| trust.contains(key) == Some(name))
            );
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match Roster::parse(text) {
        Ok(roster) => {
            assert!((1..=ROSTER_MAX).contains(&roster.entries().len()));
            let named = |(name, key): &(String, _)| roster.name_of(key) == Some(name);
            assert!(roster.entries().iter().all(named));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
