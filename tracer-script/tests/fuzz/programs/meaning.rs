//! What the grammar's scripts mean.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{
    ARGS,
    grammar::{Cond, Expr, Stmt},
};
use crate::machine::THREAD;

/// How a body is left before its end.
enum Leave {
    Break,
    Continue,
    Return,
}

type Flow = ControlFlow<Leave>;

/// What a script has left so far.
pub struct Meaning {
    vars: [i64; ARGS],
    rounds: Vec<i64>,
    counts: BTreeMap<i64, i64>,
    map: BTreeMap<i64, i64>,
    sums: BTreeMap<i64, i64>,
    /// By the only thread that there is.
    own: BTreeMap<i64, i64>,
}

impl Meaning {
    /// The maps that a script leaves, by name.
    pub fn of(body: &[Stmt], args: &[i64; ARGS]) -> Vec<(String, String)> {
        let mut meaning = Self {
            vars: *args,
            rounds: Vec::new(),
            counts: BTreeMap::new(),
            map: BTreeMap::from([(0, args[0])]),
            sums: BTreeMap::new(),
            own: BTreeMap::from([(THREAD, args[1])]),
        };
        let ended = meaning.body(body).is_break();
        let out: BTreeMap<i64, i64> = match ended {
            true => BTreeMap::new(),
            false => (0..).zip(meaning.vars).collect(),
        };
        [
            ("@c", meaning.counts),
            ("@m", meaning.map),
            ("@o", out),
            ("@s", meaning.sums),
            ("@t", meaning.own),
        ]
        .map(|(name, map)| (name.to_owned(), format!("{map:?}")))
        .to_vec()
    }

