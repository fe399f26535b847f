//! What the two command lines for scripts have in common: `tracer run` and `bpftrace`.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use tracer_script::{check::Params, pretty, source::Sources};

use super::common::Format;
use crate::{
    kernel::Kernel,
    script::{
        facts::list,
        machine, output,
        run::{self, Failure, MakeFace, Options},
    },
};

/// The variable by which those who start us ask to be told, on standard output, when tracing is on.
const NOTIFY: &str = "__BPFTRACE_NOTIFY_PROBES_ATTACHED";

/// A script's text, and what it is called in messages.
pub struct Source {
    /// The text.
    pub text: String,
    /// The name.
    pub name: String,
}

/// The script: given as such, or in a file, which is the first of `words` and taken from them. `-` is standard
/// input.
pub fn source(program: Option<String>, words: &mut Vec<String>) -> anyhow::Result<Source> {
    if let Some(text) = program {
        let name = "stdin".to_owned();
        return Ok(Source { text, name });
    }
    if words.is_empty() {
        bail!("there is no script: give a file, - for standard input, or -e PROGRAM");
    }
    let file = words.remove(0);
    let (bytes, name) = match file.as_str() {
        "-" => {
            let mut bytes = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut bytes);
            read.context("cannot read the script from standard input")?;
            (bytes, "stdin".to_owned())
        }
        path => {
            let read = fs::read(path);
            (read.with_context(|| format!("cannot read {path}"))?, file)
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { text, name }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            bail!("{name} is no script: byte {at} is not UTF-8")
        }
    }
}

/// Parameters from the words behind the script. Behind `--`, which may stand before them all (`escaped`), words
/// that begin with `--` are named parameters.
pub fn params(words: Vec<String>, escaped: bool) -> Params {
    let mut params = Params::default();
    let mut named = escaped;
    for word in words {
        match word.strip_prefix("--") {
            Some("") if !named => named = true,
            Some(name) if named => params.named.push(match name.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (name.to_owned(), None),
            }),
            _ => params.positional.push(word),
        }
    }
    params
}

/// The words of a command, as a shell takes them apart: blanks between words, `'…'`, `"…"` and `\` keep them
/// together. Nothing is expanded.
pub fn command_words(text: &str) -> anyhow::Result<Vec<OsString>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            quote @ ('\'' | '"') => {
                quoted(quote, &mut characters, word.get_or_insert_default())
                    .with_context(|| format!("{quote} is not closed in the command {text:?}"))?;
            }
            '\\' => {
                let next = characters.next();
                let next = next.with_context(|| format!("\\ ends the command {text:?}"))?;
                word.get_or_insert_default().push(next);
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    if words.is_empty() {
        bail!("the command is empty");
    }
    Ok(words.into_iter().map(OsString::from).collect())
}

