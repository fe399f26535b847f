//! What the parts of maps' keys may be called: `comm` and `fd` for `@[comm, args.fd]`. For those who show maps
//! where parts of keys have names, as metrics do.

use crate::ast::{Expr, ExprKind, Script, visit};

/// Each map with a key, with a name for each part of it.
pub(crate) type KeyNames = Vec<(String, Vec<String>)>;

/// The names of all maps' keys, from where the maps are used: the use that tells most is taken, of equals the
/// first.
pub(crate) fn key_names(script: &Script) -> KeyNames {
    let mut found: Vec<(String, Vec<Option<String>>)> = Vec::new();
    let mut look = |expr: &mut Expr| {
        if let ExprKind::Map(map, Some(key)) = &expr.kind {
            let names = parts(key);
            let known = |names: &[Option<String>]| names.iter().flatten().count();
            match found.iter_mut().find(|(name, _)| name == map) {
                Some((_, before)) if known(before) >= known(&names) => {}
                Some((_, before)) => *before = names,
                None => found.push((map.clone(), names)),
            }
        }
        true
    };
    for probe in &script.probes {
        let mut probe = probe.clone();
        if let Some(predicate) = &mut probe.predicate {
            visit::expr(predicate, &mut look);
        }
        visit::stmts(&mut probe.body, &mut look);
    }
    found
        .into_iter()
        .map(|(map, names)| (map, distinct(names)))
        .collect()
}

fn parts(key: &Expr) -> Vec<Option<String>> {
    match &key.kind {
        ExprKind::Tuple(parts) => parts.iter().map(name).collect(),
        _ => vec![name(key)],
    }
}

/// What an expression is called; nothing where it is a number, a parameter or the like.
fn name(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Ident(name) | ExprKind::Var(name) | ExprKind::Field(_, name) => {
            Some(name.trim_start_matches('$').to_owned())
        }
        ExprKind::Map(name, _) => Some(name.trim_start_matches('@').to_owned()),
        ExprKind::Call(call) => {
            let argument = call.args.first().and_then(name);
            Some(argument.unwrap_or_else(|| call.name.clone()))
        }
        ExprKind::Cast(_, of)
        | ExprKind::Unary(_, of)
        | ExprKind::Binary(_, of, _)
        | ExprKind::Index(of, _) => name(of),
        _ => None,
    }
    .filter(|name| !name.is_empty())
}

/// `key`, or `key1`, `key2`, for those without a name; a number behind those that come again.
fn distinct(names: Vec<Option<String>>) -> Vec<String> {
    let is_one = names.len() == 1;
    let mut distinct: Vec<String> = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let name = match name {
            Some(name) if distinct.contains(&name) => format!("{name}{}", index + 1),
            Some(name) => name,
            None if is_one => "key".to_owned(),
            None => format!("key{}", index + 1),
        };
        distinct.push(name);
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Diagnostics, parse};

    fn names(body: &str) -> Vec<String> {
        let source = format!("BEGIN {{ {body} }}");
        let script = parse::parse(&source, &[], &mut Diagnostics::default());
        let names = key_names(&script).into_iter();
        names
            .map(|(map, names)| format!("{map}: {}", names.join(" ")))
            .collect()
    }

    #[test]
    fn parts_are_called_as_they_are_written() {
        assert_eq!(names("@a[comm] = 1"), ["@a: comm"]);
        assert_eq!(
            names("@a[pid, args.fd, str(args->name), curtask->cred->uid] = 1"),
            ["@a: pid fd name uid"]
        );
        assert_eq!(
            names("@a[kstack(3), $x, (uint8)$y / 2, -@b[0]] = 1"),
            ["@a: kstack x y b", "@b: key"]
        );
        assert_eq!(names("@a[1, 2] = 1; @c = 1"), ["@a: key1 key2"]);
    }

    #[test]
    fn the_use_that_tells_most_is_taken() {
        assert_eq!(names("@a[0] = 1; @a[cpu] = 2; @a[tid] = 3"), ["@a: cpu"]);
        assert_eq!(
            names("if (@a[comm, comm] > 0) { delete(@a, (1, 2)); }"),
            ["@a: comm comm2"]
        );
    }
}
