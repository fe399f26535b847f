//! Names of block devices: disks, partitions, device-mapper volumes.
//!
//! Sources: `Documentation/admin-guide/iostats.rst`, `include/linux/kdev_t.h`,
//! `block/genhd.c` (`diskstats_show()`).

use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The bytes of a sector, the unit of the block layer whatever the disk's own may be.
pub const SECTOR_BYTES: u64 = 512;

/// The least time between two readings of the table because a device was not in it.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// Devices that are kept. `/proc/diskstats` of a large host has some thousands.
const MAX_DEVICES: usize = 65_536;

/// Where device-mapper volumes have their names.
const MAPPER: &str = "/dev/mapper/";

/// The table of disks cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the disks of this host from {}: {source}", path.display())]
pub struct DiskError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The number of a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// Its driver: 12 bits.
    pub major: u32,
    /// The device of that driver: 20 bits.
    pub minor: u32,
}

impl DeviceNumber {
    /// Reads the kernel's own form, that of `dev_t` in tracepoints and structs: `MKDEV()` of
    /// `include/linux/kdev_t.h`.
    pub const fn from_kernel(dev: u32) -> Self {
        Self {
            major: dev >> 20,
            minor: dev & 0xf_ffff,
        }
    }

    /// The kernel's own form.
    pub const fn to_kernel(self) -> u32 {
        self.major << 20 | self.minor
    }

    /// Reads the form that system calls have: `st_rdev` of `stat(2)`.
    pub fn from_user(dev: u64) -> Self {
        Self {
            major: libc::major(dev),
            minor: libc::minor(dev),
        }
    }

    /// The form that system calls have.
    pub fn to_user(self) -> u64 {
        libc::makedev(self.major, self.minor)
    }
}

impl fmt::Display for DeviceNumber {
    /// `MAJOR:MINOR`, as in `/sys/dev/block`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// A line of `/proc/diskstats`: what a device has done since the machine started. The first two numbers
/// of reads and writes count requests that were completed, and others that were merged into them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Its name: `sda1`, `nvme0n1`, `dm-0`.
    pub name: String,
    /// Reads that were completed.
    pub reads: u64,
    /// Reads that were merged into others.
    pub reads_merged: u64,
    /// What was read, in sectors of 512 bytes.
    pub sectors_read: u64,
    /// The time of all reads together, in milliseconds.
    pub read_ms: u64,
    /// Writes that were completed.
    pub writes: u64,
    /// Writes that were merged into others.
    pub writes_merged: u64,
    /// What was written, in sectors of 512 bytes.
    pub sectors_written: u64,
    /// The time of all writes together, in milliseconds.
    pub write_ms: u64,
    /// Requests on their way.
    pub in_flight: u64,
    /// The time with a request on its way, in milliseconds.
    pub busy_ms: u64,
}

impl DiskStats {
    /// `MAJOR MINOR NAME` and at least 11 numbers; from Linux 4.18 and 5.5 on there are more, of
    /// discards and flushes.
    fn parse(line: &str) -> Option<(DeviceNumber, Self)> {
        let mut fields = line.split_ascii_whitespace();
        let major = fields.next()?.parse().ok()?;
        let minor = fields.next()?.parse().ok()?;
        let name = fields.next()?.to_owned();
        let mut number = || fields.next()?.parse::<u64>().ok();
        let stats = Self {
            name,
            reads: number()?,
            reads_merged: number()?,
            sectors_read: number()?,
            read_ms: number()?,
            writes: number()?,
            writes_merged: number()?,
            sectors_written: number()?,
            write_ms: number()?,
            in_flight: number()?,
            busy_ms: number()?,
        };
        Some((DeviceNumber { major, minor }, stats))
    }
}

/// The devices in the text of `/proc/diskstats`. Lines that are not understood are passed over.
pub fn parse_diskstats(text: &str) -> impl Iterator<Item = (DeviceNumber, DiskStats)> {
    text.lines().filter_map(DiskStats::parse).take(MAX_DEVICES)
}

