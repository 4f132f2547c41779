//! The style pictures, each with the parts of the result and of the painting that it acts in: from masks or maps.

use std::path::Path;

use anyhow::{Context, Result};
use style_transfer::pictures::{self, Matching, Picture, SemanticMap};
use style_transfer::{Error, ErrorKind, Image, Mask, Style};

use crate::args::{Args, Colours, MaskFile, Size};
use crate::report::Report;
use crate::settings;
use crate::source::Source;

/// A style picture, opened.
pub(crate) struct Opened {
    /// Width and height in the file.
    pub(crate) full: [usize; 2],
    /// Width and height in use.
    pub(crate) size: [usize; 2],
    /// One style, or one for each region of a map.
    pub(crate) styles: Vec<Style>,
    /// The regions of the map, for the report; empty without one.
    pub(crate) regions: String,
}

/// The style pictures.
pub(crate) fn open_styles(args: &Args, sources: &[Source], painted: &Picture, report: &Report) -> Result<Vec<Opened>> {
    let n = sources.len();
    let count = |option: &str, given: usize, one_for_all: bool| match given {
        0 => Ok(()),
        1 if one_for_all => Ok(()),
        _ if given == n => Ok(()),
        _ => Err(argument(format!("{option} has {given} entries for {n} style pictures; give one for each"))),
    };
    count("--style-scale", args.style_scale.len(), true)?;
    count("--style-share", args.style_share.len(), false)?;
    count("--style-mask", args.style_mask.len(), false)?;
    count("--style-region", args.style_region.len(), false)?;
    if args.map.is_some() && n != 1 {
        return Err(argument(format!(
            "--map and --style-map match regions of one style picture, but {n} are given; give one, or one --style-mask \
             for each"
        ))
        .into());
    }
    let size: Size = args.style_size.unwrap_or(settings::size(args));
    let open = |(i, source): (usize, &Source)| {
        let scale = style_scale(args, i);
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(argument(format!("--style-scale must be above 0, but is {scale}")).into());
        }
        let full = source.open(report)?;
        let picture = sized(&full, size, scale).with_context(|| source.to_string())?;
        let image = recoloured(args.colours, &picture, painted)?;
        let opaque = picture.opaque_part()?;
        if opaque.is_some() {
            report.say(format!("note: {source}: its transparent pixels do not count as style"));
        }
        let (styles, regions) = match (&args.map, &args.style_map) {
            (Some(map), Some(style_map)) => by_colour(
                [map.as_path(), style_map.as_path()],
                [&painted.image, &picture.image],
                &image,
                opaque.as_ref(),
                report,
            )?,
            _ => (vec![by_mask(args, i, [&painted.image, &picture.image], image, opaque, report)?], String::new()),
        };
        let share = args.style_share.get(i).copied().unwrap_or(1.0);
        let styles = styles.into_iter().map(|style| style.share(share)).collect();
        let pixels = |picture: &Picture| [picture.image.width(), picture.image.height()];
        Ok(Opened { full: pixels(&full), size: pixels(&picture), styles, regions })
    };
    sources.iter().enumerate().map(open).collect()
}

/// The style of a picture within its mask and region, if it has them. `of` are the photograph and the painting.
fn by_mask(
    args: &Args,
    i: usize,
    of: [&Image; 2],
    image: Image,
    opaque: Option<Mask>,
    report: &Report,
) -> style_transfer::Result<Style> {
    let mut style = Style::new(image);
    let mut region = opaque;
    if let Some(MaskFile(Some(path))) = args.style_mask.get(i) {
        style = style.mask(mask(path, of[0], report)?);
    }
    if let Some(MaskFile(Some(path))) = args.style_region.get(i) {
        let given = mask(path, of[1], report)?;
        region = Some(both(region.as_ref(), given).map_err(|e| e.context(path.display()))?);
    }
    Ok(match region {
        Some(region) => style.region(region),
        None => style,
    })
}

