//! `/proc/self/statm`: the sizes of the process in pages, the cheapest of its files.

use super::{number, words};

/// The first three numbers, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statm {
    /// Address space.
    pub(crate) size: u64,
    /// Resident pages.
    pub(crate) resident: u64,
    /// Those of them that are file mappings or shared memory; the rest is anonymous.
    pub(crate) shared: u64,
}

pub(crate) fn parse(content: &[u8]) -> Option<Statm> {
    let mut words = words(content);
    Some(Statm { size: number(words.next()?)?, resident: number(words.next()?)?, shared: number(words.next()?)? })
}
