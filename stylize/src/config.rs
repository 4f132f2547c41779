//! A file of defaults: options by their long names, as TOML.
//!
//! ```toml
//! size = 768
//! style-strength = 1.5
//! colours = "luminance"
//! style-layers = ["conv1_1=0.5", "conv2_1=0.5"]
//! balance = true
//!
//! [video]
//! steadiness = 0.5
//! ```
//!
//! The options of painting are also those of `batch` and `video`, and what computes and what is shown those of all subcommands. A table
//! named like a subcommand has options of that one alone.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command};
use etcetera::{BaseStrategy, choose_base_strategy};
use toml::{Table, Value};

use crate::args::compute::Compute;

/// Options about one job or its pictures, which cannot be defaults.
const NOT_DEFAULTS: [&str; 13] = [
    "config",
    "plan",
    "output",
    "checkpoint",
    "every",
    "plot",
    "log",
    "tensorboard",
    "style-mask",
    "style-region",
    "content-mask",
    "map",
    "style-map",
];

/// What is shown, whatever is painted.
const SHOWN: [&str; 3] = ["preview", "open", "quiet"];

/// The subcommands that have tables.
const TABLES: [&str; 5] = ["batch", "video", "features", "neurons", "studio"];

/// Options of painting that a video refuses.
const NOT_OF_VIDEO: [&str; 2] = ["snapshot-every", "seamless"];

/// The least likeness of two names, from 0 to 1, from which one may be meant by the other.
const ALIKE: f64 = 0.8;

/// Options of a file.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) path: PathBuf,
    options: Table,
}

impl Config {
    /// The file that is given, or the user's own; "none" for no file.
    pub(crate) fn find(given: Option<&PathBuf>) -> Result<Option<Self>> {
        if given.is_some_and(|path| path.as_os_str() == "none") {
            return Ok(None);
        }
        let own = || Some(choose_base_strategy().ok()?.config_dir().join("stylize.toml"));
        let Some(path) = given.cloned().or_else(own) else { return Ok(None) };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // The user's own file need not be there, nor readable by this user.
            Err(e)
                if given.is_none()
                    && matches!(
                        e.kind(),
                        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
                    ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
        };
        let options = text.parse::<Table>().map_err(|e| {
            let line = e.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            anyhow::anyhow!("{}, line {line}: {}", path.display(), e.message())
        })?;
        Ok(Some(Self { path, options }))
    }

