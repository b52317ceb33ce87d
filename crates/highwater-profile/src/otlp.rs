//! OpenTelemetry's profiles signal: a profile as the request that its collectors take.
//!
//! The signal is in development, and a release of it may give a field another number. The fields here are those of
//! opentelemetry-proto 1.10: those of the collector 0.161 (`pdata/internal`, module version 1.67) and of the crate
//! `opentelemetry-proto` 0.33, read side by side; a test holds them against the crate's. A change of revision is a minor
//! release here.
//!
//! A request is one buffer, of [`MOST`] bytes: it waits in memory until the collector has it, in a process that may be
//! short of that. Where a profile is larger, the stacks that hold least are left out, and what they hold is told in a sample
//! without a stack. A message of protobuf says its length before its content; here the length is written last, into four
//! bytes that were left for it, so that nothing is held twice.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::maps::Mapping;

/// The most bytes of a request: 1 MiB, beside what its sender says of itself. Collectors take four by gRPC unless told
/// otherwise, and twenty by HTTP.
pub const MOST: usize = 1 << 20;

/// What a request says beside the profile.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Who sends it: an encoded `opentelemetry.proto.resource.v1.Resource`.
    pub resource: &'a [u8],
    /// An encoded `opentelemetry.proto.common.v1.InstrumentationScope`.
    pub scope: &'a [u8],
    /// When the dump was taken.
    pub time: SystemTime,
    /// What belongs to the same span has the same trace.
    pub trace: Option<[u8; 16]>,
    /// Ids of the two profiles, bytes and objects: the signal knows one number a sample.
    pub ids: [[u8; 16]; 2],
}

/// An encoded `ExportProfilesServiceRequest` of `opentelemetry.proto.collector.profiles.v1development`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    bytes: Vec<u8>,
    is_linked: bool,
}

impl Request {
    /// Names the span of the trace that it was made with; without a trace there is no place for one. The span may be known
    /// later than the profile is.
    pub fn set_span(&mut self, span: [u8; 8]) {
        // The link is written last, and of it the span.
        if let Some(last) = self.bytes.last_chunk_mut().filter(|_| self.is_linked) {
            *last = span;
        }
    }

    /// As it goes on the wire, uncompressed.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The texts that every request has, by their number.
const TEXTS: [&str; 9] = [
    "",
    "inuse_space",
    "bytes",
    "inuse_objects",
    "count",
    "space",
    "profile.frame.type",
    "native",
    "process.executable.build_id.gnu",
];
const INUSE_SPACE: ValueType = ValueType { kind: 1, unit: 2 };
const INUSE_OBJECTS: ValueType = ValueType { kind: 3, unit: 4 };
const SPACE: ValueType = ValueType { kind: 5, unit: 2 };
const FRAME_TYPE: i32 = 6;
const NATIVE: usize = 7;
const BUILD_ID: i32 = 8;

/// A request that is being written: the profiles, then the dictionary that both refer to.
///
/// In the dictionary, index 0 of each table is nobody.
pub(crate) struct Writer {
    out: Vec<u8>,
    texts: i32,
    attributes: i32,
    mappings: i32,
    functions: i32,
    is_linked: bool,
}

/// Where a message was opened: its length goes here.
pub(crate) struct Opened(usize);

/// What a writer writes at most, so that the room for it can be had at once. Each is the tags, the lengths and the numbers
/// at their longest, and the texts.
pub(crate) mod cost {
    use prost::encoding::encoded_len_varint;

    use super::Mapping;

    /// All that is there without a stack, but for what its sender says of itself.
    pub(crate) const OF_HEAD: usize = 512;

    /// One entry of the table of stacks, and a sample in each profile.
    pub(crate) fn of_stack(frames: usize) -> usize {
        frames.saturating_mul(3).saturating_add(8 + 2 * 20)
    }

    pub(crate) fn of_location(address: u64) -> usize {
        encoded_len_varint(address).saturating_add(18)
    }

    pub(crate) fn of_function(name: &str) -> usize {
        name.len().saturating_add(4 + 10)
    }

    pub(crate) fn of_mapping(mapping: &Mapping) -> usize {
        mapping.path().len().saturating_add(mapping.build_id().map_or(0, str::len)).saturating_add(96)
    }
}

impl Writer {
    /// With room for all that there will be, so that it never moves to a larger place.
    pub(crate) fn begin(about: &About<'_>, stacks: usize) -> Self {
        let head = about.resource.len().saturating_add(about.scope.len()).saturating_add(cost::OF_HEAD);
        let out = Vec::with_capacity(head.saturating_add(stacks));
        Self { out, texts: 0, attributes: 0, mappings: 0, functions: 0, is_linked: false }
    }

