//! Memory that the program accounts for itself: mappings, staging buffers, heaps of C libraries.
//!
//! Neither the allocator nor the kernel can say whose an anonymous page is. The program can: it adds and removes bytes of
//! a named region, as Node.js accounts its external buffers. All operations are single atomics on a fixed table, so that
//! they may stand beside each `mmap` of a service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use highwater_model::Bytes;
use once_cell::race::OnceBox;

/// How many regions can have a name: each is a metric series.
const NAMED: usize = 16;

/// The registry of regions, at most 16 of them with a name.
///
/// A region beyond the 16th counts in [`total`](Self::total), but has no name of its own: [`iter`](Self::iter) passes
/// over it, and handles of it share no amount even where they share a name.
#[derive(Debug, Default)]
pub struct Regions {
    named: [Slot; NAMED],
    nameless: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    /// Nobody waits for another thread to fill it: in a child that was forked meanwhile there is no such thread.
    name: OnceBox<Box<str>>,
    usage: AtomicU64,
}

impl Regions {
    /// A registry without regions.
    pub fn new() -> Self {
        Self::default()
    }

    /// The region called `name`: the same one for the same name, a new and empty one for a new name.
    pub fn region(self: &Arc<Self>, name: &str) -> Region {
        // Slots fill in order, and `get_or_init` lets one of two rivals for a slot win: the other sees its name and goes on.
        let slot = self.named.iter().position(|slot| &**slot.name.get_or_init(|| Box::new(name.into())) == name);
        let place = slot.map_or_else(|| Place::Nameless(Arc::default()), Place::Named);
        Region { regions: Arc::clone(self), place }
    }

    /// The sum of all regions.
    pub fn total(&self) -> Bytes {
        let named = self.iter().fold(Bytes::ZERO, |sum, (_, usage)| sum.saturating_add(usage));
        named.saturating_add(Bytes::new(self.nameless.load(Relaxed)))
    }

    /// The regions that have a name, in the order of their registration.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Bytes)> {
        self.named.iter().map_while(|slot| Some((&**slot.name.get()?, Bytes::new(slot.usage.load(Relaxed)))))
    }
}

/// A handle of one region. Clones count in the same region; dropping a handle removes nothing.
#[derive(Clone, Debug)]
pub struct Region {
    regions: Arc<Regions>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Named(usize),
    /// The amount of this handle and its clones, which the registry holds in its sum too.
    Nameless(Arc<AtomicU64>),
}

impl Region {
    /// Counts `bytes` more; at most `u64::MAX`.
    pub fn add(&self, bytes: Bytes) {
        self.change(|usage| usage.saturating_add(bytes.get()));
    }

    /// Counts `bytes` less; never below zero.
    pub fn remove(&self, bytes: Bytes) {
        self.change(|usage| usage.saturating_sub(bytes.get()));
    }

    /// Counts `bytes`, whatever was counted before.
    pub fn set(&self, bytes: Bytes) {
        self.change(|_| bytes.get());
    }

    /// What is counted now.
    pub fn usage(&self) -> Bytes {
        Bytes::new(self.amount().load(Relaxed))
    }

    fn change(&self, to: impl Fn(u64) -> u64) {
        let amount = self.amount();
        let before = update(amount, &to);
        if let Place::Nameless(_) = self.place {
            let after = to(before);
            update(&self.regions.nameless, |sum| {
                sum.saturating_sub(before.saturating_sub(after)).saturating_add(after.saturating_sub(before))
            });
        }
    }

    fn amount(&self) -> &AtomicU64 {
        match &self.place {
            Place::Named(index) => self.regions.named.get(*index).map_or(&self.regions.nameless, |slot| &slot.usage),
            Place::Nameless(amount) => amount,
        }
    }
}

/// Replaces the value by `to` of it, and gives the value before.
fn update(amount: &AtomicU64, to: impl Fn(u64) -> u64) -> u64 {
    let mut before = amount.load(Relaxed);
    while let Err(now) = amount.compare_exchange_weak(before, to(before), Relaxed, Relaxed) {
        before = now;
    }
    before
}

#[cfg(test)]
mod tests;
