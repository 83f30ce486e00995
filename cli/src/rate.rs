//! `--rate`, `--rate-floor` and `--on-slow`: how fast a push goes, and for whom
//! it does not slow down.

use linecast_net::Interface;
use linecast_net::command::{Failure, units};
use linecast_protocol::sender::{OnSlow, RateControl};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RateArgs {
    /// Rate on the wire, L2 headers included: 900mbit, line (the interface's
    /// speed), auto (what the slowest receiver sustains)
    #[arg(long, default_value = "auto", value_parser = rate, value_name = "RATE")]
    rate: Rate,
    /// What --rate auto never goes below [default: 10mbit]
    #[arg(long, value_parser = units::rate_bps, value_name = "RATE")]
    rate_floor: Option<u64>,
    /// What becomes of a receiver that holds the others below the floor for 2 s
    #[arg(long, value_enum, default_value_t = Slow::Wait, value_name = "WHAT")]
    on_slow: Slow,
}

/// What the flags say, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Bits of L2 a second; `None`: to be found.
    pub(crate) fixed_bps: Option<u64>,
    /// What is found is never below this.
    pub(crate) floor_bps: u64,
    pub(crate) on_slow: OnSlow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rate {
    Auto,
    Line,
    Fixed(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Slow {
    /// The group waits for it
    Wait,
    /// It is given up and reported as slow; the others go on
    Drop,
    /// The others go on; when they have ended it is served alone, by unicast to
    /// its own address and at its own pace
    Unicast,
}

impl RateArgs {
    /// The rate on this interface.
    pub(crate) fn resolve(&self, interface: &Interface) -> Result<Pace, Failure> {
        let speed_bps = interface.speed_mbit.map(|mbit| u64::from(mbit) * 1_000_000);
        let fixed_bps = match self.rate {
            Rate::Auto => None,
            Rate::Line => Some(speed_bps.ok_or_else(|| {
                Failure::preflight(format!(
                    "--rate line: {} does not tell its speed; give a rate",
                    interface.name
                ))
            })?),
            Rate::Fixed(bps) => Some(bps),
        };
        if fixed_bps.is_some() {
            self.refuse_for_fixed()?;
        }
        let floor_bps = self.rate_floor.unwrap_or(RateControl::FLOOR_BPS);
        let (limit, of) = match speed_bps {
            Some(speed) => (speed, format!("the speed of {}", interface.name)),
            None => (RateControl::CEILING_BPS, "the most that is tried".into()),
        };
        if self.rate_floor.is_some() && (floor_bps > limit || floor_bps == 0) {
            return Err(Failure::usage(format!(
                "--rate-floor: 1 to {limit} bit/s ({of}), got {floor_bps}"
            )));
        }
        let on_slow = match self.on_slow {
            Slow::Wait => OnSlow::Wait,
            Slow::Drop => OnSlow::Drop,
            Slow::Unicast => OnSlow::Unicast,
        };
        Ok(Pace {
            fixed_bps,
            floor_bps,
            on_slow,
        })
    }

    /// A rate that is given has no floor, and nobody is too slow for it.
    fn refuse_for_fixed(&self) -> Result<(), Failure> {
        let flag = match (self.rate_floor, self.on_slow) {
            (Some(_), _) => "--rate-floor",
            (None, Slow::Drop) => "--on-slow drop",
            (None, Slow::Unicast) => "--on-slow unicast",
            (None, Slow::Wait) => return Ok(()),
        };
        Err(Failure::usage(format!(
            "{flag} is for --rate auto: a rate that is given has no floor"
        )))
    }
}

fn rate(text: &str) -> Result<Rate, units::UnitError> {
    match text {
        "auto" => Ok(Rate::Auto),
        "line" => Ok(Rate::Line),
        _ => units::rate_bps(text).map(Rate::Fixed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        rate: RateArgs,
    }

    fn resolve(speed_mbit: Option<u32>, line: &str) -> Result<Pace, String> {
        let interface = Interface {
            name: "eth7".into(),
            index: 7,
            mtu: 1500,
            up: true,
            multicast: true,
            v4: None,
            v6: None,
            v6_link_local: None,
            speed_mbit,
            hardware: None,
        };
        let words = std::iter::once("push").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.rate.resolve(&interface).map_err(|failure| {
            assert_eq!(failure.exit, linecast_net::command::Exit::Usage);
            failure.message
        })
    }

    #[test]
    fn the_floor_is_ten_megabit_and_everybody_is_waited_for_unless_told_otherwise() {
        let pace = resolve(Some(1_000), "").unwrap();
        assert_eq!((pace.fixed_bps, pace.floor_bps), (None, 10_000_000));
        assert_eq!(pace.on_slow, OnSlow::Wait);
        let pace = resolve(None, "--rate-floor 40mbit --on-slow drop").unwrap();
        assert_eq!((pace.floor_bps, pace.on_slow), (40_000_000, OnSlow::Drop));
        let pace = resolve(None, "--on-slow unicast").unwrap();
        assert_eq!(pace.on_slow, OnSlow::Unicast);
    }

    #[test]
    fn a_given_rate_has_no_floor() {
        for rate in ["900mbit", "line"] {
            for flag in ["--rate-floor 1mbit", "--on-slow drop", "--on-slow unicast"] {
                let refused = resolve(Some(1_000), &format!("--rate {rate} {flag}"));
                assert!(refused.unwrap_err().contains("is for --rate auto"));
            }
            let pace = resolve(Some(1_000), &format!("--rate {rate} --on-slow wait"));
            assert!(pace.unwrap().fixed_bps.is_some());
        }
    }

    #[test]
    fn a_floor_above_the_interface_is_refused_with_limit_and_value() {
        let refused = resolve(Some(100), "--rate-floor 101mbit").unwrap_err();
        assert!(refused.contains("1 to 100000000 bit/s"), "{refused}");
        assert!(refused.contains("got 101000000"), "{refused}");
        assert!(resolve(Some(100), "--rate-floor 100mbit").is_ok());
        assert!(resolve(None, "--rate-floor 1tbit").is_err());
        assert!(resolve(None, "--rate-floor 0").is_err());
        // A slow port is no reason to refuse what nobody asked for.
        assert!(resolve(Some(1), "").is_ok());
    }
}
