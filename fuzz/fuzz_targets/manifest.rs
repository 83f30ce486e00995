//! Manifests: what parses is within its limits, and what is written from it means
//! the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linecast_release::manifest::{Manifest, Policy};

fuzz_target!(|bytes: &[u8]| {
    let manifest = match Manifest::parse(bytes) {
        Ok(manifest) => manifest,
        // What is wrong is said in words.
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    manifest
        .check_limits()
        .expect("what parses is within its limits");
    assert_eq!(
        Manifest::parse(&manifest.to_bytes()).as_ref(),
        Ok(&manifest)
    );
    let mut policy = Policy {
        now_unix: manifest
            .expires
            .map_or(u64::MAX, |expires| expires.saturating_sub(1)),
        installed_version: Some(manifest.version),
        hardware: manifest.hardware.first().cloned(),
        size_max: manifest.size_bytes,
    };
    let early = manifest.expires == Some(0);
    assert_eq!(manifest.check(&policy).is_ok(), !early);
    policy.installed_version = Some(manifest.version + 1);
    assert!(manifest.check(&policy).is_err());
});
