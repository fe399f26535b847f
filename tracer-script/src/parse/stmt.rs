//! Statements and blocks.

use super::{Failed, Parsed, Parser};
use crate::{
    ast::{BinaryOp, Expr, ExprKind, LoopVar, Stmt, StmtKind},
    diagnostic::Span,
    lexer::Kind,
};

/// `+=` and its kin.
const COMPOUND: [(&str, BinaryOp); 10] = [
    ("+=", BinaryOp::Add),
    ("-=", BinaryOp::Sub),
    ("*=", BinaryOp::Mul),
    ("/=", BinaryOp::Div),
    ("%=", BinaryOp::Mod),
    ("&=", BinaryOp::BitAnd),
    ("|=", BinaryOp::BitOr),
    ("^=", BinaryOp::BitXor),
    ("<<=", BinaryOp::Shl),
    (">>=", BinaryOp::Shr),
];

impl Parser<'_> {
    /// `{ … }`, whose value is of no interest.
    pub(super) fn block(&mut self) -> Parsed<Vec<Stmt>> {
        let (mut statements, value) = self.nested(Self::block_parts)?;
        if let Some(value) = value {
            statements.push(Stmt {
                span: value.span,
                kind: StmtKind::Expr(value),
            });
        }
        Ok(statements)
    }

    /// `{ …; value }`
    pub(super) fn block_expr(&mut self) -> Parsed<Expr> {
        let start = self.token.span;
        let (statements, value) = self.nested(Self::block_parts)?;
        Ok(self.make(start, ExprKind::Block(statements, value.map(Box::new))))
    }

    /// The statements of a block, and the expression at its end that no semicolon follows.
    fn block_parts(&mut self) -> Parsed<(Vec<Stmt>, Option<Expr>)> {
        let in_predicate = std::mem::replace(&mut self.in_predicate, false);
        self.expect("{")?;
        let mut statements = Vec::new();
        let mut value = None;
        while !self.is_sign("}") {
            if matches!(self.token.kind, Kind::End | Kind::Unterminated(_)) {
                return self.unexpected("expected }");
            }
            if self.take_sign(";") {
                continue;
            }
            match self.statement() {
                Ok(statement) => {
                    let block_value = is_block_value(&statement.kind) && !self.is_sign("}");
                    if self.take_sign(";") || needs_no_semicolon(&statement.kind) || block_value {
                        statements.push(statement);
                    } else if self.is_sign("}") {
                        match statement.kind {
                            StmtKind::Expr(expr) => value = Some(expr),
                            _ => statements.push(statement),
                        }
                    } else {
                        statements.push(statement);
                        let _: Parsed<()> = self.unexpected("expected ; or }");
                        self.recover();
                    }
                }
                Err(Failed) => self.recover(),
            }
        }
        self.in_predicate = in_predicate;
        self.expect("}")?;
        Ok((statements, value))
    }

    /// Goes to the end of a statement that could not be read.
    fn recover(&mut self) {
        let mut open = 0;
        loop {
            match self.token.kind {
                Kind::End | Kind::Unterminated(_) => return,
                Kind::Sign(";") if open == 0 => {
                    self.advance();
                    return;
                }
                Kind::Sign("{") => open += 1,
                Kind::Sign("}") if open == 0 => return,
                Kind::Sign("}") => open -= 1,
                _ => {}
            }
            self.advance();
        }
    }

    fn statement(&mut self) -> Parsed<Stmt> {
        let start = self.token.span;
        let kind = self.statement_kind()?;
        Ok(Stmt {
            span: Span {
                start: start.start,
                end: self.last_end,
            },
            kind,
        })
    }

    fn statement_kind(&mut self) -> Parsed<StmtKind> {
        if self.token.kind == Kind::Word {
            match self.text() {
                "if" => return self.nested(Self::if_statement),
                "while" => {
                    self.advance();
                    let condition = self.expr()?;
                    return Ok(StmtKind::While(condition, self.block()?));
                }
                "unroll" => {
                    self.advance();
                    let count = self.expr()?;
                    return Ok(StmtKind::Unroll(count, self.block()?));
                }
                "for" => return self.for_statement(),
                "let" => return self.let_statement(),
                // What it defines holds for the whole script.
                "import" if self.peek().kind == Kind::Str => {
                    let start = self.token.span;
                    self.import()?;
                    self.script.import_statements.push(start);
                    return Ok(StmtKind::Block(Vec::new()));
                }
                "break" => {
                    self.advance();
                    return Ok(StmtKind::Break);
                }
                "continue" => {
                    self.advance();
                    return Ok(StmtKind::Continue);
                }
                "return" => {
                    self.advance();
                    let value = match self.token.kind {
                        Kind::Sign(";" | "}") => None,
                        _ => Some(self.expr()?),
                    };
                    return Ok(StmtKind::Return(value));
                }
                _ => {}
            }
        }
        if self.is_sign("{") {
            let block = self.block_expr()?;
            return Ok(match block.kind {
                ExprKind::Block(statements, None) => StmtKind::Block(statements),
                _ => StmtKind::Expr(block),
            });
        }
        self.expr_statement()
    }

    fn expr_statement(&mut self) -> Parsed<StmtKind> {
        let target = self.expr()?;
        let Kind::Sign(sign) = self.token.kind else {
            return Ok(StmtKind::Expr(target));
        };
        let operator = COMPOUND.iter().find(|(text, _)| *text == sign);
        if sign != "=" && operator.is_none() {
            return Ok(StmtKind::Expr(target));
        }
        match &target.kind {
            ExprKind::Ident(name) if name == "_" && sign == "=" => {
                self.advance();
                return Ok(StmtKind::Discard(self.expr()?));
            }
            ExprKind::Var(_) | ExprKind::Map(..) | ExprKind::Ident(_) => {}
            ExprKind::Field(..) | ExprKind::TupleIndex(..) | ExprKind::Index(..) => {
                let span = target.span;
                return self.fail(span, "only variables and maps can be assigned to");
            }
            _ => return self.unexpected("expected ; or }"),
        }
        self.advance();
        let value = self.expr()?;
        Ok(StmtKind::Assign(
            target,
            operator.map(|&(_, operator)| operator),
            value,
        ))
    }

    fn if_statement(&mut self) -> Parsed<StmtKind> {
        self.advance();
        let condition = self.expr()?;
        let then = self.block()?;
        let other = if self.take_word("else") {
            if self.is_word("if") {
                let start = self.token.span;
                let kind = self.nested(Self::if_statement)?;
                let span = Span {
                    start: start.start,
                    end: self.last_end,
                };
                vec![Stmt { span, kind }]
            } else {
                self.block()?
            }
        } else {
            Vec::new()
        };
        Ok(StmtKind::If(condition, then, other))
    }

    fn for_statement(&mut self) -> Parsed<StmtKind> {
        self.advance();
        let parenthesis = self.take_sign("(");
        if self.token.kind != Kind::Var {
            return self.unexpected("expected a variable");
        }
        let name = self.text().to_owned();
        let span = self.advance().span;
        let id = self.next_id();
        let variable = LoopVar { name, span, id };
        self.expect(":")?;
        let first = self.unary()?;
        if self.take_sign("..") {
            let end = self.unary()?;
            if parenthesis {
                self.expect(")")?;
            }
            return Ok(StmtKind::ForRange(variable, first, end, self.block()?));
        }
        if parenthesis {
            self.expect(")")?;
        }
        match first.kind {
            ExprKind::Map(name, None) => {
                let block = self.block()?;
                Ok(StmtKind::ForMap(variable, name, first.span, block))
            }
            // A macro's parameter may stand for a map.
            _ => self.fail(first.span, "a loop goes over a map (@m) or a range (a..b)"),
        }
    }

    fn let_statement(&mut self) -> Parsed<StmtKind> {
        self.advance();
        if self.token.kind != Kind::Var {
            return self.unexpected("expected a variable");
        }
        let name = self.text().to_owned();
        self.advance();
        let kind = match self.take_sign(":") {
            true => Some(self.type_name()?),
            false => None,
        };
        let value = match self.take_sign("=") {
            true => Some(self.expr()?),
            false => None,
        };
        let id = self.next_id();
        Ok(StmtKind::Let(name, kind, value, id))
    }
}

/// `{ 1 }` as a statement: it is the value of the block around it only where nothing follows.
fn is_block_value(kind: &StmtKind) -> bool {
    matches!(kind, StmtKind::Expr(expr) if matches!(expr.kind, ExprKind::Block(..)))
}

/// True for statements that end with a block.
fn needs_no_semicolon(kind: &StmtKind) -> bool {
    matches!(
        kind,
        StmtKind::If(..)
            | StmtKind::While(..)
            | StmtKind::Unroll(..)
            | StmtKind::ForMap(..)
            | StmtKind::ForRange(..)
            | StmtKind::Block(_)
    )
}
