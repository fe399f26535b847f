//! How many CPUs there may be: per-CPU map values come as one for each of them.

use std::{fs, io};

/// Where the kernel lists the CPUs that may ever be there.
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// The number of possible CPUs.
pub fn possible() -> io::Result<usize> {
    let text = fs::read_to_string(POSSIBLE)?;
    highest(&text).map(|cpu| cpu + 1).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{POSSIBLE}: cannot read {:?} as a list of CPUs",
                text.trim()
            ),
        )
    })
}

/// The highest number of a list such as `0-3,8`.
fn highest(list: &str) -> Option<usize> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_list_is_the_highest() {
        assert_eq!(highest("0-1\n"), Some(1));
        assert_eq!(highest("0\n"), Some(0));
        assert_eq!(highest("0-3,8-11"), Some(11));
        assert_eq!(highest("0-3,8"), Some(8));
        assert_eq!(highest(""), None);
    }
}
