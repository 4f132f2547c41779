//! Videos as files, by the program `ffmpeg` if it is installed: frames out of a video, and painted frames into one.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The frames in a folder for `ffmpeg`, numbered from 1.
const NUMBERED: &str = "%06d.png";

/// The extensions of videos that can be written.
const WRITTEN: [&str; 6] = ["mp4", "m4v", "mov", "mkv", "webm", "avi"];

/// The name of a frame, numbered from 1, as in [`NUMBERED`].
pub(crate) fn name(number: usize) -> String {
    format!("{number:06}.png")
}

/// Whether a path is that of a video to write.
pub(crate) fn is_video(path: &Path) -> bool {
    WRITTEN.iter().any(|end| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(end)))
}

/// Fails if the programs are not installed.
pub(crate) fn expect_installed() -> Result<()> {
    for program in ["ffmpeg", "ffprobe"] {
        run(Command::new(program).arg("-version"))?;
    }
    Ok(())
}

/// Frames per second of a video, as a fraction such as `30000/1001`.
pub(crate) fn rate(video: &Path) -> Result<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=avg_frame_rate"]);
    command.args(["-of", "default=noprint_wrappers=1:nokey=1"]).arg(file(video)?);
    let said = run(&mut command).with_context(|| format!("cannot read the video {}", video.display()))?;
    let rate = said.lines().next().unwrap_or_default().trim();
    let positive = |n: &str| n.parse::<f64>().is_ok_and(|n| n > 0.0);
    match rate.split_once('/') {
        Some((frames, seconds)) if positive(frames) && positive(seconds) => Ok(rate.into()),
        _ => bail!("{} has no pictures that move: its frame rate is {rate:?}", video.display()),
    }
}

/// Writes the frames of a video into a folder, at most `side` pixels wide and high, and returns them.
pub(crate) fn extract(video: &Path, rate: &str, side: Option<u32>, folder: &Path) -> Result<Vec<PathBuf>> {
    let smaller = side.map_or(String::new(), |n| {
        format!(",scale=w='min({n},iw)':h='min({n},ih)':force_original_aspect_ratio=decrease:flags=lanczos")
    });
    let mut command = ffmpeg(folder);
    command.arg("-i").arg(file(video)?).args(["-map", "0:v:0", "-vf", &format!("fps={rate}{smaller}"), NUMBERED]);
    run(&mut command).with_context(|| format!("cannot read the video {}", video.display()))?;
    let all: Vec<_> = (1..).map(|i| folder.join(name(i))).take_while(|path| path.is_file()).collect();
    if all.is_empty() {
        bail!("{} has no frames", video.display());
    }
    Ok(all)
}

/// Writes the first `count` frames of a folder as a video, with the sound of another one.
pub(crate) fn join(folder: &Path, count: usize, rate: &str, sound: Option<&Path>, video: &Path) -> Result<()> {
    let end = video.extension().unwrap_or_default().to_string_lossy();
    let part = video.with_extension(format!("part.{end}"));
    let mut command = ffmpeg(folder);
    command.args(["-framerate", rate, "-start_number", "1", "-i", NUMBERED]);
    if let Some(sound) = sound {
        command.arg("-i").arg(file(sound)?).args(["-map", "0:v", "-map", "1:a?"]);
    }
    // What every player knows, which takes even sides.
    command
        .args(["-frames:v", &count.to_string(), "-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2", "-pix_fmt", "yuv420p"])
        .arg(file(&part)?);
    let written = run(&mut command).and_then(|_| Ok(std::fs::rename(&part, video)?));
    written.with_context(|| {
        let _ = std::fs::remove_file(&part);
        format!("cannot write the video {}; its frames are in {}", video.display(), folder.display())
    })
}

/// The program, in a folder.
fn ffmpeg(folder: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]).current_dir(folder);
    command
}

/// A path as `ffmpeg` takes it: neither an option nor a protocol.
fn file(path: &Path) -> Result<OsString> {
    let mut name = OsString::from("file:");
    name.push(absolute(path).with_context(|| path.display().to_string())?);
    Ok(name)
}

/// Runs a program to its end, and returns what it printed.
fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Ctrl-C is for this program, which waits for the other.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let output = command.stdin(Stdio::null()).output().map_err(|e| match e.kind() {
        ErrorKind::NotFound => anyhow::anyhow!(
            "the program {program} is not installed, which reads and writes videos: install ffmpeg (from your system's packages, or \
             ffmpeg.org), or give a folder of frames and a folder for the painted ones"
        ),
        _ => anyhow::Error::new(e).context(format!("cannot start {program}")),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.get(lines.len().saturating_sub(3)..).unwrap_or_default() {
        [] => bail!("{program} failed ({})", output.status),
        last => bail!("{program} failed ({}): {}", output.status, last.join("; ")),
    }
}

/// Whether a text is a number of frames per second: a number, or a fraction of two.
pub(crate) fn fps(s: &str) -> Result<String, String> {
    let good = |n: &str| n.parse::<f64>().is_ok_and(|n| n > 0.0 && n.is_finite());
    let parts: Vec<_> = s.split('/').collect();
    match parts[..] {
        [n] if good(n) => Ok(s.into()),
        [n, of] if good(n) && good(of) => Ok(s.into()),
        _ => Err("frames per second are a number, or a fraction such as 30000/1001".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_neither_an_option_nor_a_protocol() {
        let name = file(Path::new("-y")).expect("a name");
        assert!(name.to_string_lossy().starts_with("file:") && name.to_string_lossy().ends_with("-y"), "{name:?}");
    }

    #[test]
    fn rates() {
        for good in ["25", "23.976", "30000/1001"] {
            assert_eq!(fps(good).as_deref(), Ok(good));
        }
        for bad in ["", "0", "-1", "fast", "25/0", "1/2/3", "inf"] {
            assert!(fps(bad).is_err(), "{bad}");
        }
    }
}
