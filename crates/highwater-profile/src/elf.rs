//! Of an ELF file what names need: its build id, where its code lies, and its symbol table.
//!
//! The file is read by `pread` through one buffer: a symbol table has a million entries, of which a profile needs some
//! hundreds. Each entry is compared with the sorted addresses that are looked for, so the table may be in any order and
//! nothing of it is kept. No crate reads it: those that can want the whole file in memory or mapped, and what is needed are
//! four kinds of records with fields at fixed places.

use std::io;

use crate::open::ReadAt;

/// How much is read at once: whole entries of 16 and of 24 bytes.
const BUFFER: usize = 48 << 10;
/// No program has more program headers, and none sections.
const MOST_HEADERS: u64 = 4096;
/// No build id is longer; the usual ones have 16 or 20 bytes.
const LONGEST_BUILD_ID: usize = 64;
/// No note before the build id is longer.
const LONGEST_NOTES: usize = 4096;

const PT_LOAD: u64 = 1;
const PT_NOTE: u64 = 4;
const PF_X: u64 = 1;
const NT_GNU_BUILD_ID: u64 = 3;
const SHT_SYMTAB: u64 = 2;
const SHT_DYNSYM: u64 = 11;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
const EM_ARM: u64 = 40;

/// An ELF file: 32 or 64 bits, of either byte order.
pub(crate) struct Elf<'a> {
    file: &'a dyn ReadAt,
    wide: bool,
    big: bool,
    machine: u64,
    programs: Headers,
    sections: Headers,
}

/// A table of headers.
#[derive(Clone, Copy, Debug, Default)]
struct Headers {
    offset: u64,
    size: u64,
    count: u64,
}

/// A table of symbols and the text that their names are in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbols {
    offset: u64,
    size: u64,
    names: u64,
    names_size: u64,
}

/// The function that an address lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: u64,
    /// Where its name begins, counted from 1; 0 where there is none.
    pub(crate) name: u32,
    /// Of several at the same place the one that is known outside of its file is the one that people know.
    rank: u8,
}

impl<'a> Elf<'a> {
    /// `None` where the file is something else.
    pub(crate) fn open(file: &'a dyn ReadAt) -> Option<Self> {
        let mut header = [0; 64];
        let length = read(file, &mut header, 0).ok()?;
        let header = header.get(..length)?;
        if header.get(..4)? != b"\x7fELF" {
            return None;
        }
        let wide = match header.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let big = match header.get(5)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let record = Record { bytes: header, big };
        let (programs_at, sections_at) = if wide { ((32, 54), (40, 58)) } else { ((28, 42), (32, 46)) };
        let headers = |(offset, sizes): (usize, usize)| {
            let offset = record.word(offset, wide)?;
            let (size, count) = (record.of(sizes, 2)?, record.of(sizes.checked_add(2)?, 2)?);
            let count = if offset == 0 { 0 } else { count.min(MOST_HEADERS) };
            Some(Headers { offset, size, count })
        };
        let machine = record.of(18, 2)?;
        let (programs, sections) = (headers(programs_at)?, headers(sections_at)?);
        Some(Self { file, wide, big, machine, programs, sections })
    }

    /// The build id that the linker wrote, in hexadecimal digits.
    pub(crate) fn build_id(&self) -> Option<String> {
        (0..self.programs.count).find_map(|index| {
            let program = self.program(index).filter(|program| program.kind == PT_NOTE)?;
            let mut notes = [0; LONGEST_NOTES];
            let length = usize::try_from(program.file_size).unwrap_or(LONGEST_NOTES).min(LONGEST_NOTES);
            let length = read(self.file, notes.get_mut(..length)?, program.offset).ok()?;
            self.build_id_in(notes.get(..length)?, if program.align == 8 { 8 } else { 4 })
        })
    }