    /// Opens all that is around the profiles.
    pub(crate) fn open_profiles(&mut self, about: &About<'_>) -> [Opened; 2] {
        self.is_linked = about.trace.is_some();
        let resource_profiles = self.open(1);
        self.nested(1, about.resource);
        let scope_profiles = self.open(2);
        self.nested(1, about.scope);
        [resource_profiles, scope_profiles]
    }

    /// Opens the profile of bytes, or that of objects.
    pub(crate) fn open_profile(&mut self, about: &About<'_>, of_bytes: bool, period: u64) -> Opened {
        let opened = self.open(2);
        let [bytes, objects] = about.ids;
        let (kind, id) = if of_bytes { (INUSE_SPACE, bytes) } else { (INUSE_OBJECTS, objects) };
        let since = about.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.piece(&Profile {
            sample_type: Some(kind),
            time_unix_nano: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            period_type: Some(SPACE),
            period: signed(period),
            profile_id: id.to_vec(),
            ..Profile::default()
        });
        opened
    }

    /// A sample of the stack of this number; 0 is none.
    pub(crate) fn sample(&mut self, stack: i32, value: u64) {
        let link_index = i32::from(self.is_linked);
        let sample = Sample { stack_index: stack, link_index, values: vec![signed(value)] };
        self.piece(&Profile { samples: vec![sample], ..Profile::default() });
    }

    pub(crate) fn open_dictionary(&mut self) -> Opened {
        let opened = self.open(2);
        self.piece(&Dictionary {
            mappings: vec![Mapped::default()],
            locations: vec![Location::default()],
            functions: vec![Function::default()],
            links: vec![Link::default()],
            attributes: vec![Attribute::default()],
            stacks: vec![Stack::default()],
            ..Dictionary::default()
        });
        for text in TEXTS {
            self.text(text);
        }
        // The first attribute: what kind of frames these are.
        let native = TEXTS.get(NATIVE).copied().unwrap_or_default();
        self.attribute(FRAME_TYPE, native);
        opened
    }

    pub(crate) fn mapping(&mut self, mapping: &Mapping) -> i32 {
        let filename = self.text(mapping.path());
        let attributes = mapping.build_id().map(|id| self.attribute(BUILD_ID, id)).into_iter().collect();
        let (memory_start, memory_limit, file_offset) = (mapping.start(), mapping.end(), mapping.file_offset());
        let mapped = Mapped { memory_start, memory_limit, file_offset, filename, attributes };
        self.piece(&Dictionary { mappings: vec![mapped], ..Dictionary::default() });
        next(&mut self.mappings)
    }

    pub(crate) fn function(&mut self, name: &str) -> i32 {
        let name = self.text(name);
        let function = Function { name, system_name: name };
        self.piece(&Dictionary { functions: vec![function], ..Dictionary::default() });
        next(&mut self.functions)
    }

    /// The next location. 0 is no mapping, and no function.
    pub(crate) fn location(&mut self, address: u64, mapping: i32, function: i32) {
        let lines = if function > 0 { vec![Line { function }] } else { Vec::new() };
        let location = Location { mapping, address, lines, attributes: vec![1] };
        self.piece(&Dictionary { locations: vec![location], ..Dictionary::default() });
    }

    /// The next stack, by the numbers of its locations, from the leaf.
    pub(crate) fn stack(&mut self, locations: Vec<i32>) {
        self.piece(&Dictionary { stacks: vec![Stack { locations }], ..Dictionary::default() });
    }

    /// Says the length of what was opened.
    pub(crate) fn close(&mut self, Opened(at): Opened) {
        let begin = at.saturating_add(LENGTH);
        let length = self.out.len().saturating_sub(begin);
        if let Some(place) = self.out.get_mut(at..begin) {
            place.copy_from_slice(&padded(length));
        }
    }

    /// Closes the dictionary, with the link as its last.
    pub(crate) fn end(mut self, dictionary: Opened, about: &About<'_>) -> Request {
        if let Some(trace) = about.trace {
            let link = Link { trace_id: trace.to_vec(), span_id: vec![0; 8] };
            self.piece(&Dictionary { links: vec![link], ..Dictionary::default() });
        }
        self.close(dictionary);
        Request { bytes: self.out, is_linked: self.is_linked }
    }

