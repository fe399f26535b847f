//! Where a parameter is when its function begins.

use gimli::{DebuggingInformationEntry, Expression, Operation, Register, Unit};

use super::Slice;

/// Where a parameter is at the function's first instruction, as far as the compiler says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtEntry {
    /// In the register of this number, by DWARF's numbering of the processor's registers.
    Register(u16),
    /// One part behind the other, each in a register, with its bytes.
    Registers(Vec<(u16, u64)>),
    /// Where the convention for calls has it: all else that is told is the place that the function keeps it at later.
    ByConvention,
    /// It is not told, of code that others cannot call by the convention.
    Untold,
    /// Nowhere: the compiler has removed it from this code.
    Removed,
}

/// What the location of a parameter says of the function's first instruction, which is at `address`. `alone` is for
/// code that others cannot call by the convention: what has no location there is not handed over.
pub(super) fn at_entry<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    parameter: &DebuggingInformationEntry<Slice<'a>>,
    address: u64,
    alone: bool,
) -> gimli::Result<AtEntry> {
    let or_convention = |told| match alone {
        true => told,
        false => AtEntry::ByConvention,
    };
    let Some(location) = parameter.attr_value(gimli::DW_AT_location) else {
        return Ok(or_convention(AtEntry::Removed));
    };
    let (mut places, whole) = match location.exprloc_value() {
        Some(expression) => (None, Some(expression)),
        None => (dwarf.attr_locations(unit, location)?, None),
    };
    let mut found = whole;
    while let (None, Some(places)) = (found, &mut places) {
        let Some(place) = places.next()? else {
            return Ok(or_convention(AtEntry::Untold));
        };
        if (place.range.begin..place.range.end).contains(&address) {
            found = Some(place.data);
        }
    }
    let Some(expression) = found else {
        return Ok(or_convention(AtEntry::Removed));
    };
    let held = held(unit, expression)?;
    Ok(held.unwrap_or_else(|| or_convention(AtEntry::Removed)))
}

/// What is in registers as a whole is said so; of what is in memory the place is that of later. [`None`] for what the
/// compiler knows without it, in part or as a whole.
fn held<'a>(
    unit: &Unit<Slice<'a>>,
    expression: Expression<Slice<'a>>,
) -> gimli::Result<Option<AtEntry>> {
    let mut operations = expression.operations(unit.encoding());
    let mut parts = Vec::new();
    let mut register = None;
    let mut in_memory = false;
    while let Some(operation) = operations.next()? {
        match operation {
            Operation::StackValue
            | Operation::ImplicitValue { .. }
            | Operation::ImplicitPointer { .. } => return Ok(None),
            Operation::Register {
                register: Register(number),
            } => register = Some(number),
            Operation::Piece { size_in_bits, .. } => match register.take() {
                Some(number) => parts.push((number, size_in_bits / 8)),
                None if in_memory => {}
                None => return Ok(None),
            },
            _ => in_memory = true,
        }
    }
    Ok(Some(match (in_memory, register) {
        (true, _) => AtEntry::ByConvention,
        (false, Some(number)) if parts.is_empty() => AtEntry::Register(number),
        (false, None) if !parts.is_empty() => AtEntry::Registers(parts),
        _ => AtEntry::ByConvention,
    }))
}
