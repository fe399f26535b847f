//! Which CPUs there may be (per-CPU map values come as one for each of them), and which are at work.

use std::{fs, io};

/// Where the kernel lists the CPUs that may ever be there.
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// Where it lists those that are at work.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// The number of possible CPUs.
pub fn possible() -> io::Result<usize> {
    let text = fs::read_to_string(POSSIBLE)?;
    let highest = highest(&text).ok_or_else(|| not_a_list(POSSIBLE, &text))?;
    Ok(highest + 1)
}

/// The CPUs that are at work.
pub fn online() -> io::Result<Vec<usize>> {
    let text = fs::read_to_string(ONLINE)?;
    all(&text).ok_or_else(|| not_a_list(ONLINE, &text))
}

fn not_a_list(path: &str, text: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{path}: cannot read {:?} as a list of CPUs", text.trim()),
    )
}

/// The numbers of a list such as `0-3,8`.
fn all(list: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.parse().ok()?;
        numbers.extend(first..=last.parse().ok()?);
    }
    Some(numbers)
}

/// The highest number of a list such as `0-3,8`.
fn highest(list: &str) -> Option<usize> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        assert_eq!(all("0-2,8\n"), Some(vec![0, 1, 2, 8]));
        assert_eq!(all("0\n"), Some(vec![0]));
        assert_eq!(all("\n"), None);
    }

    #[test]
    fn the_last_of_a_list_is_the_highest() {
        assert_eq!(highest("0-1\n"), Some(1));
        assert_eq!(highest("0\n"), Some(0));
        assert_eq!(highest("0-3,8-11"), Some(11));
        assert_eq!(highest("0-3,8"), Some(8));
        assert_eq!(highest(""), None);
    }
}
