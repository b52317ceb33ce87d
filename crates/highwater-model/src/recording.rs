//! The recording: samples as rows of a CSV, for the agent that writes them and the replay that reads them.
//!
//! One table has every column, so that writer and reader cannot drift apart. A row keeps what is judged and what explains
//! it, and a replay of it judges as the agent did: [`Row::of`] and [`Row::sample`] are each other's inverse as far as a
//! [`Judge`](crate::Judge) can tell. Three things make that so:
//!
//! - Whose limit binds is told by the columns of the cgroup: they are written where its limit binds or there is none, and
//!   left empty beside a configured limit, against which only the process's own memory counts.
//! - What is only ever judged as a sum is recorded as one: `resident` holds jemalloc's muzzy pages too, `cgroup_kernel` the
//!   network buffers, `cgroup_file` all page cache.
//! - Time is cut to milliseconds, so that no hold is met later than it was.
//!
//! Which directory a cgroup's limit is set on is not recorded: where a move to another one changed the limit, or two bind in
//! turn, a replay takes it for a resize.
//!
//! | field | means |
//! |---|---|
//! | empty | unknown |
//! | seconds | monotonic, from the first row; decimals |
//! | bytes, counts | whole numbers |

use core::fmt;
use core::time::Duration;

use crate::{Allocator, Bytes, Cgroup, CgroupEvents, Limit, LimitSource, Process, Sample, SinceStart};

/// One column of a recording.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in the header.
    pub name: &'static str,
    /// What its fields are.
    pub kind: Kind,
    /// Whether a recording without it is none.
    pub required: bool,
    field: Field,
}

/// What the fields of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A moment in seconds, with decimals. Never empty.
    Seconds,
    /// A whole number of bytes, or empty.
    Bytes,
    /// A running count, or empty.
    Count,
}

/// Where a field stands in a row.
#[derive(Clone, Copy, Debug)]
enum Field {
    Moment,
    Number { get: fn(&Row) -> Option<u64>, set: fn(&mut Row, Option<u64>) },
}

