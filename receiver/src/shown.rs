//! Live progress of a reception on stderr.

use crate::receive::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use linecast_net::command::{ProgressMode, eprint_line};
use linecast_protocol::text::Printable;

/// Shows how a reception is going.
pub(crate) struct Shown {
    bar: Option<ProgressBar>,
    quiet: bool,
    refused: Option<String>,
}

impl Shown {
    /// Progress in this mode.
    pub(crate) fn new(mode: ProgressMode) -> Shown {
        let live = mode.is_live();
        let bar = live.then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(4));
            let template =
                "{prefix} {bar:30} {percent:>3}% verified  {bytes} of {total_bytes}  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("#>-"));
            }
            bar.set_prefix("waiting");
            bar
        });
        Shown {
            bar,
            quiet: mode == ProgressMode::None,
            refused: None,
        }
    }

    /// Called about twenty times a second.
    pub(crate) fn update(&mut self, progress: &Progress) {
        if progress.refused.is_some() && progress.refused != self.refused {
            self.refused.clone_from(&progress.refused);
            if let Some(why) = self.refused.as_ref().filter(|_| !self.quiet) {
                let why = Printable(why);
                eprint_line(format_args!("linecast: refused a session: {why}"));
            }
        }
        if let Some(bar) = self.bar.as_ref().filter(|_| !progress.image.is_empty()) {
            bar.set_prefix(Printable(&progress.image).to_string());
            bar.set_length(progress.size_bytes);
            bar.set_position(progress.verified_bytes);
            bar.set_message(format!("lost {}  NACKs {}", progress.lost, progress.nacks));
        }
    }

    /// Clears the live block.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
