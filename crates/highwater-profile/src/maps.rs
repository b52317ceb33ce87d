//! A line of `/proc/self/maps`, as it stands at the end of a dump.

use crate::dump::{hexadecimal, number, split_once};

/// The longest path that is kept: as long as the kernel allows one.
const LONGEST_PATH: usize = 4096;

/// A range of addresses that holds code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) offset: u64,
    executable: bool,
    device: (u32, u32),
    inode: u64,
    path: String,
    pub(crate) build_id: Option<String>,
    /// What is added to an address to have it as the ELF file counts, where that file could be read.
    pub(crate) to_file: Option<u64>,
}

impl Mapping {
    /// Reads `55d4c1f00000-55d4c1f80000 r-xp 00010000 08:01 1311   /usr/bin/service`.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let (range, rest) = split_once(line, b' ')?;
        let (start, end) = split_once(range, b'-')?;
        let (permissions, rest) = split_once(rest, b' ')?;
        let (offset, rest) = split_once(rest, b' ')?;
        let (device, rest) = split_once(rest, b' ')?;
        let (major, minor) = split_once(device, b':')?;
        let (inode, path) = split_once(rest, b' ').unwrap_or((rest, b""));
        let path = path.trim_ascii();
        let part = |text| hexadecimal(text).and_then(|part| u32::try_from(part).ok());
        let mapping = Self {
            start: hexadecimal(start)?,
            end: hexadecimal(end)?,
            offset: hexadecimal(offset)?,
            executable: permissions.get(2) == Some(&b'x'),
            device: (part(major)?, part(minor)?),
            inode: number(inode)?,
            path: String::from_utf8_lossy(path.get(..LONGEST_PATH).unwrap_or(path)).into_owned(),
            build_id: None,
            to_file: None,
        };
        (mapping.start < mapping.end).then_some(mapping)
    }

    /// Whether there is code in it that a file or the kernel brought.
    pub(crate) fn has_code(&self) -> bool {
        self.executable && !self.path.is_empty()
    }

    /// The first address.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The address after the last one.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Where in the file the range begins.
    pub fn file_offset(&self) -> u64 {
        self.offset
    }

    /// The device that the file is on: major and minor number.
    pub fn device(&self) -> (u32, u32) {
        self.device
    }

    /// The number of the file on its device; 0 where no file was mapped.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// The path of the file as the kernel gave it, or a name in brackets.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of the path, without what the kernel says of a file that was deleted.
    pub fn file_name(&self) -> &str {
        let path = self.path.strip_suffix(DELETED).unwrap_or(&self.path);
        path.rsplit('/').next().unwrap_or(path)
    }

    /// The build id in hexadecimal digits, where the file could be read and has one.
    pub fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }

    /// The address as the ELF file counts, where that file could be read.
    pub fn to_file(&self, address: u64) -> Option<u64> {
        self.contains(address).then(|| self.to_file.map(|distance| address.wrapping_add(distance))).flatten()
    }

    pub(crate) fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }
}

/// Stands behind the path of a file that is not there any more.
pub(crate) const DELETED: &str = " (deleted)";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_read_whole() {
        let line = b"55d4c1f00000-55d4c1f80000 r-xp 00010000 fd:1a 1311          /usr/bin/a service (deleted)";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!(
            (mapping.start(), mapping.end(), mapping.file_offset()),
            (0x55d4_c1f0_0000, 0x55d4_c1f8_0000, 0x1_0000)
        );
        assert_eq!((mapping.device(), mapping.inode()), ((0xfd, 0x1a), 1311));
        assert_eq!((mapping.path(), mapping.file_name()), ("/usr/bin/a service (deleted)", "a service"));
        assert!(mapping.has_code());
    }

    #[test]
    fn what_holds_no_code_or_comes_from_no_file_is_seen_as_such() {
        for line in ["1-2 rw-p 0 08:01 7 /lib/libc.so.6", "1-2 r-xp 0 00:00 0", "1-2 r-xp 0 00:00 0 "] {
            assert!(!Mapping::parse(line.as_bytes()).unwrap().has_code(), "{line}");
        }
        assert!(Mapping::parse(b"1-2 r-xp 0 00:00 0 [vdso]").unwrap().has_code());
    }

    #[test]
    fn what_is_no_mapping_is_none() {
        for line in
            ["", "1-2", "2-1 r-xp 0 0:0 0 /a", "1-2 r-xp 0 0 0 /a", "x-2 r-xp 0 0:0 0 /a", "1-2 r-xp 0 0:0 x /a"]
        {
            assert_eq!(Mapping::parse(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read(line: Vec<u8>) {
            let _ = Mapping::parse(&line);
        }
    }
}
