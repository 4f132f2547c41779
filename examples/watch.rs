//! One session with all observers at once: TensorBoard's event file (`out/watch/`), the picture every 50 evaluations
//! (in the same folder), a plot of the losses (twice, as `out/watch.svg` and `out/watch.png`), and an observer defined
//! here, which ends the run when the loss has not fallen by 5 % in 20 evaluations.
//!
//! In the plot, the style loss falls steeply in the first evaluations. The content loss is the price: it starts low,
//! because the image starts from the photograph with some noise. The dots are points that the line search tried and
//! rejected.
//!
//! ```sh
//! cargo run --release --example watch [PHOTO [PAINTING]]
//! tensorboard --logdir out/watch
//! ```

mod common;

use std::ops::ControlFlow;

use anyhow::Result;
use style_transfer::{Observer, Progress, Session, View};
use style_watch::{LossPlot, Snapshots, TensorBoard, TensorBoardOptions};

/// Ends a run whose progress has become slow.
struct Patience {
    /// The loss must fall below this to restart the wait.
    goal: f64,
    waited: usize,
}

impl Patience {
    const EVALUATIONS: usize = 20;
    const SHARE: f64 = 0.95;
}

impl Observer for Patience {
    fn observe(&mut self, progress: &Progress, _: &dyn View) -> style_transfer::Result<ControlFlow<()>> {
        self.waited += 1;
        if progress.accepted && progress.losses.total < self.goal {
            self.goal = Self::SHARE * progress.losses.total;
            self.waited = 0;
        }
        if self.waited < Self::EVALUATIONS {
            return Ok(ControlFlow::Continue(()));
        }
        println!("evaluation {}: loss {:.4e} is hardly falling; stopping", progress.iteration, progress.losses.total);
        Ok(ControlFlow::Break(()))
    }
}

fn main() -> Result<()> {
    let mut session = Session::builder(common::network()?)
        .content(common::picture(1, "cat.jpg", 256)?)
        .style(common::picture(2, "swirls.jpg", 256)?)
        .iterations(400)
        .build()?;
    let mut board = TensorBoard::create(common::out("watch")?, TensorBoardOptions::default())?;
    let mut snapshots = Snapshots::png(50, common::out("watch/painted.png")?)?;
    let plot =
        |name| -> Result<LossPlot> { Ok(LossPlot::new(common::out(name)?)?.title("Losses of the cat in swirls")) };
    let (mut svg, mut png) = (plot("watch.svg")?, plot("watch.png")?);
    let mut patience = Patience { goal: f64::INFINITY, waited: 0 };
    session.run_with(&mut [&mut board as &mut dyn Observer, &mut snapshots, &mut svg, &mut png, &mut patience][..])?;
    println!("wrote out/watch.svg, out/watch.png and {}", board.path().display());
    common::save("watch/painted.png", &session.image()?)
}