    fn body(&mut self, body: &[Stmt]) -> Flow {
        body.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    /// A loop's body for one round; breaks where the loop ends.
    fn round(&mut self, number: i64, body: &[Stmt]) -> Flow {
        self.rounds.push(number);
        let flow = self.body(body);
        self.rounds.pop();
        match flow {
            Flow::Break(Leave::Continue) => Flow::Continue(()),
            other => other,
        }
    }

    fn rounds(&mut self, range: std::ops::Range<i64>, body: &[Stmt]) -> Flow {
        for number in range {
            match self.round(number, body) {
                Flow::Break(Leave::Break) => break,
                flow => flow?,
            }
        }
        Flow::Continue(())
    }

    fn stmt(&mut self, stmt: &Stmt) -> Flow {
        match stmt {
            Stmt::Set(var, value) => self.vars[*var] = self.expr(value),
            Stmt::Change(var, operator, value) => {
                let right = self.expr(value);
                self.vars[*var] = signed(operator, self.vars[*var], right);
            }
            // The value comes before the key.
            Stmt::Put(key, value) => {
                let value = self.expr(value);
                let key = self.key(key);
                self.map.insert(key, value);
            }
            Stmt::Add(key, value) => {
                let value = self.expr(value);
                let key = self.key(key);
                let entry = self.map.entry(key).or_default();
                *entry = entry.wrapping_add(value);
            }
            Stmt::Count(key) => {
                let key = self.key(key);
                *self.counts.entry(key).or_default() += 1;
            }
            Stmt::Sum(key, value) => {
                let value = self.expr(value);
                let key = self.key(key);
                let entry = self.sums.entry(key).or_default();
                *entry = entry.wrapping_add(value);
            }
            Stmt::Delete(key) => {
                let key = self.key(key);
                self.map.remove(&key);
            }
            Stmt::PutOwn(value) => {
                let value = self.expr(value);
                self.own.insert(THREAD, value);
            }
            Stmt::AddOwn(value) => {
                let value = self.expr(value);
                let entry = self.own.entry(THREAD).or_default();
                *entry = entry.wrapping_add(value);
            }
            Stmt::DeleteOwn => {
                self.own.remove(&THREAD);
            }
            Stmt::If(cond, then, other) => match self.cond(cond) {
                true => self.body(then)?,
                false => self.body(other)?,
            },
            Stmt::Range(start, end, body) => self.rounds(*start..*end, body)?,
            Stmt::While(count, body) | Stmt::Unroll(count, body) => self.rounds(0..*count, body)?,
            Stmt::ForMap => {
                for (key, value) in &self.map {
                    let product = value.wrapping_mul(key.wrapping_add(3));
                    self.vars[0] = self.vars[0].wrapping_add(product);
                    self.vars[1] ^= value;
                }
            }
            Stmt::Break => return Flow::Break(Leave::Break),
            Stmt::Continue => return Flow::Break(Leave::Continue),
            Stmt::Return => return Flow::Break(Leave::Return),
        }
        Flow::Continue(())
    }

    fn key(&mut self, key: &Expr) -> i64 {
        self.expr(key) & 7
    }

    fn expr(&mut self, expr: &Expr) -> i64 {
        match expr {
            Expr::Literal(value) => *value,
            Expr::Var(var) => self.vars[*var],
            Expr::Round(round) => self.rounds[*round],
            Expr::Get(key) => {
                let key = self.key(key);
                self.map.get(&key).copied().unwrap_or(0)
            }
            Expr::GetOwn => self.own.get(&THREAD).copied().unwrap_or(0),
            Expr::Neg(inner) => self.expr(inner).wrapping_neg(),
            Expr::Binary(operator, is_unsigned, left, right) => {
                let left = self.expr(left);
                let right = self.expr(right);
                match is_unsigned {
                    true => unsigned(operator, left as u64, right as u64) as i64,
                    false => signed(operator, left, right),
                }
            }
            Expr::Cast(kind, inner) => {
                let value = self.expr(inner);
                match *kind {
                    "int8" => i64::from(value as i8),
                    "uint8" => i64::from(value as u8),
                    "int16" => i64::from(value as i16),
                    "uint16" => i64::from(value as u16),
                    "int32" => i64::from(value as i32),
                    "uint32" => i64::from(value as u32),
                    _ => value,
                }
            }
            Expr::Choice(cond, then, other) => match self.cond(cond) {
                true => self.expr(then),
                false => self.expr(other),
            },
            Expr::Step(var, more, after) => {
                let old = self.vars[*var];
                let new = old.wrapping_add(if *more { 1 } else { -1 });
                self.vars[*var] = new;
                if *after { old } else { new }
            }
        }
    }

    fn cond(&mut self, cond: &Cond) -> bool {
        match cond {
            Cond::Compare(operator, is_unsigned, left, right) => {
                let left = self.expr(left);
                let right = self.expr(right);
                let order = match is_unsigned {
                    true => (left as u64).cmp(&(right as u64)),
                    false => left.cmp(&right),
                };
                match *operator {
                    "==" => order.is_eq(),
                    "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
            Cond::And(left, right) => self.cond(left) && self.cond(right),
            Cond::Or(left, right) => self.cond(left) || self.cond(right),
            Cond::Not(inner) => !self.cond(inner),
            Cond::Truth(inner) => self.expr(inner) != 0,
        }
    }
}

/// Division by zero gives zero, and the rest of it the dividend: as the kernel has it.
fn signed(operator: &str, left: i64, right: i64) -> i64 {
    match operator {
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" if right == 0 => 0,
        "/" => left.wrapping_div(right),
        "%" if right == 0 => left,
        "%" => left.wrapping_rem(right),
        "&" => left & right,
        "|" => left | right,
        "^" => left ^ right,
        "<<" => left << (right & 63),
        // Without its sign, as in bpftrace.
        _ => (left as u64 >> (right & 63)) as i64,
    }
}

fn unsigned(operator: &str, left: u64, right: u64) -> u64 {
    match operator {
        "/" => left.checked_div(right).unwrap_or(0),
        "%" => left.checked_rem(right).unwrap_or(left),
        ">>" => left >> (right & 63),
        _ => signed(operator, left as i64, right as i64) as u64,
    }
}
