//! The command and its subcommands: painting is the command itself.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::args::Args;
use crate::config::{Config, meant};
use crate::experiments::{Features, Neurons};
use crate::video::VideoArgs;

const AFTER_HELP: &str = "\
After the first of several scales a preview is written beside the result, as OUT_preview.png; it is removed once the result \
is there.

Ctrl-C or SIGTERM stops after the current iteration and saves the picture so far (exit status 130); a second one stops \
at once and saves nothing. With --checkpoint the same command resumes the job, --log included. Files appear under \
their names only when they are complete.

Pictures are converted from their colour profiles to sRGB, and the result is tagged as sRGB. The transparency of the \
photograph is carried over to it; transparent pixels of a painting do not count as style. Masks are not colour-managed; their transparent parts count as black. \
Transparent parts of a map belong to no region: they are painted without style, and no style is taken from them.";

/// Repaint a photograph in the style of a painting.
///
/// The method is that of Gatys, Ecker and Bethge (2015): it optimises the pixels of the result until a pre-trained VGG
/// network sees the content of the photograph and the style of the painting in it.
#[derive(Debug, Parser)]
#[command(
    name = "stylize",
    version,
    after_help = AFTER_HELP,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) paint: Args,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Paint each photograph in the style of each painting
    ///
    /// The results are FOLDER/PHOTO--PAINTING.png. After Ctrl-C or a crash the same command continues. Existing results are kept,
    /// even if other options painted them. All options of a single picture work except --open, which has no effect, --checkpoint and those for
    /// masks, maps, logs, plots and TensorBoard.
    #[command(
        mut_arg("content", |arg| arg.value_name("PHOTOS").help("A folder of photographs, or one photograph").long_help(None)),
        mut_arg("styles", |arg| arg.value_name("PAINTINGS").help("Folders of paintings, or paintings").long_help(None)),
        mut_arg("output", |arg| arg.value_name("FOLDER").help("Folder for the results [default: out/batch]").long_help(None)),
        max_term_width = 100
    )]
    Batch(Box<Args>),
    /// Paint the frames of a video, so that they do not flicker where nothing moves
    ///
    /// Each frame starts from the painted frame before it where nothing moved, and is held to it there; what moved is painted
    /// anew. This suits a camera at rest: there is no optical flow.
    ///
    /// FRAMES is a folder, or a pattern such as 'frames/*.png' or frames/%04d.png; all frames have one size. The painted frames
    /// are FOLDER/FRAME.png. If the program ffmpeg is installed, FRAMES may also be a video file, and the result one (.mp4, .m4v, .mov, .mkv, .webm
    /// or .avi) with its sound; painted frames are then kept in RESULT_frames.
    ///
    /// After Ctrl-C or a crash the same command goes on: frames that are there are kept, if they were painted with the same settings and of the same files.
    /// The options of a single picture work, except --checkpoint, --snapshot-every, --seamless and those for masks, maps, logs, plots and TensorBoard.
    #[command(
        mut_arg("content", |arg| arg.value_name("FRAMES").help("A folder of frames, a pattern, or a video").long_help(None)),
        // In the order of the positional arguments, which this changes.
        mut_arg("styles", |arg| arg.value_name("PAINTING").help("Paintings to take the style from, blended [default: a sample painting inside the program]").long_help(None)),
        mut_arg("output", |arg| arg.value_name("FOLDER|VIDEO").help("Folder for the painted frames, or a video to write [default: out/video]").long_help(None)),
        max_term_width = 100
    )]
    Video(Box<VideoArgs>),
    Features(Box<Features>),
    Neurons(Box<Neurons>),
    #[cfg(feature = "studio")]
    Studio(crate::studio::Args),
    /// Print the completions for a shell: write them to where that shell looks for them
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page: `stylize man > stylize.1`, then `man ./stylize.1`
    Man {
        /// The subcommand that it is about, such as batch
        subcommand: Option<String>,
    },
}

/// The command line, with defaults of a file of settings for options that it does not have.
pub(crate) fn parse() -> Result<(Cli, Option<Config>)> {
    let given: Vec<_> = std::env::args_os().collect();
    let (matches, missing) = match Cli::command().try_get_matches_from(&given) {
        // The file may have what is missing; the second parse decides.
        Err(e) if e.kind() == ErrorKind::MissingRequiredArgument => {
            (Cli::command().ignore_errors(true).get_matches_from(&given), Some(e))
        }
        matches => (matches.unwrap_or_else(|e| e.exit()), None),
    };
    let (options, subcommand) = match matches.subcommand() {
        None => {
            expect_no_subcommand(matches.get_one::<PathBuf>("content"))?;
            (&matches, None)
        }
        Some(("completions" | "man", _)) => return Ok((parsed(&matches), None)),
        Some((name, options)) => (options, Some(name)),
    };
    let Some(config) = Config::find(options.get_one("config"))? else {
        return match missing {
            Some(e) => e.exit(),
            None => Ok((parsed(&matches), None)),
        };
    };
    let defaults = config.arguments(&Cli::command(), subcommand, options)?;
    // Before what is given, which may end with pictures.
    let first = if subcommand.is_some() { 2 } else { 1 };
    let all = given[..first].iter().cloned().chain(defaults).chain(given[first..].iter().cloned());
    match (Cli::command().try_get_matches_from(all.collect::<Vec<OsString>>()), missing) {
        (Ok(matches), _) => Ok((parsed(&matches), Some(config))),
        (Err(second), Some(first)) if second.kind() == first.kind() => first.exit(),
        (Err(e), _) => Err(anyhow::anyhow!("{}: {}", config.path.display(), first_paragraph(&e.to_string()))),
    }
}

/// Fails if a photograph that is not there looks like a mistyped subcommand.
fn expect_no_subcommand(photo: Option<&PathBuf>) -> Result<()> {
    let word = |path: &&PathBuf| path.extension().is_none() && !path.exists();
    let Some(name) = photo.filter(word).and_then(|path| path.to_str()) else { return Ok(()) };
    match meant(name, Cli::command().get_subcommands().map(clap::Command::get_name)) {
        none if none.is_empty() => Ok(()),
        meant => bail!("there is neither a photograph nor a subcommand {name:?}{meant}"),
    }
}

fn parsed(matches: &ArgMatches) -> Cli {
    Cli::from_arg_matches(matches).unwrap_or_else(|e| e.exit())
}

fn first_paragraph(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell) -> Result<()> {
    let mut bytes = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "stylize", &mut bytes);
    print(&bytes)
}

/// Prints the manual page.
pub(crate) fn man(subcommand: Option<&str>) -> Result<()> {
    let mut bytes = vec![];
    let mut command = Cli::command();
    command.build();
    if let Some(name) = subcommand {
        let found = command.find_subcommand(name).cloned();
        command = found.with_context(|| format!("there is no subcommand {name:?}; `stylize --help` lists them"))?;
    }
    clap_mangen::Man::new(command).render(&mut bytes)?;
    print(&bytes)
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut to = io::stdout().lock();
    Ok(to.write_all(bytes).and_then(|()| to.flush())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
