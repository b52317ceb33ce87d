//! The format that `go tool pprof`, Pyroscope, Parca and others read: protobuf, packed by gzip.
//!
//! A message of protobuf is its fields one after the other, and so is the packed form of its parts: the writer here writes a
//! profile piece by piece as it goes, and holds nothing but what gzip does.

use prost::Message;

mod read;
mod write;

pub use read::{Frame, LONGEST, Profile, Sample};
pub(crate) use write::Writer;

/// The whole. Field numbers are those of pprof's `profile.proto`.
#[derive(Clone, PartialEq, Message)]
struct Whole {
    #[prost(message, repeated, tag = "1")]
    sample_types: Vec<Type>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Counted>,
    #[prost(message, repeated, tag = "3")]
    mappings: Vec<Mapped>,
    #[prost(message, repeated, tag = "4")]
    locations: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    functions: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    strings: Vec<String>,
    /// A function that matches this pattern as a whole is left out, with all that it calls.
    #[prost(int64, tag = "7")]
    drop_frames: i64,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<Type>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

/// What a number counts. All texts are indices of strings.
#[derive(Clone, Copy, PartialEq, Message)]
struct Type {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

/// A stack with a value of each type.
#[derive(Clone, PartialEq, Message)]
struct Counted {
    #[prost(uint64, repeated, tag = "1")]
    locations: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    values: Vec<i64>,
}

/// A file in memory.
#[derive(Clone, Copy, PartialEq, Message)]
struct Mapped {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    start: u64,
    #[prost(uint64, tag = "3")]
    end: u64,
    #[prost(uint64, tag = "4")]
    offset: u64,
    #[prost(int64, tag = "5")]
    path: i64,
    #[prost(int64, tag = "6")]
    build_id: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
}

/// An address.
#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    /// The innermost inlined function first.
    #[prost(message, repeated, tag = "4")]
    lines: Vec<Line>,
}

/// A function at an address.
#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

/// A function.
#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    file: i64,
}

#[cfg(test)]
mod tests;
