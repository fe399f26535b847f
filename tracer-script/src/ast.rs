//! The tree that the parser makes of a script.

mod c;
pub mod visit;

use crate::diagnostic::Span;

pub use c::{CDefinition, CDefinitions, CEnum, CField, CItem, CStruct, CType};

/// Numbers the expressions of a script, so that later passes can keep what they learn in tables beside
/// the tree.
pub type ExprId = u32;

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Its number.
    pub id: ExprId,
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

impl Expr {
    /// `$1`, or `$1 + 2`, as `str()` takes it: the number of the parameter, and how many of its bytes are left out.
    pub(crate) fn parameter(&self) -> Option<(u32, u64)> {
        match &self.kind {
            ExprKind::Positional(index) => Some((*index, 0)),
            ExprKind::Binary(BinaryOp::Add, left, right) => match (&left.kind, &right.kind) {
                (ExprKind::Positional(index), ExprKind::Int(skip)) => Some((*index, *skip)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as everywhere")]
pub enum UnaryOp {
    Neg,
    Not,
    BitNot,
    Deref,
    AddressOf,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as everywhere")]
pub enum BinaryOp {
    Or,
    And,
    BitOr,
    BitXor,
    BitAnd,
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
    Shl,
    Shr,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

impl BinaryOp {
    /// True where the outcome is a truth value.
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Gt | Le | Ge)
    }

    /// As it is written.
    pub fn text(self) -> &'static str {
        use BinaryOp::*;
        match self {
            Or => "||",
            And => "&&",
            BitOr => "|",
            BitXor => "^",
            BitAnd => "&",
            Eq => "==",
            Ne => "!=",
            Lt => "<",
            Gt => ">",
            Le => "<=",
            Ge => ">=",
            Shl => "<<",
            Shr => ">>",
            Add => "+",
            Sub => "-",
            Mul => "*",
            Div => "/",
            Mod => "%",
        }
    }
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `42`
    Int(u64),
    /// `"text"`, escapes resolved.
    Str(Vec<u8>),
    /// `true`
    Bool(bool),
    /// `$1`
    Positional(u32),
    /// `$#`
    PositionalCount,
    /// A bare word: a builtin, an enumerator, a macro's parameter.
    Ident(String),
    /// `$x`
    Var(String),
    /// `@x` or `@x[key]`
    Map(String, Option<Box<Expr>>),
    /// `!x`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `x++` and its kin.
    IncDec {
        /// A variable or a map.
        target: Box<Expr>,
        /// One more, or one less.
        increment: bool,
        /// Whether the value is that from before.
        postfix: bool,
    },
    /// `c ? a : b`; without the middle, the condition itself is the value where it is true.
    Ternary(Box<Expr>, Option<Box<Expr>>, Box<Expr>),
    /// `if c { …; a } else { …; b }`
    If(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
    /// `f(a, b)`
    Call(Call),
    /// `(type)x`
    Cast(TypeName, Box<Expr>),
    /// `x.name`, `x->name`
    Field(Box<Expr>, String),
    /// `x.0`
    TupleIndex(Box<Expr>, u32),
    /// `x[i]`
    Index(Box<Expr>, Box<Expr>),
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `(a = 1, b = 2)`
    Record(Vec<(String, Expr)>),
    /// `sizeof(x)`
    Sizeof(Box<TypeOrExpr>),
    /// `offsetof(x, a.b)`
    Offsetof(Box<TypeOrExpr>, Vec<String>),
    /// A type where a value may stand: an argument such as `typeof(x)` or `struct foo`.
    Type(TypeName),
    /// `{ statements; value }`
    Block(Vec<Stmt>, Option<Box<Expr>>),
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// Its arguments.
    pub args: Vec<Expr>,
}

/// A type, or an expression whose type is meant.
#[derive(Clone, Debug)]
pub enum TypeOrExpr {
    /// A type.
    Type(TypeName),
    /// An expression.
    Expr(Expr),
}

/// A type as it is written.
#[derive(Clone, Debug)]
pub struct TypeName {
    /// Where.
    pub span: Span,
    /// Its beginning.
    pub base: TypeBase,
    /// What stands behind, in order.
    pub suffixes: Vec<TypeSuffix>,
}

/// The beginning of a type.
#[derive(Clone, Debug)]
pub enum TypeBase {
    /// `uint32`, `unsigned long`, `pid_t`
    Named(String),
    /// `struct x`, `union x`: with the keyword.
    Struct(String),
    /// `enum x`
    Enum(String),
    /// `typeof(x)`
    Typeof(Box<TypeOrExpr>),
    /// `(int32, string)`
    Tuple(Vec<TypeName>),
    /// A function of C, of which only the address is seen.
    Function,
}

/// What stands behind a type.
#[derive(Clone, Debug)]
pub enum TypeSuffix {
    /// `*`
    Pointer,
    /// `[4]`, or `[]`
    Array(Option<Box<Expr>>),
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: StmtKind,
}

/// What a statement is.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// An expression.
    Expr(Expr),
    /// `a = b`, `a += b`
    Assign(Expr, Option<BinaryOp>, Expr),
    /// `let $x: type = value`
    Let(String, Option<TypeName>, Option<Expr>, ExprId),
    /// `_ = x`
    Discard(Expr),
    /// `if c {} else {}`
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    /// `while (c) {}`
    While(Expr, Vec<Stmt>),
    /// `unroll(n) {}`
    Unroll(Expr, Vec<Stmt>),
    /// `for ($kv : @map) {}`
    ForMap(LoopVar, String, Span, Vec<Stmt>),
    /// `for ($i : a..b) {}`
    ForRange(LoopVar, Expr, Expr, Vec<Stmt>),
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `return x`
    Return(Option<Expr>),
    /// `{ … }`
    Block(Vec<Stmt>),
}

/// The variable that a loop declares.
#[derive(Clone, Debug)]
pub struct LoopVar {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// The number that its type is kept by.
    pub id: ExprId,
}

/// An attach point as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachPoint {
    /// Where it stands.
    pub span: Span,
    /// As it is written, positional parameters put in.
    pub text: String,
    /// The parts between colons, quotes removed.
    pub parts: Vec<String>,
}

/// A probe with its block.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Where its head stands.
    pub span: Span,
    /// Where it is attached.
    pub points: Vec<AttachPoint>,
    /// What must be true for the block to run.
    pub predicate: Option<Expr>,
    /// The block.
    pub body: Vec<Stmt>,
}

/// `let @m = hash(100);`
#[derive(Clone, Debug)]
pub struct MapDecl {
    /// Where it stands.
    pub span: Span,
    /// The map's name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its arguments.
    pub args: Vec<Expr>,
}

/// A macro.
#[derive(Clone, Debug)]
pub struct Macro {
    /// Where its head stands.
    pub span: Span,
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub params: Vec<MacroParam>,
    /// Its body: a block.
    pub body: Expr,
}

/// A macro's parameter, which says what must be passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MacroParam {
    /// `$x`: a variable.
    Var(String),
    /// `@x`: a map.
    Map(String),
    /// `x`: an expression.
    Expr(String),
}

/// A subprogram: `fn name($a: type): type { … }`.
#[derive(Clone, Debug)]
pub struct Function {
    /// Where its head stands.
    pub span: Span,
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub params: Vec<Param>,
    /// What it returns; nothing where none is written.
    pub returns: Option<TypeName>,
    /// Its body.
    pub body: Vec<Stmt>,
}

/// A parameter of a subprogram.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name, with the `$`.
    pub name: String,
    /// Its type.
    pub kind: TypeName,
    /// The number that it is kept by.
    pub id: ExprId,
}

