//! Where memory was asked for, and what was held from there earlier.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// How many sites a baseline remembers: 64 KiB.
pub(crate) const MOST_REMEMBERED: usize = 4096;

/// Where memory was asked for: the first function, from the leaf, that is the program's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The function, as people write it, up to 256 bytes; absent where the file has no name for it.
    pub function: Option<String>,
    /// The name of the file that the code is from.
    pub module: Option<String>,
    /// The build id of that file, in hexadecimal digits.
    pub build_id: Option<String>,
    /// The address of the call as the file counts: what `addr2line` takes. Of several calls in the function, the one that
    /// most is held from.
    pub offset: Option<u64>,
    /// What is held, as far as the samples tell.
    pub bytes: u64,
    /// In how many objects.
    pub objects: u64,
    /// How many bytes more are held than at the baseline. Where that does not remember the site it is a lower bound.
    pub grown: Option<i64>,
}

/// What the largest sites held, for a comparison later in the same process or in another run of the same program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// By what a site is known, in rising order, and its bytes.
    held: Vec<(u64, u64)>,
    /// The most that a site can have held that is not among them.
    most_of_others: u64,
}

impl Baseline {
    pub(crate) fn new(mut held: Vec<(u64, u64)>) -> Self {
        held.sort_unstable_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let most_of_others = held.get(MOST_REMEMBERED).map_or(0, |(_, bytes)| *bytes);
        held.truncate(MOST_REMEMBERED);
        held.shrink_to_fit();
        held.sort_unstable();
        Self { held, most_of_others }
    }

    pub(crate) fn grown(&self, key: u64, bytes: u64) -> i64 {
        let was = self.held.binary_search_by_key(&key, |(key, _)| *key).ok().and_then(|index| self.held.get(index));
        match was {
            Some((_, was)) => difference(bytes, *was),
            None => difference(bytes.max(self.most_of_others), self.most_of_others),
        }
    }
}

/// What a site is known by: the same in each run of the same program.
pub(crate) fn key(module: &str, function: Option<&str>, offset: Option<u64>) -> u64 {
    // With keys that are always the same.
    let mut hasher = DefaultHasher::new();
    match function {
        Some(function) => (module, function).hash(&mut hasher),
        None => (module, offset).hash(&mut hasher),
    }
    hasher.finish()
}

fn difference(now: u64, was: u64) -> i64 {
    let signed = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
    signed(now).saturating_sub(signed(was))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_baseline_does_not_remember_has_grown_by_at_least_so_much() {
        let held = (0..MOST_REMEMBERED as u64 + 10).map(|site| (site, 1000 + site)).collect();
        let baseline = Baseline::new(held);
        assert_eq!(baseline.held.len(), MOST_REMEMBERED);
        // Of the ten that are not remembered the largest held 1009.
        assert_eq!(baseline.grown(MOST_REMEMBERED as u64, 0), -(1000 + MOST_REMEMBERED as i64));
        assert_eq!((baseline.grown(3, 1003), baseline.grown(3, 5009)), (0, 4000));
        assert_eq!(Baseline::default().grown(7, 5), 5);
        assert_eq!(Baseline::default().grown(7, u64::MAX), i64::MAX);
    }
}
