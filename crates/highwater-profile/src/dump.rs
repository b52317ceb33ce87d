//! jemalloc's own text: stacks with what is live of each, then the mappings of the process.
//!
//! ```text
//! heap_v2/524288                                   the mean of bytes between two samples
//!   t*: 3: 1572864 [0: 0]                          of all stacks: not used, see below
//!   t0: 3: 1572864 [0: 0]
//! @ 0x55d4c1f6a2b3 0x55d4c1f69c44 0x7f0e8a629d90   one stack, the leaf first
//!   t*: 2: 1048576 [0: 0]                          objects and bytes sampled, and ever sampled
//!   t0: 2: 1048576 [0: 0]                          the same for one thread: not used
//!
//! MAPPED_LIBRARIES:
//! 55d4c1f00000-55d4c1f80000 r-xp 00010000 08:01 1311 /usr/bin/service
//! ```
//!
//! The numbers are of samples. An object of `x` bytes is sampled with the probability `1 - exp(-x / period)`, so each
//! stack stands for `1 / (1 - exp(-(bytes / objects) / period))` times what was sampled of it. That is what `jeprof` does
//! (`AdjustSamples`), and jemalloc writes its numbers so that this gives the right ones, also for a stack whose objects
//! differ in size (`prof_do_unbias` in its `prof_data.c`). The sums at the top of a dump are made of all stacks at once
//! and cannot be scaled back: what is live is the sum of the scaled stacks.

use std::io::{self, Read};

use crate::error::Error;
use crate::lines::Lines;
use crate::maps::Mapping;

/// The most frames of one stack that are read: as many as jemalloc can record.
pub(crate) const MOST_FRAMES: usize = 1024;

/// What stands in a dump, one thing at a time.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    Stack(Stack<'a>),
    /// A mapping that holds code of a file.
    Mapping(Mapping),
}

/// A stack and what is live of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stack<'a> {
    /// Where the calls are, from the leaf: of each return address the one before it, since it points after the call.
    pub(crate) calls: &'a [u64],
    /// Scaled to all objects, as `bytes`.
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// What holds for the whole dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) period: u64,
    /// Lines that are none that a dump has.
    pub(crate) skipped: u64,
}

/// Reads a dump from its beginning to its end, through buffers of a fixed size.
pub(crate) fn read(input: impl Read, each: &mut dyn FnMut(Entry<'_>) -> io::Result<()>) -> Result<Whole, Error> {
    let mut lines = Lines::new(input);
    let period = lines.next_line()?.and_then(|line| number(line.strip_prefix(b"heap_v2/")?)).ok_or(Error::NotADump)?;
    let mut read = Whole { period, skipped: 0 };
    let mut calls = Vec::with_capacity(MOST_FRAMES);
    let mut at = At::Head;
    while let Some(line) = lines.next_line()? {
        let line = line.trim_ascii();
        let known = match at {
            At::Maps => match Mapping::parse(line) {
                Some(mapping) if mapping.has_code() => {
                    each(Entry::Mapping(mapping))?;
                    true
                }
                parsed => parsed.is_some() || line.is_empty(),
            },
            _ if line.is_empty() => true,
            _ if line == b"MAPPED_LIBRARIES:" => {
                at = At::Maps;
                true
            }
            _ if line.first() == Some(&b'@') => {
                // A stack before this one of which nothing was said.
                if at == At::Stack {
                    read.skipped = read.skipped.saturating_add(1);
                }
                let known = stack(line.get(1..).unwrap_or_default(), &mut calls);
                at = if known { At::Stack } else { At::Told };
                known
            }
            At::Stack => match sampled(line) {
                Some((objects, bytes)) => {
                    at = At::Told;
                    let (objects, bytes) = scaled(objects, bytes, period);
                    if objects > 0 {
                        each(Entry::Stack(Stack { calls: &calls, objects, bytes }))?;
                    }
                    true
                }
                None => false,
            },
            // Of threads, or of the whole.
            At::Head | At::Told => line.first() == Some(&b't'),
        };
        if !known {
            read.skipped = read.skipped.saturating_add(1);
        }
    }
    read.skipped = read.skipped.saturating_add(u64::from(at == At::Stack)).saturating_add(lines.passed_over());
    Ok(read)
}

/// Where in a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Head,
    /// After a stack of which nothing has been said yet.
    Stack,
    /// After what is said of a stack as a whole.
    Told,
    Maps,
}

/// Reads ` 0x1 0x2` into the calls; `false` where something else stands there.
fn stack(text: &[u8], calls: &mut Vec<u64>) -> bool {
    calls.clear();
    for word in text.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        let Some(address) = word.strip_prefix(b"0x").and_then(hexadecimal) else { return false };
        if calls.len() == MOST_FRAMES {
            break;
        }
        calls.push(if calls.is_empty() { address } else { address.saturating_sub(1) });
    }
    !calls.is_empty()
}

/// Reads `t*: 2: 1048576 [0: 0]`.
fn sampled(line: &[u8]) -> Option<(u64, u64)> {
    let (now, ever) = split_once(line.strip_prefix(b"t*: ")?.strip_suffix(b"]")?, b'[')?;
    let (objects, bytes) = split_once(now, b':')?;
    let (ever_objects, ever_bytes) = split_once(ever, b':')?;
    for ever in [ever_objects, ever_bytes] {
        number(ever.trim_ascii())?;
    }
    Some((number(objects.trim_ascii())?, number(bytes.trim_ascii())?))
}

/// What so many samples stand for.
///
/// An amount beyond what 64 bits hold stays at their most.
pub(crate) fn scaled(objects: u64, bytes: u64, period: u64) -> (u64, u64) {
    if objects == 0 || bytes == 0 || period == 0 {
        return (objects, bytes);
    }
    let size = bytes as f64 / objects as f64;
    let scale = 1.0 / -(-size / period as f64).exp_m1();
    ((objects as f64 * scale).round() as u64, (bytes as f64 * scale).round() as u64)
}

pub(crate) fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..position)?, text.get(position.saturating_add(1)..)?))
}

/// Digits and nothing else.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    digits(text, 10)
}

pub(crate) fn hexadecimal(text: &[u8]) -> Option<u64> {
    digits(text, 16)
}

fn digits(text: &[u8], base: u32) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = char::from(*byte).to_digit(base)?;
        number.checked_mul(u64::from(base))?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests;
