//! The options of `stylize video`.

use crate::args::Args;
use crate::video::ffmpeg;

/// The options of a video.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct VideoArgs {
    #[command(flatten)]
    pub(crate) paint: Args,

    /// Evaluations of each further frame; twice as many where something moved: once for the frame by itself, once from the frame
    /// before. --iterations are those of the first frame, and of the first after a cut
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = "Video")]
    pub(crate) next_iterations: usize,

    /// How strongly a frame is held to the one before where nothing moved: 0 only starts it there. It needs relative weights: with
    /// --balance, absolute weights or a preset that has them it does little
    #[arg(long, value_name = "F", default_value_t = 1.0, allow_negative_numbers = true, help_heading = "Video")]
    pub(crate) steadiness: f64,

    /// Frames per second of the video that is written, and of those that are taken from a video [default: the video's, or 25]
    #[arg(long, value_name = "N", value_parser = ffmpeg::fps, help_heading = "Video")]
    pub(crate) fps: Option<String>,
}
