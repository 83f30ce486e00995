//! The one-byte codes of times, sizes and rates.

/// Smallest code not less than a round-trip time in nanoseconds
/// (RFC 5740 section 4.2: logarithmic above 33 µs, whole microseconds below).
/// Times outside 1 µs to 1,000 s become the nearest end.
pub fn grtt_from_ns(ns: u64) -> u8 {
    if ns < LINEAR_BELOW_NS {
        return (ns / 1_000).saturating_sub(1) as u8;
    }
    let code = libm::ceil(255.0 - 13.0 * libm::log(GRTT_MAX_S / (ns as f64 * 1e-9)));
    code.clamp(0.0, 255.0) as u8
}

/// The round-trip time of a code, in nanoseconds, rounded down.
pub fn grtt_to_ns(code: u8) -> u64 {
    if code < 31 {
        return (u64::from(code) + 1) * 1_000;
    }
    (GRTT_MAX_S * 1e9 / libm::exp(f64::from(255 - code) / 13.0)) as u64
}

/// [`grtt_from_ns`] of seconds. What is not a positive number is code 0.
pub fn grtt_from_secs(seconds: f64) -> u8 {
    grtt_from_ns((seconds * 1e9) as u64)
}

/// [`grtt_to_ns`] in seconds.
pub fn grtt_to_secs(code: u8) -> f64 {
    grtt_to_ns(code) as f64 * 1e-9
}

/// Smallest group size code that covers `receivers`: 10, 50, 100, 500 and so
/// on to 500 million, which is also the code of everything above.
pub fn gsize_from(receivers: u32) -> u8 {
    let codes = (0..8).flat_map(|exponent| [exponent, exponent | GSIZE_FIVE]);
    codes
        .into_iter()
        .find(|&code| gsize_to(code) >= receivers)
        .unwrap_or(0x0f)
}

/// The group size of a 4-bit code.
pub fn gsize_to(code: u8) -> u32 {
    let mantissa = if code & GSIZE_FIVE != 0 { 5 } else { 1 };
    mantissa * 10u32.pow(u32::from(code & 7) + 1)
}

/// The nearest code of a rate in bytes per second: twelve bits of mantissa
/// (in 1/409.6) and four of decimal exponent. Rates above the range become its
/// end.
pub fn rate_from_bytes_per_s(bytes_per_s: u64) -> u16 {
    let Some(exponent) = bytes_per_s.checked_ilog10() else {
        return 0;
    };
    if exponent > 15 {
        return u16::MAX;
    }
    let scaled = bytes_per_s as f64 / 10u64.pow(exponent) as f64 * (MANTISSAS / 10.0) + 0.5;
    match (scaled as u16, exponent as u16) {
        (0..4096, _) => (scaled as u16) << 4 | exponent as u16,
        // Rounded up to ten: one of the next decade, if there is one.
        (_, 15) => u16::MAX,
        (_, exponent) => ((MANTISSAS / 10.0 + 0.5) as u16) << 4 | (exponent + 1),
    }
}

/// The rate of a code in bytes per second, rounded.
pub fn rate_to_bytes_per_s(code: u16) -> u64 {
    // The product takes 66 bits at the top of the range, the result 54.
    let power = 10u128.pow(u32::from(code & 0x0f) + 1);
    ((u128::from(code >> 4) * power + 2048) / 4096) as u64
}

const LINEAR_BELOW_NS: u64 = 33_000;
const GRTT_MAX_S: f64 = 1_000.0;
const GSIZE_FIVE: u8 = 0x08;
const MANTISSAS: f64 = 4_096.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grtt_code_survives_a_round_trip_and_rises() {
        for code in 0..=255 {
            assert_eq!(grtt_from_ns(grtt_to_ns(code)), code);
            assert!(
                code == 255 || grtt_to_ns(code) < grtt_to_ns(code + 1),
                "{code}"
            );
        }
    }

    #[test]
    fn grtt_codes_follow_the_formula() {
        // 255 - 13 ln(1000 / 0.25) = 147.18; 255 - 13 ln(1000 / 0.001) = 75.4.
        assert_eq!(grtt_from_secs(0.25), 148);
        assert_eq!(grtt_from_ns(1_000_000), 76);
        assert_eq!(grtt_from_ns(0), 0);
        assert_eq!(grtt_from_ns(u64::MAX), 255);
        assert_eq!(grtt_from_secs(-1.0), 0);
        assert_eq!(grtt_from_secs(f64::NAN), 0);
        assert_eq!(grtt_to_ns(255), 1_000_000_000_000);
    }

    #[test]
    fn gsize_covers_the_group() {
        assert_eq!(
            [gsize_to(0), gsize_to(8), gsize_to(3), gsize_to(15)],
            [10, 50, 10_000, 500_000_000]
        );
        for (receivers, code) in [(0, 0), (10, 0), (11, 8), (51, 1), (10_000, 3), (10_001, 11)] {
            assert_eq!(gsize_from(receivers), code, "{receivers}");
        }
        assert_eq!(gsize_from(u32::MAX), 15);
    }

    #[test]
    fn rate_keeps_three_digits() {
        assert_eq!(rate_from_bytes_per_s(0), 0);
        assert_eq!(rate_from_bytes_per_s(u64::MAX), u16::MAX);
        assert_eq!(rate_from_bytes_per_s(9_999_999) & 0x0f, 7);
        assert_eq!(rate_to_bytes_per_s(u16::MAX), 9_997_558_593_750_000);
        let mut rate = 1;
        while rate < 1_000_000_000_000_000 {
            let back = rate_to_bytes_per_s(rate_from_bytes_per_s(rate));
            let error = back.abs_diff(rate);
            assert!(error * 400 <= rate.max(400), "{rate} became {back}");
            rate = rate * 7 / 5 + 1;
        }
    }
}
