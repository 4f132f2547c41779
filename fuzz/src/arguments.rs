//! The command line of `stylize`, one argument per line: a clap error, or a description that the core checks.

use clap::Parser;
use style_core::Session;

use crate::args::{Args, Size};
use crate::{Outcome, check_message, settings, tiny};

/// Descriptions within this memory are painted for a few steps.
const MEMORY: usize = 1 << 20;
const MOST_ARGUMENTS: usize = 24;

/// The command line without subcommands.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

pub(crate) fn run(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else { return Outcome::Foreign };
    let arguments = text.split('\n').take(MOST_ARGUMENTS);
    let args = match Line::try_parse_from(std::iter::once("stylize").chain(arguments)) {
        Ok(Line { args }) => args,
        Err(e) => {
            assert!(!e.to_string().is_empty());
            return Outcome::Rejected;
        }
    };
    if let Size::LongSide(side) = settings::size(&args) {
        assert!(side > 0);
    }
    let names = ["conv1_1", "pool1", "conv2_1", "pool2", "conv3_1", "conv4_1", "conv4_2", "conv5_1"];
    let builder = Session::builder(tiny::network(&names, 1))
        .content(tiny::picture("content", 16, 16))
        .style(tiny::picture("style", 16, 16));
    let (scales, iterations) = settings::scales(&args, (16, 16));
    assert!(scales.len() <= text.len() || iterations > 0);
    let describe = || settings::describe(builder, &args, (16, 16));
    let session = match describe().plan_and_build() {
        Some(Ok(session)) => session,
        Some(Err(e)) => {
            check_message(&e);
            return Outcome::Rejected;
        }
        None => return Outcome::Accepted,
    };
    go_on(session);
    Outcome::Accepted
}

/// Builds small sessions.
trait Build {
    fn plan_and_build(self) -> Option<style_core::Result<Session<testkit::Reference>>>;
}

impl Build for style_core::SessionBuilder<testkit::Reference> {
    fn plan_and_build(self) -> Option<style_core::Result<Session<testkit::Reference>>> {
        match self.plan() {
            Ok(plan) => (plan.peak() <= MEMORY).then(|| self.build()),
            Err(e) => Some(Err(e)),
        }
    }
}

fn go_on(mut session: Session<testkit::Reference>) {
    for _ in 0..3 {
        if session.is_finished() {
            break;
        }
        if let Err(e) = session.step() {
            return check_message(&e);
        }
    }
    if let Err(e) = session.image() {
        check_message(&e);
    }
}
