//! A single value and its unit.

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing: a name, an id, a plain number.
    None,
    /// Things that happened.
    Count,
    /// Nanoseconds; JSON names end in `_ns`.
    Nanoseconds,
    /// Bytes; JSON names end in `_bytes`.
    Bytes,
    /// Bytes in each second; JSON names end in `_bytes_per_second`.
    BytesPerSecond,
    /// Nanoseconds since the Unix epoch; JSON names end in `_ns`, text shows the time of day.
    Timestamp,
}

/// One value of a row, an event or a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Not known, or does not apply: `-` in text, `null` in JSON.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A count, a size, a duration, an id.
    U64(u64),
    /// A number that may be negative, such as a return value.
    I64(i64),
    /// Bytes that the kernel gave: mostly UTF-8, but paths and names need not be.
    Text(Vec<u8>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text.into_bytes())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::U64(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}
