//! `/proc/self/mountinfo`: where the hierarchies of cgroups can be seen.

use super::{lines, words};

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount<'a> {
    /// The path inside the mounted file system that stands at the mount point.
    pub(crate) root: Vec<u8>,
    /// Where it is mounted.
    pub(crate) point: Vec<u8>,
    /// The type of the file system.
    pub(crate) kind: &'a [u8],
    /// The options of the file system, not of the mount: v1 names its controllers here.
    pub(crate) options: &'a [u8],
}

impl Mount<'_> {
    /// Whether this is the hierarchy of the v1 memory controller.
    pub(crate) fn is_v1_memory(&self) -> bool {
        self.kind == b"cgroup" && self.options.split(|byte| *byte == b',').any(|option| option == b"memory")
    }

    /// Whether this is the unified hierarchy, v2.
    pub(crate) fn is_unified(&self) -> bool {
        self.kind == b"cgroup2"
    }
}

/// Lines `31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - tmpfs tmpfs rw`; one without these fields is passed over.
pub(crate) fn parse(content: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    lines(content).filter_map(|line| {
        let mut words = words(line);
        let root = unescape(words.nth(3)?);
        let point = unescape(words.next()?);
        words.find(|word| *word == b"-")?;
        let kind = words.next()?;
        let options = words.nth(1)?;
        Some(Mount { root, point, kind, options })
    })
}

/// Blanks, tabs, line ends and backslashes stand as three octal digits after a backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                let digits = [a, b, c].map(|digit| digit.wrapping_sub(b'0'));
                plain.push(digits.iter().fold(0_u8, |byte, digit| (byte << 3) | digit));
                rest = tail;
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}
