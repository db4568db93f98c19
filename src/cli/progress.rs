//! What a run shows while it goes on: bars on a terminal, few plain lines elsewhere.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::print_err;
use crate::extract::ResourceProgress;
use crate::http::HttpEvent;
use crate::report::{Event, Reporter};

/// How often a resource gets a line where there is no terminal: often enough to see that a backfill of hours
/// lives, seldom enough for cron mail.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// Waits shorter than this are part of normal pacing.
const WORTH_TELLING: Duration = Duration::from_secs(5);

/// Renders events on stderr.
pub(super) struct Progress {
    bars: Option<MultiProgress>,
    quiet: bool,
    resources: Mutex<HashMap<String, Shown>>,
}

/// What is shown of one resource.
struct Shown {
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { bars: (terminal && !quiet).then(MultiProgress::new), quiet, resources: Mutex::default() }
    }

    /// Takes the bars away, so that the closing lines stand alone.
    pub(super) fn finish(&self) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
    }

    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        match &self.bars {
            Some(bars) => bars.suspend(|| print_err(&format!("{text}\n"))),
            None => print_err(&format!("{text}\n")),
        }
    }

    fn start(&self, resource: &str) {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::no_length().with_message(resource.to_owned()));
            bar.set_style(style("{msg:20} {human_pos} rows {elapsed}"));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        resources.insert(resource.to_owned(), Shown { bar, last_line: Instant::now() });
    }

    fn page(&self, resource: &str, progress: &ResourceProgress) {
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shown) = resources.get_mut(resource) else { return };
        if let Some(bar) = &shown.bar {
            if let (Some(total), None) = (progress.total_rows, bar.length()) {
                bar.set_style(style("{msg:20} {bar:30} {human_pos}/{human_len} rows {elapsed} (eta {eta})"));
                bar.set_length(total);
            }
            bar.set_position(progress.row_count);
        } else if shown.last_line.elapsed() >= LINE_EVERY {
            shown.last_line = Instant::now();
            drop(resources);
            let total = progress.total_rows.map_or_else(String::new, |total| format!(" of {total}"));
            self.line(&format!(
                "{resource}: {}{total} rows, {} pages",
                progress.row_count, progress.page_count
            ));
        }
    }

    fn end(&self, resource: &str) {
        let resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = resources.get(resource).and_then(|shown| shown.bar.as_ref()) {
            bar.finish();
        }
    }

    fn http(&self, event: &HttpEvent) {
        match event {
            HttpEvent::Waiting { duration, reason } if *duration >= WORTH_TELLING => {
                self.line(&format!("waiting {}: {reason}", rough(*duration)));
            }
            HttpEvent::Retrying { request, attempt, max_attempts, delay, reason } => self.line(&format!(
                "{request}: {reason}; attempt {} of {max_attempts} in {:.1} s",
                attempt + 1,
                delay.as_secs_f64()
            )),
            _ => {}
        }
    }
}

impl Reporter for Progress {
    fn report(&self, event: Event<'_>) {
        match event {
            Event::ResourceStarted { resource, resumed_pages, resumed_rows } => {
                if resumed_pages > 0 {
                    self.line(&format!(
                        "{resource}: going on after page {resumed_pages} ({resumed_rows} rows are there already)"
                    ));
                }
                self.start(resource);
            }
            Event::Page { resource, progress } => self.page(resource, progress),
            Event::Detected { resource, chosen } => {
                self.line(&format!("{resource}: pages as found out from the answer; to fix it: {chosen}"));
            }
            Event::Repaired { resource, page } => self.line(&format!(
                "warning: page {page} of {resource} is no JSON: `NaN` was read as null, `Infinity` as text"
            )),
            Event::Unprotected { resource, field } => self.line(&format!(
                "warning: no row of {resource} had `{field}`, which `protect` names: is it written as in the rows?"
            )),
            Event::ResourceEnded { end } => self.end(&end.resource),
            Event::Http(event) => self.http(&event),
            Event::Resuming { load_id, age } => self.line(&format!(
                "going on with the unfinished extraction {load_id}, begun {} ago",
                rough(age)
            )),
            Event::Dropping { load_id, reason } => {
                self.line(&format!("dropping the unfinished extraction {load_id}: {reason}"));
            }
            Event::Loading { load_id, pending: true } => {
                self.line(&format!("loading package {load_id}, which an earlier run had received"));
            }
            Event::PipelineBusy { pipeline, holder } => {
                self.line(&format!("waiting: another run ({holder}) holds pipeline `{pipeline}`"));
            }
            Event::DestinationBusy { holder } => {
                self.line(&format!("waiting for the database: {holder} has it open"));
            }
            Event::Loading { .. } => {}
        }
    }
}

/// A style that is known to be well formed; should it not be, the default one serves.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A duration in its largest unit.
fn rough(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_down_to_one_unit() {
        let check = |seconds, text: &str| assert_eq!(rough(Duration::from_secs(seconds)), text);
        check(0, "0 s");
        check(119, "119 s");
        check(121, "2 min");
        check(7200, "2 h");
        check(200_000, "2 days");
    }
}
