//! Runs a peer's tool in a lab and prints how long its whole command took:
//!
//! ```text
//! lab-peer udpcast|uftp|norm RECEIVERS LOSS_PERCENT IMAGE_MIB
//! ```
//!
//! Prints one JSON object: tool, receivers, loss, seconds, and whether every
//! file is identical.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use linecast_lab::{Lab, LabConfig, Loss, Peer, Staging, run_peer};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-peer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tool, receivers, percent, mib] = arguments.as_slice() else {
        return Err("usage: lab-peer udpcast|uftp|norm RECEIVERS LOSS_PERCENT IMAGE_MIB".into());
    };
    let peer = match tool.as_str() {
        "udpcast" => Peer::Udpcast,
        "uftp" => Peer::Uftp,
        "norm" => Peer::Norm,
        other => return Err(format!("no peer is named {other:?}").into()),
    };
    let (receivers, bytes): (usize, u64) = (receivers.parse()?, mib.parse::<u64>()? << 20);
    linecast_lab::enter_unprivileged_if_needed()?;
    linecast_lab::cleanup_on_signals()?;
    let lab = Lab::up(LabConfig {
        receivers,
        loss: Loss::percent(percent.parse()?),
        ..LabConfig::default()
    })?;
    let place = Staging::tmpfs(bytes * (receivers as u64 + 2) + (64 << 20))?;
    let image = place.path().join("peer.img");
    linecast_lab::demo::make_image(&image, bytes)?;
    let run = run_peer(&lab, peer, &image, place.path(), Duration::from_secs(120))?;
    println!(
        "{{\"tool\":\"{tool}\",\"receivers\":{receivers},\"loss_percent\":{percent},\"elapsed_s\":{:.3},\"identical\":{}}}",
        run.elapsed.as_secs_f64(),
        run.all_identical(),
    );
    Ok(())
}