/// What all block devices of this host have done.
pub fn diskstats() -> Result<Vec<(DeviceNumber, DiskStats)>, DiskError> {
    const PATH: &str = "/proc/diskstats";
    match fs::read_to_string(PATH) {
        Ok(text) => Ok(parse_diskstats(&text).collect()),
        Err(source) => Err(DiskError {
            path: PATH.into(),
            source,
        }),
    }
}

/// The names of this host's block devices.
#[derive(Debug)]
pub struct Disks {
    names: HashMap<DeviceNumber, String>,
    refreshed: Option<Instant>,
}

impl Disks {
    /// Reads the table.
    pub fn open() -> Result<Self, DiskError> {
        let mut disks = Self {
            names: HashMap::new(),
            refreshed: None,
        };
        disks.refresh()?;
        Ok(disks)
    }

    /// Reads the table again. Devices that are gone keep their names until another one has their number.
    pub fn refresh(&mut self) -> Result<(), DiskError> {
        self.refreshed = Some(Instant::now());
        let devices = diskstats()?;
        if self.names.len() + devices.len() > MAX_DEVICES {
            self.names.clear();
        }
        self.names.extend(
            devices
                .into_iter()
                .map(|(number, stats)| (number, stats.name)),
        );
        Ok(())
    }

    /// The name of a device: `nvme0n1p1`. One that is not in the table may have been added since: the
    /// table is read again, at most once a second. `None` where the device is unknown.
    pub fn name(&mut self, number: DeviceNumber) -> Option<&str> {
        if !self.names.contains_key(&number) {
            self.look_again(number);
        }
        self.names.get(&number).map(String::as_str)
    }

    /// The name of a device, or else its number: `259:3`.
    pub fn label(&mut self, number: DeviceNumber) -> String {
        self.name(number)
            .map_or_else(|| number.to_string(), str::to_owned)
    }

    fn look_again(&mut self, number: DeviceNumber) {
        let due = self
            .refreshed
            .is_none_or(|last| last.elapsed() >= REFRESH_INTERVAL);
        if !due {
            return;
        }
        if let Err(error) = self.refresh() {
            log::debug!("{error}");
        }
        // Disks without a capacity and hidden ones are not in the table.
        if !self.names.contains_key(&number)
            && let Some(name) = name_in_sysfs(number)
        {
            self.names.insert(number, name);
        }
    }

    /// The number of the device that people call `sda1`, `/dev/sda1`, `/dev/disk/by-uuid/…`,
    /// `/dev/mapper/root`, or `8:1`; `None` where there is none.
    pub fn number(&self, name: &str) -> Option<DeviceNumber> {
        let of_name = |name: &str| {
            self.names
                .iter()
                .find(|(_, known)| *known == name)
                .map(|(&number, _)| number)
        };
        of_name(name)
            .or_else(|| number_of_node(Path::new(name)))
            .or_else(|| self.known(parse_number(name)?))
            .or_else(|| self.number_of_volume(name.strip_prefix(MAPPER).unwrap_or(name)))
    }

    /// The names of all devices, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.values().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    fn known(&self, number: DeviceNumber) -> Option<DeviceNumber> {
        self.names.contains_key(&number).then_some(number)
    }

    fn number_of_volume(&self, volume: &str) -> Option<DeviceNumber> {
        let mut mapped = self
            .names
            .iter()
            .filter(|(_, name)| name.starts_with("dm-"));
        let found = mapped.find(|&(&number, _)| volume_name(number).as_deref() == Some(volume));
        found.map(|(&number, _)| number)
    }
}

/// What a device-mapper volume is called, such as `vg0-root` for `dm-0`; `None` for other devices.
pub fn volume_name(number: DeviceNumber) -> Option<String> {
    let name = fs::read_to_string(format!("/sys/dev/block/{number}/dm/name")).ok()?;
    Some(name.trim_end().to_owned())
}

