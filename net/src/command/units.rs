//! Numbers with units, written as `tc` writes them: `900mbit`, `64KiB`, `20ms`,
//! `2%`. Decimal fractions are exact, capitals do not matter, a space between
//! number and unit is allowed.
use std::fmt;
use std::time::Duration;

/// Why text is no number with a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitError {
    /// No digits, or a sign, or two points.
    Number { got: String },
    /// A number without the unit it needs.
    Missing { units: &'static str },
    /// A unit of something else, or none at all.
    Unit { got: String, units: &'static str },
    /// More than the value can hold or may be.
    TooLarge { got: String, limit: String },
    /// A number that is not a whole count of the smallest unit.
    TooFine { got: String, smallest: &'static str },
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnitError::Number { got } => write!(f, "a number expected, got {got:?}"),
            UnitError::Missing { units } => write!(f, "a unit expected after the number: {units}"),
            UnitError::Unit { got, units } => {
                write!(f, "unknown unit {got:?}; one of {units} expected")
            }
            UnitError::TooLarge { got, limit } => write!(f, "at most {limit}, got {got}"),
            UnitError::TooFine { got, smallest } => {
                write!(f, "a whole number of {smallest} expected, got {got}")
            }
        }
    }
}

impl std::error::Error for UnitError {}

/// A rate in bit/s. `bit` and its multiples are bits; `bps` and its multiples
/// are **bytes** per second, as in tc. A bare number is bit/s.
pub fn rate_bps(text: &str) -> Result<u64, UnitError> {
    let units = "bit kbit mbit gbit tbit kibit mibit gibit tibit, or bytes/s as bps kbps mbps gbps";
    let (number, unit) = split(text)?;
    let scale = match unit.as_str() {
        "" => 1,
        unit => {
            let (prefix, bits) = match (unit.strip_suffix("bit"), unit.strip_suffix("bps")) {
                (Some(prefix), _) => (prefix, 1),
                (_, Some(prefix)) => (prefix, 8),
                _ => return Err(unknown(unit, units)),
            };
            bits * decimal(prefix)
                .or_else(|| binary(prefix))
                .ok_or_else(|| unknown(unit, units))?
        }
    };
    let value = number.times(scale, "bit/s")?;
    fit(value, text, u64::MAX.into(), "bit/s")
}

/// A size in bytes. `KiB`, `MiB`, `GiB`, `TiB`; also `k`, `kb`, `m`, `mb`, … ,
/// which are powers of 1024 in tc and therefore here. A bare number is bytes.
pub fn size_bytes(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text)?;
    let prefix = unit.strip_suffix('b').unwrap_or(&unit);
    let prefix = prefix.strip_suffix('i').unwrap_or(prefix);
    let scale = match unit.as_str() {
        "i" | "ib" => None,
        _ => binary(&format!("{prefix}i")).or((prefix.is_empty()).then_some(1)),
    };
    let scale = scale.ok_or_else(|| unknown(&unit, "B KiB MiB GiB TiB"))?;
    let value = number.times(scale, "bytes")?;
    fit(value, text, u64::MAX.into(), "bytes")
}

/// A time span: `ns`, `us`, `ms`, `s`, `m` (or `min`), `h`, `d`. The unit is
/// required: tc would read a bare number as microseconds, others as seconds.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let units = "ns us ms s m h d";
    let (number, unit) = split(text)?;
    let scale = match unit.as_str() {
        "" if number.digits == 0 => 1,
        "" => return Err(UnitError::Missing { units }),
        "ns" | "nsec" | "nsecs" => 1,
        "us" | "usec" | "usecs" => 1_000,
        "ms" | "msec" | "msecs" => 1_000_000,
        "s" | "sec" | "secs" => SECOND_NS,
        "m" | "min" | "mins" => 60 * SECOND_NS,
        "h" => 3600 * SECOND_NS,
        "d" => 86_400 * SECOND_NS,
        unit => return Err(unknown(unit, units)),
    };
    let value = number.times(scale, "ns")?;
    fit(value, text, u64::MAX.into(), "ns").map(Duration::from_nanos)
}

/// A share in parts per million: `2%` is 20,000. The sign is required; more
/// than 100 % is possible (parity may outnumber source symbols), more than
/// 1000 % is not.
pub fn percent_ppm(text: &str) -> Result<u32, UnitError> {
    let (number, unit) = split(text)?;
    match unit.as_str() {
        "%" => {}
        "" => return Err(UnitError::Missing { units: "%" }),
        unit => return Err(unknown(unit, "%")),
    }
    let value = number.times(10_000, "ppm")?;
    let value = fit(value, text, PERCENT_PPM_MAX.into(), "ppm")?;
    Ok(u32::try_from(value).expect("limited to 1000 %"))
}

/// A decimal number: `digits / 10^places`.
struct Number {
    digits: u128,
    places: u32,
    text: String,
}

impl Number {
    /// The number in the smallest unit, which it must be a whole count of.
    fn times(&self, scale: u128, smallest: &'static str) -> Result<u128, UnitError> {
        // At most 24 digits and scales below 2^47 stay below 2^127.
        let value = self.digits * scale;
        let divisor = 10_u128.pow(self.places);
        if !value.is_multiple_of(divisor) {
            let got = self.text.clone();
            return Err(UnitError::TooFine { got, smallest });
        }
        Ok(value / divisor)
    }
}

