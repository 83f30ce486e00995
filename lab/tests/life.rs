//! How labs come and go. Needs root: run by `scripts/test`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use linecast_lab::{CleanReport, Lab, LabConfig, Loss, Staging, clean_stale};

#[test]
#[ignore = "needs root"]
fn a_dropped_lab_leaves_nothing() {
    let lab = up("labdrop", 2);
    let staging = Staging::tmpfs_with_prefix("labdrop", 1 << 20).unwrap();
    let node = lab.receiver(1);
    // A grandchild in a session of its own: no signal to the parent reaches it.
    let mut shell = node.command("setsid");
    shell.args(["sh", "-c", "sleep 1001 & sleep 1002"]);
    let mut process = node.spawn(&mut shell).unwrap();
    assert_eq!(leftovers("labdrop").len(), 5, "{:?}", leftovers("labdrop"));
    drop(lab);
    assert!(process.wait_for(Duration::from_secs(1)).is_ok());
    drop(staging);
    assert_eq!(leftovers("labdrop"), [""; 0]);
    assert_eq!(commands_with(&["1001", "1002"]), [""; 0]);
}

#[test]
#[ignore = "needs root"]
fn labs_come_up_fast() {
    // The best of three: the machine may be busy with other tests.
    for (receivers, limit_ms) in [(4, 300), (16, 1000)] {
        let best = (0..3)
            .map(|_| {
                let started = Instant::now();
                let lab = Lab::up(LabConfig {
                    receivers,
                    loss: Loss::percent(1.0),
                    feedback_loss: Loss::percent(1.0),
                    prefix: "labfast".to_owned(),
                    ..LabConfig::default()
                });
                let up = started.elapsed();
                drop(lab.unwrap());
                println!(
                    "{receivers}: up in {up:?}, down {:?}",
                    started.elapsed() - up
                );
                up
            })
            .min()
            .unwrap();
        assert!(
            best < Duration::from_millis(limit_ms),
            "{receivers}: {best:?}"
        );
    }
}

#[test]
#[ignore = "needs root"]
fn what_a_killed_owner_left_is_cleaned() {
    let (mut owner, lines) = hold(Command::new(HOLD), "labkill");
    assert_eq!(lines[0], "root");
    assert_eq!(lines[2..], ["100", "100"]);
    assert_eq!(clean_stale("labkill").unwrap(), CleanReport::default());
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(!leftovers("labkill").is_empty());
    let report = clean_stale("labkill").unwrap();
    assert_eq!((report.namespaces, report.directories), (4, 1));
    assert_eq!(leftovers("labkill"), [""; 0]);
    assert_eq!(clean_stale("labkill").unwrap(), CleanReport::default());
}

#[test]
#[ignore = "needs root"]
fn a_signalled_owner_cleans_up_itself() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let (mut owner, _) = hold(Command::new(HOLD), "labterm");
        // `wait` would close it, and the owner would end by itself.
        let _stdin = owner.stdin.take();
        let status = Command::new("kill")
            .args([format!("-{signal}"), owner.id().to_string()])
            .status();
        assert!(status.unwrap().success());
        assert_eq!(owner.wait().unwrap().signal(), Some(signal));
        assert_eq!(leftovers("labterm"), [""; 0]);
    }
}

#[test]
#[ignore = "needs root, to become someone else"]
fn a_lab_works_without_root() {
    // Where nobody can read it: the build directory may be below /root.
    let place = tempfile::tempdir_in("/tmp").unwrap();
    let program = place.path().join("lab-hold");
    fs::copy(HOLD, &program).unwrap();
    make_world_readable(place.path());
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&program)
        .current_dir("/");
    let (mut owner, lines) = hold(command, "labuser");
    assert_eq!(lines[0], "user-namespace");
    println!("{}", lines[1]);
    assert_eq!(lines[2..], ["100", "100"]);
    assert_eq!(leftovers("labuser"), [""; 0], "seen from outside");
    drop(owner.stdin.take());
    assert!(owner.wait().unwrap().success());
    assert_eq!(leftovers("labuser"), [""; 0]);
}

fn up(prefix: &str, receivers: usize) -> Lab {
    Lab::up(LabConfig {
        receivers,
        prefix: prefix.to_owned(),
        ..LabConfig::default()
    })
    .unwrap()
}

/// Starts `lab-hold` with two receivers and reads what it says once it is up.
fn hold(mut command: Command, prefix: &str) -> (Child, Vec<String>) {
    let mut owner = command
        .args([prefix, "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let lines: Vec<String> = lines.take(4).map(Result::unwrap).collect();
    assert_eq!(lines.len(), 4, "lab-hold said {lines:?}");
    (owner, lines)
}

/// Everything on the machine that carries the prefix.
fn leftovers(prefix: &str) -> Vec<String> {
    let start = format!("{prefix}-");
    let mut found = Vec::new();
    for directory in ["/run/netns", "/run", "/dev/shm", "/tmp"] {
        let names = fs::read_dir(directory).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        found.extend(names.filter(|name| name.starts_with(&start)));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let ours = |target: &&str| found.iter().all(|name| !target.ends_with(name.as_str()));
    let stray = mounts.lines().filter(|line| line.contains(&start));
    let stray = stray.filter_map(|line| line.split(' ').nth(1)).filter(ours);
    let stray: Vec<String> = stray.map(str::to_owned).collect();
    found.extend(stray);
    found
}

/// Command lines of processes that have one of these arguments.
fn commands_with(arguments: &[&str]) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok())
        .filter(|line| {
            line.split('\0')
                .any(|argument| arguments.contains(&argument))
        })
        .collect()
}

fn make_world_readable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

const HOLD: &str = env!("CARGO_BIN_EXE_lab-hold");
