//! A script's maps as metrics: what they are called and mean ([`hint`]), and how what they hold becomes
//! series ([`maps`]).

mod column;
pub mod hint;
pub mod maps;
mod unit;
