//! What faces write, as a whole.

mod maps;
mod records;
mod speed;

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
};

use tracer_script::{
    Sources, Span,
    format::{self, Format},
    program::{Action, ActionKind, Image, Map, MapKind, MapRole},
    types::{Aggregate, StackMode, Type, align},
};

use super::{Context, Face, RawEntry};
use crate::script::session::assembled;

/// A writer whose bytes can be looked at.
#[derive(Clone, Default)]
struct Page(Rc<RefCell<Vec<u8>>>);

impl Page {
    fn take(&self) -> String {
        String::from_utf8(self.0.take()).expect("UTF-8")
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both faces of one script.
struct Faces {
    text: Box<dyn Face>,
    json: Box<dyn Face>,
    text_page: Page,
    json_page: Page,
    errors: Page,
}

const SOURCE: &str = "BEGIN { errorf(\"bad %d\", 1); }\nEND { print(@a); }\n";

impl Faces {
    fn new(image: Image) -> Self {
        Self::quiet(image, false)
    }

    fn quiet(image: Image, quiet: bool) -> Self {
        let image = Rc::new(Image {
            sources: Rc::new(Sources::new("stdin", SOURCE)),
            ..image
        });
        let errors = Page::default();
        let context = || Context {
            image: Rc::clone(&image),
            quiet,
            stacks: Box::new(|hash| (hash == 7).then(|| vec![0x10, 0x2abc, 0x3])),
            errors: Box::new(errors.clone()),
        };
        let (text_page, json_page) = (Page::default(), Page::default());
        Self {
            text: super::text(Box::new(text_page.clone()), context()),
            json: super::json(Box::new(json_page.clone()), context()),
            text_page,
            json_page,
            errors,
        }
    }

    /// What both faces write, text first.
    fn both(&mut self, mut write: impl FnMut(&mut dyn Face) -> io::Result<()>) -> String {
        for face in [&mut self.text, &mut self.json] {
            write(face.as_mut()).expect("pages can be written");
            face.flush().expect("pages can be written");
        }
        self.text_page.take() + &self.json_page.take()
    }

    fn record(&mut self, action: &Action, args: &[u8]) -> String {
        self.both(|face| face.record(action, args))
    }

    fn map(&mut self, map: &Map, entries: &[RawEntry]) -> String {
        self.both(|face| face.map(map, entries.to_vec(), 0, 0))
    }
}

/// Bytes of arguments, keys and values, each part at a multiple of 8.
#[derive(Clone, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn number(mut self, number: i64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    /// A part of `size` bytes that begins with these.
    fn raw(mut self, bytes: &[u8], size: u32) -> Self {
        let end = self.0.len() + align(size) as usize;
        self.0.extend(bytes);
        self.0.resize(end, 0);
        self
    }

    fn string(self, text: &str, size: u32) -> Self {
        self.raw(text.as_bytes(), size)
    }
}

fn int(size: u8) -> Type {
    Type::int(size, true)
}

fn uint(size: u8) -> Type {
    Type::int(size, false)
}

fn action(kind: ActionKind, args: Vec<Type>) -> Action {
    Action {
        kind,
        span: Span::new(8, 27),
        args,
    }
}

fn parsed(text: &str) -> Format {
    format::parse(text.as_bytes())
}

fn printf(text: &str, args: Vec<Type>) -> Action {
    action(ActionKind::Printf(parsed(text)), args)
}

fn map(name: &str, key: Type, value: Type) -> Map {
    Map {
        key,
        value,
        ..assembled::map(name, MapRole::Script, MapKind::Hash, (64, 64, 4096))
    }
}

fn aggregate(name: &str, key: Type, kind: Aggregate) -> Map {
    Map {
        kind: MapKind::PercpuHash,
        bucket_in_key: kind.is_histogram() && key != Type::Void,
        ..map(name, key, Type::Aggregate(kind))
    }
}

/// An entry with a value for each CPU, of so many words.
fn entry(key: Bytes, cpus: &[&[i64]]) -> RawEntry {
    let value = |words: &&[i64]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    RawEntry {
        key: key.0,
        values: cpus.iter().map(value).collect(),
    }
}

fn stack(user: bool, mode: StackMode) -> Type {
    Type::Stack {
        user,
        mode,
        limit: 2,
    }
}