    /// The options as arguments of a subcommand, or of painting, but for those that are given or exclude one that is given. `root` is
    /// the command with its subcommands.
    pub(crate) fn arguments(
        &self,
        root: &Command,
        subcommand: Option<&str>,
        given: &ArgMatches,
    ) -> Result<Vec<OsString>> {
        self.check(root)?;
        let command = subcommand.and_then(|name| root.find_subcommand(name)).unwrap_or(root);
        let table = subcommand.and_then(|name| self.options.get(name)).and_then(Value::as_table);
        let shared = self.options.iter().filter(|(name, _)| !is_table(name) && applies(name, subcommand));
        let is_given = |arg: &&Arg| given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        let mut set: Vec<&Arg> = command.get_arguments().filter(is_given).collect();
        // One of the two declares it.
        let lists = |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|c| c.get_id() == b.get_id());
        let excluded = |set: &[&Arg], arg: &Arg| {
            set.iter().any(|other| other.get_id() == arg.get_id() || lists(arg, other) || lists(other, arg))
        };
        let mut arguments = vec![];
        // The table counts more than what is outside. Options of one place that exclude each other are a mistake, which the second
        // parse tells.
        let places: [Vec<(&String, &Value)>; 2] = [table.into_iter().flatten().collect(), shared.collect()];
        for place in places {
            let found = place.into_iter().filter_map(|(name, value)| Some((option(command, name)?, name, value)));
            let found: Vec<_> = found.filter(|(arg, ..)| !excluded(&set, arg)).collect();
            for (arg, name, value) in found {
                arguments.extend(self.argument(arg, name, value)?);
                set.push(arg);
            }
        }
        Ok(arguments)
    }

    /// One option as arguments.
    fn argument(&self, arg: &Arg, name: &str, value: &Value) -> Result<Vec<OsString>> {
        let path = self.path.display();
        let option = format!("--{name}");
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(_) | Value::Float(_) => Ok(value.to_string()),
            _ => bail!("{path}: {name}: expected a number or a text, found {value}"),
        };
        Ok(match (value, arg.get_action().takes_values()) {
            (Value::Boolean(true), false) => vec![option.into()],
            (Value::Boolean(false), false) => vec![],
            (_, false) => bail!("{path}: {name}: expected true or false, found {value}"),
            (Value::Array(values), true) if values.is_empty() => vec![],
            (Value::Array(values), true)
                if arg.get_value_delimiter().is_none() && matches!(arg.get_action(), ArgAction::Append) =>
            {
                values.iter().map(|value| Ok(format!("{option}={}", text(value)?).into())).collect::<Result<_>>()?
            }
            (Value::Array(values), true) => {
                let values = values.iter().map(text).collect::<Result<Vec<_>>>()?;
                vec![format!("{option}={}", values.join(",")).into()]
            }
            (value, true) => vec![format!("{option}={}", text(value)?).into()],
        })
    }

    /// Fails if the file has a name that is no option, whatever the subcommand is.
    fn check(&self, root: &Command) -> Result<()> {
        let path = self.path.display();
        for (name, value) in &self.options {
            if !is_table(name) {
                self.check_name(root, root, name, value, "")?;
                continue;
            }
            let Some(table) = value.as_table() else {
                bail!("{path}: {name:?} is no option but a subcommand; its options go below a line [{name}]");
            };
            // A build may lack a subcommand.
            let Some(command) = root.find_subcommand(name) else { continue };
            for (option, value) in table {
                if name == "video" && NOT_OF_VIDEO.contains(&option.as_str()) {
                    bail!("{path}: [video]: {option:?} is for one picture; a video cannot use it");
                }
                self.check_name(root, command, option, value, &format!("[{name}]: "))?;
            }
        }
        Ok(())
    }

    fn check_name(&self, root: &Command, command: &Command, name: &str, value: &Value, place: &str) -> Result<()> {
        let path = self.path.display();
        if NOT_DEFAULTS.contains(&name) {
            bail!(
                "{path}: {place}the option {name:?} is about one job and cannot be a default; give it on the command line"
            );
        }
        if option(command, name).is_some() {
            return Ok(());
        }
        let of = |command: &&Command| TABLES.contains(&command.get_name()) && option(command, name).is_some();
        if let Some(other) = root.get_subcommands().find(of).filter(|_| place.is_empty()) {
            bail!("{path}: {name:?} is an option of {0} only; it goes below a line [{0}]", other.get_name());
        }
        if place.is_empty() && value.is_table() {
            let tables = TABLES.map(|table| format!("[{table}]")).join(", ");
            bail!("{path}: [{name}] is no table of this file; they are {tables}{}", meant(name, TABLES));
        }
        let names = command.get_arguments().filter_map(Arg::get_long).filter(|name| !NOT_DEFAULTS.contains(name));
        match meant(name, names) {
            none if none.is_empty() => {
                bail!("{path}: {place}{name:?} is no option; use the long name of an option, such as \"size\"")
            }
            meant => bail!("{path}: {place}{name:?} is no option{meant}"),
        }
    }
}

/// Whether a name stands for the table of a subcommand, and not for an option.
fn is_table(name: &str) -> bool {
    TABLES.contains(&name)
}

/// Whether an option outside of all tables applies to a subcommand, or to painting.
fn applies(name: &str, subcommand: Option<&str>) -> bool {
    match subcommand {
        None | Some("batch") => true,
        Some("video") => !NOT_OF_VIDEO.contains(&name),
        // Sizes, iterations and layers mean something else there.
        Some(_) => SHOWN.contains(&name) || option(&Compute::augment_args(Command::new("compute")), name).is_some(),
    }
}

/// The option of a command with this long name.
fn option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let other = |arg: &Arg| arg.get_all_aliases().is_some_and(|names| names.contains(&name));
    command.get_arguments().find(|arg| arg.get_long() == Some(name) || other(arg))
}

/// The end of a message that offers the name that may be meant; empty if none is like it.
pub(crate) fn meant<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let likeness = |other: &'a str| (strsim::jaro_winkler(name, other), other);
    let best = names.into_iter().map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= ALIKE)
        .map_or(String::new(), |(_, other)| format!("; did you mean {other:?}?"))
}
