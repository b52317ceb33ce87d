//! Running counts that go on where another directory comes to bind.
//!
//! Each directory counts for itself, from its own beginning. To hand over the counts of whichever binds would show kills that
//! never happened, or lose one that did: a kill frees memory, so that another directory is likely to bind right after it. So
//! what rises is added up: of the directory that binds now and of the one that did before, which may count the same kill.

use highwater_model::CgroupEvents;

/// The sum of what rose, begun with the counts of the first directory.
#[derive(Debug, Default)]
pub(super) struct Counts(CgroupEvents);

impl Counts {
    /// Adds the rises of one reading, and begins with `binding` what was unknown so far.
    pub(super) fn add(&mut self, rises: impl Iterator<Item = CgroupEvents>, binding: CgroupEvents) -> CgroupEvents {
        let largest = rises.fold(CgroupEvents::default(), |one, other| each(one, other, Option::max));
        let risen = each(self.0, largest, |sum, rise| Some(sum?.saturating_add(rise.unwrap_or_default())));
        self.0 = each(risen, binding, Option::or);
        // What cannot be read now is unknown, although it was known.
        each(self.0, binding, |sum, now| now.and(sum))
    }
}

/// Joins each count of one with that of the other.
pub(super) fn each(
    one: CgroupEvents,
    other: CgroupEvents,
    join: impl Fn(Option<u64>, Option<u64>) -> Option<u64>,
) -> CgroupEvents {
    CgroupEvents {
        low: join(one.low, other.low),
        high: join(one.high, other.high),
        max: join(one.max, other.max),
        oom: join(one.oom, other.oom),
        oom_kills: join(one.oom_kills, other.oom_kills),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kills(kills: u64) -> CgroupEvents {
        CgroupEvents { oom_kills: Some(kills), ..CgroupEvents::default() }
    }

    #[test]
    fn a_sum_begins_with_the_first_counts_and_goes_on_where_another_directory_binds() {
        let mut counts = Counts::default();
        assert_eq!(counts.add(std::iter::empty(), kills(3)), kills(3));
        assert_eq!(counts.add([kills(0)].into_iter(), kills(3)), kills(3));
        // The parent, with its 40 kills of old, binds: nothing happened.
        assert_eq!(counts.add([kills(0), kills(0)].into_iter(), kills(40)), kills(3));
        // One process is killed, which both count; the leaf binds again.
        assert_eq!(counts.add([kills(1), kills(1)].into_iter(), kills(4)), kills(4));
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_goes_on_later() {
        let mut counts = Counts::default();
        assert_eq!(counts.add(std::iter::empty(), kills(3)), kills(3));
        assert_eq!(counts.add(std::iter::empty(), CgroupEvents::default()), CgroupEvents::default());
        assert_eq!(counts.add([kills(2)].into_iter(), kills(5)), kills(5));
    }
}
