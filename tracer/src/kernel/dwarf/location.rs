//! Where a parameter is when its function begins.

use gimli::{DebuggingInformationEntry, Expression, Operation, Register, Unit};

use super::Slice;

/// Where a parameter is at the function's first instruction, as far as the compiler says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEntry {
    /// In the register of this number, by DWARF's numbering of the processor's registers.
    Register(u16),
    /// Where the convention for calls has it: all else that is told is the place that the function keeps it at later.
    ByConvention,
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
    let untold = match alone {
        true => AtEntry::Removed,
        false => AtEntry::ByConvention,
    };
    let Some(location) = parameter.attr_value(gimli::DW_AT_location) else {
        return Ok(untold);
    };
    if let Some(expression) = location.exprloc_value() {
        return in_register(unit, expression);
    }
    let Some(mut places) = dwarf.attr_locations(unit, location)? else {
        return Ok(untold);
    };
    while let Some(place) = places.next()? {
        if (place.range.begin..place.range.end).contains(&address) {
            return in_register(unit, place.data);
        }
    }
    Ok(untold)
}

fn in_register<'a>(
    unit: &Unit<Slice<'a>>,
    expression: Expression<Slice<'a>>,
) -> gimli::Result<AtEntry> {
    let mut operations = expression.operations(unit.encoding());
    let first = operations.next()?;
    Ok(match (first, operations.next()?) {
        (
            Some(Operation::Register {
                register: Register(number),
            }),
            None,
        ) => AtEntry::Register(number),
        _ => AtEntry::ByConvention,
    })
}
