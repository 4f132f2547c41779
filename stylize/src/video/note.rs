//! What the frames in a folder were painted with, so that a later run goes on only with the same settings.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::args::compute::Compute;
use crate::source::{PAINTING, Source};
use crate::video::VideoArgs;

/// The note in the folder of painted frames.
const NAME: &str = "stylize-video.json";

/// Settings by the names of their options.
type Settings = BTreeMap<String, String>;

/// Writes the note, or compares it with the one that is there if painted frames are there. `rate` is that of the frames taken from
/// a video.
pub(crate) fn keep(
    folder: &Path,
    args: &VideoArgs,
    styles: &[Source],
    size: [usize; 2],
    rate: Option<&str>,
    begun: bool,
) -> Result<()> {
    let mut now = settings(args, styles, size)?;
    if let Some(input) = &args.paint.content {
        now.insert("the source of the frames".into(), identity(input)?);
    }
    if let Some(rate) = rate {
        now.insert("--fps".into(), rate.into());
    }
    let path = folder.join(NAME);
    if !begun {
        return write(&path, folder, &now);
    }
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => bail!(
            "{}: there are files with the names of painted frames, but no {NAME} that says how they were painted; choose \
             another folder",
            folder.display()
        ),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    let there: Settings = serde_json::from_slice(&text).with_context(|| {
        format!("{} does not say how the frames in its folder were painted; choose another folder", path.display())
    })?;
    let names = there.keys().chain(now.keys());
    let value = |settings: &Settings, name: &String| settings.get(name).cloned().unwrap_or("unknown".into());
    if let Some(name) = names.into_iter().find(|name| there.get(*name) != now.get(*name)) {
        bail!(
            "{}: the frames there were painted with other settings: {name} was {}, and is now {}; use the same settings, \
             choose another folder, or delete this one to start again",
            folder.display(),
            value(&there, name),
            value(&now, name),
        );
    }
    Ok(())
}

fn write(path: &Path, folder: &Path, settings: &Settings) -> Result<()> {
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(settings)?)?;
        file.persist(path).map_err(|e| e.error)
    };
    write().map(|_| ()).with_context(|| format!("cannot write {}", path.display()))
}

/// All that decides how a frame is painted.
fn settings(args: &VideoArgs, styles: &[Source], [width, height]: [usize; 2]) -> Result<Settings> {
    let VideoArgs { paint, next_iterations, steadiness, fps: _ } = args;
    // Every option is here or in the list below: the compiler reminds of a new one.
    let Args {
        content: _,
        styles: _,
        style_strength,
        output: _,
        preset,
        depth,
        size,
        style_size,
        style_scale,
        style_share,
        style_mask: _,
        style_region: _,
        map: _,
        style_map: _,
        content_mask: _,
        colours,
        init,
        noise_ratio,
        seed,
        iterations,
        scales,
        ema,
        memory: _,
        optimizer,
        learning_rate,
        content_weight,
        content_mean_weight,
        style_weight,
        balance,
        tv_weight,
        tv,
        content_layers,
        style_layers,
        statistic,
        laplacian,
        loss,
        pooling,
        seamless: _,
        padding,
        compute: Compute { network, weights, input_space, backend: _, threads: _, device: _, precision, direct },
        plan: _,
        snapshot_every: _,
        checkpoint: _,
        every: _,
        log: _,
        tensorboard: _,
        plot: _,
        preview: _,
        open: _,
        quiet: _,
        config: _,
    } = paint;
    let options: [(&str, &dyn Debug); 34] = [
        ("--next-iterations", next_iterations),
        ("--steadiness", steadiness),
        ("--style-strength", style_strength),
        ("--preset", preset),
        ("--depth", depth),
        ("--size", size),
        ("--style-size", style_size),
        ("--style-scale", style_scale),
        ("--style-share", style_share),
        ("--colours", colours),
        ("--init", init),
        ("--noise-ratio", noise_ratio),
        ("--seed", seed),
        ("--iterations", iterations),
        ("--scales", scales),
        ("--ema", ema),
        ("--optimizer", optimizer),
        ("--learning-rate", learning_rate),
        ("--content-weight", content_weight),
        ("--content-mean-weight", content_mean_weight),
        ("--style-weight", style_weight),
        ("--balance", balance),
        ("--tv-weight", tv_weight),
        ("--tv", tv),
        ("--content-layers", content_layers),
        ("--style-layers", style_layers),
        ("--statistic", statistic),
        ("--laplacian", laplacian),
        ("--loss", loss),
        ("--pooling", pooling),
        ("--padding", padding),
        ("--network", network),
        ("--input-space", input_space),
        ("--precision and --direct", &(precision, direct)),
    ];
    let mut all: Settings = options.into_iter().map(|(name, value)| (name.into(), shown(value))).collect();
    all.insert("the size of the frames".into(), format!("{width}x{height}"));
    all.insert("--weights".into(), weights.as_ref().map_or(Ok("the embedded ones".into()), fingerprint)?);
    for (i, style) in styles.iter().enumerate() {
        let hash = match style {
            Source::File(path) => fingerprint(path)?,
            Source::Sample(_) | Source::StandardInput => format!("{:016x}", hash(PAINTING.file)),
        };
        all.insert(format!("painting {}", i + 1), hash);
    }
    Ok(all)
}

/// A value as in a message: `Some(512)` is `512`, `None` is the default.
fn shown(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    match text.strip_prefix("Some(").and_then(|text| text.strip_suffix(')')) {
        Some(inside) => inside.into(),
        None if text == "None" || text == "[]" => "the default".into(),
        None => text,
    }
}

/// Where frames come from: a folder, a pattern or a video, which has a length and a time too.
fn identity(input: &Path) -> Result<String> {
    let at = || input.display().to_string();
    let folder = input.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = match input.canonicalize() {
        Ok(whole) => whole,
        Err(_) => folder.canonicalize().with_context(at)?.join(input.file_name().unwrap_or_default()),
    };
    let whole = whole.display();
    if !input.is_file() {
        return Ok(whole.to_string());
    }
    let about = fs::metadata(input).with_context(at)?;
    let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(format!("{whole} ({} bytes, of {} s)", about.len(), modified.as_secs()))
}

/// A file by its name and content.
fn fingerprint(path: &PathBuf) -> Result<String> {
    if path.is_dir() {
        return Ok(path.display().to_string()); // weights may be a folder
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("{name} ({:016x})", hash(&bytes)))
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
