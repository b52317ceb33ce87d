//! Rows of a CSV, whatever is in it: each is read or named with what would be right.
//!
//! A trace may be of any length and come from anywhere, so that memory is bounded: a record has so many bytes and so many
//! fields, and what is longer is an error and not kept. Therefore the state machine of `csv-core` over two buffers that do
//! not grow, and not a reader that collects a record of any size.
//!
//! A last line without an end and with too few fields is what a kill or a full disk leaves behind, and no error.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, Chain, Cursor, Read};
use std::mem;

use csv_core::ReadRecordResult;
use highwater::model::SinceStart;
use highwater::model::recording::{COLUMNS, Column, ParseFieldError, Row};

/// The longest record in bytes. Ours have 200; a trace from elsewhere may bring columns of its own.
const LONGEST: usize = 64 << 10;
/// The most fields of a record.
const MOST_FIELDS: usize = 1024;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// How many unknown columns are named.
const NAMED: usize = 8;
/// How many characters of a value are shown.
const SHOWN: usize = 40;

/// A trace that is being read.
pub(crate) struct Trace<R> {
    name: String,
    input: Chain<Cursor<Vec<u8>>, R>,
    reader: csv_core::Reader,
    content: Box<[u8]>,
    ends: Box<[usize]>,
    /// The column of each position; `None` is one that is not ours.
    columns: Vec<Option<&'static Column>>,
    /// The moment of the row before.
    last: SinceStart,
    /// Whether a limit of 0 was found.
    found_no_limit: bool,
    words: Vec<String>,
}

/// A record in the buffers.
#[derive(Clone, Copy)]
struct Record {
    fields: usize,
    line: u64,
    /// Whether it ends with the trace and not with its line.
    open: bool,
}

impl<R: BufRead> Trace<R> {
    /// Reads the header. The rows may not lie before the moment `after`.
    pub(crate) fn open(name: &str, mut input: R, after: SinceStart) -> Result<Self, TraceError> {
        let mut start = Vec::new();
        let read = input.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start);
        if start == BYTE_ORDER_MARK {
            start.clear();
        }
        let mut trace = Self {
            name: name.to_owned(),
            input: Cursor::new(start).chain(input),
            reader: csv_core::Reader::new(),
            content: vec![0; LONGEST].into(),
            ends: vec![0; MOST_FIELDS].into(),
            columns: Vec::new(),
            last: after,
            found_no_limit: false,
            words: Vec::new(),
        };
        read.map_err(|error| trace.error(None, Fault::Read(error)))?;
        // csv-core looks for the mark too, and takes one that comes alone, as from a pipe, for the end: not after a line.
        trace.reader.read_record(b"\n", &mut trace.content, &mut trace.ends);
        trace.reader.set_line(1);
        let Some(record) = trace.record()? else { return Err(trace.error(None, Fault::Empty)) };
        trace.read_header(record).map_err(|fault| trace.error(Some(record.line), fault))?;
        Ok(trace)
    }

    /// The next row.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row>, TraceError> {
        let Some(record) = self.record()? else { return Ok(None) };
        match self.read_row(record) {
            Ok(mut row) => {
                self.last = row.seconds;
                // Under a limit of nothing there would be no process: it is how some write that there is none.
                if row.limit == Some(0) {
                    row.limit = None;
                    if !mem::replace(&mut self.found_no_limit, true) {
                        let Record { line, .. } = record;
                        self.words.push(format!("{}:{line}: column limit: 0 is taken for no limit", self.name));
                    }
                }
                Ok(Some(row))
            }
            Err(_) if record.open && record.fields < self.columns.len() => {
                let Record { line, .. } = record;
                self.words.push(format!("{}:{line}: the last line is torn, and left out", self.name));
                Ok(None)
            }
            Err(fault) => Err(self.error(Some(record.line), fault)),
        }
    }

    /// The moment of the last row.
    pub(crate) fn last(&self) -> SinceStart {
        self.last
    }

    /// What is to be said, since the last call.
    pub(crate) fn take_words(&mut self) -> Vec<String> {
        mem::take(&mut self.words)
    }

    fn error(&self, line: Option<u64>, fault: Fault) -> TraceError {
        TraceError { name: self.name.clone(), line, fault }
    }

    /// Reads one record into the buffers; `None` at the end.
    fn record(&mut self) -> Result<Option<Record>, TraceError> {
        let (mut length, mut fields) = (0, 0);
        loop {
            let input = match self.input.fill_buf() {
                Ok(input) => input,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.error(None, Fault::Read(error))),
            };
            let content = self.content.get_mut(length..).unwrap_or_default();
            let ends = self.ends.get_mut(fields..).unwrap_or_default();
            let (result, taken, written, ended) = self.reader.read_record(input, content, ends);
            let open = input.is_empty();
            let ends_line = taken.checked_sub(1).is_some_and(|last| input.get(last) == Some(&b'\n'));
            self.input.consume(taken);
            length = length.saturating_add(written);
            fields = fields.saturating_add(ended);
            let line = self.reader.line().saturating_sub(u64::from(ends_line));
            let fault = match result {
                ReadRecordResult::InputEmpty => continue,
                ReadRecordResult::Record => return Ok(Some(Record { fields, line, open })),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::OutputFull => Fault::TooLong,
                ReadRecordResult::OutputEndsFull => Fault::TooManyFields,
            };
            return Err(self.error(Some(line), fault));
        }
    }

    /// The fields of a record.
    fn fields(&self, record: Record) -> impl Iterator<Item = &[u8]> {
        let ends = self.ends.get(..record.fields).unwrap_or_default();
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts.zip(ends).map(|(start, end)| self.content.get(start..*end).unwrap_or_default())
    }

    fn read_header(&mut self, record: Record) -> Result<(), Fault> {
        let mut names = Vec::with_capacity(record.fields);
        for (field, position) in self.fields(record).zip(1..) {
            let name = std::str::from_utf8(field).map_err(|_| Fault::HeaderNotUtf8 { position })?;
            names.push(name.trim().to_owned());
        }
        let is_number = |name: &String| name.is_empty() || name.parse::<f64>().is_ok();
        if names.iter().all(is_number) {
            return Err(Fault::NoHeader);
        }
        for column in COLUMNS {
            match names.iter().filter(|name| *name == column.name).count() {
                0 if column.required => {
                    return Err(Fault::Missing { column: column.name, header: shown(&names.join(",")) });
                }
                0 | 1 => {}
                _ => return Err(Fault::Twice { column: column.name }),
            }
        }
        self.columns = names.iter().map(|name| COLUMNS.iter().find(|column| column.name == name)).collect();
        let unknown = || names.iter().filter(|name| COLUMNS.iter().all(|column| column.name != *name));
        if unknown().next().is_some() {
            let named: Vec<_> = unknown().take(NAMED).map(|name| shown(name)).collect();
            let more = if unknown().nth(NAMED).is_some() { ", ..." } else { "" };
            self.words.push(format!("{}: columns that are ignored: {}{more}", self.name, named.join(", ")));
        }
        Ok(())
    }

    fn read_row(&self, record: Record) -> Result<Row, Fault> {
        if record.fields != self.columns.len() {
            return Err(Fault::Fields { fields: record.fields, columns: self.columns.len() });
        }
        let mut row = Row::default();
        for (field, column) in self.fields(record).zip(&self.columns) {
            let Some(column) = column else { continue };
            let text = std::str::from_utf8(field)
                .map_err(|_| Fault::NotUtf8 { column: column.name, value: shown(&String::from_utf8_lossy(field)) })?;
            let text = text.trim_ascii();
            column.read(&mut row, text).map_err(|error| Fault::Value {
                column: column.name,
                value: shown(text),
                error,
            })?;
        }
        if row.seconds < self.last {
            let [now, before] = [row.seconds, self.last].map(|moment| moment.elapsed().as_secs_f64());
            return Err(Fault::GoesBack { now, before });
        }
        Ok(row)
    }
}

