//! Strings as the kernel keeps them.

/// A name without the NULs behind it.
pub fn trim(comm: &[u8]) -> &[u8] {
    comm.split(|&byte| byte == 0).next().unwrap_or_default()
}
