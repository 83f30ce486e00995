//! Values of flags: parts, pairs, drops, bottlenecks, outages and seeds.

use linecast_net::command::units;
use linecast_sim::{Bottleneck, Device, Direction, Drop, Outage, Roster, Scope, Slow};
use std::ops::Range;

pub(super) fn share(text: &str) -> Result<f64, units::UnitError> {
    units::percent_ppm(text).map(|ppm| f64::from(ppm) / 1e6)
}

fn pair<'a>(text: &'a str, separator: &str, form: &str) -> Result<(&'a str, &'a str), String> {
    text.split_once(separator)
        .ok_or_else(|| format!("{form} expected, got {text:?}"))
}

pub(super) fn outliers(text: &str) -> Result<(u32, f64), String> {
    let (count, percent) = pair(text, ":", "N:PERCENT")?;
    let count = count
        .parse()
        .map_err(|error| format!("{count:?}: {error}"))?;
    Ok((count, share(percent).map_err(|error| error.to_string())?))
}

pub(super) fn drop_of(text: &str) -> Result<Drop, String> {
    let number = |text: &str| {
        text.parse::<u32>()
            .map_err(|error| format!("{text:?}: {error}"))
    };
    let (receiver, symbol) = match text.split_once('@') {
        Some((receiver, symbol)) => (Some(number(receiver)?), symbol),
        None => (None, text),
    };
    let (sbn, esi) = pair(symbol, ":", "BLOCK:ESI")?;
    let esi = number(esi)?;
    Ok(Drop {
        receiver,
        sbn: number(sbn)?,
        esi: u16::try_from(esi).map_err(|_| format!("ESI: at most 65535, got {esi}"))?,
    })
}

pub(super) fn bottleneck(text: &str) -> Result<Bottleneck, String> {
    let (rate, queue) = pair(text, ":", "RATE:SIZE")?;
    Ok(Bottleneck {
        rate_bps: units::rate_bps(rate).map_err(|error| error.to_string())?,
        queue_bytes: units::size_bytes(queue).map_err(|error| error.to_string())?,
    })
}

pub(super) fn port(text: &str) -> Result<Device, String> {
    let (receiver, link) = pair(text, ":", "RECEIVER:RATE:SIZE")?;
    let receiver = receiver
        .parse()
        .map_err(|error| format!("{receiver:?}: {error}"))?;
    Ok(Device {
        port: Some(bottleneck(link)?),
        ..Device::ordinary(receiver)
    })
}

pub(super) fn slow(text: &str) -> Result<Slow, String> {
    match text {
        "wait" => Ok(Slow::Wait),
        "drop" => Ok(Slow::Drop),
        "unicast" => Ok(Slow::Unicast),
        _ => Err(format!("wait, drop or unicast expected, got {text:?}")),
    }
}

pub(super) fn roster(text: &str) -> Result<Roster, String> {
    let (enrolled, absent) = pair(text, "+", "N+ABSENT")?;
    let number = |text: &str| {
        text.parse::<u32>()
            .map_err(|error| format!("{text:?}: {error}"))
    };
    Ok(Roster {
        enrolled: (0..number(enrolled)?).collect(),
        absent: number(absent)?,
    })
}

pub(super) fn outage(text: &str) -> Result<Outage, String> {
    let (at, length) = pair(text, "+", "START+LENGTH")?;
    Ok(Outage {
        at: units::duration(at).map_err(|error| error.to_string())?,
        length: units::duration(length).map_err(|error| error.to_string())?,
        scope: Scope::All,
        direction: Direction::Both,
    })
}

pub(super) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = pair(text, "..", "A..B")?;
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|error| format!("{text:?}: {error}"))
    };
    let (first, end) = (number(first)?, number(end)?);
    if first >= end {
        return Err(format!("A below B expected, got {text}"));
    }
    Ok(first..end)
}
