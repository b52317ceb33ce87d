//! Writes a profile piece by piece.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use super::{Counted, Function, Line, Location, Mapped, Type, Whole};
use crate::maps::Mapping;

/// The texts that every profile has, by their number.
const TEXTS: [&str; 7] = ["", "inuse_objects", "count", "inuse_space", "bytes", "space", ALLOCATOR];
/// What is called for memory, as a pattern: else every stack would end in the function that took the sample.
const ALLOCATOR: &str = r"(_rjem_|je_|__rust_|__rg_|__rdl_|__rustc::__r).*|(malloc|calloc|realloc|posix_memalign|aligned_alloc|memalign)(@.*)?";
const INUSE_OBJECTS: Type = Type { kind: 1, unit: 2 };
const INUSE_SPACE: Type = Type { kind: 3, unit: 4 };
const SPACE: Type = Type { kind: 5, unit: 4 };

/// A profile that is being written: mappings, then functions, then locations, then samples.
pub(crate) struct Writer<W: Write> {
    out: GzEncoder<Counting<W>>,
    /// One piece.
    buffer: Vec<u8>,
    texts: i64,
    mappings: u64,
    functions: u64,
}

impl<W: Write> Writer<W> {
    pub(crate) fn begin(out: W, period: u64, time: SystemTime) -> io::Result<Self> {
        let out = GzEncoder::new(Counting { out, count: 0 }, Compression::fast());
        let mut writer = Self { out, buffer: Vec::new(), texts: 0, mappings: 0, functions: 0 };
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        writer.piece(&Whole {
            sample_types: vec![INUSE_OBJECTS, INUSE_SPACE],
            time_nanos: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            period_type: Some(SPACE),
            period: signed(period),
            default_sample_type: INUSE_SPACE.kind,
            drop_frames: 6,
            ..Whole::default()
        })?;
        for text in TEXTS {
            writer.text(text)?;
        }
        Ok(writer)
    }

    pub(crate) fn mapping(&mut self, mapping: &Mapping, has_functions: bool) -> io::Result<()> {
        self.mappings = self.mappings.saturating_add(1);
        let path = self.text(mapping.path())?;
        let build_id = match mapping.build_id() {
            Some(id) => self.text(id)?,
            None => 0,
        };
        let (start, end, offset) = (mapping.start(), mapping.end(), mapping.file_offset());
        let mapping = Mapped { id: self.mappings, start, end, offset, path, build_id, has_functions };
        self.piece(&Whole { mappings: vec![mapping], ..Whole::default() })
    }

    pub(crate) fn function(&mut self, name: &str) -> io::Result<()> {
        self.functions = self.functions.saturating_add(1);
        let name = self.text(name)?;
        let function = Function { id: self.functions, name, system_name: name, file: 0 };
        self.piece(&Whole { functions: vec![function], ..Whole::default() })
    }

    /// `mapping` is the index of the one it lies in, `function` the number of the one it is in, or 0.
    pub(crate) fn location(
        &mut self,
        index: usize,
        address: u64,
        mapping: Option<usize>,
        function: u32,
    ) -> io::Result<()> {
        let lines = if function > 0 { vec![Line { function: function.into(), line: 0 }] } else { Vec::new() };
        let mapping = mapping.map_or(0, |index| (index as u64).saturating_add(1));
        let location = Location { id: (index as u64).saturating_add(1), mapping, address, lines };
        self.piece(&Whole { locations: vec![location], ..Whole::default() })
    }

    /// `locations` are indices, from the leaf.
    pub(crate) fn sample(&mut self, locations: &[u32], objects: u64, bytes: u64) -> io::Result<()> {
        let locations = locations.iter().map(|index| u64::from(*index).saturating_add(1)).collect();
        let sample = Counted { locations, values: vec![signed(objects), signed(bytes)] };
        self.piece(&Whole { samples: vec![sample], ..Whole::default() })
    }

    pub(crate) fn end(self) -> io::Result<u64> {
        let mut counting = self.out.finish()?;
        counting.flush()?;
        Ok(counting.count)
    }

    fn text(&mut self, text: &str) -> io::Result<i64> {
        let index = self.texts;
        self.texts = self.texts.saturating_add(1);
        self.piece(&Whole { strings: vec![text.to_owned()], ..Whole::default() })?;
        Ok(index)
    }

    fn piece(&mut self, piece: &Whole) -> io::Result<()> {
        self.buffer.clear();
        // A vector takes everything.
        let _ = piece.encode(&mut self.buffer);
        self.out.write_all(&self.buffer)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Counts what is written.
struct Counting<W> {
    out: W,
    count: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.count = self.count.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
