//! Snapshots: each is made once, for all who ask before the next message, and is there until the last of them has read it.

use bytes::Bytes;

/// So many are there at once. Who asks while slow readers hold all of them gets the newest: the stream goes on where that ends.
pub(crate) const MOST: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    /// The oldest first, each with the number of the last message in it.
    made: Vec<(u64, Bytes)>,
    /// The size of the last one, while somebody asks for them: the next one will have it, too.
    expected: usize,
}

impl Snapshots {
    /// The one with everything up to message `seq`, or the newest that there is, where there are as many as may be: nothing where
    /// one is to be made.
    pub(crate) fn up_to(&mut self, seq: u64) -> Option<Bytes> {
        if self.made.last().is_none_or(|(of, _)| *of != seq) {
            self.release();
        }
        let (of, newest) = self.made.last()?;
        (*of == seq || self.made.len() >= MOST).then(|| newest.clone())
    }

    /// One was made, with everything up to message `seq`.
    pub(crate) fn keep(&mut self, seq: u64, mut text: String) -> Bytes {
        // Who reads slowly keeps it: no more than what it is.
        text.shrink_to_fit();
        let snapshot = Bytes::from(text);
        self.expected = snapshot.len();
        self.made.push((seq, snapshot.clone()));
        snapshot
    }

    /// Drops those that nobody reads any more.
    pub(crate) fn release(&mut self) {
        self.made.retain(|(_, snapshot)| !snapshot.is_unique());
    }

    /// What is dated by a clock that was set since is given to nobody.
    pub(crate) fn outdate(&mut self) {
        self.made.clear();
    }

    /// Nobody asks any more.
    pub(crate) fn rest(&mut self) {
        self.expected = 0;
    }

    /// What they hold, or will as soon as somebody asks.
    pub(crate) fn bytes(&self) -> usize {
        self.made.iter().map(|(_, snapshot)| snapshot.len()).sum::<usize>().max(self.expected)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ask(snapshots: &mut Snapshots, seq: u64, text: &str) -> Bytes {
        snapshots.up_to(seq).unwrap_or_else(|| snapshots.keep(seq, text.to_owned()))
    }

    #[test]
    fn those_who_read_slowly_hold_no_more_than_so_many() {
        let mut snapshots = Snapshots::default();
        let held: Vec<Bytes> = (0..100).map(|seq| ask(&mut snapshots, seq, &format!("up to {seq}"))).collect();
        let different: BTreeSet<_> = held.iter().map(|snapshot| snapshot.as_ptr()).collect();
        assert_eq!(different.len(), MOST);
        assert_eq!(held.last().unwrap(), "up to 7", "the newest that could be made");
        drop(held);
        assert_eq!(ask(&mut snapshots, 100, "up to 100"), "up to 100");
    }

    #[test]
    fn one_that_nobody_reads_is_dropped_and_one_of_another_clock_is_given_to_nobody() {
        let mut snapshots = Snapshots::default();
        drop(ask(&mut snapshots, 1, "once"));
        snapshots.release();
        snapshots.rest();
        assert_eq!(snapshots.bytes(), 0);
        let slow = ask(&mut snapshots, 1, "again");
        snapshots.release();
        snapshots.rest();
        assert_eq!((&*slow, snapshots.bytes()), (&b"again"[..], 5), "somebody reads it");
        snapshots.outdate();
        assert_eq!(ask(&mut snapshots, 1, "by the clock of now"), "by the clock of now");
    }
}
