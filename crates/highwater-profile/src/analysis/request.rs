//! Which stacks go into a request of OpenTelemetry's, and with them which addresses, functions and mappings.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::{Analysis, Named, io_error};
use crate::dump::{self, Entry, Stack};
use crate::otlp::{About, MOST, Request, Writer, cost};

impl<R: Read + Seek> Analysis<R> {
    /// Reads the dump again, some times, and writes it as a request of OpenTelemetry's profiles signal, of at most
    /// [`MOST`] bytes beside its resource and scope.
    ///
    /// Where that is not enough, the stacks that hold least are left out, and what they hold is in a sample without a stack.
    ///
    /// # Errors
    ///
    /// When the dump cannot be read any more.
    pub fn write_otlp(&mut self, about: &About<'_>) -> io::Result<Request> {
        let (chosen, used) = self.choose(MOST.saturating_sub(cost::OF_HEAD))?;
        self.write(&chosen, &used, about)
    }

    fn write(&mut self, chosen: &Chosen, used: &Used, about: &About<'_>) -> io::Result<Request> {
        let mut writer = Writer::begin(about, used.spent);
        let around = writer.open_profiles(about);
        for of_bytes in [true, false] {
            let profile = writer.open_profile(about, of_bytes, self.period);
            let (mut number, mut left_out) = (0_i32, 0_u64);
            self.for_each(&mut chosen.clone(), |_, stack, is_chosen| {
                let value = if of_bytes { stack.bytes } else { stack.objects };
                if is_chosen {
                    number = number.saturating_add(1);
                    writer.sample(number, value);
                } else {
                    left_out = left_out.saturating_add(value);
                }
            })?;
            if left_out > 0 {
                writer.sample(0, left_out);
            }
            writer.close(profile);
        }
        around.into_iter().rev().for_each(|opened| writer.close(opened));

        let dictionary = writer.open_dictionary();
        let Named { addresses, numbers, names, mappings } = &self.named;
        let mappings: Vec<i32> = mappings
            .iter()
            .zip(&used.mappings)
            .map(|(mapping, is_used)| if *is_used { writer.mapping(mapping) } else { 0 })
            .collect();
        let functions: Vec<i32> = names
            .iter()
            .zip(&used.functions)
            .map(|(name, is_used)| if *is_used { writer.function(name) } else { 0 })
            .collect();
        let mut locations = vec![0; addresses.len()];
        let mut count = 0_i32;
        let all = addresses.iter().zip(numbers).zip(&mut locations).zip(&used.addresses);
        for (((address, number), location), _) in all.filter(|(_, is_used)| **is_used) {
            count = count.saturating_add(1);
            *location = count;
            let mapping = self.named.mapping_index(*address).and_then(|index| mappings.get(index));
            let function = index(*number).and_then(|index| functions.get(index));
            writer.location(*address, mapping.copied().unwrap_or_default(), function.copied().unwrap_or_default());
        }
        drop((mappings, functions));
        self.for_each(&mut chosen.clone(), |named, stack, is_chosen| {
            if is_chosen {
                let numbers = stack.calls.iter().filter_map(|call| locations.get(named.place(*call)?).copied());
                writer.stack(numbers.collect());
            }
        })?;
        Ok(writer.end(dictionary, about))
    }

    /// The stacks that hold most, as many as there is room for.
    fn choose(&mut self, room: usize) -> io::Result<(Chosen, Used)> {
        // The lowest power of two from which on all fit. Most programs' stacks all fit, so that is tried first.
        let (mut fits, mut fits_not) = (NONE, 0);
        let mut next = 0;
        let mut used = loop {
            let mut used = Used::nothing(&self.named, room);
            match self.fill(&mut used, from(next)..u128::MAX)? {
                Filled::All if next == 0 => return Ok((Chosen { from: 0, more: 0 }, used)),
                Filled::All => fits = next,
                Filled::Some(_) => fits_not = next,
            }
            if fits.saturating_sub(fits_not) <= 1 {
                break if fits == next { used } else { self.used_from(fits, room)? };
            }
            next = fits_not.saturating_add(fits) / 2;
        };
        let more = match self.fill(&mut used, from(fits_not)..from(fits))? {
            Filled::Some(count) => count,
            Filled::All => u64::MAX,
        };
        Ok((Chosen { from: from(fits), more }, used))
    }

    fn used_from(&mut self, exponent: u32, room: usize) -> io::Result<Used> {
        let mut used = Used::nothing(&self.named, room);
        if exponent < NONE {
            self.fill(&mut used, from(exponent)..u128::MAX)?;
        }
        Ok(used)
    }

    /// Takes the stacks that hold so much, in the order of the dump, up to the first for which there is no room.
    fn fill(&mut self, used: &mut Used, bytes: Range<u128>) -> io::Result<Filled> {
        let (mut count, mut is_full) = (0_u64, false);
        let Self { dump, named, .. } = self;
        stacks(dump, |stack| {
            if is_full || !bytes.contains(&u128::from(stack.bytes)) {
                return;
            }
            is_full = !used.take(named, &stack);
            count = count.saturating_add(u64::from(!is_full));
        })?;
        Ok(if is_full { Filled::Some(count) } else { Filled::All })
    }