    fn build_id_in(&self, notes: &[u8], align: usize) -> Option<String> {
        let mut rest = notes;
        loop {
            let record = Record { bytes: rest, big: self.big };
            let (name_size, size) = (record.of(0, 4)?, record.of(4, 4)?);
            let kind = record.of(8, 4)?;
            let name_end = usize::try_from(name_size).ok()?.checked_add(12)?;
            let begin = name_end.checked_next_multiple_of(align)?;
            let end = begin.checked_add(usize::try_from(size).ok()?)?;
            let name = rest.get(12..name_end)?;
            if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
                let id = rest.get(begin..end).filter(|id| !id.is_empty() && id.len() <= LONGEST_BUILD_ID)?;
                return Some(hexadecimal(id));
            }
            rest = rest.get(end.checked_next_multiple_of(align)?..)?;
        }
    }

    /// What must be added to an address of a mapping that begins at `start` with the byte `offset` of the file and has
    /// `length` bytes, to have it as the file counts.
    pub(crate) fn distance(&self, start: u64, offset: u64, length: u64) -> Option<u64> {
        let end = offset.saturating_add(length);
        (0..self.programs.count).find_map(|index| {
            let program = self.program(index).filter(|program| program.kind == PT_LOAD && program.flags & PF_X != 0)?;
            let overlaps = program.offset < end && offset < program.offset.saturating_add(program.file_size);
            overlaps.then(|| offset.wrapping_sub(start).wrapping_sub(program.offset).wrapping_add(program.address))
        })
    }

    /// The same by the addresses alone, for a file of which only the symbols are left, where nothing lies as it did: the
    /// mapping is taken to begin with the only part that holds code.
    #[cfg(feature = "symbolize")]
    pub(crate) fn distance_by_address(&self, start: u64) -> Option<u64> {
        const PAGE: u64 = 4096;
        let code = |index| self.program(index).filter(|program| program.kind == PT_LOAD && program.flags & PF_X != 0);
        let mut code = (0..self.programs.count).filter_map(code);
        let only = code.next().filter(|_| code.next().is_none())?;
        Some((only.address & !PAGE.wrapping_sub(1)).wrapping_sub(start))
    }

    /// The table with all functions, or else the one for other files.
    pub(crate) fn symbols(&self) -> Option<Symbols> {
        let table = |kind| {
            (0..self.sections.count).find_map(|index| {
                let section = self.section(index).filter(|section| section.kind == kind)?;
                let names = self.section(section.link)?;
                Some(Symbols {
                    offset: section.offset,
                    size: section.size,
                    names: names.offset,
                    names_size: names.size,
                })
            })
        };
        table(SHT_SYMTAB).or_else(|| table(SHT_DYNSYM))
    }

    /// Finds for each address, of which `addresses` gives some in rising order, the function that it lies in.
    ///
    /// # Errors
    ///
    /// Those of the file. What has been found until then is right.
    pub(crate) fn find(&self, symbols: &Symbols, addresses: &dyn Sorted, found: &mut [Found]) -> io::Result<()> {
        let size: usize = if self.wide { 24 } else { 16 };
        let mut buffer = vec![0; BUFFER];
        let (mut offset, mut left) = (symbols.offset, symbols.size);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let length = read(self.file, buffer.get_mut(..most).unwrap_or_default(), offset)?;
            let whole = length.saturating_sub(length.checked_rem(size).unwrap_or_default());
            for entry in buffer.get(..whole).unwrap_or_default().chunks_exact(size) {
                if let Some((symbol, end)) = self.function(entry) {
                    let first = addresses.first_from(symbol.start);
                    for (index, found) in found.iter_mut().enumerate().skip(first) {
                        if addresses.at(index).is_none_or(|address| address >= end) {
                            break;
                        }
                        let better = (symbol.start, symbol.rank) > (found.start, found.rank);
                        if found.name == 0 || better {
                            *found = symbol;
                        }
                    }
                }
            }
            // A table that goes on after the end of the file.
            if length < most || whole == 0 {
                break;
            }
            offset = offset.saturating_add(whole as u64);
            left = left.saturating_sub(whole as u64);
        }
        Ok(())
    }

    /// Reads the name of a function, as much of it as fits; empty where there is none.
    pub(crate) fn name<'b>(&self, symbols: &Symbols, found: Found, buffer: &'b mut [u8]) -> &'b [u8] {
        let at = found.name.checked_sub(1).map(u64::from);
        let Some(at) = at.filter(|at| *at < symbols.names_size) else { return &[] };
        let most = usize::try_from(symbols.names_size.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
        let offset = symbols.names.saturating_add(at);
        // Most names are short: what is read in vain is read from the page cache, and still costs.
        let mut held = 0;
        for length in [128, most] {
            let Some(room) = buffer.get_mut(held..length.min(most)) else { break };
            let Ok(more) = read(self.file, room, offset.saturating_add(held as u64)) else { break };
            held = held.saturating_add(more);
            if let Some(end) = buffer.get(..held).and_then(|name| name.iter().position(|byte| *byte == 0)) {
                return buffer.get(..end).unwrap_or_default();
            }
        }
        buffer.get(..held).unwrap_or_default()
    }

    fn function(&self, entry: &[u8]) -> Option<(Found, u64)> {
        let record = Record { bytes: entry, big: self.big };
        let (info, section, value, size) = if self.wide {
            (*entry.get(4)?, record.of(6, 2)?, record.of(8, 8)?, record.of(16, 8)?)
        } else {
            (*entry.get(12)?, record.of(14, 2)?, record.of(4, 4)?, record.of(8, 4)?)
        };
        let name = record.of(0, 4)?;
        if !matches!(info & 0xf, STT_FUNC | STT_GNU_IFUNC) || section == 0 || size == 0 || name == 0 {
            return None;
        }
        // The lowest bit says which instructions the function has.
        let start = if self.machine == EM_ARM { value & !1 } else { value };
        let rank = match info >> 4 {
            1 => 3,
            2 => 2,
            _ => 1,
        };
        let name = u32::try_from(name.saturating_add(1)).ok()?;
        Some((Found { start, name, rank }, start.saturating_add(size)))
    }

    fn program(&self, index: u64) -> Option<Program> {
        let mut bytes = [0; 56];
        let record = self.header(self.programs, index, if self.wide { 56 } else { 32 }, &mut bytes)?;
        let of = |at: usize, size: usize| record.of(at, size);
        Some(if self.wide {
            Program {
                kind: of(0, 4)?,
                flags: of(4, 4)?,
                offset: of(8, 8)?,
                address: of(16, 8)?,
                file_size: of(32, 8)?,
                align: of(48, 8)?,
            }
        } else {
            Program {
                kind: of(0, 4)?,
                flags: of(24, 4)?,
                offset: of(4, 4)?,
                address: of(8, 4)?,
                file_size: of(16, 4)?,
                align: of(28, 4)?,
            }
        })
    }

    fn section(&self, index: u64) -> Option<Section> {
        let mut bytes = [0; 64];
        let record = self.header(self.sections, index, if self.wide { 64 } else { 40 }, &mut bytes)?;
        let of = |at: usize, size: usize| record.of(at, size);
        Some(if self.wide {
            Section { kind: of(4, 4)?, offset: of(24, 8)?, size: of(32, 8)?, link: of(40, 4)? }
        } else {
            Section { kind: of(4, 4)?, offset: of(16, 4)?, size: of(20, 4)?, link: of(24, 4)? }
        })
    }

    fn header<'b>(&self, table: Headers, index: u64, size: usize, bytes: &'b mut [u8]) -> Option<Record<'b>> {
        if index >= table.count || table.size < size as u64 {
            return None;
        }
        let offset = table.offset.checked_add(index.checked_mul(table.size)?)?;
        let bytes = bytes.get_mut(..size)?;
        (read(self.file, bytes, offset).ok()? == size).then_some(Record { bytes, big: self.big })
    }
}

