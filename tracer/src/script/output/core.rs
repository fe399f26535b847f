//! What both faces share: the gathered output, and what records say, however it is shown.

use std::{
    fs::File,
    io::{self, Read as _, Write},
    rc::Rc,
};

use tracer_script::{
    Diagnostic, Level,
    diagnostic::Span,
    format::Format,
    program::{Action, ActionKind, Image},
    source::Place,
    types::Type,
};

use super::{
    Context,
    names::{self, Names},
    printf::{self, Args},
    value::{Decoder, Value, part, until_nul, word},
};

/// Gathered bytes beyond which they are written.
const SPILL_BYTES: usize = 64 * 1024;

/// The state of a face.
pub struct Core {
    /// What is gathered and not yet written.
    pub out: Vec<u8>,
    /// Leaves out how many probes are attached.
    pub quiet: bool,
    image: Rc<Image>,
    names: Names,
    writer: Box<dyn Write>,
    errors: Box<dyn Write>,
    scratch: Vec<u8>,
}

impl Core {
    /// Output onto a writer.
    pub fn new(writer: Box<dyn Write>, context: Context) -> Self {
        let Context {
            image,
            quiet,
            stacks,
            errors,
        } = context;
        let mut names = Names::new(&image.config, stacks);
        let is_user = |action: &Action| matches!(action.kind, ActionKind::Process);
        if image.actions.iter().any(is_user) {
            names.symbols.watch();
        }
        Self {
            out: Vec::with_capacity(SPILL_BYTES + 4096),
            quiet,
            names,
            image,
            writer,
            errors,
            scratch: Vec::new(),
        }
    }

    /// The output, and what makes values for it.
    pub fn parts(&mut self) -> (&mut Vec<u8>, Decoder<'_>) {
        let decoder = Decoder {
            image: &self.image,
            names: &mut self.names,
        };
        (&mut self.out, decoder)
    }

    /// Reads where a process has its code.
    pub fn learn_process(&mut self, pid: u32) {
        self.names.symbols.learn(pid);
    }

    /// Writes a formatted text to the output.
    pub fn print(&mut self, format: &Format, types: &[Type], args: &[u8]) {
        let (out, mut decoder) = self.parts();
        printf::write(out, &mut decoder, format, types, args);
    }

    /// Makes a text by a format and hands it on together with the output.
    pub fn with_text<T>(
        &mut self,
        format: &Format,
        types: &[Type],
        args: &[u8],
        then: impl FnOnce(&mut Self, &[u8]) -> T,
    ) -> T {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        let (_, mut decoder) = self.parts();
        printf::write(&mut text, &mut decoder, format, types, args);
        let done = then(self, &text);
        self.scratch = text;
        done
    }

    /// The value that `print` was given.
    pub fn value(&mut self, action: &Action, args: &[u8]) -> Value {
        let (_, mut decoder) = self.parts();
        match Args::new(&action.args, args).next(&decoder) {
            Some((kind, bytes)) => decoder.stored(kind, bytes),
            None => Value::Null,
        }
    }

    /// The strings that `join` was given, up to the first that is empty, with the separator between them.
    pub fn joined(&mut self, separator: &str, action: &Action, args: &[u8]) -> Vec<u8> {
        let (_, decoder) = self.parts();
        let mut args = Args::new(&action.args, args);
        let mut out = Vec::new();
        let mut is_first = true;
        while let Some((kind, bytes)) = args.next(&decoder) {
            let size = match kind {
                Type::Array(element, _) => match **element {
                    Type::Str(size) => size as usize,
                    _ => bytes.len(),
                },
                _ => bytes.len(),
            };
            for string in bytes.chunks(size.max(1)) {
                let string = until_nul(string);
                if string.is_empty() {
                    return out;
                }
                if !is_first {
                    out.extend(separator.as_bytes());
                }
                is_first = false;
                out.extend(string);
            }
        }
        out
    }

    /// This moment, as `time` shows it.
    pub fn now(&mut self, format: &str) -> Vec<u8> {
        self.names.now(format)
    }

    /// A time since the Unix epoch by a format of `strftime`.
    pub fn time(&self, format: &str, epoch_ns: u64) -> Vec<u8> {
        self.names.time(format, epoch_ns)
    }

    /// The beginning of a file, as much as `max_cat_bytes` says. Where it cannot be read, that is said.
    pub fn contents(&mut self, path: &[u8]) -> io::Result<Option<Vec<u8>>> {
        use std::os::unix::ffi::OsStrExt as _;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
        let max = self.image.config.max_cat_bytes;
        let mut contents = Vec::new();
        let read = File::open(path).and_then(|file| file.take(max).read_to_end(&mut contents));
        match read {
            Ok(_) => Ok(Some(contents)),
            Err(error) => {
                let message = format!("ERROR: cat: cannot read {}: {error}\n", path.display());
                self.complain(message.as_bytes())?;
                Ok(None)
            }
        }
    }

    /// What a helper returned, and what that means.
    pub fn helper_error(&self, args: &[u8]) -> (i64, String) {
        let code = word(part(args, 0, 8)) as i64;
        (code, names::error(code.unsigned_abs()))
    }

    /// Where a span is.
    pub fn place(&self, span: Span) -> Place<'_> {
        self.image.sources.place(span)
    }

    /// A warning together with the source that it is about.
    pub fn warning_at(&self, span: Span, message: String) -> String {
        let warning = Diagnostic {
            level: Level::Warning,
            span,
            message,
            hint: None,
        };
        warning.render(&self.image.sources)
    }

    /// Writes to where messages go, behind all output so far.
    pub fn complain(&mut self, message: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.errors.write_all(message)?;
        self.errors.flush()
    }

    /// Adds a text.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.out.extend(text.as_bytes());
        self.spill()
    }

    /// Writes what is gathered where that is much.
    pub fn spill(&mut self) -> io::Result<()> {
        if self.out.len() < SPILL_BYTES {
            return Ok(());
        }
        self.write_out()
    }

    fn write_out(&mut self) -> io::Result<()> {
        let written = self.writer.write_all(&self.out);
        self.out.clear();
        written
    }

    /// Writes what is gathered.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.write_out()?;
        }
        self.writer.flush()
    }
}
