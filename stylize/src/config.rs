//! A file of defaults: options by their long names, as TOML.
//!
//! ```toml
//! size = 768
//! style-strength = 1.5
//! colours = "luminance"
//! style-layers = ["conv1_1=0.5", "conv2_1=0.5"]
//! balance = true
//! ```

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use etcetera::{BaseStrategy, choose_base_strategy};
use toml::{Table, Value};

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

    /// The options as arguments, but for those that are given or exclude one that is given.
    pub(crate) fn arguments(&self, command: &Command, given: &ArgMatches) -> Result<Vec<OsString>> {
        let is_given = |arg: &Arg| given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        // One of the two declares it.
        let lists = |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|c| c.get_id() == b.get_id());
        let mut arguments = vec![];
        for (name, value) in &self.options {
            let path = self.path.display();
            let known = |arg: &&Arg| {
                let other = || arg.get_all_aliases().is_some_and(|names| names.contains(&name.as_str()));
                !NOT_DEFAULTS.contains(&name.as_str()) && (arg.get_long() == Some(name) || other())
            };
            let Some(arg) = command.get_arguments().find(known) else {
                bail!(
                    "{path}: {name:?} is not an option that this file can set; use the long name of an option, such as \"size\""
                );
            };
            let excluded =
                command.get_arguments().any(|other| is_given(other) && (lists(arg, other) || lists(other, arg)));
            if is_given(arg) || excluded {
                continue;
            }
            let option = format!("--{name}");
            let text = |value: &Value| match value {
                Value::String(text) => Ok(text.clone()),
                Value::Integer(_) | Value::Float(_) => Ok(value.to_string()),
                _ => bail!("{path}: {name}: expected a number or a text, found {value}"),
            };
            match (value, arg.get_action().takes_values()) {
                (Value::Boolean(true), false) => arguments.push(option.into()),
                (Value::Boolean(false), false) => {}
                (_, false) => bail!("{path}: {name}: expected true or false, found {value}"),
                (Value::Array(values), true) if values.is_empty() => {}
                (Value::Array(values), true)
                    if arg.get_value_delimiter().is_none() && matches!(arg.get_action(), ArgAction::Append) =>
                {
                    for value in values {
                        arguments.push(format!("{option}={}", text(value)?).into());
                    }
                }
                (Value::Array(values), true) => {
                    let values = values.iter().map(text).collect::<Result<Vec<_>>>()?;
                    arguments.push(format!("{option}={}", values.join(",")).into());
                }
                (value, true) => arguments.push(format!("{option}={}", text(value)?).into()),
            }
        }
        Ok(arguments)
    }
}
