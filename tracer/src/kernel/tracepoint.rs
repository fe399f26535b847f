//! Tracepoints as tracefs shows them: which there are, and what their events are made of.
//!
//! Source: `Documentation/trace/events.rst`; the `format` files are written by `f_show` of
//! `kernel/trace/trace_events.c`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why tracefs could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TracefsError {
    /// It is nowhere.
    #[error(
        "the tracing file system is not mounted: `mount -t tracefs tracefs /sys/kernel/tracing` makes it so"
    )]
    NotMounted,
    /// It is there, and cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such event.
    #[error(
        "this kernel has no tracepoint {category}:{name}; `tracer list tracepoint:{category}:*` shows what it has"
    )]
    NoEvent {
        /// The category.
        category: String,
        /// The event.
        name: String,
    },
    /// A `format` file is not as it should be.
    #[error("{path} is not understood")]
    Format {
        /// The file.
        path: PathBuf,
    },
}

/// Where tracefs is mounted.
#[derive(Clone, Debug)]
pub struct Tracefs {
    root: PathBuf,
}

/// One field of a tracepoint's event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type in C, without the name: `char[16]`.
    pub kind: String,
    /// Bytes from the start of the event.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// Whether it may be negative.
    pub signed: bool,
}

/// What an event is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The event's number, which perf knows it by.
    pub id: u32,
    /// The fields, those that all events have first.
    pub fields: Vec<Field>,
}

impl Format {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields of this event's own: all have a type, flags, a preemption count and a pid before.
    pub fn own_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields
            .iter()
            .filter(|field| !field.name.starts_with("common_"))
    }
}

impl Tracefs {
    /// Finds it among the mounts.
    pub fn find() -> Result<Self, TracefsError> {
        const MOUNTS: &str = "/proc/self/mounts";
        let mounts = fs::read_to_string(MOUNTS).map_err(|source| TracefsError::Read {
            path: MOUNTS.into(),
            source,
        })?;
        mount_of(&mounts)
            .map(|root| Self { root })
            .ok_or(TracefsError::NotMounted)
    }

    /// True where this event is there.
    pub fn exists(&self, category: &str, name: &str) -> bool {
        self.event(category, name).join("format").exists()
    }

    /// The category of the event with this name; [`None`] where no category has one.
    pub fn category_of(&self, name: &str) -> Result<Option<String>, TracefsError> {
        Ok(self
            .categories()?
            .into_iter()
            .find(|category| self.exists(category, name)))
    }

    /// The categories, in order.
    pub fn categories(&self) -> Result<Vec<String>, TracefsError> {
        folders(&self.root.join("events"))
    }

    /// The events of a category, in order.
    pub fn events(&self, category: &str) -> Result<Vec<String>, TracefsError> {
        folders(&self.root.join("events").join(category))
    }

    /// What an event is made of.
    pub fn format(&self, category: &str, name: &str) -> Result<Format, TracefsError> {
        let path = self.event(category, name).join("format");
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => TracefsError::NoEvent {
                category: category.to_owned(),
                name: name.to_owned(),
            },
            _ => TracefsError::Read {
                path: path.clone(),
                source,
            },
        })?;
        parse_format(&text).ok_or(TracefsError::Format { path })
    }

    /// The number of an event, by which a perf event asks for it.
    pub fn id(&self, category: &str, name: &str) -> Result<u32, TracefsError> {
        let path = self.event(category, name).join("id");
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => TracefsError::NoEvent {
                category: category.to_owned(),
                name: name.to_owned(),
            },
            _ => TracefsError::Read {
                path: path.clone(),
                source,
            },
        })?;
        let id = text.trim().parse();
        id.map_err(|_| TracefsError::Format { path })
    }

    /// A file of tracefs itself, such as `available_filter_functions`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn event(&self, category: &str, name: &str) -> PathBuf {
        self.root.join("events").join(category).join(name)
    }
}