/// Takes what is between quotes; [`None`] where they are not closed.
fn quoted(quote: char, characters: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match characters.next()? {
            close if close == quote => return Some(()),
            '\\' if quote == '"' => match characters.next()? {
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
}

/// The variables that scripts' configuration may be in. Those that are not UTF-8 cannot be.
pub fn environment() -> Vec<(String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The word to tell that tracing is on, where that is asked for.
pub fn notify() -> Option<&'static str> {
    env::var_os(NOTIFY).map(|_| NOTIFY)
}

/// Prints a script, laid out, to where output goes; 1 where it cannot be read.
pub fn lay_out(options: &Options) -> anyhow::Result<u8> {
    let text = match pretty::format(&options.source) {
        Ok(text) => text,
        Err(said) => {
            let sources = Sources::new(&options.file, &options.source);
            for one in said.iter() {
                eprint!("{}", one.render(&sources));
            }
            return Ok(1);
        }
    };
    let written = match &options.output {
        Some(path) => {
            let written = fs::write(path, text);
            return written
                .with_context(|| format!("cannot write to {}", path.display()))
                .map(|()| 0);
        }
        None => io::stdout().lock().write_all(text.as_bytes()),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}

/// Runs a script to its end, and gives back the status to exit with.
pub fn launch(options: &Options, format: Format) -> Result<u8, Failure> {
    load(options, format)?.run()
}

/// What is learned of the kernel for compiling and loading is let go before the script runs.
fn load(options: &Options, format: Format) -> Result<run::Ready, Failure> {
    let traceable = options.traceable_functions.as_deref();
    let kernel = Kernel::running()
        .and_then(|kernel| kernel.with_traceable_functions(traceable))
        .map_err(machine::failed)?;
    let make_face: MakeFace<'_> = &|writer, scene| {
        let context = machine::context(scene, options.quiet);
        Ok(match format {
            Format::Text => output::text(writer, context),
            Format::Json => output::json(writer, context),
        })
    };
    machine::on(&kernel, |machine| run::start(options, machine, make_face))
}

/// Lists what can be traced, or types: `traceable_functions` is a list of the kernel's. Nothing found is an error; a
/// closed output is not.
pub fn list(
    pattern: Option<&str>,
    verbose: bool,
    pid: Option<u32>,
    traceable_functions: Option<&Path>,
) -> anyhow::Result<()> {
    let kernel = Kernel::running()?.with_traceable_functions(traceable_functions)?;
    let lines = list::list(&kernel, pattern, verbose, pid)?;
    if lines.is_empty() {
        bail!("nothing matches {:?}", pattern.unwrap_or("*"));
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = lines
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// True where the program was started under this name.
pub fn is_called(name: &str) -> bool {
    let own = env::args_os().next();
    own.is_some_and(|own| Path::new(&own).file_name().is_some_and(|file| file == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn parameters_are_named_behind_two_dashes() {
        let given = words(&["a", "--b=1", "--", "c", "--d=2=3", "--e"]);
        let params = params(given, false);
        assert_eq!(params.positional, ["a", "--b=1", "c"]);
        let named = [("d", Some("2=3")), ("e", None)];
        let named = named.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        assert_eq!(params.named, named);

        let params = super::params(words(&["a", "--b=1"]), true);
        assert_eq!(params.positional, ["a"]);
        assert_eq!(params.named, [("b".to_owned(), Some("1".to_owned()))]);
    }

    #[test]
    fn commands_are_taken_apart_as_by_a_shell() {
        let split = |text| command_words(text).map_err(|error| error.to_string());
        let words = |text: &[&str]| Ok(text.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(split("  ls\t-l  "), words(&["ls", "-l"]));
        assert_eq!(
            split(r#"sh -c 'a "b" \' "c 'd' \" \x" e\ f "" g"h"i"#),
            words(&["sh", "-c", r#"a "b" \"#, r#"c 'd' " \x"#, "e f", "", "ghi"])
        );
        for (wrong, error) in [
            ("a 'b", "' is not closed in the command \"a 'b\""),
            ("a \"b\\", "\" is not closed in the command \"a \\\"b\\\\\""),
            ("a\\", "\\ ends the command \"a\\\\\""),
            ("  ", "the command is empty"),
        ] {
            assert_eq!(split(wrong), Err(error.to_owned()));
        }
    }

    #[test]
    fn a_script_comes_from_one_place() {
        let mut rest = words(&["1"]);
        let given = source(Some("BEGIN {}".to_owned()), &mut rest).expect("it is given");
        assert_eq!(
            (given.text.as_str(), given.name.as_str()),
            ("BEGIN {}", "stdin")
        );
        assert_eq!(rest, ["1"]);

        let missing = source(None, &mut Vec::new()).err().expect("there is none");
        assert!(missing.to_string().contains("-e PROGRAM"));
        let mut rest = words(&["/no/such/file", "1"]);
        let missing = source(None, &mut rest).err().expect("it is not there");
        assert_eq!(missing.to_string(), "cannot read /no/such/file");
    }
}
