//! `skboutput`: packets of the network into files that `tcpdump -r` and Wireshark read.
//!
//! Source of the format: `man 5 pcap-savefile`.

use std::{
    collections::HashMap,
    fs::File,
    future::poll_fn,
    io::{self, BufWriter, Write as _},
    ops::ControlFlow,
    rc::Rc,
    task::Poll,
};

use anyhow::{Context as _, anyhow};
use aya::maps::{
    MapData, PerfEventArray,
    perf::{PerfEvent, PerfEventArrayBuffer},
};
use tokio::io::unix::AsyncFd;
use tracer_script::program::{ActionKind, Image, PACKET_HEAD};

use crate::kernel::{cpus, sys};

/// Pages of each CPU's buffer, where the script does not say.
const PAGES: usize = 64;

const SECOND_NS: u64 = 1_000_000_000;

/// The packets of a script, as they come.
pub struct Packets {
    image: Rc<Image>,
    buffers: Vec<AsyncFd<PerfEventArrayBuffer<MapData>>>,
    files: Files,
    /// How many found no room, which has not been told yet.
    lost: u64,
}

impl Packets {
    /// Opens a buffer for each CPU, and all files. `epoch_offset_ns` is the time of day less the time since boot.
    pub fn new(
        image: Rc<Image>,
        mut array: PerfEventArray<MapData>,
        epoch_offset_ns: u64,
    ) -> anyhow::Result<Self> {
        let pages = match image.config.perf_rb_pages {
            0 => PAGES,
            pages => usize::try_from(pages)?.next_power_of_two(),
        };
        let mut buffers = Vec::new();
        for cpu in cpus::online()? {
            let failed = || format!("cannot make the buffer for packets of CPU {cpu}");
            let buffer = array.open(u32::try_from(cpu)?, Some(pages));
            let buffer = sys::readable(buffer.with_context(failed)?);
            buffers.push(buffer.with_context(failed)?);
        }
        let mut files = Files {
            epoch_offset_ns,
            by_path: HashMap::new(),
        };
        for action in &image.actions {
            if let ActionKind::SkbOutput(path) = &action.kind {
                files.create(path)?;
            }
        }
        Ok(Self {
            image,
            buffers,
            files,
            lost: 0,
        })
    }