fn folders(path: &Path) -> Result<Vec<String>, TracefsError> {
    let failed = |source| TracefsError::Read {
        path: path.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The mount point of the first tracefs in a list of mounts (`man 5 fstab`, where a space is `\040`).
fn mount_of(mounts: &str) -> Option<PathBuf> {
    let mut lines = mounts.lines().map(|line| line.split(' '));
    let mount = lines
        .find_map(|mut words| (words.clone().nth(2) == Some("tracefs")).then(|| words.nth(1)))?;
    Some(PathBuf::from(mount?.replace("\\040", " ")))
}

fn parse_format(text: &str) -> Option<Format> {
    let id = text
        .lines()
        .find_map(|line| line.strip_prefix("ID: "))?
        .trim()
        .parse()
        .ok()?;
    let fields = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("field:"));
    Some(Format {
        id,
        fields: fields.map(parse_field).collect::<Option<_>>()?,
    })
}

/// `const char * name; offset:8; size:8; signed:0;`
fn parse_field(line: &str) -> Option<Field> {
    let mut parts = line.split(';').map(str::trim);
    let (kind, name) = split_declaration(parts.next()?)?;
    let mut number = |key: &str| parts.next()?.strip_prefix(key)?.parse::<u32>().ok();
    Some(Field {
        name,
        kind,
        offset: number("offset:")?,
        size: number("size:")?,
        signed: number("signed:")? != 0,
    })
}

/// Takes a C declaration apart: `char comm[16]` is a `char[16]` named `comm`.
fn split_declaration(declaration: &str) -> Option<(String, String)> {
    let (declaration, array) = match declaration.find('[') {
        // `__data_loc char[] name` has the brackets in its type.
        Some(at) if !declaration[at..].contains(' ') => declaration.split_at(at),
        _ => (declaration, ""),
    };
    let (kind, name) = declaration.rsplit_once(' ')?;
    let stars = name.len() - name.trim_start_matches('*').len();
    let kind = format!("{}{}{array}", kind.trim_end(), &name[..stars]);
    Some((kind, name[stars..].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "\
name: block_rq_issue
ID: 1245
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;
\tfield:char rwbs[10];\toffset:32;\tsize:10;\tsigned:0;
\tfield:char comm[16];\toffset:42;\tsize:16;\tsigned:0;
\tfield:__data_loc char[] cmd;\toffset:60;\tsize:4;\tsigned:0;
\tfield:const char * name;\toffset:64;\tsize:8;\tsigned:0;

print fmt: \"%d,%d\", 1, 2
";

    #[test]
    fn formats_are_taken_apart() {
        let format = parse_format(FORMAT).expect("well-formed");
        assert_eq!(format.id, 1245);
        let own: Vec<(&str, &str, u32)> = format
            .own_fields()
            .map(|field| (field.name.as_str(), field.kind.as_str(), field.offset))
            .collect();
        let expected = [
            ("dev", "dev_t", 8),
            ("rwbs", "char[10]", 32),
            ("comm", "char[16]", 42),
            ("cmd", "__data_loc char[]", 60),
            ("name", "const char *", 64),
        ];
        assert_eq!(own, expected);
    }

    #[test]
    fn damaged_formats_are_refused() {
        assert_eq!(parse_format(""), None);
        assert_eq!(parse_format("ID: x"), None);
        assert_eq!(parse_format("ID: 1\n\tfield:int x;\toffset:y;"), None);
        assert_eq!(parse_format("ID: 1\n\tfield:;"), None);
    }

    #[test]
    fn the_mount_is_found_wherever_it_is() {
        let mounts =
            "proc /proc proc rw 0 0\ntracefs /sys/kernel/debug\\040x/tracing tracefs rw 0 0\n";
        assert_eq!(
            mount_of(mounts),
            Some(PathBuf::from("/sys/kernel/debug x/tracing"))
        );
        assert_eq!(mount_of("proc /proc proc rw 0 0\n"), None);
    }
}
