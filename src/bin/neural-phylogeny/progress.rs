use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use neural_phylogeny::geometry::{Progress, ReadingStage};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

/// Makes a bar on standard error when that is a terminal, else one that shows nothing.
pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The bar takes what is left of the line, so that the line fits the terminal.
    let template = "{msg} {wide_bar} {percent:>3} %  {human_pos}/{human_len} values  {per_sec}  {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The stage that the bar shows.
#[derive(Clone, Copy)]
struct Shown {
    stage: ReadingStage,
    /// Number of values read in the stages before.
    before: u64,
    /// Number of values to read up to its end.
    total: u64,
}

/// Shows the progress of each stage by itself: values read in it, of those to read in it.
pub(crate) fn observer(bar: &ProgressBar) -> impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static {
    let (bar, shown) = (bar.clone(), Mutex::new(None::<Shown>));
    move |progress: Progress| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match *shown {
            Some(Shown { stage, before, .. }) if stage == progress.stage => before,
            earlier => {
                bar.set_message(progress.stage.to_string());
                bar.reset_eta();
                earlier.map_or(0, |earlier| earlier.total)
            }
        };
        *shown = Some(Shown { stage: progress.stage, before, total: progress.total });
        bar.set_length(progress.total.saturating_sub(before));
        bar.set_position(progress.read.saturating_sub(before));
        ControlFlow::Continue(())
    }
}
