//! Variables, by the blocks that they are made in.

use super::{Checker, Variable};
use crate::{ast::ExprId, diagnostic::Span, types::Type};

impl Checker<'_> {
    /// The variable that is meant; where it was made in a block that is over, it is from the next round on the
    /// whole probe's.
    pub(super) fn used_variable(&mut self, name: &str, span: Span) -> Option<usize> {
        let found = self.find_variable(name);
        if self.returns.is_some() {
            return found;
        }
        let was_made = self
            .result
            .variables
            .iter()
            .any(|variable| variable.name == name && !variable.by_let);
        if found.is_none() && was_made && !self.result.hoisted.iter().any(|known| known == name) {
            self.result.hoisted.push(name.to_owned());
            self.restart = true;
        }
        if self.result.hoisted.iter().any(|known| known == name) {
            self.diagnostics.warn_hint(
                span,
                format!("{name} is used outside of the block that it is made in: it may be zero"),
                format!("Declare it before with: let {name};"),
            );
        }
        found
    }

    pub(super) fn find_variable(&self, name: &str) -> Option<usize> {
        self.scopes
            .iter()
            .rev()
            .find_map(|scope| scope.get(name))
            .copied()
    }

    /// Makes a variable in the innermost block. Its number is the same in every round.
    pub(super) fn declare(&mut self, name: &str, kind: Type) -> usize {
        let index = self.next_variable;
        self.next_variable += 1;
        if self.result.variables.len() <= index {
            self.result.variables.push(Variable {
                name: name.to_owned(),
                kind,
                from_literal: false,
                declared: false,
                by_let: false,
                depth: self.depth,
                in_memory: false,
            });
        }
        self.scopes
            .last_mut()
            .expect("a block is open")
            .insert(name.to_owned(), index);
        index
    }

    /// Notes that an expression means this variable.
    pub(super) fn bind(&mut self, id: ExprId, index: usize) -> Type {
        self.result.bindings.insert(id, index);
        let depth = self.depth;
        let variable = &mut self.result.variables[index];
        variable.in_memory |= depth > variable.depth;
        variable.kind.clone()
    }
}
