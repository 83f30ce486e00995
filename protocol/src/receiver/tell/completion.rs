//! Tells the completion, again whenever the sender asks for it, and in any case
//! again after a while: it may be lost when nobody asks.

use super::Signet;
use crate::hex;
use crate::message::{COMPLETE_CONTEXT, Complete, Figures, sign_json};
use crate::offer::SessionShape;
use crate::random::Random;
use crate::time::{Duration, Time};
use crate::timer::{Group, Scale, Timer, Timers, Wait};
use alloc::string::String;
use alloc::vec::Vec;

/// A completion that nothing came of is told again after this, then after
/// twice the time, and so on up to the most.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(4);
const RETRY_SPREADS: u32 = 4;
/// Whoever asks for it more often than this is answered no more often.
const GAP: Duration = Duration::from_millis(5);
/// After its completion a receiver waits this long for the end of the session.
pub(in crate::receiver) const LINGER: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(in crate::receiver) struct Completion {
    complete: Option<Complete>,
    /// Signed for the welcome of this nonce.
    payload: Option<(u32, Vec<u8>)>,
    retry: Duration,
    told: Time,
}

impl Completion {
    #[allow(clippy::too_many_arguments)]
    pub(in crate::receiver) fn tell(
        &mut self,
        now: Time,
        shape: &SessionShape,
        had: bool,
        figures: Figures,
        error: Option<&str>,
        random: &mut Random,
        timers: &mut Timers,
    ) {
        let count = self.complete.as_ref().map_or(0, |before| before.count);
        self.complete = Some(Complete {
            session: hex(&shape.session),
            root: hex(&shape.root),
            life: String::new(),
            nonce: 0,
            count: count + 1,
            had,
            error: error.map(String::from),
            figures,
        });
        self.payload = None;
        self.retry = RETRY;
        timers.set(Timer::Complete, now, Wait::within(Scale::Spread, random));
        timers.set(Timer::Linger, now, Wait::fixed(LINGER));
    }

    /// The sender asks whether this receiver is done.
    pub(in crate::receiver) fn ask(
        &self,
        now: Time,
        group: Group,
        random: &mut Random,
        timers: &mut Timers,
    ) {
        if self.complete.is_some() {
            let start = now.max(self.told + GAP);
            let wait = Wait::within(Scale::Grtt, random);
            timers.set_sooner(Timer::Answer, start, wait, group);
        }
    }

    /// What to tell now, if it is time; a receiver that is not welcome yet cannot.
    pub(in crate::receiver) fn poll(
        &mut self,
        now: Time,
        group: Group,
        signet: &Signet,
        timers: &mut Timers,
    ) -> Option<Vec<u8>> {
        if !signet.is_welcome() {
            return None;
        }
        let repeats = timers.is_due(Timer::Complete, now, group);
        let answers = timers.take_due(Timer::Answer, now, group);
        if !repeats && !answers {
            return None;
        }
        self.told = now;
        let wait = Wait::at_least(self.retry, RETRY_SPREADS, Scale::Spread);
        timers.set(Timer::Complete, now, wait);
        if repeats {
            // Only silence is a reason to be more patient, not a question.
            self.retry = (self.retry * 2).min(RETRY_MAX);
        }
        self.payload(signet)
    }

    fn payload(&mut self, signet: &Signet) -> Option<Vec<u8>> {
        let complete = self.complete.as_mut()?;
        if self
            .payload
            .as_ref()
            .is_none_or(|(nonce, _)| *nonce != signet.nonce)
        {
            complete.nonce = signet.nonce;
            complete.life = hex(&signet.life.number);
            let payload = sign_json(&signet.key, COMPLETE_CONTEXT, complete);
            self.payload = Some((signet.nonce, payload));
        }
        self.payload.as_ref().map(|(_, payload)| payload.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;
    use crate::message::WelcomeEntry;
    use crate::offer::tests::shape;
    use crate::seal::Life;

    const GROUP: Group = Group {
        grtt: Duration::from_millis(1),
        size: 4,
        backoff: 1,
    };

    fn told() -> (Completion, Signet, Timers, Random) {
        let (session, device) = (
            SigningKey::from_seed([9; 32]),
            SigningKey::from_seed([2; 32]),
        );
        let shape = shape(1 << 20);
        let life = Life {
            key: device.public(),
            installation: [1; 8],
            number: [2; 8],
        };
        let mut signet = Signet::new(device.clone(), life, 7, &shape);
        let mut entries = Vec::new();
        let key = life.welcome_key(&shape.session, &session, &device.public());
        WelcomeEntry {
            life: life.name(),
            node: 7,
            nonce: 1,
            proof: key.welcome_proof(7, 1),
        }
        .emit(&mut entries);
        assert!(signet.take_welcome(&entries));
        let (mut completion, mut timers) = (Completion::default(), Timers::default());
        let mut random = Random::new(3);
        let figures = Figures::default();
        completion.tell(
            Time::ZERO,
            &shape,
            false,
            figures,
            None,
            &mut random,
            &mut timers,
        );
        (completion, signet, timers, random)
    }

    /// S1: at the 66th question the doubled patience had no number any more.
    #[test]
    fn a_completion_asked_for_ten_thousand_times_is_told_and_nothing_overflows() {
        let (mut completion, signet, mut timers, mut random) = told();
        let (mut now, mut count) = (Time::ZERO, 0);
        for _ in 0..10_000 {
            completion.ask(now, GROUP, &mut random, &mut timers);
            let payload = completion.poll(now, GROUP, &signet, &mut timers);
            count += u32::from(payload.is_some());
            now = now + Duration::from_micros(3_333);
        }
        assert_eq!(completion.retry, RETRY * 2);
        // 33 s, and no more than one answer in 5 ms.
        assert!((3_000..=6_700).contains(&count), "{count}");
    }

    #[test]
    fn an_unheard_completion_is_repeated_for_days_and_never_more_seldom_than_the_most() {
        let (mut completion, signet, mut timers, _) = told();
        let (mut now, mut count) = (Time::ZERO, 0);
        let end = now + Duration::from_secs(86_400);
        while now < end {
            let payload = completion.poll(now, GROUP, &signet, &mut timers);
            count += u32::from(payload.is_some());
            now = timers.due(Timer::Complete, GROUP).unwrap();
        }
        assert!(count > 86_400 / 4 - 10, "{count}");
    }
}
