use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use neural_phylogeny::geometry::Progress;
use std::ops::ControlFlow;

/// Makes a bar on standard error when that is a terminal, else one that shows nothing.
pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "reading {bar:30} {percent:>3} %  {human_pos}/{human_len} values  {per_sec}  {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

pub(crate) fn observer(bar: &ProgressBar) -> impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static {
    let bar = bar.clone();
    move |progress: Progress| {
        if bar.length() != Some(progress.total) {
            bar.set_length(progress.total);
        }
        bar.set_position(progress.read);
        ControlFlow::Continue(())
    }
}
