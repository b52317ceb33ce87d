//! What the kernel's files mean: pure functions on their bytes.
//!
//! Nothing here opens a file. Each parser takes what it knows and passes over the rest, since kernels add lines; a number
//! that is not understood is absent, and a file in which nothing is understood is `None`. All numbers are checked: what
//! does not fit 64 bits is not a number.

pub(crate) mod container;
pub(crate) mod keyed;
pub(crate) mod membership;
pub(crate) mod memory_stat;
pub(crate) mod mountinfo;
pub(crate) mod pressure;
pub(crate) mod stat;
pub(crate) mod statm;
pub(crate) mod status;

/// A decimal number that is all of `text`, white space around it aside.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The lines of a file, without their ends.
pub(crate) fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|byte| *byte == b'\n')
}

/// What stands before and after the first `separator`.
pub(crate) fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

/// The words of a line, separated by blanks.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests;
