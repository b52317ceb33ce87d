//! The process whose page this is. A child that was forked has its memory and none of its threads, and locks that a thread
//! of the parent's held at the fork stay held: whoever may be in one asks first.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId(u32);

impl ProcessId {
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }
}
