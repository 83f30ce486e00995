//! Holds a lab until its standard input ends, for trying commands by hand and
//! for the tests of clean-up:
//!
//! ```text
//! lab-hold PREFIX RECEIVERS [LOSS_PERCENT]
//! ```
//!
//! Prints `root` or `user-namespace` and, when the lab is up, `up` and the
//! milliseconds that it took; then, for each receiver, how many of 100
//! multicast datagrams of the sender reached it.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use linecast_lab::{Lab, LabConfig, Loss, Node, Privilege, Staging};

fn main() -> ExitCode {
    match hold() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-hold: {error}");
            ExitCode::FAILURE
        }
    }
}

fn hold() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [prefix, receivers, rest @ ..] = arguments.as_slice() else {
        return Err("usage: lab-hold PREFIX RECEIVERS [LOSS_PERCENT]".into());
    };
    let percent = rest.first().map_or(Ok(0.0), |text| text.parse())?;
    match linecast_lab::enter_unprivileged_if_needed()? {
        Privilege::Root => println!("root"),
        Privilege::UserNamespace => println!("user-namespace"),
    }
    linecast_lab::cleanup_on_signals()?;
    let started = Instant::now();
    let lab = Lab::up(LabConfig {
        receivers: receivers.parse()?,
        loss: Loss::percent(percent),
        prefix: prefix.clone(),
        ..LabConfig::default()
    })?;
    println!("up {}", started.elapsed().as_millis());
    let staging = Staging::tmpfs_with_prefix(prefix, 1 << 20)?;
    std::fs::write(staging.path().join("held"), "held")?;
    // Something that runs inside, to be found there when this process dies.
    let _inside = lab
        .sender()
        .spawn(lab.sender().command("sleep").arg("1000"))?;
    for receiver in lab.receivers() {
        println!("{}", hundred(lab.sender(), receiver)?);
    }
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Sends 100 datagrams to a group and counts those that a node receives.
fn hundred(from: &Node, to: &Node) -> Result<usize, Box<dyn Error>> {
    let address = to.address_v4;
    let inbox = to.enter(move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, GROUP.port()))?;
        socket.join_multicast_v4(GROUP.ip(), &address)?;
        socket.set_read_timeout(Some(PROBE_EVERY))?;
        io::Result::Ok(socket)
    })??;
    let outbox = from.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))??;
    // A snooping bridge forwards only once it has heard of the join.
    let mut datagram = [0; 16];
    for _ in 0..PROBES_MAX {
        outbox.send_to(b"probe", GROUP)?;
        if inbox.recv(&mut datagram).is_ok() {
            break;
        }
    }
    inbox.set_read_timeout(Some(QUIET))?;
    for number in 0..100_u32 {
        outbox.send_to(&number.to_be_bytes(), GROUP)?;
    }
    let mut count = 0;
    while let Ok(length) = inbox.recv(&mut datagram) {
        // Probes are longer.
        count += usize::from(length == size_of::<u32>());
    }
    Ok(count)
}

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 77, 0, 1), 5577);
/// After so long without a datagram, none is coming.
const QUIET: Duration = Duration::from_millis(200);
const PROBE_EVERY: Duration = Duration::from_millis(5);
const PROBES_MAX: usize = 400;
