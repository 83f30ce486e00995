//! What others see on the wire. Needs root: run by `scripts/test`.

use linecast_lab::{Capture, LabConfig, Loss, Node};
use linecast_netns_tests::{Push, Site};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_dissector_finds_nothing_malformed_and_no_fragment() {
    for family in [&[][..], &["--ipv6"]] {
        let site = Site::up(LabConfig {
            receivers: 2,
            loss: Loss::percent(5.0),
            ..LabConfig::default()
        });
        let image = site.image(2_000_001);
        // Trains reach the first receiver cut into packets; feedback is seen
        // where it arrives.
        let at_receiver = capture(site.lab().receiver(0), &site, "receiver");
        let at_sender = capture(site.lab().sender(), &site, "sender");
        Push::of(&site, &image)
            .args(family)
            .run()
            .assert_complete(&image);
        for (name, capture) in [("receiver", at_receiver), ("sender", at_sender)] {
            let packets = capture.stop().expect("tcpdump ends");
            assert!(packets > 0, "{name} saw nothing");
            check(&file(&site, name), name == "sender");
        }
    }
}

fn capture(node: &Node, site: &Site, name: &str) -> Capture {
    let file = file(site, name);
    Capture::start(node, node.interface, &file, 0, "").expect("tcpdump starts (package tcpdump)")
}

fn file(site: &Site, name: &str) -> std::path::PathBuf {
    site.path().join(name).with_extension("pcap")
}

/// The sender's own capture shows trains whole, longer than any packet, which a
/// dissector rightly finds odd: there only feedback is looked at.
fn check(file: &Path, feedback_only: bool) {
    let mine = if feedback_only {
        "norm.type == 5 || norm.type == 6"
    } else {
        "norm"
    };
    let norm = frames(file, mine);
    assert!(norm > 0, "{}: no NORM at all", file.display());
    let malformed = format!("({mine}) && (_ws.malformed || _ws.expert.severity == error)");
    assert_eq!(frames(file, &malformed), 0, "malformed: {}", file.display());
    let fragments = "ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr";
    assert_eq!(frames(file, fragments), 0, "fragments: {}", file.display());
    let unmarked = format!("({mine}) && ip && ip.flags.df == 0");
    assert_eq!(frames(file, &unmarked), 0, "no DF: {}", file.display());
    if !feedback_only {
        // DATA, CMD; and no UDP of the session that is something else.
        for kind in [2, 3] {
            assert!(frames(file, &format!("norm.type == {kind}")) > 0, "{kind}");
        }
        let others = "udp.port == 7600 && !norm && !icmp && !icmpv6";
        assert_eq!(frames(file, others), 0, "not NORM: {}", file.display());
    }
}

/// Frames of a capture that a display filter accepts.
fn frames(file: &Path, filter: &str) -> usize {
    let output = Command::new("tshark")
        .args(["-n", "-d", "udp.port==7600,norm", "-Y", filter])
        .args(["-T", "fields", "-e", "frame.number", "-r"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .expect("tshark runs; on Debian: apt-get install tshark");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tshark -Y {filter:?}: {stderr}");
    output.stdout.iter().filter(|&&byte| byte == b'\n').count()
}