/// Splits number and unit, the unit in small letters.
fn split(text: &str) -> Result<(Number, String), UnitError> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let malformed = || UnitError::Number { got: text.into() };
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
        return Err(malformed());
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    if digits.len() > DIGITS_MAX {
        let limit = format!("{DIGITS_MAX} digits");
        return Err(UnitError::TooLarge {
            got: text.into(),
            limit,
        });
    }
    let number = Number {
        digits: digits.parse().map_err(|_| malformed())?,
        places: fraction.len() as u32,
        text: text.into(),
    };
    Ok((number, unit.trim().to_lowercase()))
}

fn decimal(prefix: &str) -> Option<u128> {
    let power = ["", "k", "m", "g", "t"].iter().position(|&p| p == prefix)?;
    Some(1000_u128.pow(power as u32))
}

fn binary(prefix: &str) -> Option<u128> {
    let power = ["ki", "mi", "gi", "ti"].iter().position(|&p| p == prefix)?;
    Some(1024_u128.pow(power as u32 + 1))
}

fn unknown(unit: &str, units: &'static str) -> UnitError {
    let got = unit.into();
    UnitError::Unit { got, units }
}

fn fit(value: u128, text: &str, limit: u128, unit: &str) -> Result<u64, UnitError> {
    match u64::try_from(value) {
        Ok(fitting) if value <= limit => Ok(fitting),
        _ => Err(UnitError::TooLarge {
            got: text.trim().into(),
            limit: format!("{limit} {unit}"),
        }),
    }
}

const SECOND_NS: u128 = 1_000_000_000;
const DIGITS_MAX: usize = 24;
const PERCENT_PPM_MAX: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_bits_or_bytes_as_in_tc() {
        for (text, bps) in [
            ("0", 0),
            ("64000", 64_000),
            ("1bit", 1),
            ("900mbit", 900_000_000),
            ("900 Mbit", 900_000_000),
            ("9.5gbit", 9_500_000_000),
            ("1tbit", 1_000_000_000_000),
            ("1kibit", 1024),
            ("2mibit", 2 << 20),
            ("1bps", 8),
            ("125mbps", 1_000_000_000),
            ("1kibps", 8192),
            ("0.125kbit", 125),
        ] {
            assert_eq!(rate_bps(text), Ok(bps), "{text}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("1408", 1408),
            ("1408B", 1408),
            ("64KiB", 65_536),
            ("64k", 65_536),
            ("64kb", 65_536),
            ("1.5MiB", 3 << 19),
            ("2g", 2 << 30),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
        assert!(size_bytes("16777216TiB").is_err());
        assert_eq!(size_bytes("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, ns) in [
            ("0", 0),
            ("20ms", 20_000_000),
            ("1.5s", 1_500_000_000),
            ("250us", 250_000),
            ("7ns", 7),
            ("10m", 600_000_000_000),
            ("30d", 2_592_000_000_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(ns)), "{text}");
        }
        assert!(matches!(duration("5"), Err(UnitError::Missing { .. })));
        assert!(matches!(duration("0.5ns"), Err(UnitError::TooFine { .. })));
    }

    #[test]
    fn percentages_are_parts_per_million() {
        assert_eq!(percent_ppm("5%"), Ok(50_000));
        assert_eq!(percent_ppm("0.0001%"), Ok(1));
        assert_eq!(percent_ppm("100 %"), Ok(1_000_000));
        assert_eq!(percent_ppm("1000%"), Ok(PERCENT_PPM_MAX));
        assert!(matches!(percent_ppm("5"), Err(UnitError::Missing { .. })));
        assert!(matches!(
            percent_ppm("1001%"),
            Err(UnitError::TooLarge { .. })
        ));
        assert!(matches!(
            percent_ppm("0.00001%"),
            Err(UnitError::TooFine { .. })
        ));
    }

    #[test]
    fn errors_say_what_was_expected() {
        let message = |error: UnitError| error.to_string();
        for text in [
            "", "mbit", "-5mbit", "+5", ".5gbit", "5.gbit", "1.2.3", "1e3", "٣",
        ] {
            assert!(rate_bps(text).is_err(), "{text}");
        }
        assert_eq!(
            message(rate_bps("").unwrap_err()),
            "a number expected, got \"\""
        );
        let unit = message(rate_bps("5MB").unwrap_err());
        assert!(
            unit.starts_with("unknown unit \"mb\"; one of bit kbit"),
            "{unit}"
        );
        for text in ["5x", "5ki b", "5i", "5ib", "5bb", "5mbit"] {
            let error = size_bytes(text).unwrap_err();
            assert!(matches!(error, UnitError::Unit { .. }), "{text}: {error}");
        }
        let large = message(rate_bps("99999999999tbit").unwrap_err());
        assert_eq!(
            large,
            "at most 18446744073709551615 bit/s, got 99999999999tbit"
        );
        assert!(rate_bps(&"9".repeat(1000)).is_err());
        let fine = message(rate_bps("0.5bit").unwrap_err());
        assert_eq!(fine, "a whole number of bit/s expected, got 0.5bit");
    }
}