    /// Gives each stack, and whether it is chosen.
    fn for_each(&mut self, chosen: &mut Chosen, mut each: impl FnMut(&Named, Stack<'_>, bool)) -> io::Result<()> {
        let Self { dump, named, .. } = self;
        stacks(dump, |stack| each(named, stack, chosen.has(stack.bytes)))
    }
}

/// Reads the dump from its beginning.
fn stacks(dump: &mut (impl Read + Seek), mut each: impl FnMut(Stack<'_>)) -> io::Result<()> {
    dump.seek(SeekFrom::Start(0))?;
    let read = dump::read(dump, &mut |entry| {
        if let Entry::Stack(stack) = entry {
            each(stack);
        }
        Ok(())
    });
    read.map(drop).map_err(io_error)
}

/// What came of taking stacks.
enum Filled {
    All,
    /// So many.
    Some(u64),
}

/// Those that hold so many bytes, and so many more of those that hold at least half as much.
#[derive(Clone, Debug)]
struct Chosen {
    from: u128,
    more: u64,
}

impl Chosen {
    /// Whether one that holds this is chosen. To be asked once for each stack, in the order of the dump.
    fn has(&mut self, bytes: u64) -> bool {
        let bytes = u128::from(bytes);
        if bytes >= self.from {
            return true;
        }
        let takes = self.more > 0 && bytes >= self.from / 2;
        self.more = self.more.saturating_sub(u64::from(takes));
        takes
    }
}

/// From so many bytes on: 0, 1, 2, 4, ...
fn from(exponent: u32) -> u128 {
    exponent.checked_sub(1).map_or(0, |exponent| 1 << exponent)
}

/// From here on there is no stack: none holds more than 64 bits say.
const NONE: u32 = 65;

/// What the stacks that were taken need, and what that takes.
struct Used {
    addresses: Vec<bool>,
    functions: Vec<bool>,
    mappings: Vec<bool>,
    spent: usize,
    room: usize,
}

impl Used {
    fn nothing(named: &Named, room: usize) -> Self {
        let none = |count| vec![false; count];
        Self {
            addresses: none(named.addresses.len()),
            functions: none(named.names.count()),
            mappings: none(named.mappings.len()),
            spent: 0,
            room,
        }
    }

    /// Takes a stack, where there is room for it.
    fn take(&mut self, named: &Named, stack: &Stack<'_>) -> bool {
        let places = || stack.calls.iter().filter_map(|call| Some((*call, named.place(*call)?)));
        let mut spent = cost::of_stack(stack.calls.len());
        // What stands in it twice is counted twice, which is more than it takes.
        for (call, place) in places().filter(|(_, place)| self.addresses.get(*place) == Some(&false)) {
            let (function, mapping) = (named.function_at(place), named.mapping_index(call));
            let function = function.filter(|function| self.functions.get(*function) == Some(&false));
            let mapping = mapping.filter(|mapping| self.mappings.get(*mapping) == Some(&false));
            let name = function.and_then(|_| named.names.get(named.numbers.get(place).copied()?));
            let mapping = mapping.and_then(|mapping| named.mappings.get(mapping));
            spent = spent
                .saturating_add(cost::of_location(call))
                .saturating_add(name.map_or(0, cost::of_function))
                .saturating_add(mapping.map_or(0, cost::of_mapping));
        }
        let spent = self.spent.saturating_add(spent);
        if spent > self.room {
            return false;
        }
        self.spent = spent;
        let mark = |marks: &mut Vec<bool>, at: Option<usize>| {
            if let Some(mark) = at.and_then(|at| marks.get_mut(at)) {
                *mark = true;
            }
        };
        for (call, place) in places() {
            mark(&mut self.addresses, Some(place));
            mark(&mut self.functions, named.function_at(place));
            mark(&mut self.mappings, named.mapping_index(call));
        }
        true
    }
}

impl Named {
    /// The index of an address.
    fn place(&self, call: u64) -> Option<usize> {
        self.addresses.binary_search(&call).ok()
    }

    /// The index of the name of an address.
    fn function_at(&self, place: usize) -> Option<usize> {
        self.numbers.get(place).and_then(|number| index(*number))
    }
}

fn index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;
    use crate::open::NoFiles;

    proptest! {
        #[test]
        fn no_request_is_larger_than_the_room_that_was_made_for_it(
            stacks in prop::collection::vec((1_u64..u64::MAX, 1_usize..60, 0_u64..u64::MAX), 0..40),
            room in 0_usize..20_000,
        ) {
            let mut dump = "heap_v2/524288\n".to_owned();
            for (at, frames, bytes) in stacks {
                dump.push('@');
                (0..frames as u64).for_each(|frame| dump.push_str(&format!(" {:#x}", at.wrapping_add(frame * 977) | 1)));
                dump.push_str(&format!("\n  t*: 3: {bytes} [0: 0]\n"));
            }
            dump.push_str("\nMAPPED_LIBRARIES:\n1000-7fffffffffffffff r-xp 00001000 08:01 7 /usr/bin/service\n");
            let mut analysis = Analysis::of(Cursor::new(dump), &mut NoFiles).unwrap();
            let about = About { resource: b"", scope: b"", time: UNIX_EPOCH, trace: Some([7; 16]), ids: [[1; 16], [2; 16]] };
            let (chosen, used) = analysis.choose(room).unwrap();
            prop_assert!(used.spent <= room);
            let request = analysis.write(&chosen, &used, &about).unwrap();
            prop_assert!(request.into_bytes().len() <= used.spent + cost::OF_HEAD);
        }
    }
}
