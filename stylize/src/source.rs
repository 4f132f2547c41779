//! Where the pictures come from: files, standard input, or the program itself.

use std::fmt;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use style_transfer::pictures::Picture;
use style_transfer::{Error, ErrorKind, Result};

use crate::report::Report;

/// The most bytes read from standard input, slightly above the limit of a picture.
const MOST_BYTES: u64 = (1 << 31) + 1;

/// The extensions of pictures that can be read.
const READ: [&str; 8] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "gif", "bmp"];

/// A picture to read.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(PathBuf),
    StandardInput,
    Sample(Sample),
}

/// A picture inside the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) title: &'static str,
    pub(crate) file: &'static [u8],
}

/// The photograph that is painted without arguments.
pub(crate) const PHOTOGRAPH: Sample = Sample {
    title: "Neckarfront in Tübingen (sample; photograph: Andreas Praefcke, CC BY 3.0)",
    file: include_bytes!("../samples/tubingen.jpg"),
};

/// The painting whose style is taken without further arguments.
pub(crate) const PAINTING: Sample = Sample {
    title: "The Starry Night (sample; painting: Vincent van Gogh, 1889)",
    file: include_bytes!("../samples/starry_night.jpg"),
};

impl Source {
    /// What a path on the command line names.
    pub(crate) fn new(path: &Path) -> Self {
        if is_standard(path) { Self::StandardInput } else { Self::File(path.to_owned()) }
    }

    /// Reads the picture, and prints notes on the parts that cannot be used.
    pub(crate) fn open(&self, report: &Report) -> Result<Picture> {
        let picture = match self {
            Self::File(path) if path.is_dir() => {
                let message = "this is a folder; give one picture (stylize batch takes folders of them)";
                return Err(Error::new(ErrorKind::Argument, format!("{self}: {message}")));
            }
            Self::File(path) => Picture::open(path)?,
            Self::StandardInput => Picture::from_bytes(&standard_input()?).map_err(|e| e.context("standard input"))?,
            Self::Sample(sample) => Picture::from_bytes(sample.file)?,
        };
        for note in picture.notes() {
            report.say(format!("note: {self}: {note}"));
        }
        Ok(picture)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::StandardInput => f.write_str("standard input"),
            Self::Sample(sample) => f.write_str(sample.title),
        }
    }
}

/// Whether a path denotes standard input or output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Refuses more than one picture from the standard input.
pub(crate) fn expect_one_standard(inputs: &[PathBuf]) -> Result<()> {
    if inputs.iter().filter(|path| is_standard(path)).count() > 1 {
        let message = "the standard input (-) can be only one of the pictures; name files for the others";
        return Err(Error::new(ErrorKind::Argument, message));
    }
    Ok(())
}

/// Whether a file is a picture, by its name.
pub(crate) fn is_picture(path: &Path) -> bool {
    READ.iter().any(|end| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(end)))
}

fn standard_input() -> Result<Vec<u8>> {
    if io::stdin().is_terminal() {
        let message = "- reads a picture from the standard input, which is the terminal; redirect a file into it";
        return Err(Error::new(ErrorKind::Argument, message));
    }
    let mut bytes = vec![];
    let read = io::stdin().lock().take(MOST_BYTES).read_to_end(&mut bytes);
    read.map_err(|e| Error::new(ErrorKind::Io, "cannot read the standard input").with_source(e))?;
    Ok(bytes)
}
