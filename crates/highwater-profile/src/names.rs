//! Names of functions as people write them, in one text of a bounded size.

use std::fmt::{self, Write};

use crate::frames::Kind;

/// A longer name is cut: a generic one can have thousands of characters, and nobody reads on.
pub const LONGEST_NAME: usize = 256;
/// All names together; of what comes later only the kind is kept.
pub(crate) const MOST_TEXT: usize = 768 << 10;
/// The longest that a name may be before it is made readable.
pub(crate) const LONGEST_SYMBOL: usize = 16 << 10;

/// All names, each known by its number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    text: String,
    /// Where each ends, and what kind of function it is of.
    all: Vec<(u32, Kind)>,
    /// Those without a text, for which there was no room: one of a kind, after all others.
    nameless: Vec<(Kind, Number)>,
}

/// The number of a name. 0 is none.
pub(crate) type Number = u32;

impl Names {
    /// With room for so many, or for all that there may be, so that the text never moves to a larger place.
    pub(crate) fn with_room(most: usize) -> Self {
        let text = String::with_capacity(most.saturating_mul(LONGEST_NAME).min(MOST_TEXT));
        Self { text, ..Self::default() }
    }

    /// Takes a symbol in. Where there is no room for it, only its kind: the site of a stack is to be the same without its name.
    pub(crate) fn add(&mut self, symbol: &[u8], kind: impl Fn(&str) -> Kind) -> Number {
        if symbol.is_empty() {
            return 0;
        }
        let symbol = String::from_utf8_lossy(symbol);
        if self.text.len().saturating_add(LONGEST_NAME) > MOST_TEXT {
            let mut name = String::with_capacity(LONGEST_NAME);
            write_readable(&mut name, &symbol);
            let kind = kind(&name);
            let known = self.nameless.iter().find(|(known, _)| *known == kind).map(|(_, number)| *number);
            return known.unwrap_or_else(|| {
                let number = self.push(kind);
                self.nameless.push((kind, number));
                number
            });
        }
        let begin = self.text.len();
        write_readable(&mut self.text, &symbol);
        let kind = kind(self.text.get(begin..).unwrap_or_default());
        self.push(kind)
    }

    /// What was written since the last one.
    fn push(&mut self, kind: Kind) -> Number {
        self.all.push((u32::try_from(self.text.len()).unwrap_or(u32::MAX), kind));
        u32::try_from(self.all.len()).unwrap_or_default()
    }

    pub(crate) fn get(&self, number: Number) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let end = self.all.get(index)?.0;
        let begin = index.checked_sub(1).and_then(|before| self.all.get(before)).map_or(0, |(end, _)| *end);
        let name = self.text.get(usize::try_from(begin).ok()?..usize::try_from(end).ok()?);
        name.filter(|name| !name.is_empty())
    }

    pub(crate) fn kind(&self, number: Number) -> Option<Kind> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        Some(self.all.get(index)?.1)
    }

    #[cfg(feature = "unstable-otlp")]
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (1..).map_while(|number| self.get(number))
    }
}

/// Adds a symbol as people write it, cut at the longest name.
fn write_readable(text: &mut String, symbol: &str) {
    let begin = text.len();
    // Ends with an error where the name is cut, which is meant.
    let _ = write!(Cut { text, begin }, "{:#}", rustc_demangle::demangle(without_version(symbol)));
}

/// A symbol as people write it, cut at the longest name.
#[cfg(feature = "symbolize")]
pub(crate) fn readable(symbol: &[u8]) -> Option<String> {
    let mut names = Names::default();
    let number = names.add(symbol, |_| Kind::Own);
    names.get(number).map(str::to_owned)
}

/// `malloc@@GLIBC_2.2.5` is `malloc`; in a name of Rust there is no `@`.
fn without_version(symbol: &str) -> &str {
    symbol.split_once('@').map_or(symbol, |(name, _)| if name.is_empty() { symbol } else { name })
}

