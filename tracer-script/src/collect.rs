//! The structures and enumerations that values are made of, which are told by name.

use std::rc::Rc;

use crate::{
    check::Env,
    facts::{Facts, Struct},
    program::Enumeration,
    types::Type,
};

/// Structures that lie in values of this type, and those within them.
pub(crate) fn collect_structs(
    kind: &Type,
    env: &Env,
    facts: &dyn Facts,
    found: &mut Vec<Rc<Struct>>,
    depth: u32,
) {
    /// Structures within structures, at most.
    const DEPTH: u32 = 16;
    if depth > DEPTH {
        return;
    }
    match kind {
        Type::Struct(key) => {
            if found.iter().any(|one| one.name == *key) {
                return;
            }
            let Some(structure) = env.structure(key, facts) else {
                return;
            };
            found.push(structure.clone());
            for field in &structure.fields {
                collect_structs(&field.kind, env, facts, found, depth + 1);
            }
        }
        Type::Array(element, _) => collect_structs(element, env, facts, found, depth),
        Type::Tuple(parts) => {
            for part in parts.iter() {
                collect_structs(part, env, facts, found, depth);
            }
        }
        Type::Record(fields) => {
            for (_, part) in fields.iter() {
                collect_structs(part, env, facts, found, depth);
            }
        }
        _ => {}
    }
}

/// Enumerations that lie in values of this type.
pub(crate) fn collect_enums(
    kind: &Type,
    env: &Env,
    facts: &dyn Facts,
    found: &mut Vec<Enumeration>,
) {
    match kind {
        Type::Enum { name, .. } => {
            if !found.iter().any(|(known, _)| known == name)
                && let Some((_, values)) = env.enumeration(name, facts)
            {
                found.push((name.clone(), values));
            }
        }
        Type::Array(element, _) => collect_enums(element, env, facts, found),
        Type::Tuple(parts) => parts
            .iter()
            .for_each(|part| collect_enums(part, env, facts, found)),
        Type::Record(fields) => fields
            .iter()
            .for_each(|(_, part)| collect_enums(part, env, facts, found)),
        _ => {}
    }
}
