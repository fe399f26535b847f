//! C's declarations: structures, unions, enumerations, other names of types, constants. Those of headers are read
//! as far as they say something about types; what else headers have is left out.

mod declarator;
mod structure;

use super::{Failed, Parsed, Parser};
use crate::{
    ast::{CDefinition, CItem, CType, Expr, TypeBase, TypeName},
    diagnostic::Span,
    lexer::Kind,
};

/// Words that say nothing about the layout of what they stand before or behind: qualifiers, and what the kernel's
/// headers add to declarations (`include/linux/compiler_types.h`).
const WITHOUT_MEANING: [&str; 31] = [
    "const",
    "volatile",
    "restrict",
    "__restrict",
    "__restrict__",
    "__const",
    "__volatile__",
    "register",
    "inline",
    "__inline",
    "__inline__",
    "__always_inline",
    "__extension__",
    "_Noreturn",
    "noinline",
    "__user",
    "__kernel",
    "__iomem",
    "__rcu",
    "__percpu",
    "__force",
    "__bitwise",
    "__private",
    "__maybe_unused",
    "__used",
    "__weak",
    "__init",
    "__must_check",
    "__randomize_layout",
    "__read_mostly",
    "__latent_entropy",
];

/// What begins a declaration outside of headers.
const BEGINNINGS: [&str; 8] = [
    "struct", "union", "enum", "typedef", "static", "const", "extern", "inline",
];

/// What attributes say about the layout.
#[derive(Default)]
pub(super) struct Attributes {
    packed: bool,
    align: Option<Expr>,
}

impl Attributes {
    fn add(&mut self, other: Self) {
        self.packed |= other.packed;
        self.align = other.align.or(self.align.take());
    }
}

/// How a declaration begins.
#[derive(Clone, Copy, Default)]
struct Storage {
    typedef: bool,
    constant: bool,
}

