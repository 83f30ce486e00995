//! OpenSSH signatures: no text makes the reader panic, what verifies names its key,
//! and our key has signed nothing but what it has signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linecast_fuzz::{armored, release_key};
use linecast_release::sshsig::{MANIFEST_NAMESPACE, claims, verify};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    // Behind the armour, which mutations seldom get through, are the fields.
    let text = match kind % 2 {
        0 => rest.to_vec(),
        _ => armored("SSH SIGNATURE", rest).into_bytes(),
    };
    let claimed = claims(&text);
    for message in [&b""[..], SIGNED, rest] {
        let verified = verify(&text, MANIFEST_NAMESPACE, message);
        match (verified, &claimed) {
            (Ok(key), Ok((claimed, namespace))) => {
                assert_eq!((&key, namespace.as_str()), (claimed, MANIFEST_NAMESPACE));
                assert!(key != release_key().public() || message == SIGNED);
            }
            (Ok(key), Err(error)) => panic!("{key} verifies what claims nothing: {error}"),
            (Err(error), _) => assert!(!error.to_string().is_empty()),
        }
    }
});

/// What the seeds sign.
const SIGNED: &[u8] = b"fuzz";
