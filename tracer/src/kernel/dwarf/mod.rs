//! Debug information of programs and libraries (DWARF): where lines of the source are, what functions take, and how
//! types lie in memory.
//!
//! Source: the DWARF standard, version 5. Every answer is looked for when it is asked for: nothing is made a table of,
//! as large programs have gigabytes of this.

mod class;
pub mod folders;
mod function;
mod lines;
mod location;
mod names;
mod types;

use std::{
    borrow::Cow,
    collections::HashMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use gimli::{EndianSlice, RunTimeEndian, SectionId, Unit};
use object::{Architecture, CompressionFormat, Object as _, ReadRef};

pub use function::{Function, Language, Parameter};
pub use lines::LinePlace;
pub use location::AtEntry;
pub use types::{Kind, Member, Structure};

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// The debug information of a file.
pub struct Dwarf {
    sections: HashMap<&'static str, Vec<u8>>,
    endian: RunTimeEndian,
    machine: Architecture,
    path: PathBuf,
}

/// A place among the debug information: the number of a type, or of another entry.
pub type Entry = usize;

/// The sections that are read.
const SECTIONS: [SectionId; 13] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
];

impl Dwarf {
    /// The debug information of a file: its own, or what was put apart. [`None`] where there is none.
    ///
    /// The error says that a file is not one of a program, or damaged.
    pub fn of(path: &Path) -> anyhow::Result<Option<Self>> {
        if let Some(found) = Self::in_file(path)? {
            return Ok(Some(found));
        }
        match apart(path)? {
            Some(other) => Self::in_file(&other),
            None => Ok(None),
        }
    }

    fn in_file(path: &Path) -> anyhow::Result<Option<Self>> {
        let data = fs::read(path)?;
        let file = object::File::parse(data.as_slice())?;
        let endian = match file.is_little_endian() {
            true => RunTimeEndian::Little,
            false => RunTimeEndian::Big,
        };
        let mut sections = HashMap::new();
        for id in SECTIONS {
            let Some(section) = file.section_by_name(id.name()) else {
                continue;
            };
            sections.insert(id.name(), plain(&section)?);
        }
        let has_some = sections
            .get(SectionId::DebugInfo.name())
            .is_some_and(|data: &Vec<u8>| !data.is_empty());
        Ok(has_some.then(|| Self {
            sections,
            endian,
            machine: file.architecture(),
            path: path.to_owned(),
        }))
    }

    /// Which argument of a function a register holds, by DWARF's number: 0 for the first; [`None`] for a register that
    /// holds none by the convention for calls.
    ///
    /// Source: System V ABI for x86-64, table 3.36; DWARF for the Arm 64-bit architecture, section 4.1.
    pub fn argument_in(&self, register: u16) -> Option<usize> {
        const X86_64: [u16; 6] = [5, 4, 1, 2, 8, 9];
        match self.machine {
            Architecture::X86_64 => X86_64.iter().position(|&known| known == register),
            Architecture::Aarch64 => (register < 8).then_some(register.into()),
            _ => None,
        }
    }

    /// How many registers hold arguments.
    pub fn argument_registers(&self) -> usize {
        match self.machine {
            Architecture::Aarch64 => 8,
            _ => 6,
        }
    }

    fn read(&self) -> anyhow::Result<gimli::Dwarf<Slice<'_>>> {
        let section = |id: SectionId| -> Result<Slice<'_>, gimli::Error> {
            let data = self.sections.get(id.name()).map_or(&[][..], Vec::as_slice);
            Ok(EndianSlice::new(data, self.endian))
        };
        gimli::Dwarf::load(section).with_context(|| self.damaged())
    }

    fn damaged(&self) -> String {
        format!(
            "the debug information of {} is damaged",
            self.path.display()
        )
    }

    /// The first unit that `wanted` says yes to.
    fn find_unit<'a>(
        &'a self,
        dwarf: &gimli::Dwarf<Slice<'a>>,
        mut wanted: impl FnMut(&Unit<Slice<'a>>) -> gimli::Result<bool>,
    ) -> gimli::Result<Option<Unit<Slice<'a>>>> {
        let mut headers = dwarf.units();
        while let Some(header) = headers.next()? {
            let unit = dwarf.unit(header)?;
            if wanted(&unit)? {
                return Ok(Some(unit));
            }
        }
        Ok(None)
    }

    /// The unit whose code an address is in.
    fn unit_at<'a>(
        &'a self,
        dwarf: &gimli::Dwarf<Slice<'a>>,
        address: u64,
    ) -> gimli::Result<Option<Unit<Slice<'a>>>> {
        self.find_unit(dwarf, |unit| {
            let mut ranges = dwarf.unit_ranges(unit)?;
            while let Some(range) = ranges.next()? {
                if (range.begin..range.end).contains(&address) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }
}

/// A section's bytes, as they were before they were compressed.
fn plain<'a>(section: &impl object::ObjectSection<'a>) -> anyhow::Result<Vec<u8>> {
    let found = section.compressed_data()?;
    match found.format {
        CompressionFormat::None => Ok(found.data.to_vec()),
        CompressionFormat::Zlib => {
            let size = usize::try_from(found.uncompressed_size)?;
            let mut data = Vec::with_capacity(size);
            let decoder = flate2::read::ZlibDecoder::new(found.data);
            // No more than the file says that there is.
            decoder
                .take(found.uncompressed_size)
                .read_to_end(&mut data)
                .context("a section is compressed, and damaged")?;
            Ok(data)
        }
        other => bail!(
            "its debug information is compressed in a way that is not known here ({other:?}): \
             `objcopy --decompress-debug-sections` undoes that"
        ),
    }
}

/// The file that a program's debug information was put into.
pub(super) fn apart(path: &Path) -> anyhow::Result<Option<PathBuf>> {
    let data = fs::read(path)?;
    let file = object::File::parse(data.as_slice())?;
    if let Some(found) = of_build(&file)? {
        return Ok(Some(found));
    }
    let Some((name, sum)) = file.gnu_debuglink()? else {
        return Ok(None);
    };
    let name = String::from_utf8_lossy(name).into_owned();
    let folder = path.parent().unwrap_or(Path::new("/"));
    let inner = folder.strip_prefix("/").unwrap_or(folder);
    let beside = [folder.join(&name), folder.join(".debug").join(&name)];
    // A folder that was given may be of this program alone.
    let elsewhere = folders::all().flat_map(|all| [all.join(inner).join(&name), all.join(&name)]);
    let mut places = beside.into_iter().chain(elsewhere);
    Ok(places.find(|place| place != path && has_sum(place, sum)))
}

/// The same, by the number of the program's build.
pub(super) fn of_build<'a, R: ReadRef<'a>>(
    file: &object::File<'a, R>,
) -> anyhow::Result<Option<PathBuf>> {
    let Some([first, rest @ ..]) = file.build_id()? else {
        return Ok(None);
    };
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!(".build-id/{first:02x}/{rest}.debug");
    let mut places = folders::all().map(|folder| folder.join(&name));
    Ok(places.find(|place| place.is_file()))
}

/// Whether a file is the one that was put apart: a program may have been built anew.
fn has_sum(path: &Path, expected: u32) -> bool {
    let Ok(data) = fs::read(path) else {
        return false;
    };
    let mut found = flate2::Crc::new();
    found.update(&data);
    found.sum() == expected
}

fn text(slice: Slice<'_>) -> Cow<'_, str> {
    slice.to_string_lossy()
}
