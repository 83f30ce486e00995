//! Units as `tc` writes them.

use std::time::Duration;

/// A rate flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Find it.
    Auto,
    /// Bits a second.
    Fixed(u64),
}

impl Rate {
    /// The rate, if it is fixed.
    pub fn fixed(self) -> Option<u64> {
        match self {
            Rate::Auto => None,
            Rate::Fixed(bps) => Some(bps),
        }
    }
}

fn split(text: &str) -> Result<(f64, &str), String> {
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} does not start with a number"))?;
    Ok((number, unit.trim()))
}

/// `auto`, or a rate.
pub fn rate_or_auto(text: &str) -> Result<Rate, String> {
    if text == "auto" {
        return Ok(Rate::Auto);
    }
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "bit" => 1.0,
        "kbit" => 1e3,
        "mbit" => 1e6,
        "gbit" => 1e9,
        _ => return Err(format!("unit {unit:?}: use bit, kbit, mbit or gbit")),
    };
    let bps = number * factor;
    if !(1_000.0..=1e12).contains(&bps) {
        return Err(format!("{text}: must be 1kbit to 1000gbit"));
    }
    Ok(Rate::Fixed(bps as u64))
}

/// A time.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unit {unit:?}: use ms, s, m or h")),
    };
    Duration::try_from_secs_f64(number * factor).map_err(|error| error.to_string())
}

/// A size in bytes.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1048576.0,
        "GiB" => 1073741824.0,
        _ => return Err(format!("unit {unit:?}: use B, KiB, MiB or GiB")),
    };
    Ok((number * factor) as u64)
}

/// A percentage.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text
        .strip_suffix('%')
        .ok_or_else(|| format!("{text:?} does not end with %"))?;
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} is not a percentage"))?;
    if !(0.0..=100.0).contains(&number) {
        return Err(format!("{text}: must be 0% to 100%"));
    }
    Ok(number)
}
