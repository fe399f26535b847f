//! The kernel's types as C writes them, for listing.

use super::types::Types;
use crate::kernel::btf::{Addition, Shape};

/// Types within types are written so deep, at most: damaged data may go in circles.
const DEPTH: u32 = 32;

impl Types<'_> {
    /// A declaration: `struct list_head *next`, or the type alone where the name is empty.
    pub(super) fn declaration(&self, id: u32, name: &str) -> String {
        self.declare(id, name.to_owned(), 0, DEPTH)
    }

    /// `type name`, as events' fields are listed: `struct file * file`.
    pub(super) fn argument(&self, id: u32, name: &str) -> String {
        format!("{} {name}", self.declaration(id, ""))
    }

    /// The definition of a structure, a union or an enumeration, a line each.
    pub(super) fn definition(&self, id: u32) -> Option<Vec<String>> {
        let text = match self.layers.shape(id)? {
            Shape::Struct { .. } => self.body(id, 0, DEPTH)?,
            Shape::Enum { name, .. } => self.enum_body(id, name)?,
            _ => return None,
        };
        Some(format!("{text};").lines().map(str::to_owned).collect())
    }

    /// Puts a type around what stands in its middle: stars and names go before arrays and parameters.
    fn declare(&self, id: u32, inner: String, indent: usize, depth: u32) -> String {
        let Some((depth, shape)) = depth.checked_sub(1).zip(self.layers.shape(id)) else {
            return beside("void", &inner);
        };
        match shape {
            Shape::Void | Shape::Other => beside("void", &inner),
            Shape::Int { name, .. } => beside(name, &inner),
            Shape::Float { size } => beside(if size == 4 { "float" } else { "double" }, &inner),
            Shape::Pointer(to) => {
                let starred = match self.layers.shape(to) {
                    Some(Shape::Array { .. } | Shape::Prototype(_)) => format!("(*{inner})"),
                    _ => format!("*{inner}"),
                };
                self.declare(to, starred, indent, depth)
            }
            Shape::Array { element, count } => {
                self.declare(element, format!("{inner}[{count}]"), indent, depth)
            }
            Shape::Prototype(returns) => {
                let parameters = self.parameter_list(id, indent, depth);
                self.declare(returns, format!("{inner}({parameters})"), indent, depth)
            }
            Shape::Function(prototype) => self.declare(prototype, inner, indent, depth),
            Shape::Struct { name: "", .. } => {
                beside(&self.body(id, indent, depth).unwrap_or_default(), &inner)
            }
            Shape::Struct { name, union, .. } => {
                beside(&format!("{} {name}", keyword(union)), &inner)
            }
            Shape::Enum { name: "", .. } => {
                beside(&self.enum_body(id, "").unwrap_or_default(), &inner)
            }
            Shape::Enum { name, .. } => beside(&format!("enum {name}"), &inner),
            Shape::Alias { target, adds } => match adds {
                Addition::Name(name) => beside(name, &inner),
                Addition::Tag(_) => self.declare(target, inner, indent, depth),
                Addition::Qualifier(word) => match self.layers.shape(target) {
                    Some(Shape::Pointer(_)) => {
                        self.declare(target, beside(word, &inner), indent, depth)
                    }
                    _ => format!("{word} {}", self.declare(target, inner, indent, depth)),
                },
            },
        }
    }

    fn parameter_list(&self, prototype: u32, indent: usize, depth: u32) -> String {
        let parameters = self.layers.parameters(prototype).unwrap_or_default();
        if parameters.is_empty() {
            return "void".to_owned();
        }
        let texts: Vec<String> = parameters
            .into_iter()
            .map(|(name, type_id)| match (name, type_id) {
                ("", 0) => "...".to_owned(),
                (name, type_id) => self.declare(type_id, name.to_owned(), indent, depth),
            })
            .collect();
        texts.join(", ")
    }

    /// A structure with its members, without what stands behind the brace.
    fn body(&self, id: u32, indent: usize, depth: u32) -> Option<String> {
        let Shape::Struct { name, union, .. } = self.layers.shape(id)? else {
            return None;
        };
        let tabs = "\t".repeat(indent);
        let mut text = format!("{} {{\n", beside(keyword(union), name));
        for (name, member) in self.layers.members(id)? {
            let bits = match member.bits {
                Some(bits) => format!(": {bits}"),
                None => String::new(),
            };
            let declared = self.declare(member.type_id, name.to_owned(), indent + 1, depth);
            text.push_str(&format!("{tabs}\t{declared}{bits};\n"));
        }
        text.push_str(&format!("{tabs}}}"));
        Some(text)
    }

    fn enum_body(&self, id: u32, name: &str) -> Option<String> {
        let values = self.layers.enumerators(id)?;
        if name.is_empty() {
            let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
            return Some(format!("enum {{ {} }}", names.join(", ")));
        }
        let mut text = format!("enum {name} {{\n");
        for (name, value) in values {
            text.push_str(&format!("\t{name} = {value},\n"));
        }
        text.push('}');
        Some(text)
    }
}

fn keyword(union: bool) -> &'static str {
    if union { "union" } else { "struct" }
}

/// With a blank between, where both are there.
fn beside(left: &str, right: &str) -> String {
    match (left, right) {
        ("", only) | (only, "") => only.to_owned(),
        (left, right) => format!("{left} {right}"),
    }
}
