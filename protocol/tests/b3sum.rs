//! The root of our tree is what the `b3sum` tool prints. The tool may be
//! missing, so this test is run on request:
//! `cargo test -p linecast-protocol --test b3sum -- --ignored`.
use linecast_protocol::hex;
use linecast_protocol::object::tree;
use std::process::Command;

#[test]
#[ignore = "needs the package b3sum"]
fn root_is_what_b3sum_prints() {
    let dir = tempfile::tempdir().unwrap();
    let mut sizes = vec![0_u64, 1, 1023, 1024, 1025];
    for leaves in [1, 2, 3, 5, 7, 8, 9, 31, 33] {
        let edge = leaves * tree::LEAF_BYTES;
        sizes.extend([edge - 1, edge, edge + 1]);
    }
    // And sizes that mean nothing, up to 512 in all.
    let mut odd = 1_u64;
    while sizes.len() < 512 {
        odd = odd
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let size = (odd >> 33) % 700_000;
        if !sizes.contains(&size) {
            sizes.push(size);
        }
    }
    let mut command = Command::new("b3sum");
    let mut expected = String::new();
    for size in sizes {
        let image: Vec<u8> = (0..size).map(|i| ((i * 31) >> 7) as u8).collect();
        let path = dir.path().join(size.to_string());
        std::fs::write(&path, &image).unwrap();
        command.arg(&path);
        expected += &hex(&tree::hash_bytes(&image).0);
        expected.push('\n');
    }
    let output = command.arg("--no-names").output();
    let output = output.expect("b3sum is needed: install the package b3sum");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