/// Numbers in rising order.
pub(crate) trait Sorted {
    /// The index of the first that is not below.
    fn first_from(&self, value: u64) -> usize;
    fn at(&self, index: usize) -> Option<u64>;
}

/// The numbers, each with the same distance added, which does not pass the last number there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shifted<'a>(pub(crate) &'a [u64], pub(crate) u64);

impl Sorted for Shifted<'_> {
    fn first_from(&self, value: u64) -> usize {
        self.0.partition_point(|number| number.wrapping_add(self.1) < value)
    }

    fn at(&self, index: usize) -> Option<u64> {
        self.0.get(index).map(|number| number.wrapping_add(self.1))
    }
}

/// A program header: a part of the file as it is loaded.
#[derive(Clone, Copy, Debug)]
struct Program {
    kind: u64,
    flags: u64,
    offset: u64,
    address: u64,
    file_size: u64,
    align: u64,
}

/// A section header: a part of the file as it was linked.
#[derive(Clone, Copy, Debug)]
struct Section {
    kind: u64,
    offset: u64,
    size: u64,
    link: u64,
}

/// Bytes with numbers at known places.
#[derive(Clone, Copy, Debug)]
struct Record<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Record<'_> {
    fn of(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    }

    fn word(&self, at: usize, wide: bool) -> Option<u64> {
        self.of(at, if wide { 8 } else { 4 })
    }
}

/// Reads until the buffer is full or the file ends.
fn read(file: &dyn ReadAt, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset.saturating_add(length as u64)) {
            Ok(0) => break,
            Ok(more) => length = length.saturating_add(more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length.min(buffer.len()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests;
