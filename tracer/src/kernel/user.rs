//! Names of users, from `/etc/passwd`.
//!
//! A static program cannot ask the name services (LDAP, systemd-userdb): users that are only there are
//! shown by their numbers. Source: `man 5 passwd`.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// The least time between two looks at whether the file has changed.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Users that are kept.
const MAX_USERS: usize = 100_000;

/// A table of users. A user that is not in it may have been added since: the file is read again where
/// it has changed.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    names: HashMap<u32, String>,
    modified: Option<SystemTime>,
    checked: Option<Instant>,
}

impl Default for Users {
    fn default() -> Self {
        Self::new()
    }
}

impl Users {
    /// The users of this host. The file is read when the first one is asked for.
    pub fn new() -> Self {
        Self::of("/etc/passwd")
    }

    fn of(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            names: HashMap::new(),
            modified: None,
            checked: None,
        }
    }

    /// The name of a user, where the file has one.
    pub fn name(&mut self, uid: u32) -> Option<&str> {
        let due = || {
            self.checked
                .is_none_or(|checked| checked.elapsed() >= CHECK_INTERVAL)
        };
        if !self.names.contains_key(&uid) && due() {
            self.refresh();
        }
        self.names.get(&uid).map(String::as_str)
    }

    /// The name of a user, or else the number.
    pub fn label(&mut self, uid: u32) -> String {
        self.name(uid)
            .map_or_else(|| uid.to_string(), str::to_owned)
    }

    /// Reads the file where it has changed. A host without one has no names.
    fn refresh(&mut self) {
        self.checked = Some(Instant::now());
        let read = modified(&self.path).and_then(|modified| {
            if self.modified != Some(modified) {
                self.names = parse(&fs::read(&self.path)?);
                self.modified = Some(modified);
            }
            Ok(())
        });
        if let Err(error) = read {
            log::debug!("no names of users from {}: {error}", self.path.display());
        }
    }
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// The numbers of a user and of its group, by its name.
pub fn find(name: &str) -> io::Result<Option<(u32, u32)>> {
    let passwd = fs::read("/etc/passwd")?;
    Ok(find_in(&passwd, name))
}

fn find_in(passwd: &[u8], name: &str) -> Option<(u32, u32)> {
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse().ok();
    passwd.split(|&byte| byte == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        match fields.as_slice() {
            [known, _, uid, gid, ..] if *known == name.as_bytes() => {
                Some((number(uid)?, number(gid)?))
            }
            _ => None,
        }
    })
}

/// Lines of `NAME:PASSWORD:UID:…`. Where several users share a number the first one counts, as for
/// `getpwuid(3)`.
fn parse(passwd: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in passwd.split(|&byte| byte == b'\n').take(MAX_USERS) {
        let mut fields = line.split(|&byte| byte == b':');
        let (Some(name), Some(uid)) = (fields.next(), fields.nth(1)) else {
            continue;
        };
        let uid = std::str::from_utf8(uid)
            .ok()
            .and_then(|uid| uid.parse().ok());
        // Lines of the old NIS begin with a plus or a minus.
        if let (Some(uid), Some(first)) = (uid, name.first())
            && !b"+-#".contains(first)
        {
            names
                .entry(uid)
                .or_insert_with(|| String::from_utf8_lossy(name).into_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_passed_over() {
        let names = parse(
            b"root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/:\nodd\xff:x:7\n\n#x:x:8:\n+nis:x:9:\n\
              :x:10:\nshort:x\nnegative:x:-1:\nhuge:x:4294967296:\nnobody:x:4294967294:",
        );
        let get = |uid: u32| names.get(&uid).map(String::as_str);
        assert_eq!(names.len(), 3);
        assert_eq!((get(0), get(7)), (Some("root"), Some("odd\u{fffd}")));
        assert_eq!(get(4_294_967_294), Some("nobody"));
    }

    #[test]
    fn users_are_found_by_their_names() {
        let passwd = b"a:x:1:2::/:\nb:x:3\nc:x:y:4:\n";
        assert_eq!(find_in(passwd, "a"), Some((1, 2)));
        for name in ["b", "c", "d", ""] {
            assert_eq!(find_in(passwd, name), None, "{name}");
        }
    }

    #[test]
    fn root_has_a_name_on_this_host() {
        let mut users = Users::new();
        assert_eq!(users.name(0), Some("root"));
        assert_eq!(users.label(4_123_456_789), "4123456789");
    }

    #[test]
    fn a_user_who_was_added_is_found() {
        let path = std::env::temp_dir().join(format!("tracer-passwd-{}", std::process::id()));
        fs::write(&path, "a:x:1:").expect("files can be written");
        let mut users = Users::of(&path);
        assert_eq!((users.label(1), users.label(2)), ("a".into(), "2".into()));
        fs::write(&path, "a:x:1:\nb:x:2:").expect("files can be written");
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(later))
            .expect("times can be set");
        // Not looked at again so soon.
        assert_eq!(users.name(2), None);
        users.checked = Instant::now().checked_sub(CHECK_INTERVAL);
        assert_eq!((users.label(2), users.label(1)), ("b".into(), "a".into()));
        fs::remove_file(&path).expect("files can be removed");
        users.checked = None;
        assert_eq!((users.label(3), users.label(1)), ("3".into(), "a".into()));
    }
}
