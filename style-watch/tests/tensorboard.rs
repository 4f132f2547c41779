//! The event file of a session, read by TensorBoard itself.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::process::Command;

use common::{HEIGHT, WIDTH, session};
use style_core::{Observer, Progress, Result, View};
use style_watch::{TensorBoard, TensorBoardOptions};

/// The expected contents of the file, one line each: `scalar TAG STEP VALUE`, `image STEP HEX`, `histogram STEP VALUES`.
#[derive(Default)]
struct Expected {
    lines: String,
    last: usize,
}

impl Expected {
    fn scalar(&mut self, tag: &str, step: usize, value: f64) {
        writeln!(self.lines, "scalar {tag} {step} {value}").unwrap();
    }

    fn image(&mut self, step: usize, view: &dyn View) {
        let image = view.image().unwrap();
        let bytes: String = image.to_rgb8().iter().map(|b| format!("{b:02x}")).collect();
        writeln!(self.lines, "image {step} {bytes}").unwrap();
        let values: Vec<String> = image.pixels().iter().map(f32::to_string).collect();
        writeln!(self.lines, "histogram {step} {}", values.join(" ")).unwrap();
    }
}

impl Observer for Expected {
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>> {
        let (step, losses) = (progress.iteration, &progress.losses);
        for (tag, value) in [
            ("loss/total", losses.total),
            ("loss/content", losses.content()),
            ("loss/style", losses.style()),
            ("loss/tv", losses.tv()),
            ("descent/gradient_norm", progress.gradient_norm),
            ("descent/step_length", progress.step_length),
            ("descent/accepted", if progress.accepted { 1.0 } else { 0.0 }),
            ("layers/content/conv2_2", losses.layers("content")[0].loss),
            ("layers/style/conv1_1", losses.layers("style")[0].loss),
            ("layers/style/conv2_1", losses.layers("style")[1].loss),
        ] {
            self.scalar(tag, step, value);
        }
        if step.is_multiple_of(7) {
            self.image(step, view);
        }
        self.last = step;
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, view: &dyn View) -> Result<()> {
        self.image(self.last, view);
        Ok(())
    }
}

/// `PYTHON` is the path of a Python with the packages; the default is python3.
#[test]
#[ignore = "requires python3 with tensorboard and pillow"]
fn tensorboard_reads_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let options = TensorBoardOptions { images_every: 7, histograms_every: 7 };
    let mut board = TensorBoard::create(&runs, options).unwrap();
    let mut expected = Expected::default();
    let mut session = session(40);
    let mut both = [&mut board as &mut dyn Observer, &mut expected];
    // A rejected step may have any losses; step numbers may have gaps.
    let mut wild = session.step().unwrap().clone();
    wild.losses.total = f64::NAN;
    for (term, loss) in wild.losses.terms.iter_mut().zip([1e300, f64::NEG_INFINITY, 1e-300]) {
        term.loss = loss;
    }
    wild.accepted = false;
    assert!(both.observe(&wild, &session).unwrap().is_continue());
    session.run_with(&mut both[..]).unwrap();

    fs::write(folder.path().join("expected.txt"), &expected.lines).unwrap();
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/read_events.py");
    let size = [WIDTH, HEIGHT].map(|n| n.to_string());
    let status = Command::new(&python)
        .args([script, runs.to_str().unwrap(), folder.path().join("expected.txt").to_str().unwrap()])
        .args(size)
        .status()
        .unwrap_or_else(|e| panic!("{}: {e}", python.display()));
    assert!(status.success(), "TensorBoard reads different values: see above");
}
