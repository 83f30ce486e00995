//! Flags of one scenario: how it is pushed, what is lost, what else the network
//! does.

use super::values;
use linecast_net::command::units;
use linecast_protocol::sender::RateControl;
use linecast_sim::{
    Bottleneck, Device, Drop, LossModel, Network, Outage, Push, Rate, Roster, Slow,
};
use std::time::Duration;

/// How the sender is told to push.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Push")]
pub(super) struct Pushing {
    /// Rate of the push, L2 headers included; with --rate-floor it is searched for
    /// from there up to this
    #[arg(long, default_value = "1gbit", value_parser = units::rate_bps, value_name = "RATE")]
    pub(super) rate: u64,
    /// Search for the rate, and never go below this
    #[arg(long, value_parser = units::rate_bps, value_name = "RATE")]
    pub(super) rate_floor: Option<u64>,
    /// What becomes of receivers that do not sustain the floor: wait, drop, unicast
    #[arg(long, value_parser = values::slow, value_name = "WHAT", requires = "rate_floor")]
    pub(super) on_slow: Option<Slow>,
    /// Give up after this
    #[arg(long, value_parser = units::duration, value_name = "TIME")]
    pub(super) deadline: Option<Duration>,
    /// Only these receivers must have the image, the first ones; with as many absent
    /// devices, as `3+1`
    #[arg(long, value_parser = values::roster, value_name = "N+ABSENT")]
    pub(super) roster: Option<Roster>,
}

/// What is lost.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Losses")]
pub(super) struct Losses {
    /// Packets lost on the way to each receiver, independently
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    pub(super) loss: f64,
    /// In bursts of so many packets on average (Gilbert-Elliott)
    #[arg(long, value_name = "PACKETS")]
    pub(super) gilbert_elliott: Option<f64>,
    /// From the middle of the image on, this loss instead
    #[arg(long, value_parser = values::share, value_name = "PERCENT", conflicts_with = "gilbert_elliott")]
    pub(super) loss_step: Option<f64>,
    /// Receivers with another loss, as `1:10%`
    #[arg(long, value_parser = values::outliers, value_name = "N:PERCENT")]
    pub(super) outliers: Option<(u32, f64)>,
    /// Packets lost by all receivers together
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    pub(super) shared_loss: f64,
    /// Subtrees of the network
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) subtrees: u32,
    /// Packets lost by all receivers of a subtree together
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    pub(super) subtree_loss: f64,
    /// Feedback lost on the way to the sender
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    pub(super) feedback_loss: f64,
    /// Lose the first transmission of this symbol: for all, or as `RECEIVER@BLOCK:ESI`
    #[arg(long, value_parser = values::drop_of, value_name = "BLOCK:ESI")]
    pub(super) drop: Vec<Drop>,
    /// Receiver number i loses symbol i of this block
    #[arg(long, value_name = "BLOCK")]
    pub(super) drop_each: Option<u32>,
}

/// What else the network does.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Disturbances")]
pub(super) struct Disturbances {
    /// Most that a packet is delayed beyond the round trip
    #[arg(long, default_value = "0ms", value_parser = units::duration, value_name = "TIME")]
    pub(super) jitter: Duration,
    /// Packets that are overtaken
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    pub(super) reorder: f64,
    /// Packets that come twice
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    pub(super) duplicate: f64,
    /// Packets that come with a wrong bit
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    pub(super) flip: f64,
    /// A slow link with a queue, as `900mbit:128KiB`
    #[arg(long, value_parser = values::bottleneck, value_name = "RATE:SIZE")]
    pub(super) bottleneck: Option<Bottleneck>,
    /// A receiver behind a slow port with a queue, as `0:10mbit:64KiB`
    #[arg(long, value_parser = values::port, value_name = "RECEIVER:RATE:SIZE")]
    pub(super) port: Vec<Device>,
    /// Every path carries nothing from TIME for TIME, as `1s+5s`
    #[arg(long, value_parser = values::outage, value_name = "START+LENGTH")]
    pub(super) outage: Option<Outage>,
}

impl Pushing {
    /// The same as the sender takes it.
    pub(super) fn push(&self) -> Push {
        let rate = match self.rate_floor {
            None => Rate::Fixed { bps: self.rate },
            Some(floor_bps) => Rate::Auto {
                floor_bps,
                start_bps: RateControl::start().clamp(floor_bps, self.rate.max(floor_bps)),
                ceiling_bps: self.rate,
            },
        };
        Push {
            rate,
            on_slow: self.on_slow.unwrap_or(Slow::Wait),
            roster: self.roster.clone(),
            deadline: self.deadline,
            ..Push::default()
        }
    }
}

impl Losses {
    /// The network that these losses and `disturbances` make, for an image of `symbols`
    /// and so many receivers.
    pub(super) fn network(
        &self,
        disturbances: &Disturbances,
        symbols: u64,
        receivers: u32,
    ) -> Network {
        let losses = self;
        let independent = |p| {
            if p > 0.0 {
                LossModel::Independent { p }
            } else {
                LossModel::None
            }
        };
        let middle = symbols / 2;
        let loss = match (losses.gilbert_elliott, losses.loss_step) {
            (Some(burst), _) => LossModel::GilbertElliott {
                p: losses.loss,
                burst,
            },
            (None, Some(after)) => LossModel::Step {
                before: losses.loss,
                after,
                at_packet: middle,
            },
            (None, None) => independent(losses.loss),
        };
        let each = losses.drop_each.into_iter().flat_map(|sbn| {
            (0..receivers).map(move |receiver| Drop {
                receiver: Some(receiver),
                sbn,
                esi: receiver as u16,
            })
        });
        Network {
            loss,
            outliers: losses.outliers.map(|(count, p)| (count, independent(p))),
            trunk_loss: independent(losses.shared_loss),
            subtrees: losses.subtrees,
            subtree_loss: independent(losses.subtree_loss),
            feedback_loss: losses.feedback_loss,
            jitter: disturbances.jitter,
            reorder: disturbances.reorder,
            duplicate: disturbances.duplicate,
            flip: disturbances.flip,
            bottleneck: disturbances.bottleneck,
            drops: losses.drop.iter().copied().chain(each).collect(),
        }
    }
}