/// A text as it is shown: quoted, without what would confuse a terminal, and not without end.
fn shown(text: &str) -> String {
    let cut: Cow<'_, str> = match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    };
    format!("{cut:?}")
}

/// What is wrong with a trace, where, and what would be right.
#[derive(Debug)]
pub(crate) struct TraceError {
    name: String,
    line: Option<u64>,
    fault: Fault,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.name, self.fault),
            None => write!(f, "{}: {}", self.name, self.fault),
        }
    }
}

#[derive(Debug)]
enum Fault {
    Empty,
    NoHeader,
    HeaderNotUtf8 { position: usize },
    Missing { column: &'static str, header: String },
    Twice { column: &'static str },
    Fields { fields: usize, columns: usize },
    NotUtf8 { column: &'static str, value: String },
    Value { column: &'static str, value: String, error: ParseFieldError },
    GoesBack { now: f64, before: f64 },
    TooLong,
    TooManyFields,
    Read(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEADER: &str = "the first line must name the columns, such as seconds,used,limit";
        match self {
            Self::Empty => write!(f, "nothing is in it: {HEADER}"),
            Self::NoHeader => write!(f, "no header: {HEADER}"),
            Self::HeaderNotUtf8 { position } => {
                write!(f, "the name of column {position} is not UTF-8: write the file as CSV in UTF-8")
            }
            Self::Missing { column, header } => {
                write!(f, "column {column} is missing from the header {header}: {HEADER}")
            }
            Self::Twice { column } => write!(f, "column {column} is there twice: leave one of them"),
            Self::Fields { fields, columns } => write!(
                f,
                "{fields} fields, where the header has {columns}: write one for each column, empty where it is unknown"
            ),
            Self::NotUtf8 { column, value } => {
                write!(f, "column {column}: {value} is not UTF-8: write the file as CSV in UTF-8")
            }
            Self::Value { column, value, error } => write!(f, "column {column}: {value} is {error}"),
            Self::GoesBack { now, before } => write!(
                f,
                "column seconds: \"{now}\" lies before \"{before}\" of the row before: time never goes back; write the rows \
                 in their order, and one run at a time"
            ),
            Self::TooLong => {
                write!(f, "longer than {LONGEST} bytes: one line a sample, and quotes in pairs")
            }
            Self::TooManyFields => write!(f, "more than {MOST_FIELDS} fields: write the known columns alone"),
            Self::Read(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
