//! What can be read, and why something cannot.
//!
//! Three answers, since two of them look alike in a sample and mean the opposite: a source that does not exist here is no
//! finding, one that should be there and cannot be read is.

use std::{fmt, io};

use crate::cgroup::MAX_DEPTH;

/// Where numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The allocator.
    Jemalloc,
    /// The kernel's files about this process.
    Proc,
    /// The kernel's files about the cgroups that this process is in.
    Cgroup,
    /// The cgroup's pressure stall information.
    Pressure,
}

impl Source {
    /// How many sources there are.
    pub const COUNT: usize = 4;

    /// All sources, in the order of [`Sources::availability`](crate::Sources::availability).
    pub const ALL: [Self; Self::COUNT] = [Self::Jemalloc, Self::Proc, Self::Cgroup, Self::Pressure];

    /// The value of `highwater.source`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jemalloc => "jemalloc",
            Self::Proc => "proc",
            Self::Cgroup => "cgroup",
            Self::Pressure => "pressure",
        }
    }
}

/// Whether a source could be read the last time that it was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// It was read.
    Available,
    /// It does not exist here, which is no finding: no cgroup, another allocator, a kernel without pressure information.
    #[default]
    Absent,
    /// It was there, or should be, and cannot be read: its fields are blank.
    Unavailable(Reason),
}

impl Availability {
    /// The worse of two parts of one source: a reason before available, and available before absent.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unavailable(_), _) | (Self::Available, Self::Available | Self::Absent) => self,
            _ => other,
        }
    }
}

/// Why a source cannot be read: which part of it, and what went wrong there.
///
/// Small and `Copy`, so that it can be kept and compared at each reading; it becomes text when it is displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason {
    part: &'static str,
    fault: Fault,
}

impl Reason {
    /// The file or key that could not be read, without its folder: `memory.current`, `stats.allocated`.
    pub const fn part(&self) -> &'static str {
        self.part
    }

    pub(crate) const fn new(part: &'static str, fault: Fault) -> Self {
        Self { part, fault }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.part)?;
        match self.fault {
            Fault::Os(code) => write!(f, "{}", io::Error::from_raw_os_error(code)),
            Fault::Malformed => f.write_str("its content is not understood"),
            Fault::Unseen => f.write_str("the kernel names it, but it is not mounted where this process can see it"),
            Fault::TooDeep => {
                write!(f, "it is nested more than {MAX_DEPTH} deep, and limits above that are not looked for")
            }
        }
    }
}

/// What goes wrong with a part of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The system said no, with this code.
    Os(i32),
    /// The content does not have the expected form.
    Malformed,
    /// The kernel says that it exists, but there is no way to it.
    Unseen,
    /// It has more ancestors than are read.
    TooDeep,
}

impl Fault {
    /// Whether the thing is not there at all, rather than there and not readable.
    pub(crate) fn is_not_there(self) -> bool {
        matches!(self, Self::Os(libc::ENOENT | libc::ENOTDIR | libc::EOPNOTSUPP))
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Systems have several codes for it.
            io::ErrorKind::NotFound => Self::Os(libc::ENOENT),
            _ => error.raw_os_error().map_or(Self::Malformed, Self::Os),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKEN: Availability = Availability::Unavailable(Reason::new("memory.stat", Fault::Malformed));

    #[test]
    fn one_broken_part_breaks_a_source_and_one_absent_part_does_not() {
        use Availability::{Absent, Available};
        assert_eq!((Absent.and(Absent), Absent.and(Available), Available.and(Absent)), (Absent, Available, Available));
        assert_eq!((BROKEN.and(Available), Available.and(BROKEN), Absent.and(BROKEN)), (BROKEN, BROKEN, BROKEN));
    }

    #[test]
    fn a_reason_names_the_part_and_what_went_wrong() {
        let text = |fault| Reason::new("memory.current", fault).to_string();
        assert_eq!(text(Fault::Malformed), "memory.current: its content is not understood");
        assert!(text(Fault::Os(libc::EACCES)).starts_with("memory.current: Permission denied"));
    }

    #[test]
    fn what_does_not_exist_is_told_from_what_cannot_be_read() {
        assert!(Fault::from(io::Error::from(io::ErrorKind::NotFound)).is_not_there());
        assert!(Fault::Os(libc::EOPNOTSUPP).is_not_there(), "pressure that is switched off");
        assert!(!Fault::Os(libc::ENODEV).is_not_there(), "a cgroup that was removed");
        assert!(!Fault::Os(libc::EMFILE).is_not_there());
    }
}
