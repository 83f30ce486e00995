//! Live progress of a push on stderr.

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use linecast_engine::Totals;
use linecast_net::command::{ProgressMode, eprint_line};
use linecast_protocol::sender::{Member, MemberState, Phase, Sender};
use std::time::{Duration, Instant};

/// Shows how a push is going.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    plain: bool,
    printed: Option<Instant>,
    size: u64,
    data_since: Option<Instant>,
}

const PLAIN_EVERY: Duration = Duration::from_secs(1);
const TEMPLATE: &str =
    "{prefix} {bar:30} {percent:>3}%  {bytes} of {total_bytes}  eta {eta}\n{msg}";

impl Progress {
    /// Progress of an image of `size` bytes.
    pub(crate) fn new(mode: ProgressMode, name: &str, size: u64) -> Progress {
        let live = mode.is_live();
        let bar = live.then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr_with_hz(4));
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style.progress_chars("#>-"));
            }
            bar.set_prefix(name.to_owned());
            bar
        });
        Progress {
            bar,
            plain: mode == ProgressMode::Plain,
            printed: None,
            size,
            data_since: None,
        }
    }

    /// Called about ten times a second.
    pub(crate) fn update(&mut self, sender: &Sender, totals: &Totals) {
        let symbols = sender.image_symbols().max(1);
        let part = totals.symbols.source as f64 / symbols as f64;
        let bytes = (part * self.size as f64) as u64;
        let message = self.describe(sender, totals);
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(message);
        } else if self.plain && self.printed.is_none_or(|at| at.elapsed() >= PLAIN_EVERY) {
            self.printed = Some(Instant::now());
            let (percent, bytes) = (part * 100.0, HumanBytes(bytes));
            eprint_line(format_args!("linecast: {percent:3.0}%  {bytes}  {message}"));
        }
    }

    fn describe(&mut self, sender: &Sender, totals: &Totals) -> String {
        let members = sender.roster().members();
        let count = |test: fn(&Member) -> bool| members.iter().filter(|m| test(m)).count();
        let complete = count(|m| m.state == MemberState::Complete);
        let best = members.iter().map(|m| m.leaves_verified).max().unwrap_or(0);
        let slow = members
            .iter()
            .filter(|m| {
                let behind = m.leaves_verified + 64 < best / 10 * 9;
                m.state == MemberState::Aside || m.is_open() && behind
            })
            .count();
        let heard = sender.feedback();
        if sender.phase() >= Phase::Sending {
            self.data_since.get_or_insert_with(Instant::now);
        }
        let seconds = self
            .data_since
            .map_or(0.0, |since| since.elapsed().as_secs_f64());
        let sent = totals.symbols.source + totals.symbols.parity + totals.symbols.repair;
        let mbit = sent as f64 * self.size as f64 * 8e-6 / sender.image_symbols().max(1) as f64;
        let rate = if seconds > 0.0 { mbit / seconds } else { 0.0 };
        format!(
            "{} receivers: {complete} complete, {slow} slow   {rate:.0} Mbit/s   NACKs {} heard, {} served   repairs {}",
            members.len(),
            heard.nacks_heard,
            heard.nacks_served,
            totals.symbols.repair,
        )
    }

    /// Clears the live block.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
