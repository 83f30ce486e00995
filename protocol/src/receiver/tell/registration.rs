//! Repeats the registration until the sender confirms it, and then seldom.

use super::Signet;
use crate::hex;
use crate::limits::NAME_BYTES_MAX;
use crate::message::{PROFILE, REGISTER_CONTEXT, Register, cut, sign_json};
use crate::offer::SessionShape;
use crate::random::Random;
use crate::receiver::follow::SessionConfig;
use crate::time::{Duration, Time};
use crate::timer::{Group, Scale, Timer, Timers, Wait};
use alloc::string::String;
use alloc::vec::Vec;

const RETRY_MIN: Duration = Duration::from_millis(40);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// A confirmed registration is repeated this seldom, for a sender that lost its
/// memory; a large group is still heard no more often than it registers.
const REFRESH: Duration = Duration::from_secs(5);
const REFRESH_SPREADS: u32 = 40;

#[derive(Debug)]
pub(in crate::receiver) struct Registration {
    /// Leaves that the receiver has already.
    pub held: u64,
    name: String,
    buffer_packets: u32,
    retry: Duration,
}

impl Registration {
    pub(in crate::receiver) fn new(
        now: Time,
        config: &SessionConfig,
        random: &mut Random,
        timers: &mut Timers,
    ) -> Registration {
        timers.set(Timer::Register, now, Wait::within(Scale::Spread, random));
        Registration {
            held: 0,
            name: cut(&config.name, NAME_BYTES_MAX).into(),
            buffer_packets: config.buffer_packets,
            retry: RETRY_MIN,
        }
    }

    /// The sender has confirmed it.
    pub(in crate::receiver) fn confirmed(
        &self,
        now: Time,
        random: &mut Random,
        timers: &mut Timers,
    ) {
        let wait = Wait::at_least(REFRESH, REFRESH_SPREADS, Scale::Spread);
        timers.set(Timer::Register, now, wait.times_between(1.0, 2.0, random));
    }

    /// Whether it is time to register; then the next time is set.
    pub(in crate::receiver) fn poll(
        &mut self,
        now: Time,
        group: Group,
        welcome: bool,
        random: &mut Random,
        timers: &mut Timers,
    ) -> bool {
        if !timers.is_due(Timer::Register, now, group) {
            return false;
        }
        if welcome {
            self.confirmed(now, random, timers);
        } else {
            let wait = Wait::at_least(self.retry, 1, Scale::Spread);
            timers.set(Timer::Register, now, wait.times_between(1.0, 2.0, random));
            self.retry = (self.retry * 3 / 2).min(RETRY_MAX);
        }
        true
    }

    pub(in crate::receiver) fn payload(&self, signet: &Signet, shape: &SessionShape) -> Vec<u8> {
        let register = Register {
            profile: PROFILE,
            session: hex(&shape.session),
            installation: hex(&signet.life.installation),
            life: hex(&signet.life.number),
            node: signet.node,
            name: self.name.clone(),
            buffer_packets: self.buffer_packets,
            held: self.held,
        };
        sign_json(&signet.key, REGISTER_CONTEXT, &register)
    }
}
