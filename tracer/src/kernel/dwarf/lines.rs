//! Lines of the source, and where their code is.

use std::{
    collections::{
        HashMap,
        hash_map::Entry::{Occupied, Vacant},
    },
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use gimli::{ColumnType, LineProgramHeader, Unit};

use super::{Dwarf, Slice, text};

/// Where the code of a line begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePlace {
    /// In the program's own numbering.
    pub address: u64,
    /// From 1 on; the line that was asked for, or where that has no code, the next that has.
    pub line: u64,
    /// From 1 on; 0 where it is not told.
    pub column: u64,
    /// The file that it is in, as the compiler was given it.
    pub file: PathBuf,
}

impl Dwarf {
    /// The places of a line in files whose paths end with `file`, a whole name at least: where it, or the next line
    /// that has code, begins, in order of the addresses. A line has several where the compiler has put its code
    /// to several places. Empty where no such file has a line there or behind.
    pub fn lines(&self, file: &str, line: u64) -> anyhow::Result<Vec<LinePlace>> {
        let dwarf = self.read()?;
        let mut found = Vec::new();
        let mut headers = dwarf.units();
        while let Some(header) = headers.next().with_context(|| self.damaged())? {
            let unit = dwarf.unit(header).with_context(|| self.damaged())?;
            rows(&dwarf, &unit, Path::new(file), line, &mut found)
                .with_context(|| self.damaged())?;
        }
        // Of lines behind the one that was asked for the nearest.
        let nearest = found.iter().map(|place| place.line).min();
        found.retain(|place| Some(place.line) == nearest);
        found.sort_by_key(|place| place.address);
        found.dedup_by_key(|place| place.address);
        Ok(found)
    }
}

/// Of each run of instructions of one line the first.
fn rows(
    dwarf: &gimli::Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    file: &Path,
    wanted: u64,
    found: &mut Vec<LinePlace>,
) -> gimli::Result<()> {
    let Some(program) = unit.line_program.clone() else {
        return Ok(());
    };
    let mut rows = program.rows();
    let mut before = None;
    // By their numbers those that are wanted.
    let mut paths: HashMap<u64, Option<PathBuf>> = HashMap::new();
    while let Some((header, row)) = rows.next_row()? {
        let line = row.line().map_or(0, |line| line.get());
        let here = (row.file_index(), line);
        let continues = before == Some(here);
        before = (!row.end_sequence()).then_some(here);
        // Address 0 is that of code which the linker has left out.
        if row.end_sequence() || !row.is_stmt() || continues || line < wanted || row.address() == 0
        {
            continue;
        }
        let path = match paths.entry(row.file_index()) {
            Vacant(vacant) => {
                let path = path_of(dwarf, unit, header, row.file_index())?;
                vacant.insert(path.filter(|path| path.ends_with(file)))
            }
            Occupied(known) => known.into_mut(),
        };
        if let Some(path) = path {
            found.push(LinePlace {
                address: row.address(),
                line,
                column: match row.column() {
                    ColumnType::LeftEdge => 0,
                    ColumnType::Column(column) => column.get(),
                },
                file: path.clone(),
            });
        }
    }
    Ok(())
}

fn path_of(
    dwarf: &gimli::Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    header: &LineProgramHeader<Slice<'_>>,
    index: u64,
) -> gimli::Result<Option<PathBuf>> {
    let Some(file) = header.file(index) else {
        return Ok(None);
    };
    let mut path = PathBuf::new();
    if let Some(folder) = unit.comp_dir {
        path.push(&*text(folder));
    }
    if let Some(folder) = file.directory(header) {
        path.push(&*text(dwarf.attr_string(unit, folder)?));
    }
    path.push(&*text(dwarf.attr_string(unit, file.path_name())?));
    Ok(Some(path))
}
