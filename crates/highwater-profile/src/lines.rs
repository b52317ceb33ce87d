//! Lines of a file of any length, through one buffer that does not grow.
//!
//! What is longer than the buffer is no line that any reader here knows: it is passed over, and counted.

use std::io::{self, ErrorKind, Read};

/// The longest line: a stack of the 1024 frames that jemalloc records at most takes 19 bytes a frame.
pub(crate) const LONGEST: usize = 32 << 10;

/// Reads line by line.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    buffer: Box<[u8]>,
    /// What has been read and not been given: a range of `buffer`.
    start: usize,
    end: usize,
    ended: bool,
    /// How many lines were too long.
    passed_over: u64,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        let buffer = vec![0; LONGEST].into_boxed_slice();
        Self { input, buffer, start: 0, end: 0, ended: false, passed_over: 0 }
    }

    /// The next line, without what ends it.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        let mut too_long = false;
        loop {
            let held = self.buffer.get(self.start..self.end).unwrap_or_default();
            let line = match held.iter().position(|byte| *byte == b'\n') {
                Some(length) => Some((length, length.saturating_add(1))),
                None if self.ended && held.is_empty() && !too_long => return Ok(None),
                None if self.ended => Some((held.len(), held.len())),
                None => None,
            };
            if let Some((length, taken)) = line {
                let from = self.start;
                self.start = self.start.saturating_add(taken);
                if too_long {
                    too_long = false;
                    self.passed_over = self.passed_over.saturating_add(1);
                    continue;
                }
                let line = self.buffer.get(from..from.saturating_add(length)).unwrap_or_default();
                return Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)));
            }
            if held.len() == self.buffer.len() {
                too_long = true;
                (self.start, self.end) = (0, 0);
            }
            self.fill()?;
        }
    }

    /// How many lines were too long so far.
    pub(crate) fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Moves what is held to the front and reads behind it.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end.saturating_sub(self.start));
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.input.read(room) {
            Ok(0) => self.ended = true,
            Ok(read) => self.end = self.end.saturating_add(read).min(self.buffer.len()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most so many bytes at once.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            self.0.read(&mut buffer[..most])
        }
    }

    fn lines(content: &[u8], piece: usize) -> (Vec<String>, u64) {
        let mut lines = Lines::new(Pieces(content, piece));
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            read.push(String::from_utf8_lossy(line).into_owned());
        }
        (read, lines.passed_over())
    }

    #[test]
    fn lines_do_not_depend_on_how_they_come() {
        for piece in [1, 2, 3, 1 << 20] {
            assert_eq!(lines(b"a\r\nbc\n\nd", piece).0, ["a", "bc", "", "d"]);
            assert_eq!(lines(b"", piece).0, [""; 0]);
            assert_eq!(lines(b"\n", piece).0, [""]);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_counted() {
        let long = |length: usize| "x".repeat(length);
        for piece in [4099, 1 << 20] {
            let content = format!("a\n{}\nb\n{}", long(LONGEST * 2 + 5), long(LONGEST + 1));
            assert_eq!(lines(content.as_bytes(), piece), (vec!["a".to_owned(), "b".to_owned()], 2));
            let content = format!("{}\nb\n", long(LONGEST - 1));
            assert_eq!(lines(content.as_bytes(), piece), (vec![long(LONGEST - 1), "b".to_owned()], 0));
        }
    }
}