    fn text(&mut self, text: &str) -> i32 {
        self.piece(&Dictionary { strings: vec![text.to_owned()], ..Dictionary::default() });
        let index = self.texts;
        self.texts = index.saturating_add(1);
        index
    }

    fn attribute(&mut self, key: i32, text: &str) -> i32 {
        let attribute = Attribute { key, value: Some(Value { text: text.to_owned() }) };
        self.piece(&Dictionary { attributes: vec![attribute], ..Dictionary::default() });
        next(&mut self.attributes)
    }

    fn open(&mut self, field: u8) -> Opened {
        self.out.push(tag(field));
        let at = self.out.len();
        self.out.extend([0; LENGTH]);
        Opened(at)
    }

    fn nested(&mut self, field: u8, content: &[u8]) {
        let opened = self.open(field);
        self.out.extend(content);
        self.close(opened);
    }

    fn piece(&mut self, piece: &impl Message) {
        // A vector takes everything.
        let _ = piece.encode(&mut self.out);
    }
}

/// How many bytes are left for a length.
const LENGTH: usize = 4;

/// The tag of a field that has a length.
const fn tag(field: u8) -> u8 {
    (field << 3) | 2
}

/// A number as protobuf writes it, in as many bytes as are left for it, of which the last are nothing but zeros: every
/// reader takes these.
fn padded(length: usize) -> [u8; LENGTH] {
    const MORE: u8 = 0x80;
    let mut rest = length;
    let mut part = || {
        let seven = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        seven
    };
    [part() | MORE, part() | MORE, part() | MORE, part()]
}

/// Counts one more, from 1.
fn next(count: &mut i32) -> i32 {
    *count = count.saturating_add(1);
    *count
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `ProfilesDictionary`.
#[derive(Clone, PartialEq, Message)]
struct Dictionary {
    #[prost(message, repeated, tag = "1")]
    mappings: Vec<Mapped>,
    #[prost(message, repeated, tag = "2")]
    locations: Vec<Location>,
    #[prost(message, repeated, tag = "3")]
    functions: Vec<Function>,
    #[prost(message, repeated, tag = "4")]
    links: Vec<Link>,
    #[prost(string, repeated, tag = "5")]
    strings: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<Attribute>,
    #[prost(message, repeated, tag = "7")]
    stacks: Vec<Stack>,
}

/// What is used of `Profile`.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, optional, tag = "1")]
    sample_type: Option<ValueType>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(message, optional, tag = "5")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "6")]
    period: i64,
    #[prost(bytes = "vec", tag = "7")]
    profile_id: Vec<u8>,
}

/// What a number counts. All texts are indices of strings.
#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(int32, tag = "2")]
    unit: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(int32, tag = "1")]
    stack_index: i32,
    #[prost(int32, tag = "3")]
    link_index: i32,
    #[prost(int64, repeated, tag = "4")]
    values: Vec<i64>,
}

/// `Mapping`.
#[derive(Clone, PartialEq, Message)]
struct Mapped {
    #[prost(uint64, tag = "1")]
    memory_start: u64,
    #[prost(uint64, tag = "2")]
    memory_limit: u64,
    #[prost(uint64, tag = "3")]
    file_offset: u64,
    #[prost(int32, tag = "4")]
    filename: i32,
    #[prost(int32, repeated, tag = "5")]
    attributes: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(int32, tag = "1")]
    mapping: i32,
    #[prost(uint64, tag = "2")]
    address: u64,
    #[prost(message, repeated, tag = "3")]
    lines: Vec<Line>,
    #[prost(int32, repeated, tag = "4")]
    attributes: Vec<i32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(int32, tag = "1")]
    function: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(int32, tag = "1")]
    name: i32,
    #[prost(int32, tag = "2")]
    system_name: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Link {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
}

/// `KeyValueAndUnit`.
#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(int32, tag = "1")]
    key: i32,
    #[prost(message, optional, tag = "2")]
    value: Option<Value>,
}

/// `AnyValue`, as far as it is a text.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    text: String,
}

#[derive(Clone, PartialEq, Message)]
struct Stack {
    #[prost(int32, repeated, tag = "1")]
    locations: Vec<i32>,
}

#[cfg(test)]
mod tests;