/// What tokens alone do not tell of how a script is laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Attach points.
    pub heads: Vec<Span>,
    /// Where the slashes of predicates stand.
    pub slashes: Vec<u32>,
    /// Where operators with two operands stand.
    pub operators: Vec<u32>,
}

/// A whole script.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// For those who lay it out.
    pub marks: Marks,
    /// C's definitions.
    pub c: CDefinitions,
    /// The entries of the config block: key, value, place.
    pub config: Vec<(String, String, Span)>,
    /// Files that are imported.
    pub imports: Vec<(String, Span)>,
    /// Where that is said in a block.
    pub import_statements: Vec<Span>,
    /// Declarations of maps.
    pub maps: Vec<MapDecl>,
    /// Macros.
    pub macros: Vec<Macro>,
    /// Subprograms.
    pub functions: Vec<Function>,
    /// Probes.
    pub probes: Vec<Probe>,
    /// One more than the largest number of an expression.
    pub exprs: u32,
}

impl Script {
    /// Adds what was read of another file, whose expressions have numbers behind those of this one.
    pub(crate) fn append(&mut self, other: Script) {
        let Self {
            marks,
            c,
            config,
            imports,
            import_statements,
            maps,
            macros,
            functions,
            probes,
            exprs,
        } = other;
        self.marks.heads.extend(marks.heads);
        self.marks.slashes.extend(marks.slashes);
        self.marks.operators.extend(marks.operators);
        self.c.items.extend(c.items);
        self.config.extend(config);
        self.imports.extend(imports);
        self.import_statements.extend(import_statements);
        self.maps.extend(maps);
        self.macros.extend(macros);
        self.functions.extend(functions);
        self.probes.extend(probes);
        self.exprs = exprs;
    }
}
