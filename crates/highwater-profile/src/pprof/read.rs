//! Reads a profile of any origin.

use std::collections::HashMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use prost::Message;

use super::{Type, Whole};
use crate::analysis::{MOST_OF_ALLOCATOR, MOST_SHARED, UNNAMED_DEPTH};
use crate::error::Error;
use crate::frames::{Kind, is_system, kind};

/// The most that is read, unpacked: 256 MiB.
pub const LONGEST: u64 = 256 << 20;

/// A profile of what is live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// Each stack.
    pub samples: Vec<Sample>,
    /// What the samples refer to.
    pub frames: Vec<Frame>,
    /// Which of the profile's values the bytes are, as the profile calls it.
    pub kind: String,
    /// The mean of bytes between two samples; 0 where the profile does not say.
    pub period: u64,
    /// How many frames from the leaf all stacks share.
    pub(super) shared: usize,
}

/// A stack and what is live of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// Indices of [`Profile::frames`], from the leaf.
    pub frames: Vec<usize>,
    /// What is held.
    pub bytes: u64,
    /// In how many objects; 0 where the profile does not say.
    pub objects: u64,
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Its functions, the innermost inlined one first; none where there is no name.
    pub functions: Vec<String>,
    /// Where in a source file the innermost is, as `file:line`.
    pub places: Vec<Option<String>>,
    /// The address in memory.
    pub address: u64,
    /// The path of the file that the code is from.
    pub module: Option<String>,
    /// The build id of that file, in hexadecimal digits.
    pub build_id: Option<String>,
    /// Start of the mapping in memory, its offset in the file and its length.
    pub mapping: Option<(u64, u64, u64)>,
}

impl Profile {
    /// Reads a profile, packed by gzip or not.
    ///
    /// Of several values of each stack `inuse_space` is taken, or else the first that counts bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is too long, is no profile, or has no value in bytes.
    pub fn read(mut input: impl Read) -> Result<Self, Error> {
        let mut head = Vec::new();
        input.by_ref().take(2).read_to_end(&mut head)?;
        let packed = head == [0x1f, 0x8b];
        let whole = std::io::Cursor::new(head).chain(input);
        let mut content = Vec::new();
        let most = LONGEST.saturating_add(1);
        if packed {
            let unpacked = MultiGzDecoder::new(whole).take(most).read_to_end(&mut content);
            unpacked
                .map_err(|error| Error::NotAProfile(format!("it is packed by gzip and cannot be unpacked: {error}")))?;
        } else {
            whole.take(most).read_to_end(&mut content)?;
        }
        if content.len() as u64 > LONGEST {
            return Err(Error::TooLong(LONGEST));
        }
        if content.is_empty() {
            return Err(Error::NotAProfile("it is empty".to_owned()));
        }
        let whole = Whole::decode(&*content).map_err(|error| Error::NotAProfile(error.to_string()))?;
        drop(content);
        Self::of(&whole)
    }

    /// The sum of all stacks.
    pub fn bytes(&self) -> u64 {
        self.samples.iter().fold(0, |sum, sample| sum.saturating_add(sample.bytes))
    }

    /// Which function of a stack its memory is put down to: the frame, and of its functions which.
    ///
    /// By the rule of [`Analysis`](crate::Analysis), as far as there are names: the first, from the leaf, that is the
    /// program's own. Where none is, the outermost of the standard library, or else, where nothing has a name, the one some
    /// frames above those that all stacks share.
    pub fn site_of(&self, sample: &Sample) -> Option<(usize, Option<usize>)> {
        let all = |index: &usize| {
            let frame = self.frames.get(*index)?;
            let path = frame.module.as_deref().unwrap_or_default();
            Some((*index, frame, path.rsplit('/').next().unwrap_or(path)))
        };
        let leaf = sample.frames.get(..MOST_OF_ALLOCATOR).unwrap_or(&sample.frames);
        let of_allocator = |(frame, file): (&Frame, &str)| {
            frame.functions.iter().rposition(|function| kind(function, file) == Kind::Allocator)
        };
        let allocator = leaf.iter().enumerate().rev().find_map(|(place, index)| {
            let (_, frame, file) = all(index)?;
            Some((place, of_allocator((frame, file))?))
        });
        let (mut seen, mut outermost) = (allocator.is_some(), None);
        let (first, mut skipped) = allocator.unwrap_or_default();
        for (index, frame, file) in sample.frames.get(first..).unwrap_or_default().iter().filter_map(all) {
            if frame.functions.is_empty() && seen && !is_system(file) {
                return Some((index, None));
            }
            for (inlined, function) in frame.functions.iter().enumerate().skip(std::mem::take(&mut skipped)) {
                match kind(function, file) {
                    Kind::Own if function == "main" && outermost.is_some() => {}
                    Kind::Own => return Some((index, Some(inlined))),
                    Kind::Std => (seen, outermost) = (true, Some((index, Some(inlined)))),
                    Kind::Allocator | Kind::System => seen = true,
                    Kind::StartUp => {}
                }
            }
        }
        outermost.or_else(|| {
            let above = self.shared.saturating_add(UNNAMED_DEPTH);
            let above = sample.frames.get(above).or_else(|| sample.frames.last())?;
            Some((*above, self.frames.get(*above).filter(|frame| !frame.functions.is_empty()).map(|_| 0)))
        })
    }

