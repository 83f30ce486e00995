//! Trials as a table: medians of repeats, and which bounds were broken.

use super::attacks::Attack;
use super::launcher::Origin;
use super::trial::{Bounds, Trial, median, shown};

/// Lines of a Markdown table, and what was wrong.
#[derive(Debug, Default)]
pub struct Table {
    broken: usize,
    notes: String,
}

impl Table {
    /// The two lines above all others.
    pub fn head() -> &'static str {
        "| attack | | from | packets/s | complete | seconds | goodput | expansion \
         | anon MiB, sender / receiver | CPU s, sender / receiver | exit codes \
         | refused, sender / receiver | broken |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|"
    }

    /// A line for the repeats of one push. `reference_bps` is the goodput of the
    /// same push without attack.
    pub fn row(
        &mut self,
        attack: Option<(&Attack, Origin)>,
        trials: &[Trial],
        reference_bps: f64,
    ) -> String {
        let bounds = Bounds::of(attack.is_some_and(|(attack, _)| attack.per_symbol));
        let name = attack.map_or("none", |(attack, _)| attack.id);
        let what = attack.map_or("", |(attack, _)| attack.what);
        let origin = attack.map_or("", |(_, origin)| match origin {
            Origin::Own => "own",
            Origin::Forged => "forged",
        });
        let broken = self.judge((name, origin), trials, &bounds, reference_bps);
        // Of all repeats the one that counts is in the middle; of memory and
        // completions it is the worst.
        let middle = |figure: &dyn Fn(&Trial) -> f64| median(trials.iter().map(figure));
        let rate = middle(&|trial| trial.launched.per_second);
        let seconds = middle(&|trial| trial.total_s);
        let goodput = middle(&|trial| trial.goodput_bps.unwrap_or(0.0) / reference_bps);
        let expansion = middle(&|trial| trial.expansion.unwrap_or(f64::NAN));
        let cpu = middle(&|trial| trial.sender.cpu_s);
        let cpu_receiver = middle(&|trial| trial.receiver.cpu_s);
        let refused = middle(&|trial| trial.refused_sender as f64);
        let refused_receiver = middle(&|trial| trial.refused_receiver as f64);
        let worst = |figure: &dyn Fn(&Trial) -> u64| trials.iter().map(figure).max().unwrap_or(0);
        let complete = trials.iter().map(|trial| trial.complete).min().unwrap_or(0);
        let receivers = trials.first().map_or(0, |trial| trial.receivers);
        let codes = trials.iter().max_by_key(|trial| severity(trial));
        let codes: Vec<String> = codes
            .map(|trial| trial.codes.iter().map(|code| shown(*code)).collect())
            .unwrap_or_default();
        format!(
            "| {name} | {what} | {origin} | {rate:.0} | {complete} of {receivers} | {seconds:.1} \
             | {goodput:.2} | {expansion:.2} | {} / {} | {cpu:.1} / {cpu_receiver:.1} | {} \
             | {refused:.0} / {refused_receiver:.0} | {broken} |",
            worst(&|trial| trial.sender.anon_peak_bytes >> 20),
            worst(&|trial| trial.receiver.anon_peak_bytes >> 20),
            codes.join(" "),
        )
    }

    /// What the median of the goodput and every other figure break.
    fn judge(
        &mut self,
        (name, origin): (&str, &str),
        trials: &[Trial],
        bounds: &Bounds,
        reference_bps: f64,
    ) -> String {
        let each = Bounds {
            goodput: None,
            ..*bounds
        };
        let mut broken = Vec::new();
        for trial in trials {
            for what in trial.broken(&each, reference_bps) {
                if !broken.contains(&what) {
                    broken.push(what);
                }
            }
            for complaint in &trial.complaints {
                let note = format!("{name} {origin}: {complaint}\n");
                if !self.notes.contains(&note) {
                    self.notes.push_str(&note);
                }
            }
        }
        let goodputs = trials.iter().filter_map(|trial| trial.goodput_bps);
        let ratio = median(goodputs) / reference_bps;
        if bounds.goodput.is_some_and(|least| ratio < least) {
            broken.push(format!("goodput × {ratio:.2}"));
        }
        self.broken += usize::from(!broken.is_empty());
        broken.join(", ")
    }

    /// Lines with a broken bound.
    pub fn broken(&self) -> usize {
        self.broken
    }

    /// What programs said that did not end well, a line each.
    pub fn notes(&self) -> &str {
        &self.notes
    }
}

fn severity(trial: &Trial) -> usize {
    let bad = |code: &&Option<i32>| **code != Some(0);
    trial.codes.iter().filter(bad).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn a_line_has_as_many_columns_as_the_head() {
        let trial = Trial {
            codes: vec![Some(0), None],
            complete: 0,
            receivers: 1,
            ..Trial::default()
        };
        let mut table = Table::default();
        let attack = Attack::find("S1").unwrap();
        let row = table.row(Some((&attack, Origin::Own)), &[trial], 1e9);
        let columns = |line: &str| line.matches('|').count();
        assert_eq!(
            columns(&row),
            columns(Table::head().lines().next().unwrap())
        );
        assert_eq!(table.broken(), 1);
    }
}
