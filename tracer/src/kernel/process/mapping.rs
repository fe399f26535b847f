//! A line of `/proc/PID/maps`: `man 5 proc_pid_maps`.

/// What is mapped, as it is written there.
#[derive(Debug)]
pub(super) struct Mapping<'a> {
    /// The first address and the one behind the last, in hexadecimal.
    pub(super) addresses: &'a str,
    /// In hexadecimal.
    pub(super) offset: &'a str,
    pub(super) device: &'a str,
    pub(super) inode: &'a str,
    /// Of the file, or what it is instead; empty where it has no name.
    pub(super) path: &'a str,
}

/// What a line of `ADDRESSES PERMISSIONS OFFSET DEVICE INODE PATH` maps, where that is code.
pub(super) fn of_code(line: &str) -> Option<Mapping<'_>> {
    let mut rest = line;
    let mut word = || {
        let trimmed = rest.trim_start();
        let (word, behind) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
        rest = behind;
        word
    };
    let (addresses, permissions, offset) = (word(), word(), word());
    let (device, inode) = (word(), word());
    permissions.contains('x').then(|| Mapping {
        addresses,
        offset,
        device,
        inode,
        path: rest.trim_start(),
    })
}
