//! Pushes under attack, measured: `scripts/hostile` builds and runs this.

use clap::Parser;
use linecast_netns_tests::Site;
use linecast_netns_tests::hostile::{ATTACKS, Arena, Attack, Scene, Settings, Table, Trial};
use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

/// Push an image under each attack, and compare with the same push without it.
///
/// Prints a line of a Markdown table for each attack and origin, and which of
/// its bounds were broken: every honest receiver has the image, no process ends
/// early, at most 64 MiB of a receiver's own memory and 256 of the sender's, and
/// 0.8 of the goodput (for forged symbols: at most 3 symbols sent for one).
/// Needs root. Exit code 2 if a bound was broken.
#[derive(Debug, Parser)]
#[command(name = "hostile")]
struct Args {
    /// Bytes of the image, with KiB, MiB or GiB [default: 2GiB]
    #[arg(long, value_parser = parse_size)]
    size: Option<u64>,
    /// Packets a second; forged symbols go one to one with the true ones
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// Rate of the push
    #[arg(long, default_value = "auto", value_name = "RATE")]
    push_rate: String,
    /// Pushes for each line, with one without attack before each [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
    repeat: Option<u8>,
    /// Honest receivers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=32))]
    receivers: u8,
    /// Longest time of one push, in seconds [default: 180]
    #[arg(long, value_name = "SECONDS")]
    limit: Option<u64>,
    /// These attacks only, as the first column names them: S1,S7
    #[arg(long, value_delimiter = ',', value_name = "ATTACK", value_parser = parse_attack)]
    only: Vec<Attack>,
    /// 512 MiB, each once, 30 s at most, where nothing else is given
    #[arg(long)]
    quick: bool,
    /// Begin with the first symbol of the image, not before anybody is there
    #[arg(long)]
    late: bool,
    /// Only take away what a run left that was killed
    #[arg(long)]
    clean: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (size, repeat, limit) = if args.quick {
        (512 << 20, 1, 30)
    } else {
        (2 << 30, 3, 180)
    };
    if args.clean {
        Site::clean_stale();
        return ExitCode::SUCCESS;
    }
    linecast_lab::cleanup_on_signals().expect("signals can be handled");
    let arena = Arena::up(Settings {
        receivers: args.receivers.into(),
        size_bytes: args.size.unwrap_or(size),
        rate: args.push_rate,
        per_second: args.rate,
        late: args.late,
        limit: Duration::from_secs(args.limit.unwrap_or(limit)),
    });
    let attacks = if args.only.is_empty() {
        ATTACKS
    } else {
        &args.only
    };
    let table = run(&arena, attacks, args.repeat.unwrap_or(repeat));
    if !table.notes().is_empty() {
        println!("\n{}", table.notes().trim_end());
    }
    println!("\n{} lines with a broken bound", table.broken());
    ExitCode::from(if table.broken() > 0 { 2 } else { 0 })
}

/// All attacks from all origins. Pushes without attack come before each, so that
/// both have the same machine.
fn run(arena: &Arena, attacks: &[Attack], repeat: u8) -> Table {
    let mut table = Table::default();
    let mut references: HashMap<Scene, Vec<Trial>> = HashMap::new();
    println!("{}", Table::head());
    for attack in attacks {
        let scene = attack.scene;
        for &origin in attack.origins {
            let mut trials = Vec::new();
            let known = references.entry(scene).or_default();
            let first = known.is_empty();
            for _ in 0..repeat {
                // With one repeat, one for all origins is enough.
                if repeat > 1 || Some(&origin) == attack.origins.first() {
                    known.push(arena.run(scene, None));
                }
                trials.push(arena.run(scene, Some((attack, origin))));
            }
            let reference_bps = Trial::goodput_median(known);
            if first {
                println!("{}", table.row(None, known, reference_bps));
            }
            let row = table.row(Some((attack, origin)), &trials, reference_bps);
            println!("{row}");
        }
    }
    table
}

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        other => return Err(format!("unit {other:?}: KiB, MiB or GiB expected")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|error| format!("{digits:?}: {error}"))?;
    let bytes = number.checked_mul(1 << unit);
    bytes
        .filter(|&bytes| bytes > 0 && bytes <= 64 << 30)
        .ok_or("1 byte to 64 GiB expected".into())
}

fn parse_attack(text: &str) -> Result<Attack, String> {
    let names = || ATTACKS.iter().map(|attack| attack.id).collect::<Vec<_>>();
    Attack::find(text).ok_or_else(|| format!("one of {} expected", names().join(", ")))
}