impl Parser<'_> {
    /// True where a declaration of C begins.
    pub(super) fn at_c_definition(&self) -> bool {
        BEGINNINGS.contains(&self.text())
    }

    pub(super) fn c_definition(&mut self) -> Parsed<()> {
        let start = self.token.span;
        let mut storage = self.storage();
        let (base, constant) = self.c_type()?;
        storage.constant |= constant;
        if self.is_sign(";") {
            self.definition_alone(base, start);
        } else if !self.in_header && self.ends_without_semicolon() {
            self.definition_alone(base, start);
            return Ok(());
        } else {
            self.declared(&base, storage, start)?;
            if self.last_was_body {
                return Ok(());
            }
        }
        self.expect(";")?;
        Ok(())
    }

    fn storage(&mut self) -> Storage {
        let mut storage = Storage::default();
        loop {
            match self.text() {
                "typedef" => storage.typedef = true,
                "const" => storage.constant = true,
                "static" | "extern" => {}
                word if WITHOUT_MEANING.contains(&word) => {}
                _ => return storage,
            }
            self.advance();
        }
    }

    /// True where what follows a type is another part of the script: the semicolon between them may be left out.
    fn ends_without_semicolon(&self) -> bool {
        let next = self.text_of(self.peek().span);
        let is_declared = matches!(next, ";" | "=" | "," | "[" | "(" | ")");
        match self.token.kind {
            Kind::Word => !is_declared || self.is_word("config"),
            Kind::End => true,
            _ => false,
        }
    }

    /// `struct x { … };`
    fn definition_alone(&mut self, base: CType, start: Span) {
        if let CType::Inline(structure, _) = base {
            self.define(CItem::Struct(structure), start);
        }
    }

    /// What is declared with a type: names of types, constants, variables, functions.
    fn declared(&mut self, base: &CType, storage: Storage, start: Span) -> Parsed<()> {
        self.last_was_body = false;
        // The type itself is defined once, whatever is declared with it.
        let base = self.named_type(base, start);
        loop {
            let declared = self.declarator(base.clone())?;
            let is_function = matches!(&declared.kind, CType::Plain(name) if name.suffixes.is_empty() && matches!(name.base, TypeBase::Function));
            if storage.typedef {
                self.define(CItem::Typedef(declared.name, declared.kind), start);
            } else if is_function {
                return self.c_function(start);
            } else if self.take_sign("=") {
                self.initialized(declared.name, declared.kind, storage, start)?;
            } else if !self.in_header {
                let hint = "a constant is written const int NAME = VALUE;";
                return self.fail_hint(start, "a script has no variables of C", hint);
            }
            if !self.take_sign(",") {
                return Ok(());
            }
        }
    }

    /// Defines a structure where it is named, and gives back what names it.
    fn named_type(&mut self, base: &CType, start: Span) -> CType {
        let CType::Inline(structure, suffixes) = base else {
            return base.clone();
        };
        let name = TypeName {
            span: structure.span,
            base: TypeBase::Struct(structure.name.clone()),
            suffixes: suffixes.clone(),
        };
        self.define(CItem::Struct(structure.clone()), start);
        CType::Plain(name)
    }

    /// `static const int X = 5`
    fn initialized(
        &mut self,
        name: String,
        kind: CType,
        storage: Storage,
        start: Span,
    ) -> Parsed<()> {
        if !storage.constant && !self.in_header {
            let hint = "a constant is written const int NAME = VALUE;";
            return self.fail_hint(start, "a script has no variables of C", hint);
        }
        if self.is_sign("{") {
            if !self.in_header {
                return self.fail(start, "only constants that are numbers can be defined");
            }
            self.skip_balanced();
            return Ok(());
        }
        let value = self.nested(Self::expr)?;
        if storage.constant {
            self.define(CItem::Constant(name, kind, value), start);
        }
        Ok(())
    }

    /// A function of C: a header's is left out.
    fn c_function(&mut self, start: Span) -> Parsed<()> {
        if !self.in_header {
            let hint = "write a subprogram: fn name($a: type): type { … }";
            return self.fail_hint(start, "functions of C are not run", hint);
        }
        while !self.is_sign(";") && !self.is_sign("{") {
            if self.token.kind == Kind::End {
                return self.unexpected("expected ;");
            }
            self.advance();
        }
        if self.is_sign("{") {
            self.skip_balanced();
            self.last_was_body = true;
        }
        Ok(())
    }

    pub(super) fn define(&mut self, item: CItem, start: Span) {
        if let CItem::Typedef(name, _) = &item {
            self.typedefs.insert(name.clone());
        }
        let span = Span {
            start: start.start,
            end: self.last_end.max(start.end),
        };
        self.script.c.items.push(CDefinition {
            span,
            item,
            in_header: self.in_header,
        });
    }

    /// The type before a declarator, and whether it is constant.
    fn c_type(&mut self) -> Parsed<(CType, bool)> {
        let mut constant = self.qualifiers();
        let kind = self.c_base()?;
        constant |= self.qualifiers();
        Ok((kind, constant))
    }

    /// Goes past qualifiers; whether one was `const`.
    fn qualifiers(&mut self) -> bool {
        let mut constant = false;
        while self.token.kind == Kind::Word && WITHOUT_MEANING.contains(&self.text()) {
            constant |= self.is_word("const");
            self.advance();
        }
        constant
    }

    /// A type without stars: these belong to the declarators.
    fn c_base(&mut self) -> Parsed<CType> {
        let start = self.token.span;
        let base = match self.text() {
            "struct" | "union" => {
                if self.defines_structure() {
                    return Ok(CType::Inline(self.nested(Self::structure)?, Vec::new()));
                }
                let keyword = self.text();
                self.advance();
                TypeBase::Struct(format!("{keyword} {}", self.word("a name")?.0))
            }
            "enum" => TypeBase::Enum(self.enumeration()?),
            "typeof" | "__typeof__" => self.type_base()?,
            _ => self.simple_type()?,
        };
        Ok(CType::Plain(TypeName {
            span: start.to(Span {
                start: start.start,
                end: self.last_end.max(start.end),
            }),
            base,
            suffixes: Vec::new(),
        }))
    }

    /// `struct {`, `struct x {` or `struct __attribute__((…)) x {`
    fn defines_structure(&self) -> bool {
        let next = self.peek();
        let after = crate::lexer::next(self.source, next.span.end as usize);
        let is_attribute = |text: &str| text.starts_with("__attribute") || text == "__packed";
        matches!(next.kind, Kind::Sign("{"))
            || next.kind == Kind::Word
                && (after.kind == Kind::Sign("{")
                    || is_attribute(self.text_of(next.span))
                    || after.kind == Kind::Word && is_attribute(self.text_of(after.span)))
    }

    /// `unsigned long int`, `u32`, `size_t`
    fn simple_type(&mut self) -> Parsed<TypeBase> {
        let (mut words, _) = self.word("a type")?;
        while super::type_name::is_part_of_c_type(&words)
            && self.token.kind == Kind::Word
            && (super::type_name::is_part_of_c_type(self.text()) || self.is_word("const"))
        {
            if !self.is_word("const") {
                words.push(' ');
                words.push_str(self.text());
            }
            self.advance();
        }
        Ok(TypeBase::Named(words))
    }

    /// What stands before or behind a name or a body and says something about the layout.
    fn attributes(&mut self) -> Parsed<Attributes> {
        let mut all = Attributes::default();
        loop {
            let one = match self.text() {
                "__attribute__" | "__attribute" => self.attribute_list()?,
                "__packed" => {
                    self.advance();
                    Attributes {
                        packed: true,
                        align: None,
                    }
                }
                "__aligned" => {
                    self.advance();
                    self.alignment()?
                }
                "____cacheline_aligned"
                | "____cacheline_aligned_in_smp"
                | "__cacheline_aligned" => {
                    self.advance();
                    self.aligned_to(64)
                }
                "__counted_by" | "__counted_by_le" => {
                    self.advance();
                    self.skip_balanced();
                    Attributes::default()
                }
                word if self.token.kind == Kind::Word && WITHOUT_MEANING.contains(&word) => {
                    self.advance();
                    Attributes::default()
                }
                _ => return Ok(all),
            };
            all.add(one);
        }
    }

    /// `__attribute__((packed, aligned(8)))`
    fn attribute_list(&mut self) -> Parsed<Attributes> {
        let mut all = Attributes::default();
        self.advance();
        self.expect("(")?;
        self.expect("(")?;
        while !self.is_sign(")") {
            if self.take_sign(",") {
                continue;
            }
            let (word, _) = self.word("an attribute")?;
            match word.trim_matches('_') {
                "packed" => all.packed = true,
                "aligned" => all.add(self.alignment()?),
                _ if self.is_sign("(") => self.skip_balanced(),
                _ => {}
            }
        }
        self.expect(")")?;
        self.expect(")")?;
        Ok(all)
    }

    /// `(8)`, or nothing for the most that any type needs.
    fn alignment(&mut self) -> Parsed<Attributes> {
        if !self.take_sign("(") {
            return Ok(self.aligned_to(16));
        }
        let align = self.nested(Self::expr)?;
        self.expect(")")?;
        Ok(Attributes {
            packed: false,
            align: Some(align),
        })
    }

    fn aligned_to(&mut self, bytes: u64) -> Attributes {
        let span = self.token.span;
        Attributes {
            packed: false,
            align: Some(self.make(span, crate::ast::ExprKind::Int(bytes))),
        }
    }

    /// Goes past what parentheses, brackets or braces hold, from the opening one on.
    fn skip_balanced(&mut self) {
        let mut open = 0;
        loop {
            match self.token.kind {
                Kind::Sign("(" | "[" | "{") => open += 1,
                Kind::Sign(")" | "]" | "}") => open -= 1,
                Kind::End | Kind::Unterminated(_) => return,
                _ => {}
            }
            self.advance();
            if open <= 0 {
                return;
            }
        }
    }

    /// Where the header ends that the token which is looked at belongs to.
    pub(super) fn header_end(&self) -> Option<usize> {
        let at = self.token.span.start as usize;
        let found = self.headers.iter().find(|header| header.contains(&at));
        found.map(|header| header.end)
    }

    /// The declarations of a header: none goes on behind its end.
    pub(super) fn header(&mut self, end: usize) {
        let start = self.token.span.start as usize;
        let whole = self.source;
        self.source = &whole[..end];
        self.in_header = true;
        self.go_to(start);
        while self.token.kind != Kind::End {
            self.header_item();
        }
        self.in_header = false;
        self.source = whole;
        self.go_to(end);
    }

    /// A declaration of a header. One that is not understood is left out, and noted.
    fn header_item(&mut self) {
        let start = self.token.span;
        // `extern "C" {` and its end.
        if self.is_word("extern") && self.peek().kind == Kind::Str {
            self.advance();
            self.advance();
            self.take_sign("{");
            return;
        }
        if self.take_sign("}") || self.take_sign(";") {
            return;
        }
        let before = std::mem::take(self.diagnostics);
        let read = self.c_definition();
        let told = std::mem::replace(self.diagnostics, before);
        let reason = told.iter().next().map(|one| one.message.clone());
        if let (Err(Failed), reason) = (read, reason.unwrap_or_default()) {
            self.skip_declaration();
            let message = format!("a declaration of a header is left out: {reason}");
            self.diagnostics.note(start, message);
        }
    }

    /// Goes behind the next `;` or body that stands in no brackets.
    fn skip_declaration(&mut self) {
        loop {
            match self.token.kind {
                Kind::End => return,
                Kind::Unterminated(_) => return self.go_to(self.source.len()),
                Kind::Sign(";") => {
                    self.advance();
                    return;
                }
                Kind::Sign("{") => {
                    self.skip_balanced();
                    // `struct x { … } y;` goes on; a function does not.
                    if self.is_sign(";") {
                        self.advance();
                        return;
                    }
                    if self.token.kind != Kind::Word || self.at_c_definition() {
                        return;
                    }
                }
                Kind::Sign("(" | "[") => self.skip_balanced(),
                _ => {
                    self.advance();
                }
            }
        }
    }

    fn fail_hint<T>(&mut self, span: Span, message: &str, hint: &str) -> Parsed<T> {
        self.diagnostics.error_hint(span, message, hint);
        Err(Failed)
    }
}