/// Takes so much that a name is not longer than the longest.
struct Cut<'a> {
    text: &'a mut String,
    begin: usize,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = LONGEST_NAME.saturating_sub(self.text.len().saturating_sub(self.begin));
        let taken = more.cut_at(room);
        // No name of a function has one; what is no text could be anything.
        self.text.extend(more.get(..taken).unwrap_or_default().chars().map(|c| if c.is_control() { '?' } else { c }));
        if taken < more.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The standard library's own is newer than the oldest Rust that is promised.
trait Boundary {
    fn cut_at(&self, most: usize) -> usize;
}

impl Boundary for str {
    fn cut_at(&self, most: usize) -> usize {
        (0..=most.min(self.len())).rev().find(|at| self.is_char_boundary(*at)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(symbol: &str) -> String {
        let mut names = Names::default();
        let number = names.add(symbol.as_bytes(), |_| Kind::Own);
        names.get(number).unwrap().to_owned()
    }

    #[test]
    fn names_are_as_people_write_them() {
        for (symbol, name) in [
            ("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"),
            (
                "_ZN47_$LT$my..Type$u20$as$u20$core..clone..Clone$GT$5clone17h0123456789abcdefE",
                "<my::Type as core::clone::Clone>::clone",
            ),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
            ("malloc", "malloc"),
            ("malloc@@GLIBC_2.2.5", "malloc"),
            ("_Znwm", "_Znwm"),
            ("wrong\u{1b}[0m\n", "wrong?[0m?"),
        ] {
            assert_eq!(named(symbol), name);
        }
    }

    #[test]
    fn where_there_is_no_room_for_a_name_its_kind_is_kept() {
        let mut names = Names::default();
        let kind = |name: &str| if name.starts_with("je_") { Kind::Allocator } else { Kind::Own };
        let whole = (0..MOST_TEXT / LONGEST_NAME).filter(|_| {
            let number = names.add("x".repeat(LONGEST_NAME).as_bytes(), kind);
            names.get(number).is_some()
        });
        assert_eq!(whole.count(), MOST_TEXT / LONGEST_NAME);
        let [one, other, own] = ["je_malloc", "je_calloc", "late"].map(|name| names.add(name.as_bytes(), kind));
        assert_eq!((one, names.get(one), names.kind(one)), (other, None, Some(Kind::Allocator)));
        assert_eq!((names.get(own), names.kind(own)), (None, Some(Kind::Own)));
        assert_eq!(names.iter().count(), MOST_TEXT / LONGEST_NAME);
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(named(&"x".repeat(4000)), "x".repeat(LONGEST_NAME));
        assert_eq!(named(&format!("x{}", "é".repeat(200))), format!("x{}", "é".repeat((LONGEST_NAME - 1) / 2)));
        let part = "long".repeat(500);
        let name = named(&format!("_ZN{}{part}{}{part}17h0123456789abcdefE", part.len(), part.len()));
        assert_eq!(name, part[..LONGEST_NAME]);
    }

    #[test]
    fn a_name_that_unfolds_without_end_is_cut() {
        // Each back reference doubles the text.
        let name = named("_RNvMNtC1a1bTTTTTTTTTTTTTTTTuEEEEEEEEEEEEEEEEE1c");
        assert!(name.len() <= LONGEST_NAME);
    }

    #[test]
    fn all_names_together_are_bounded() {
        let mut names = Names::default();
        let long = "x".repeat(300);
        let has_room = |names: &mut Names| {
            let number = names.add(long.as_bytes(), |_| Kind::Own);
            names.get(number).is_some()
        };
        let added = (0..10_000).filter(|_| has_room(&mut names)).count();
        assert_eq!(added, MOST_TEXT / LONGEST_NAME);
        assert!(names.text.len() <= MOST_TEXT);
        assert_eq!((names.get(0), names.get(added as u32).map(str::len), names.get(u32::MAX)), (None, Some(256), None));
        assert_eq!(names.iter().count(), added);
    }
}
