//! From texts to one tree: the script, the headers that it includes, the files that it imports.

use std::collections::HashSet;

use crate::{
    ast::Script,
    compile::Input,
    diagnostic::{Diagnostics, Span},
    facts::SourceFile,
    parse,
    preprocess::{self, Outside},
    source::Sources,
};

/// Files that a script imports, at most.
const IMPORTS: usize = 256;

/// Reads the script and all that it names. Their texts are added to the sources.
pub(crate) fn script(
    input: &Input<'_>,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Script {
    let mut reader = Reader {
        input,
        sources,
        diagnostics,
        script: Script::default(),
        imported: HashSet::new(),
    };
    reader.add(0, false, input.headers);
    reader.imports();
    reader.script
}

struct Reader<'a> {
    input: &'a Input<'a>,
    sources: &'a mut Sources,
    diagnostics: &'a mut Diagnostics,
    script: Script,
    /// Files that were imported.
    imported: HashSet<String>,
}

impl Reader<'_> {
    /// Adds the text that begins with this byte to the tree.
    fn add(&mut self, start: u32, is_header: bool, first: &[String]) {
        let outside = Outside {
            facts: self.input.facts,
            files: self.input.files,
        };
        let text = preprocess::preprocess(
            self.sources,
            start,
            is_header,
            first,
            outside,
            self.diagnostics,
        );
        let params = &self.input.params.positional;
        parse::add(&mut self.script, &text, params, self.diagnostics);
    }

    /// What is imported may import more.
    fn imports(&mut self) {
        let mut next = 0;
        while let Some((name, span)) = self.script.imports.get(next).cloned() {
            next += 1;
            let from = self.sources.place(span).file.to_owned();
            match self.input.files.import(&name, &from) {
                Ok(files) => files.into_iter().for_each(|file| self.import(file, span)),
                Err(reason) => self.diagnostics.error(span, reason),
            }
        }
    }

    fn import(&mut self, file: SourceFile, span: Span) {
        let SourceFile { name, text } = file;
        if name == self.input.file || !self.imported.insert(name.clone()) {
            return;
        }
        if self.imported.len() > IMPORTS {
            let message = format!("more than {IMPORTS} files are imported");
            return self.diagnostics.error(span, message);
        }
        if name.ends_with(".c") {
            let hint = "write what it does as a macro or as a subprogram (fn) of a script";
            let message = format!("{name} is C: there is no C compiler inside");
            return self.diagnostics.error_hint(span, message, hint);
        }
        let Some(start) = self.sources.add(name.as_str(), text.as_str()) else {
            let message = format!("the script is too large with {name}");
            return self.diagnostics.error(span, message);
        };
        let configured = self.script.config.len();
        self.add(start, name.ends_with(".h"), &[]);
        if let Some((.., span)) = self.script.config.drain(configured..).next() {
            let message = "only the script that is run may have a config block";
            self.diagnostics.error(span, message);
        }
    }
}
