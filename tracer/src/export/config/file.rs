//! The configuration file, in TOML: read, and checked before anything is loaded.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use serde::Deserialize;
use toml::Spanned;

use super::{Config, SCRIPT_PREFIX, Script, Series, Source, Tool, place::Wrong, trust};
use crate::{
    cli::{parse, script as words},
    export::{
        name::label_name,
        privileges::User,
        script::hint::{Hint, Hints},
    },
    script::run,
};

/// A file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Spanned<String>>,
    web_config: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    #[serde(default)]
    bpf_stats: bool,
    #[serde(default)]
    series: FileSeries,
    #[serde(default)]
    tool: Vec<Spanned<FileTool>>,
    #[serde(default)]
    script: Vec<Spanned<FileScript>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSeries {
    max: Option<Spanned<u32>>,
    label_bytes: Option<Spanned<u32>>,
    buckets_per_octave: Option<Spanned<u32>>,
    keep: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTool {
    run: Spanned<String>,
    name: Option<Spanned<String>>,
    #[serde(default)]
    pid: bool,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    series: FileSeries,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileScript {
    file: Option<Spanned<String>>,
    source: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    prefix: Option<Spanned<String>>,
    #[serde(default)]
    params: Vec<String>,
    #[serde(default)]
    metrics: BTreeMap<String, Spanned<Hint>>,
    #[serde(default)]
    series: FileSeries,
}

/// Reads a file, and the scripts that it names. Fails with line and column where something is wrong.
pub fn read(path: &Path) -> anyhow::Result<Config> {
    let text = trust::read(path)?;
    Ok(parse(path, &text)?)
}

/// Understands the text of a file. Scripts that it names are read.
fn parse(path: &Path, text: &str) -> Result<Config, Wrong> {
    let reader = Reader { path, text };
    let file: File = toml::from_str(text)
        .map_err(|error| reader.wrong(error.span(), error.message().to_owned()))?;
    let mut config = Config {
        sources: Vec::new(),
        bpf_stats: file.bpf_stats,
        ..Config::default()
    };
    config.web = file
        .web_config
        .as_ref()
        .map(|web| reader.folder().join(web.get_ref()));
    if let Some(user) = &file.user {
        let found = User::find(user.get_ref());
        config.user = Some(found.map_err(|error| reader.bad(user, format!("{error:#}")))?);
    }
    if let Some(listen) = &file.listen {
        config.listen = reader.listen(listen)?;
    }
    let series = reader.series(&file.series, &Series::default())?;
    let mut names = BTreeSet::new();
    for tool in &file.tool {
        let source = Source::Tool(reader.tool(tool.get_ref(), &series)?);
        reader.once(&mut names, source.name(), tool)?;
        if let Err(error) = source.wanted() {
            let run = tool.get_ref().run.span();
            return Err(reader.wrong(Some(run), first_lines(&format!("{error:#}"))));
        }
        config.sources.push(source);
    }
    for script in &file.script {
        let source = Source::Script(Box::new(reader.script(script, &series)?));
        reader.once(&mut names, source.name(), script)?;
        config.sources.push(source);
    }
    if config.sources.is_empty() {
        return Err(reader.wrong(None, "nothing is exported: add a [[tool]] or a [[script]]"));
    }
    Ok(config)
}

/// What the parser of flags says, without how they are used.
fn first_lines(text: &str) -> String {
    let text = text.split("\n\nUsage:").next().unwrap_or(text);
    text.trim().trim_start_matches("error: ").to_owned()
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, span: Option<std::ops::Range<usize>>, reason: impl Into<String>) -> Wrong {
        Wrong::at(self.path, self.text, span, reason)
    }

    /// Where other files are looked for.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// A value that is not as it should be.
    fn bad<T>(&self, value: &Spanned<T>, reason: impl Into<String>) -> Wrong {
        self.wrong(Some(value.span()), reason)
    }

    fn once<T>(
        &self,
        names: &mut BTreeSet<String>,
        name: &str,
        source: &Spanned<T>,
    ) -> Result<(), Wrong> {
        if names.insert(name.to_owned()) {
            return Ok(());
        }
        let reason = format!("there is another {name} already: give this one a name of its own");
        Err(self.bad(source, reason))
    }

    fn listen(&self, listen: &Spanned<String>) -> Result<SocketAddr, Wrong> {
        parse::listen_address(listen.get_ref()).map_err(|reason| self.bad(listen, reason))
    }

    fn series(&self, given: &FileSeries, default: &Series) -> Result<Series, Wrong> {
        Ok(Series {
            max: self.within(&given.max, 1..=100_000, default.max as u32)? as usize,
            label_bytes_max: self.within(
                &given.label_bytes,
                8..=4096,
                default.label_bytes_max as u32,
            )? as usize,
            buckets_per_octave: self.buckets(&given.buckets_per_octave, default)?,
            keep: match &given.keep {
                None => default.keep,
                Some(keep) => self.duration(keep)?,
            },
        })
    }

    fn within(
        &self,
        given: &Option<Spanned<u32>>,
        range: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, Wrong> {
        match given {
            None => Ok(default),
            Some(number) if range.contains(number.get_ref()) => Ok(*number.get_ref()),
            Some(number) => {
                let (low, high) = (range.start(), range.end());
                Err(self.bad(number, format!("must be from {low} to {high}")))
            }
        }
    }

    fn buckets(&self, given: &Option<Spanned<u32>>, default: &Series) -> Result<u32, Wrong> {
        match given {
            None => Ok(default.buckets_per_octave),
            Some(number) if [1, 2, 4, 8, 16].contains(number.get_ref()) => Ok(*number.get_ref()),
            Some(number) => Err(self.bad(number, "must be 1, 2, 4, 8 or 16")),
        }
    }

    fn duration(&self, given: &Spanned<String>) -> Result<Duration, Wrong> {
        parse::long_duration(given.get_ref()).map_err(|reason| self.bad(given, reason))
    }

    /// A name that metrics' names can have a part of.
    fn name(&self, given: &Spanned<String>) -> Result<String, Wrong> {
        let name = given.get_ref();
        if label_name(name) == *name {
            return Ok(name.clone());
        }
        Err(self.bad(
            given,
            "must be of a to z, 0 to 9 and _, and not begin with a digit",
        ))
    }

    fn tool(&self, tool: &FileTool, series: &Series) -> Result<Tool, Wrong> {
        let words = words::command_words(tool.run.get_ref())
            .map_err(|error| self.bad(&tool.run, error.to_string()))?;
        let words = words
            .into_iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let mut made = Tool {
            pid: tool.pid,
            without: tool.without.clone(),
            series: self.series(&tool.series, series)?,
            ..Tool::new(words)
        };
        if let Some(name) = &tool.name {
            made.name = self.name(name)?;
        }
        Ok(made)
    }

    fn script(&self, script: &Spanned<FileScript>, series: &Series) -> Result<Script, Wrong> {
        let given = script.get_ref();
        let (source, file) = match (&given.file, &given.source) {
            (Some(file), None) => self.read_script(file)?,
            (None, Some(source)) => (source.get_ref().clone(), "inline".to_owned()),
            _ => return Err(self.bad(script, "a script has either a file or a source")),
        };
        let mut hints = Hints::new();
        for (map, hint) in &given.metrics {
            let checked = hint.get_ref().check();
            checked.map_err(|reason| self.bad(hint, format!("{map}: {reason}")))?;
            hints.insert(map.clone(), hint.get_ref().clone());
        }
        let name = match &given.name {
            Some(name) => self.name(name)?,
            None => stem(&file),
        };
        let mut params = words::params(given.params.clone(), true);
        params.own_pid = Some(std::process::id());
        Ok(Script {
            name,
            prefix: match &given.prefix {
                Some(prefix) => self.name(prefix)?,
                None => SCRIPT_PREFIX.to_owned(),
            },
            run: run::Options {
                source,
                file,
                params,
                environment: words::environment(),
                quiet: true,
                is_hosted: true,
                ..run::Options::default()
            },
            prints: false,
            hints,
            series: self.series(&given.series, series)?,
        })
    }

    /// A script's text and path, which is from the folder of the configuration.
    fn read_script(&self, file: &Spanned<String>) -> Result<(String, String), Wrong> {
        let path = self.folder().join(file.get_ref());
        let text = trust::read(&path).map_err(|error| self.bad(file, format!("{error:#}")))?;
        Ok((text, path.to_string_lossy().into_owned()))
    }
}

/// The name of a script by that of its file.
fn stem(file: &str) -> String {
    let stem = Path::new(file)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    label_name(&stem)
}

#[cfg(test)]
mod tests;