/// The styles of the regions of a painting, each within the region of the photograph that has its colour, and a text that
/// lists the regions. `maps` and `of` are those of the photograph and the painting.
fn by_colour(
    maps: [&Path; 2],
    of: [&Image; 2],
    image: &Image,
    opaque: Option<&Mask>,
    report: &Report,
) -> style_transfer::Result<(Vec<Style>, String)> {
    let open = |i: usize| {
        let map = SemanticMap::open(maps[i])?;
        for note in map.notes() {
            report.say(format!("note: {}: {note}", maps[i].display()));
        }
        expect_proportions("map", maps[i], [map.width(), map.height()], of[i])?;
        Ok::<_, Error>(map)
    };
    let (regions, notes) = open(0)?.matched(&open(1)?)?;
    for note in notes {
        report.say(format!("note: {note}"));
    }
    let listed: Vec<_> = regions.iter().map(|r| format!("{} {:.0} %", r.colour, 100.0 * r.colour.area)).collect();
    let style = |mut region: pictures::MatchedRegion| {
        region.region = both(opaque, region.region)
            .map_err(|e| e.context(format!("the region of colour {} in {}", region.colour, maps[1].display())))?;
        Ok::<_, Error>(region.style(image.clone()))
    };
    let styles = regions.into_iter().map(style).collect::<style_transfer::Result<_>>()?;
    Ok((styles, format!(", by regions: {}", listed.join(", "))))
}

/// The part of a region that is opaque.
fn both(opaque: Option<&Mask>, region: Mask) -> style_transfer::Result<Mask> {
    match opaque {
        Some(opaque) => opaque.and(&region),
        None => Ok(region),
    }
}

pub(crate) fn style_scale(args: &Args, i: usize) -> f64 {
    args.style_scale.get(i).or(args.style_scale.first()).copied().unwrap_or(1.0)
}

/// A style picture with its colours adjusted as requested.
fn recoloured(colours: Colours, style: &Picture, photograph: &Picture) -> style_transfer::Result<Image> {
    let matched = |matching| style.match_colours(photograph, matching);
    match colours {
        Colours::Painting => Ok(style.image.clone()),
        Colours::Luminance => style.match_luminance(photograph),
        Colours::Cholesky => matched(Matching::Cholesky),
        Colours::Pca => matched(Matching::Pca),
        Colours::Symmetric => matched(Matching::Symmetric),
    }
}

/// A mask for a picture, of any size but with the same proportions.
pub(crate) fn mask(path: &Path, of: &Image, report: &Report) -> style_transfer::Result<Mask> {
    let (mask, notes) = pictures::mask(path)?;
    for note in notes {
        report.say(format!("note: {}: {note}", path.display()));
    }
    expect_proportions("mask", path, [mask.width(), mask.height()], of)?;
    Ok(mask)
}

/// Refuses a mask or map, of which `size` are width and height, that has other proportions than its picture.
fn expect_proportions(what: &str, path: &Path, size: [usize; 2], of: &Image) -> style_transfer::Result<()> {
    let ratio = |w: usize, h: usize| w as f64 / h as f64;
    let off = |width: usize, height: usize| {
        let off = ratio(width, height) / ratio(of.width(), of.height());
        !(0.97..=1.03).contains(&off)
    };
    let [width, height] = size;
    if off(width, height) {
        let instead = if off(height, width) {
            "crop or stretch it"
        } else {
            "turn it by a quarter, as the camera's orientation turns the picture"
        };
        return Err(argument(format!(
            "{}: the {what} has {width}x{height} pixels, which are other proportions than the {}x{} of its picture; {instead}",
            path.display(),
            of.width(),
            of.height()
        )));
    }
    Ok(())
}

/// A picture at the requested size.
pub(crate) fn sized(picture: &Picture, size: Size, scale: f64) -> style_transfer::Result<Picture> {
    match size {
        Size::Native => picture.scaled(scale),
        Size::LongSide(n) => picture.scaled(scale * f64::from(n) / picture.long_side() as f64),
    }
}

pub(crate) fn argument(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Argument, message)
}

/// Refuses the options of a single picture; `what` has several.
pub(crate) fn refuse(what: &str, args: &Args) -> style_transfer::Result<()> {
    let one = [
        ("--checkpoint", args.checkpoint.is_some()),
        ("--log", args.log.is_some()),
        ("--plot", args.plot.is_some()),
        ("--tensorboard", args.tensorboard.is_some()),
        ("--style-mask", !args.style_mask.is_empty()),
        ("--style-region", !args.style_region.is_empty()),
        ("--content-mask", args.content_mask.is_some()),
        ("--map", args.map.is_some()),
    ];
    match one.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(argument(format!("{option} is for one picture; {what} cannot use it"))),
        None => Ok(()),
    }
}