/// The name of a device by the link in sysfs, which ends with it.
fn name_in_sysfs(number: DeviceNumber) -> Option<String> {
    let target = fs::read_link(format!("/sys/dev/block/{number}")).ok()?;
    // The kernel writes a slash in a device's name as `!`: cciss/c0d0.
    Some(target.file_name()?.to_string_lossy().replace('!', "/"))
}

/// The number of the device whose node in the file system this is.
fn number_of_node(path: &Path) -> Option<DeviceNumber> {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    let facts = fs::metadata(path).ok().filter(|_| path.is_absolute())?;
    facts
        .file_type()
        .is_block_device()
        .then(|| DeviceNumber::from_user(facts.rdev()))
}

fn parse_number(text: &str) -> Option<DeviceNumber> {
    let (major, minor) = text.split_once(':')?;
    Some(DeviceNumber {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_forms() {
        let number = DeviceNumber {
            major: 259,
            minor: 0x1_2345,
        };
        assert_eq!(number.to_kernel(), 0x1031_2345);
        assert_eq!(DeviceNumber::from_kernel(0x1031_2345), number);
        assert_eq!(DeviceNumber::from_user(number.to_user()), number);
        assert_eq!(DeviceNumber { major: 8, minor: 1 }.to_user(), 0x801);
        assert_eq!(number.to_string(), "259:74565");
    }

    #[test]
    fn diskstats_of_old_and_new_kernels_are_read() {
        let text = "   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11\n\
                    259       0 nvme0n1 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37\n\
                    8 2 short 1 2 3\n\nx y z\n";
        let devices: Vec<_> = parse_diskstats(text).collect();
        assert_eq!(devices.len(), 2);
        assert_eq!(devices[0].0, DeviceNumber { major: 8, minor: 1 });
        let expected = DiskStats {
            name: "sda1".into(),
            reads: 1,
            reads_merged: 2,
            sectors_read: 3,
            read_ms: 4,
            writes: 5,
            writes_merged: 6,
            sectors_written: 7,
            write_ms: 8,
            in_flight: 9,
            busy_ms: 10,
        };
        assert_eq!(devices[0].1, expected);
        assert_eq!(
            (devices[1].1.name.as_str(), devices[1].1.busy_ms),
            ("nvme0n1", 30)
        );
    }

    #[test]
    fn the_disks_of_this_host_have_the_names_that_sysfs_gives() {
        let mut disks = Disks::open().expect("/proc is mounted");
        for (number, _) in diskstats().expect("/proc is mounted") {
            let name = disks
                .name(number)
                .map(str::to_owned)
                .expect("it is in the table");
            assert_eq!(name_in_sysfs(number).as_deref(), Some(name.as_str()));
            assert_eq!(disks.number(&name), Some(number));
            assert_eq!(disks.number(&number.to_string()), Some(number));
            let node = format!("/dev/{name}");
            if Path::new(&node).exists() {
                assert_eq!(disks.number(&node), Some(number));
            }
        }
    }

    #[test]
    fn unknown_devices_are_shown_by_number() {
        let mut disks = Disks::open().expect("/proc is mounted");
        let unknown = DeviceNumber {
            major: 4000,
            minor: 1_000_000,
        };
        disks.refreshed = None;
        assert_eq!(disks.label(unknown), "4000:1000000");
        for name in ["", "nosuchdisk", "/dev/null", "/dev", "4000:1", "x:y"] {
            assert_eq!(disks.number(name), None, "{name}");
        }
    }

    #[test]
    fn a_disk_that_was_forgotten_is_found_again() {
        let mut disks = Disks::open().expect("/proc is mounted");
        let Some((number, stats)) = diskstats().expect("/proc is mounted").into_iter().next()
        else {
            eprintln!("SKIPPED: this host has no block device");
            return;
        };
        disks.names.clear();
        assert_eq!(disks.name(number), None, "the table was read a moment ago");
        disks.refreshed = None;
        assert_eq!(disks.name(number), Some(stats.name.as_str()));
    }
}
