//! Bad input: every case has its exit code and a message that names the thing,
//! and leaves nothing behind. Needs root: run by `scripts/test`.

use linecast_lab::Staging;
use linecast_netns_tests::{
    Image, Offering, Outcome, PROGRAM_LIMIT, Program, Push, Pushed, SessionObject, Site,
    deny_reading_all,
};
use linecast_protocol::key::SigningKey;
use linecast_protocol::object::tree;
use linecast_release::manifest::Manifest;
use linecast_release::openssh;
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};
use std::fs::{self, Permissions};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
/// Slow enough to do something in the middle.
const SLOW: [&str; 2] = ["--rate", "100mbit"];

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn images_that_cannot_be_read() {
    let site = Site::with_receivers(0);
    let missing = site.path().join("missing.img");
    fs::create_dir(site.path().join("directory")).unwrap();
    for (path, says) in [
        (missing, "missing.img"),
        (site.path().join("directory"), "directory"),
    ] {
        let path = path.to_str().unwrap();
        run(&site, &["push", path]).assert_code(1).assert_says(says);
    }
    // Root may read anything unless it gives the right up.
    let image = site.image(10);
    fs::set_permissions(image.path(), Permissions::from_mode(0o000)).unwrap();
    let unreadable = site.start_prepared(
        site.lab().sender(),
        &["push", image.argument()],
        deny_reading_all,
    );
    finish(unreadable)
        .assert_code(1)
        .assert_says(image.argument());
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn flags_that_make_no_sense() {
    let site = Site::with_receivers(1);
    let image = site.image(10);
    let image = image.argument();
    for (arguments, says) in [
        (&["--interface", "eth77"][..], "eth77"),
        (&["--group", "10.77.1.1"], "10.77.1.1"),
        (&["--group", "elsewhere"], "elsewhere"),
        (&["--rate", "9 parsec"], "parsec"),
        (&["--rate", "fast"], "fast"),
        (&["--wait", "5"], "5"),
        (&["--block-symbols", "0"], "--block-symbols"),
        (&["--block-symbols", "40000"], "--block-symbols"),
        (&["--symbol", "1409"], "1409"),
        (&["--symbol", "9024"], "9024"),
        (&["--lanes", "99"], "--lanes"),
        (&["--io", "pigeon"], "pigeon"),
        (&["--surprise"], "--surprise"),
    ] {
        let arguments = [&["push", image], arguments].concat();
        run(&site, &arguments).assert_code(1).assert_says(says);
    }
    let target = site.target(0);
    let target = target.to_str().unwrap();
    for (arguments, says) in [
        (&["--interface", "eth77"][..], "eth77"),
        (&["--group", "10.77.1.1"], "10.77.1.1"),
        (&["--size-max", "3 parsec"], "parsec"),
        (&["--output", "../escape"], "../escape"),
        (&["--source", "ff02::1"], "ff02::1"),
        (&["--trust", "/missing/keys"], "/missing/keys"),
    ] {
        let arguments = [&["receive", target, "--wait", "1s"], arguments].concat();
        run(&site, &arguments).assert_code(1).assert_says(says);
    }
    assert_eq!(site.leavings(0), Vec::<String>::new());
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn an_image_that_changes_while_it_is_sent() {
    let site = Site::with_receivers(2);
    let image = site.image(16 * MIB);
    let before = site.sent_bytes();
    let (sender, receivers) = Push::of(&site, &image).push_args(&SLOW).start();
    site.await_sent(before, image.size() / 4);
    let mut other = image.bytes().to_vec();
    other[12 * MIB] ^= 1;
    fs::write(image.path(), &other).unwrap();
    let pushed = Pushed::wait(sender, receivers);
    pushed.sender.assert_code(4);
    assert_eq!(pushed.sender.text("/outcome"), "failed");
    let reason = pushed.sender.text("/reason");
    assert!(
        reason.contains("changed") && reason.contains(image.argument()),
        "{reason}"
    );
    for receiver in &pushed.receivers {
        receiver.assert_code(4).assert_says("changed");
    }
    for receiver in 0..2 {
        // What is verified matches the signed root: no session's word deletes it.
        let left = site.leavings(receiver);
        let staged = |name: &String| name.ends_with(".staging");
        assert!(left.iter().any(staged), "{left:?}");
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn manifests_that_a_sender_refuses() {
    let site = Site::with_receivers(0);
    let image = site.image(100_000);
    let honest = manifest(&image);
    let key = SigningKey::from_seed([1; 32]);
    let wrong_size = Manifest {
        size_bytes: 5,
        ..honest.clone()
    };
    let expired = Manifest {
        expires: Some(86_400),
        created: 0,
        ..honest.clone()
    };
    let mut trailing = honest.to_bytes();
    trailing.extend_from_slice(b"{}");
    let mut long = honest.to_bytes();
    long.resize(65 * 1_024 + 1, b' ');
    for (name, text, says) in [
        ("size", wrong_size.to_bytes(), "bytes"),
        ("huge", huge(&honest), "size_bytes"),
        ("expired", expired.to_bytes(), "expired"),
        ("trailing", trailing, "after the object"),
        ("long", long, "65536"),
        ("other", b"hello".to_vec(), "JSON"),
    ] {
        let path = signed(&site, name, &text, &key);
        let outcome = run(&site, &["push", image.argument(), "--manifest", &path]);
        outcome.assert_code(4).assert_says(says);
    }
    // The signature of one manifest beside another.
    let path = signed(&site, "swapped", &honest.to_bytes(), &key);
    fs::write(&path, wrong_size.to_bytes()).unwrap();
    run(&site, &["push", image.argument(), "--manifest", &path])
        .assert_code(4)
        .assert_says("swapped");
    run(
        &site,
        &["push", image.argument(), "--manifest", "/missing/one"],
    )
    .assert_code(1)
    .assert_says("/missing/one");
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn session_objects_that_a_receiver_refuses() {
    let site = Site::with_receivers(1);
    let image = site.image(100_000);
    let honest = manifest(&image);
    let key = SigningKey::from_seed([1; 32]);
    let object = |manifest: &Manifest| SessionObject::signed(manifest, &key);

    let mut trailing_text = honest.to_bytes();
    trailing_text.extend_from_slice(b"{}");
    let mut trailing = object(&honest);
    trailing.0.push(b'x');
    let mut long = object(&honest);
    long.0.resize(65 * 1_024 + 1, b' ');
    let mut foreign = object(&honest);
    let codec = foreign.0.windows(8).position(|name| name == b"gf16-low");
    foreign.0[codec.unwrap()..][..8].copy_from_slice(b"gf99-low");
    let signature = sshsig::sign(&key, MANIFEST_NAMESPACE, b"something else");
    let expired = Manifest {
        expires: Some(86_400),
        created: 0,
        ..honest.clone()
    };
    let elsewhere = Manifest {
        hardware: vec!["board-b".into()],
        ..honest.clone()
    };
    let big = Manifest {
        size_bytes: 2 << 20,
        ..honest.clone()
    };
    let hardware = ["--hardware", "board-a"];
    for (name, object, arguments, says) in [
        (
            "size 2^63",
            SessionObject::of_text(&huge(&honest), &key),
            &[][..],
            "size_bytes",
        ),
        (
            "trailing",
            SessionObject::of_text(&trailing_text, &key),
            &[],
            "after the object",
        ),
        ("trailing object", trailing, &[], "session object"),
        ("codec", foreign, &[], "gf99-low"),
        ("65 KiB + 1", long, &[], "65536"),
        (
            "signature",
            SessionObject::of_parts(&honest.to_bytes(), signature.as_bytes()),
            &[],
            "signature",
        ),
        (
            "no signature",
            SessionObject::of_parts(&honest.to_bytes(), b""),
            &[],
            "signature",
        ),
        ("expired", object(&expired), &[], "expired"),
        ("hardware", object(&elsewhere), &hardware, "board-b"),
        ("size", object(&big), &["--size-max", "1MiB"], "2097152"),
    ] {
        println!("{name}");
        let refused = offer(&site, &object, arguments);
        refused.assert_code(4).assert_says(says);
        assert_eq!(site.leavings(0), Vec::<String>::new(), "{name}");
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_key_that_is_not_trusted() {
    let site = Site::with_receivers(1);
    let image = site.image(100_000);
    let (mine, theirs) = (
        SigningKey::from_seed([1; 32]),
        SigningKey::from_seed([2; 32]),
    );
    let trust = site.path().join("trusted");
    fs::write(&trust, openssh::write_public(&mine.public(), "mine")).unwrap();
    let trust = ["--trust", trust.to_str().unwrap(), "--wait", "3s"];
    let theirs_manifest = signed(&site, "theirs", &manifest(&image).to_bytes(), &theirs);

    let receiver = site.receive(0, &trust);
    let push = ["--manifest", &theirs_manifest, "--wait", "2s"];
    finish(site.push(&image, &push)).assert_code(3);
    finish(receiver)
        .assert_code(4)
        .assert_says(&theirs.public().fingerprint());
    assert_eq!(site.leavings(0), Vec::<String>::new());

    let mine_manifest = signed(&site, "mine", &manifest(&image).to_bytes(), &mine);
    let receiver = site.receive(0, &trust);
    let sender = site.push(&image, &["--manifest", &mine_manifest]);
    let pushed = Pushed::wait(sender, vec![receiver]);
    pushed.assert_complete(&image);
    assert_eq!(pushed.receivers[0].text("/trust"), "trusted");
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_version_lower_than_the_installed_one() {
    let site = Site::with_receivers(1);
    let (newer, older) = (site.image(100_000), site.image(100_001));
    let name = ["--name", "firmware", "--release-version"];
    let receiver = site.receive(0, &[]);
    let sender = site.push(&newer, &[&name[..], &["5"]].concat());
    Pushed::wait(sender, vec![receiver]).assert_complete(&newer);
    let left = site.leavings(0);

    let receiver = site.receive(0, &["--wait", "3s"]);
    let push = [&name[..], &["4", "--wait", "2s"]].concat();
    finish(site.push(&older, &push)).assert_code(3);
    finish(receiver)
        .assert_code(4)
        .assert_says("older than the installed version 5");
    assert_eq!(site.leavings(0), left);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn no_path_to_the_group() {
    let site = Site::with_receivers(1);
    let image = site.image(10);
    let sender = site.lab().sender();
    let push = ["push", image.argument(), "--wait", "1s"];
    let target = site.target(0);
    let receive = ["receive", target.to_str().unwrap(), "--wait", "1s"];
    let on_v0 = ["--interface", "v0"];
    let both = |arguments: &[&str], says: &str| {
        for program in [&push, &receive] {
            run(&site, &[&program[..], arguments].concat())
                .assert_code(5)
                .assert_says(says);
        }
    };

    let taken = sender.enter(|| UdpSocket::bind((sender.address_v4, 7_600)));
    let taken = taken.unwrap().unwrap();
    run(&site, &push).assert_code(5).assert_says("7600");
    drop(taken);
    let group: SocketAddr = "239.192.76.67:7600".parse().unwrap();
    let taken = sender.enter(|| UdpSocket::bind(group)).unwrap().unwrap();
    run(&site, &receive).assert_code(5).assert_says("7600");
    drop(taken);

    ip(&site, &["route", "del", "224.0.0.0/4", "dev", "v0"]);
    both(&[], "no route to 239.192.76.67");
    ip(&site, &["addr", "flush", "dev", "v0"]);
    both(&on_v0, "v0 has no IPv4 address");
    ip(&site, &["link", "set", "v0", "down"]);
    both(&on_v0, "v0 is down");
    assert_eq!(site.leavings(0), Vec::<String>::new());
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn nobody_to_receive() {
    let site = Site::with_receivers(1);
    let image = site.image(10);
    let outcome = finish(site.push(&image, &["--wait", "1s"]));
    outcome.assert_code(3);
    assert_eq!(outcome.text("/outcome"), "failed");
    let receiver = finish(site.receive(0, &["--wait", "1s"]));
    receiver.assert_code(3).assert_says("239.192.76.67");
    assert_eq!(site.leavings(0), Vec::<String>::new());
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_receiver_killed_in_mid_transfer() {
    let site = Site::with_receivers(3);
    let image = site.image(16 * MIB);
    let before = site.sent_bytes();
    let stall = [&SLOW[..], &["--stall-timeout", "5s"]].concat();
    let (sender, mut receivers) = Push::of(&site, &image).push_args(&stall).start();
    site.await_sent(before, image.size() / 2);
    receivers.remove(1).kill();
    let killed = Instant::now();
    let pushed = Pushed::wait(sender, receivers);
    let took = killed.elapsed();
    assert_eq!(pushed.sender.code, Some(2), "{pushed:#?}");
    assert_eq!(pushed.sender.text("/outcome"), "partial");
    let heard = pushed.sender.report["receivers"].as_array().unwrap();
    let count = |state| heard.iter().filter(|r| r["state"] == state).count();
    assert_eq!((count("complete"), count("stalled")), (2, 1));
    for receiver in &pushed.receivers {
        receiver.assert_has(&image);
    }
    // The rest of the image, the patience, and a margin for a busy machine.
    assert!(took < Duration::from_secs(5 + 2 + 3), "{took:?}");
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn two_senders_on_one_group() {
    let site = Site::with_receivers(2);
    let (first, second) = (site.image(16 * MIB), site.image(100_000));
    let before = site.sent_bytes();
    let receiver = site.receive(0, &[]);
    let sender = site.push(&first, &[&SLOW[..], &["--receivers", "1"]].concat());
    site.await_sent(before, first.size() / 8);
    let push = ["push", second.argument(), "--json", "--wait", "500ms"];
    let other = site.start(site.lab().receiver(1), &push);
    let other = finish(other);
    other.assert_code(3);
    assert_eq!(other.text("/outcome"), "failed");
    assert_eq!(other.report["receivers"].as_array().map(Vec::len), Some(0));
    let pushed = Pushed::wait(sender, vec![receiver]);
    pushed.assert_complete(&first);
    let others = pushed.receivers[0].number("/other_sessions");
    assert!(others > 0.0, "{:#?}", pushed.receivers[0]);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn targets_that_cannot_hold_the_image() {
    let site = Site::with_receivers(1);
    let image = site.image(8 * MIB);
    for (target, says) in [
        ("/missing/target", "/missing/target"),
        (image.argument(), "not a directory"),
    ] {
        run(&site, &["receive", target, "--wait", "1s"])
            .assert_code(1)
            .assert_says(says);
    }
    let small = Staging::tmpfs(4 << 20).unwrap();
    let target = small.path().to_str().unwrap();
    let receiver = site.start(
        site.lab().receiver(0),
        &["receive", target, "--json", "--wait", "4s"],
    );
    let sender = site.push(&image, &["--wait", "2s"]);
    // It refused the session, told the sender why, and waited for another.
    let sender = finish(sender);
    sender.assert_code(3);
    assert_eq!(sender.text("/receivers/0/state"), "refused");
    let why = sender.text("/receivers/0/error");
    assert!(
        why.contains("no room") && why.contains("bytes needed"),
        "{why}"
    );
    finish(receiver).assert_code(1).assert_says("disk is full");
    let state: Vec<_> = fs::read_dir(small.path().join(".linecast"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "key" && name != "lock" && name != "installation")
        .collect();
    assert!(state.is_empty(), "{state:?}");

    let remounted = Command::new("mount")
        .args(["-o", "remount,ro", target])
        .status();
    assert!(remounted.unwrap().success());
    run(&site, &["receive", target, "--wait", "1s"])
        .assert_code(1)
        .assert_says("read-only");
}

/// Runs a program in the sender's node to its end.
fn run(site: &Site, arguments: &[&str]) -> Outcome {
    finish(site.start(site.lab().sender(), arguments))
}

fn finish(program: Program) -> Outcome {
    program.finish(PROGRAM_LIMIT)
}

/// Offers an object to a receiver that waits two seconds.
fn offer(site: &Site, object: &SessionObject, arguments: &[&str]) -> Outcome {
    let group = "239.192.76.67:7600".parse().unwrap();
    let offering = Offering::start(site.lab().sender(), group, object);
    let receiver = site.receive(0, &[&["--wait", "1s"], arguments].concat());
    let outcome = finish(receiver);
    drop(offering);
    outcome
}

/// What an honest person would sign.
fn manifest(image: &Image) -> Manifest {
    Manifest {
        name: "firmware".into(),
        version: 1,
        hardware: Vec::new(),
        target: None,
        size_bytes: image.size(),
        root_b3: tree::hash_bytes(image.bytes()).0,
        sha256: None,
        created: 1_700_000_000,
        expires: None,
    }
}

/// The manifest with a size that no image has: 2^63.
fn huge(manifest: &Manifest) -> Vec<u8> {
    let text = String::from_utf8(manifest.to_bytes()).unwrap();
    let size = manifest.size_bytes.to_string();
    text.replacen(&size, "9223372036854775808", 1).into_bytes()
}

/// Writes a manifest and its signature; gives the manifest's path.
fn signed(site: &Site, name: &str, text: &[u8], key: &SigningKey) -> String {
    let path: PathBuf = site.path().join(name);
    fs::write(&path, text).unwrap();
    let signature = sshsig::sign(key, MANIFEST_NAMESPACE, text);
    fs::write(format!("{}.sig", path.display()), signature).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs `ip` in the sender's node.
fn ip(site: &Site, arguments: &[&str]) {
    let mut command = site.lab().sender().command("/sbin/ip");
    assert!(command.args(arguments).status().unwrap().success());
}

/// B3, F3: a line of progress that nobody could read any more hung the push.
#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_push_whose_stderr_nobody_reads_any_more_ends_with_its_report() {
    let site = Site::with_receivers(1);
    let image = site.image(4 * MIB);
    let receiver = site.receive(0, &[]);
    let arguments = ["push", image.argument(), "--json", "--receivers", "1"];
    let arguments = [&arguments[..], &SLOW, &["--progress", "plain"]].concat();
    let sender = site.start_prepared(site.lab().sender(), &arguments, |command| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        command.stderr(writer);
    });
    Pushed::wait(sender, vec![receiver]).assert_complete(&image);
}
