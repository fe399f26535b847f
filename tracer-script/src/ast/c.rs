//! C's definitions.

use super::{Expr, TypeName, TypeSuffix};
use crate::diagnostic::Span;

/// A member of a C structure.
#[derive(Clone, Debug)]
pub struct CField {
    /// Its name; empty for an anonymous structure.
    pub name: String,
    /// Its type.
    pub kind: CType,
    /// Bits, for a bit field.
    pub bits: Option<Expr>,
    /// It may lie at any byte.
    pub packed: bool,
    /// It lies at a multiple of so many bytes, at least.
    pub align: Option<Expr>,
}

/// The type of a member.
#[derive(Clone, Debug)]
pub enum CType {
    /// A type as it may stand in a script.
    Plain(TypeName),
    /// A structure that is defined in place.
    Inline(CStruct, Vec<TypeSuffix>),
}

/// A C structure or union.
#[derive(Clone, Debug)]
pub struct CStruct {
    /// Where it stands.
    pub span: Span,
    /// With the keyword: `struct x`; made up where it has no name.
    pub name: String,
    /// A union.
    pub union: bool,
    /// Its members.
    pub fields: Vec<CField>,
    /// Without gaps between members.
    pub packed: bool,
    /// It lies at a multiple of so many bytes, at least.
    pub align: Option<Expr>,
}

/// A C enumeration.
#[derive(Clone, Debug)]
pub struct CEnum {
    /// Its name; made up where it has none.
    pub name: String,
    /// Its enumerators, with their values where these are written.
    pub values: Vec<(String, Option<Expr>)>,
    /// It takes no more bytes than its values need.
    pub packed: bool,
}

/// What C defines.
#[derive(Clone, Debug)]
pub enum CItem {
    /// A structure or union.
    Struct(CStruct),
    /// An enumeration.
    Enum(CEnum),
    /// Another name of a type.
    Typedef(String, CType),
    /// `const int NAME = VALUE`
    Constant(String, CType, Expr),
}

/// A definition of C.
#[derive(Clone, Debug)]
pub struct CDefinition {
    /// Where it stands.
    pub span: Span,
    /// What it defines.
    pub item: CItem,
    /// It is a header's: where it cannot be understood it is left out.
    pub in_header: bool,
}

/// C's definitions, in their order.
#[derive(Clone, Debug, Default)]
pub struct CDefinitions {
    /// The definitions.
    pub items: Vec<CDefinition>,
}