    /// Waits for packets, and writes those that there are.
    pub async fn batch(&mut self) -> anyhow::Result<()> {
        poll_fn(|context| {
            let mut waits = true;
            for buffer in &mut self.buffers {
                match buffer.poll_read_ready_mut(context) {
                    Poll::Ready(Ok(mut guard)) => {
                        guard.clear_ready();
                        waits = false;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            }
            if waits {
                Poll::Pending
            } else {
                Poll::Ready(Ok(()))
            }
        })
        .await?;
        self.rest()
    }

    /// Writes all that is there.
    pub fn rest(&mut self) -> anyhow::Result<()> {
        let Self {
            image,
            buffers,
            files,
            lost,
        } = self;
        for buffer in buffers {
            let done = buffer.get_mut().try_fold((), |(), event| match event {
                PerfEvent::Sample { head, tail } => {
                    let record = [head, tail].concat();
                    match files.write(image, &record) {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(error) => ControlFlow::Break(error),
                    }
                }
                PerfEvent::Lost { count } => {
                    *lost += count;
                    ControlFlow::Continue(())
                }
            });
            if let ControlFlow::Break(error) = done {
                return Err(error);
            }
        }
        Ok(files.flush()?)
    }

    /// How many packets were lost since this was asked last.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// The files that packets are written to.
struct Files {
    epoch_offset_ns: u64,
    by_path: HashMap<String, BufWriter<File>>,
}

impl Files {
    /// Begins a file with its head: times in nanoseconds, version 2.4, packets of any length, which begin with the
    /// header of the internet protocol (`LINKTYPE_RAW`).
    fn create(&mut self, path: &str) -> anyhow::Result<()> {
        if self.by_path.contains_key(path) {
            return Ok(());
        }
        const MAGIC_NS: u32 = 0xa1b2_3c4d;
        const VERSION: u32 = 2 | 4 << 16;
        const LENGTH_MAX: u32 = 0xf_ffff;
        const RAW: u32 = 101;
        let failed = || format!("cannot write to {path}");
        let mut file = BufWriter::new(File::create(path).with_context(failed)?);
        for word in [MAGIC_NS, VERSION, 0, 0, LENGTH_MAX, RAW] {
            file.write_all(&word.to_ne_bytes()).with_context(failed)?;
        }
        self.by_path.insert(path.to_owned(), file);
        Ok(())
    }

    /// Writes the packet of a record.
    fn write(&mut self, image: &Image, record: &[u8]) -> anyhow::Result<()> {
        let word = |index: usize| {
            let bytes = record.get(8 * index..).and_then(|rest| rest.first_chunk());
            bytes.map(|bytes| u64::from_ne_bytes(*bytes))
        };
        let words = [word(0), word(1), word(2), word(3)];
        let [Some(number), Some(time_ns), Some(length), Some(skipped)] = words else {
            return Err(anyhow!(
                "the kernel sent a packet of {} bytes, which is too short",
                record.len()
            ));
        };
        let action = image
            .actions
            .get(number as usize)
            .map(|action| &action.kind);
        let Some(ActionKind::SkbOutput(path)) = action else {
            return Err(anyhow!(
                "the kernel sent a packet of the unknown kind {number}"
            ));
        };
        let Some(file) = self.by_path.get_mut(path) else {
            return Err(anyhow!("there is no file {path}"));
        };
        let start = (PACKET_HEAD as usize).saturating_add(skipped as usize);
        let end = (PACKET_HEAD as usize).saturating_add(length as usize);
        let packet = record.get(start..end.min(record.len())).unwrap_or_default();
        let epoch_ns = time_ns.wrapping_add(self.epoch_offset_ns);
        let size = packet.len() as u32;
        let head = [
            (epoch_ns / SECOND_NS) as u32,
            (epoch_ns % SECOND_NS) as u32,
            size,
            size,
        ];
        let written = head
            .iter()
            .try_for_each(|word| file.write_all(&word.to_ne_bytes()))
            .and_then(|()| file.write_all(packet));
        written.with_context(|| format!("cannot write to {path}"))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.by_path.values_mut().try_for_each(BufWriter::flush)
    }
}

#[cfg(test)]
mod tests {
    use tracer_script::{Span, program::Action};

    use super::*;

    #[test]
    fn packets_are_written_with_their_time_and_without_what_is_skipped() {
        let path = std::env::temp_dir().join(format!("tracer-pcap-{}", std::process::id()));
        let name = path.to_string_lossy().into_owned();
        let image = Image {
            actions: vec![Action {
                kind: ActionKind::SkbOutput(name.clone()),
                span: Span::default(),
                args: Vec::new(),
            }],
            ..Image::default()
        };
        let mut files = Files {
            epoch_offset_ns: 5 * SECOND_NS,
            by_path: HashMap::new(),
        };
        files.create(&name).expect("it can be made");
        let words = [0u64, 2 * SECOND_NS + 7, 6, 2];
        let mut record: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        // The kernel adds bytes up to a multiple of 8.
        record.extend(b"ETiptcxx");
        files.write(&image, &record).expect("it is whole");
        assert!(files.write(&image, &record[..20]).is_err());
        files.flush().expect("there is room");
        let written = std::fs::read(&path).expect("it is there");
        std::fs::remove_file(&path).expect("it is there");
        let (head, packet) = written.split_at(24);
        assert_eq!(head[..4], 0xa1b2_3c4d_u32.to_ne_bytes());
        assert_eq!(head[20..], 101u32.to_ne_bytes());
        let words: Vec<u8> = [7u32, 7, 4, 4]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        assert_eq!(packet, [words.as_slice(), b"iptc"].concat());
    }

    #[test]
    fn files_that_cannot_be_made_are_told() {
        let mut files = Files {
            epoch_offset_ns: 0,
            by_path: HashMap::new(),
        };
        let error = files
            .create("/no/such/folder/x.pcap")
            .expect_err("no folder");
        assert!(error.to_string().contains("/no/such/folder/x.pcap"));
    }
}