macro_rules! columns {
    ($($(#[doc = $meaning:literal])+ $name:ident: $kind:ident, $required:literal;)+) => {
        /// One sample as it is recorded.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Row {
            /// When it was read, from the first row on.
            pub seconds: SinceStart,
            $($(#[doc = $meaning])+ pub $name: Option<u64>,)+
        }

        /// All columns, in the order in which they are written.
        pub const COLUMNS: &[Column] = &[
            Column { name: "seconds", kind: Kind::Seconds, required: true, field: Field::Moment },
            $(Column {
                name: stringify!($name),
                kind: Kind::$kind,
                required: $required,
                field: Field::Number { get: |row| row.$name, set: |row, value| row.$name = value },
            },)+
        ];
    };
}

columns! {
    /// [`Sample::used`].
    used: Bytes, true;
    /// The limit that binds.
    limit: Bytes, false;
    /// [`Process::rss`].
    rss: Bytes, false;
    /// [`Process::anon`].
    anon: Bytes, false;
    /// [`Process::shmem`].
    shmem: Bytes, false;
    /// [`Process::swap`].
    swap: Bytes, false;
    /// [`Allocator::allocated`].
    allocated: Bytes, false;
    /// [`Allocator::active`].
    active: Bytes, false;
    /// [`Allocator::resident`], and [`Allocator::muzzy`].
    resident: Bytes, false;
    /// [`Sample::external`].
    external: Bytes, false;
    /// [`Cgroup::usage`].
    cgroup_usage: Bytes, false;
    /// [`Cgroup::anon`].
    cgroup_anon: Bytes, false;
    /// [`Cgroup::file_active`] and [`Cgroup::file_inactive`].
    cgroup_file: Bytes, false;
    /// [`Cgroup::shmem`].
    cgroup_shmem: Bytes, false;
    /// [`Cgroup::kernel`] and [`Cgroup::sock`].
    cgroup_kernel: Bytes, false;
    /// [`CgroupEvents::oom`].
    oom: Count, false;
    /// [`CgroupEvents::oom_kills`].
    oom_kills: Count, false;
}

impl Column {
    /// Takes the text of one field into `row`.
    ///
    /// # Errors
    ///
    /// Where the text is not of the column's kind.
    pub fn read(&self, row: &mut Row, text: &str) -> Result<(), ParseFieldError> {
        let error = ParseFieldError(self.kind);
        match self.field {
            Field::Moment => row.seconds = parse_seconds(text).ok_or(error)?,
            Field::Number { set, .. } if text.is_empty() => set(row, None),
            Field::Number { set, .. } => set(row, Some(parse_whole(text).ok_or(error)?)),
        }
        Ok(())
    }
}

impl Row {
    /// The row of a sample in a recording whose first row is of the moment `first`.
    pub fn of(sample: &Sample, first: SinceStart) -> Self {
        let Sample { at, used, limit, allocator, process, cgroup, external } = sample;
        let counted = cgroup.filter(|_| limit.is_none_or(|limit| limit.source != LimitSource::Config));
        let events = cgroup.map(|cgroup| cgroup.events).unwrap_or_default();
        let bytes = |bytes: Option<Bytes>| bytes.map(Bytes::get);
        Self {
            seconds: SinceStart::new(at.since(first)),
            used: bytes(*used),
            limit: bytes(limit.map(|limit| limit.bytes)),
            rss: bytes(process.rss),
            anon: bytes(process.anon),
            shmem: bytes(process.shmem),
            swap: bytes(process.swap),
            allocated: bytes(allocator.map(|allocator| allocator.allocated)),
            active: bytes(allocator.map(|allocator| allocator.active)),
            resident: bytes(allocator.map(|allocator| allocator.ceiling())),
            external: Some(external.get()),
            cgroup_usage: bytes(counted.and_then(|cgroup| cgroup.usage)),
            cgroup_anon: bytes(counted.and_then(|cgroup| cgroup.anon)),
            cgroup_file: bytes(counted.and_then(|c| Some(c.file_active?.saturating_add(c.file_inactive?)))),
            cgroup_shmem: bytes(counted.and_then(|cgroup| cgroup.shmem)),
            cgroup_kernel: bytes(counted.and_then(|c| Some(c.kernel?.saturating_add(c.sock.unwrap_or_default())))),
            oom: events.oom,
            oom_kills: events.oom_kills,
        }
    }

    /// The sample of a row.
    ///
    /// Of an allocator whose `active` or `resident` is missing it is the larger of the numbers that are there: jemalloc's
    /// `allocated` lies in its active pages and those in its resident ones, so that nothing is then taken for overhead that
    /// may be none, and nothing for unattributed that may be the allocator's.
    pub fn sample(&self) -> Sample {
        let bytes = |number: Option<u64>| number.map(Bytes::new);
        let in_cgroup = [self.cgroup_usage, self.cgroup_anon, self.cgroup_file, self.cgroup_shmem, self.cgroup_kernel];
        let in_cgroup = in_cgroup.iter().any(Option::is_some);
        let (source, scope) = if in_cgroup { (LimitSource::Cgroup, 1) } else { (LimitSource::Config, 0) };
        let limit = bytes(self.limit).map(|bytes| Limit { bytes, source, scope });
        let allocator = bytes(self.allocated).map(|allocated| {
            let largest = [bytes(self.active), bytes(self.resident)].into_iter().flatten().fold(allocated, Bytes::max);
            Allocator {
                allocated,
                active: bytes(self.active).unwrap_or(largest),
                resident: bytes(self.resident).unwrap_or(largest),
                ..Allocator::default()
            }
        });
        let cgroup = (in_cgroup || self.oom.is_some() || self.oom_kills.is_some()).then(|| Cgroup {
            id: scope,
            limited: in_cgroup && limit.is_some(),
            usage: bytes(self.cgroup_usage),
            anon: bytes(self.cgroup_anon),
            file_active: self.cgroup_file.map(|_| Bytes::ZERO),
            file_inactive: bytes(self.cgroup_file),
            shmem: bytes(self.cgroup_shmem),
            kernel: bytes(self.cgroup_kernel),
            events: CgroupEvents { oom: self.oom, oom_kills: self.oom_kills, ..CgroupEvents::default() },
            ..Cgroup::default()
        });
        Sample {
            at: self.seconds,
            used: bytes(self.used),
            limit,
            allocator,
            process: Process {
                rss: bytes(self.rss),
                anon: bytes(self.anon),
                shmem: bytes(self.shmem),
                swap: bytes(self.swap),
                ..Process::default()
            },
            cgroup,
            external: Bytes::new(self.external.unwrap_or_default()),
        }
    }
}

/// The row as a line of the CSV, without its end.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, column) in COLUMNS.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match column.field {
                Field::Moment => {
                    let at = self.seconds.elapsed();
                    write!(f, "{}.{:03}", at.as_secs(), at.subsec_millis())?;
                }
                Field::Number { get, .. } => get(self).map_or(Ok(()), |number| write!(f, "{number}"))?,
            }
        }
        Ok(())
    }
}

/// The first line of the CSV, without its end.
#[derive(Clone, Copy, Debug)]
pub struct Header;

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, column) in COLUMNS.iter().enumerate() {
            write!(f, "{}{}", if index > 0 { "," } else { "" }, column.name)?;
        }
        Ok(())
    }
}

/// What is wrong with the text of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseFieldError(Kind);

impl fmt::Display for ParseFieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Seconds => "not a time in seconds: write a number such as 12 or 12.345",
            Kind::Bytes => "not a number of bytes: write a whole number, or leave it empty",
            Kind::Count => "not a count: write a whole number, or leave it empty",
        })
    }
}

impl core::error::Error for ParseFieldError {}

/// Digits alone: `parse` of an integer would take a sign.
fn parse_whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Exact, since a hold can end at a moment that no binary fraction meets. Decimals after the ninth are cut.
fn parse_seconds(text: &str) -> Option<SinceStart> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let mut nanos = 0_u32;
    let mut digits = decimals.bytes();
    for _ in 0..9 {
        let digit = digits.next().unwrap_or(b'0');
        nanos = nanos.checked_mul(10)?.checked_add(u32::from(digit.checked_sub(b'0').filter(|digit| *digit <= 9)?))?;
    }
    let exact = !decimals.is_empty() && digits.all(|byte| byte.is_ascii_digit());
    exact.then(|| Some(SinceStart::new(Duration::new(parse_whole(whole)?, nanos))))?
}

#[cfg(test)]
mod tests;
