//! Snapshots: each is made once, for all who ask before the next message, and is there until the last of them has read it.

use bytes::Bytes;

/// So many are there at once. Who asks while slow readers hold all of them gets the newest, for as long as the stream goes on
/// where that ends; after that nothing, since what is old looks as what is new does.
pub(crate) const MOST: usize = 8;

/// What there is for who asks.
#[derive(Debug)]
pub(crate) enum Found {
    Ready(Bytes),
    /// One is to be made.
    ToMake,
    /// Slow readers hold as many as may be, and none of them leads to now.
    Busy,
}

#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    /// The oldest first, each with the number of the last message in it.
    made: Vec<(u64, Bytes)>,
    /// The size of the last one, while somebody asks for them: the next one will have it, too.
    expected: usize,
}

impl Snapshots {
    /// The one with everything up to message `seq`; where there are as many as may be, the newest that there is, if the stream
    /// still has all that came after it: all after message `kept_after`.
    pub(crate) fn up_to(&mut self, seq: u64, kept_after: u64) -> Found {
        if self.made.last().is_none_or(|(of, _)| *of != seq) {
            self.release();
        }
        match self.made.last() {
            Some((of, newest)) if *of == seq => Found::Ready(newest.clone()),
            Some((of, newest)) if self.made.len() >= MOST => {
                if *of >= kept_after {
                    Found::Ready(newest.clone())
                } else {
                    Found::Busy
                }
            }
            _ => Found::ToMake,
        }
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

    /// Of a stream that has all there was.
    fn ask(snapshots: &mut Snapshots, seq: u64, text: &str) -> Bytes {
        match snapshots.up_to(seq, 0) {
            Found::Ready(snapshot) => snapshot,
            Found::ToMake => snapshots.keep(seq, text.to_owned()),
            Found::Busy => panic!("the stream goes on from the newest"),
        }
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
    fn an_old_one_is_given_to_nobody_once_the_stream_does_not_go_on_where_it_ends() {
        let mut snapshots = Snapshots::default();
        let held: Vec<Bytes> = (1..=MOST as u64).map(|seq| ask(&mut snapshots, seq, &format!("up to {seq}"))).collect();
        let given = |found| if let Found::Ready(snapshot) = found { Some(snapshot) } else { None };
        assert_eq!(given(snapshots.up_to(72, 8)).unwrap(), "up to 8");
        assert!(matches!(snapshots.up_to(73, 9), Found::Busy));
        drop(held);
        assert!(matches!(snapshots.up_to(73, 9), Found::ToMake), "there is room again");
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