    fn of(whole: &Whole) -> Result<Self, Error> {
        let wrong = |what: String| Err(Error::NotAProfile(what));
        let text =
            |index: i64| usize::try_from(index).ok().and_then(|index| whole.strings.get(index)).map(String::as_str);
        if whole.strings.first().is_none_or(|first| !first.is_empty()) {
            return wrong("its texts do not begin with an empty one".to_owned());
        }
        let is = |of: &Type, kind: &str, unit: &str| text(of.kind) == Some(kind) && text(of.unit) == Some(unit);
        let find = |kind, unit| whole.sample_types.iter().position(|of| is(of, kind, unit));
        let in_bytes = || whole.sample_types.iter().position(|of| text(of.unit) == Some("bytes"));
        let Some(bytes) = find("inuse_space", "bytes").or_else(in_bytes) else {
            let kinds: Vec<_> = whole.sample_types.iter().filter_map(|of| text(of.kind)).take(8).collect();
            return wrong(format!(
                "it counts no bytes but {}",
                if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
            ));
        };
        let kind = whole.sample_types.get(bytes).and_then(|of| text(of.kind)).unwrap_or_default();
        let objects = find(&kind.replace("space", "objects"), "count");
        let functions: HashMap<_, _> = whole.functions.iter().map(|function| (function.id, function)).collect();
        let mappings: HashMap<_, _> = whole.mappings.iter().map(|mapping| (mapping.id, mapping)).collect();
        let mut indices = HashMap::new();
        let mut frames = Vec::with_capacity(whole.locations.len());
        for location in &whole.locations {
            if location.id == 0 || indices.insert(location.id, frames.len()).is_some() {
                return wrong(format!("location {} is there twice, or is none", location.id));
            }
            let mut frame = Frame { address: location.address, ..Frame::default() };
            for line in &location.lines {
                let Some(function) = functions.get(&line.function) else { continue };
                let Some(name) = text(function.name).filter(|name| !name.is_empty()) else { continue };
                frame.functions.push(name.to_owned());
                let file = text(function.file).filter(|file| !file.is_empty());
                frame.places.push(
                    file.map(|file| if line.line > 0 { format!("{file}:{}", line.line) } else { file.to_owned() }),
                );
            }
            if let Some(mapping) = mappings.get(&location.mapping) {
                let filled = |index| text(index).filter(|text| !text.is_empty()).map(str::to_owned);
                (frame.module, frame.build_id) = (filled(mapping.path), filled(mapping.build_id));
                frame.mapping = Some((mapping.start, mapping.offset, mapping.end.saturating_sub(mapping.start)));
            }
            frames.push(frame);
        }
        let value = |values: &[i64], index: usize| u64::try_from(*values.get(index)?).ok();
        let mut samples = Vec::with_capacity(whole.samples.len());
        for (number, sample) in whole.samples.iter().enumerate() {
            if sample.values.len() != whole.sample_types.len() {
                return wrong(format!(
                    "sample {number} has {} values, not {}",
                    sample.values.len(),
                    whole.sample_types.len()
                ));
            }
            let of: Option<Vec<_>> = sample.locations.iter().map(|id| indices.get(id).copied()).collect();
            let Some(of) = of else { return wrong(format!("sample {number} has a location that is not there")) };
            let bytes = value(&sample.values, bytes).unwrap_or_default();
            let objects = objects.and_then(|objects| value(&sample.values, objects)).unwrap_or_default();
            samples.push(Sample { frames: of, bytes, objects });
        }
        let leaf = |sample: &Sample| sample.frames.get(..MOST_SHARED).unwrap_or(&sample.frames).to_vec();
        let mut shared = samples.first().map(leaf).unwrap_or_default();
        for sample in &samples {
            shared.truncate(shared.iter().zip(&sample.frames).take_while(|(a, b)| a == b).count());
        }
        let (kind, shared) = (kind.to_owned(), shared.len());
        Ok(Self { samples, frames, kind, period: u64::try_from(whole.period).unwrap_or_default(), shared })
    }
}
