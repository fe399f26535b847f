//! Telling systemd how the exporter is: `man 3 sd_notify`. Nothing is told where no one asked, by `NOTIFY_SOCKET`.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

/// Where to tell it.
pub struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says.
    pub fn new() -> io::Result<Self> {
        let socket = match env::var_os("NOTIFY_SOCKET") {
            Some(name) if !name.is_empty() => Some((UnixDatagram::unbound()?, address(&name)?)),
            _ => None,
        };
        Ok(Self {
            socket,
            watchdog: env::var("WATCHDOG_USEC")
                .ok()
                .and_then(|text| period(&text)),
        })
    }

    /// How often [`Notify::alive`] is to be told, where someone watches.
    pub fn watchdog(&self) -> Option<Duration> {
        self.socket.as_ref().and(self.watchdog)
    }

    /// All sources are attached, and scrapes are served.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is read again; [`Notify::ready`] follows. `now_us` is of `CLOCK_MONOTONIC`.
    pub fn reloading(&self, now_us: u64) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}"));
    }

    /// The end begins.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Tracing goes on.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, what: &str) {
        let Some((socket, address)) = &self.socket else {
            return;
        };
        if let Err(error) = socket.send_to_addr(what.as_bytes(), address) {
            log::warn!("cannot tell systemd {what:?}: {error}");
        }
    }
}

/// A path, or behind an `@` an abstract name.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name),
        _ => SocketAddr::from_pathname(name),
    }
}

/// Half of the time after which one counts as dead.
fn period(microseconds: &str) -> Option<Duration> {
    let microseconds: u64 = microseconds.parse().ok()?;
    (microseconds > 0)
        .then(|| Duration::from_micros(microseconds / 2).max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_arrives() {
        let name = format!("tracer-notify-{}", std::process::id());
        let address = address(OsStr::new(&format!("@{name}"))).expect("a name");
        let systemd = UnixDatagram::bind_addr(&address).expect("bound");
        let notify = Notify {
            socket: Some((UnixDatagram::unbound().expect("made"), address)),
            watchdog: period("3000000"),
        };
        assert_eq!(notify.watchdog(), Some(Duration::from_millis(1500)));
        notify.ready("2 sources");
        let mut told = [0; 100];
        let length = systemd.recv(&mut told).expect("told");
        assert_eq!(&told[..length], b"READY=1\nSTATUS=2 sources");
    }

    #[test]
    fn no_one_watches_without_a_time() {
        assert_eq!(period("0"), None);
        assert_eq!(period("x"), None);
    }
}
