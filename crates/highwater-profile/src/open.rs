//! The files that are mapped, opened by whoever knows where they are.
//!
//! Names are only right where the file is the one that is mapped: a program that was replaced while it runs, or a container
//! with a library of its own at the same path, would give confident wrong ones. The kernel's list of mappings says which
//! file it was, by device and inode; [`Opener`] compares them, and [`Analysis`](crate::Analysis) never opens a file itself.

use std::io;
#[cfg(unix)]
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::maps::Mapping;

/// Something that can be read at any place, as by `pread`.
///
/// Nothing is mapped: a file that is truncated while it is mapped kills whoever reads on.
pub trait ReadAt {
    /// Reads as much as there is and fits, from so many bytes after the beginning; 0 at the end.
    ///
    /// # Errors
    ///
    /// Those of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Finds the file of a mapping.
pub trait Open {
    /// The file that is mapped, or `None` where it cannot be had, or where it is not certain that it is the same.
    fn open(&mut self, mapping: &Mapping) -> Option<Box<dyn ReadAt>>;
}

/// Finds none: everything stays without a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoFiles;

impl Open for NoFiles {
    fn open(&mut self, _: &Mapping) -> Option<Box<dyn ReadAt>> {
        None
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        if let (Some(buffer), Some(rest)) = (buffer.get_mut(..length), rest.get(..length)) {
            buffer.copy_from_slice(rest);
        }
        Ok(length)
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buffer, offset)
    }
}

#[cfg(unix)]
impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }
}

/// Opens the files of a process on this machine, each only where it is the one that is mapped.
///
/// The main program is opened by the link that the kernel keeps to it, which leads to the right file also where that was
/// replaced or deleted. Of any other file the inode must be the one in the list, and so must the device, unless one of the
/// two has a number that the kernel made up (major 0): file systems with several layers or volumes, such as overlayfs and
/// btrfs, say one in the list and another to whoever asks.
#[cfg(unix)]
#[derive(Clone, Debug)]
pub struct Opener {
    program: PathBuf,
    /// What the link says, without what the kernel adds of a file that is gone by then.
    path: Option<PathBuf>,
}

#[cfg(unix)]
impl Opener {
    /// For the process whose main program this link leads to: `/proc/self/exe` for one's own.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        let path = fs::read_link(&program).ok().map(|path| as_started(&path).to_owned());
        Self { program, path }
    }

    /// For files of a process that has ended: none is taken for the main program, all are compared.
    #[must_use]
    pub fn without_program() -> Self {
        Self { program: PathBuf::new(), path: None }
    }
}

#[cfg(unix)]
impl Open for Opener {
    fn open(&mut self, mapping: &Mapping) -> Option<Box<dyn ReadAt>> {
        let path = Path::new(mapping.path());
        // A deploy can have come between the start and the list.
        if self.path.as_deref() == Some(as_started(path)) {
            return Some(Box::new(File::open(&self.program).ok()?));
        }
        // Opening a pipe or a device can wait or do something: what is looked at first is no such thing.
        if !path.is_absolute() || !is_mapped(&fs::metadata(path).ok()?, mapping) {
            return None;
        }
        let file = File::open(path).ok()?;
        is_mapped(&file.metadata().ok()?, mapping).then(|| Box::new(file) as Box<dyn ReadAt>)
    }
}

/// The path of a file without what the kernel adds once another was renamed over it, or it was deleted.
#[cfg(unix)]
fn as_started(path: &Path) -> &Path {
    path.to_str().and_then(|text| text.strip_suffix(" (deleted)")).map_or(path, Path::new)
}

/// Whether a file is the one that is mapped.
#[cfg(unix)]
fn is_mapped(metadata: &fs::Metadata, mapping: &Mapping) -> bool {
    use std::os::unix::fs::MetadataExt;

    let (device, listed) = (device(metadata.dev()), mapping.device());
    let made_up = device.0 == 0 || listed.0 == 0;
    metadata.is_file() && metadata.ino() == mapping.inode() && mapping.inode() != 0 && (device == listed || made_up)
}

/// Major and minor number of a device, as the C library of Linux packs them.
#[cfg(unix)]
fn device(packed: u64) -> (u32, u32) {
    let part = |high: u64, low: u64| u32::try_from(high | low).unwrap_or(u32::MAX);
    let major = part(packed >> 32 & 0xffff_f000, packed >> 8 & 0xfff);
    let minor = part(packed >> 12 & 0xffff_ff00, packed & 0xff);
    (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_a_file_is() {
        let mut buffer = [0; 4];
        let content = vec![1, 2, 3, 4, 5, 6];
        assert_eq!((content.read_at(&mut buffer, 1).unwrap(), buffer), (4, [2, 3, 4, 5]));
        assert_eq!(content.read_at(&mut buffer, 4).unwrap(), 2);
        assert_eq!(content.read_at(&mut buffer, 6).unwrap(), 0);
        assert_eq!(content.read_at(&mut buffer, u64::MAX).unwrap(), 0);
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use std::os::unix::fs::MetadataExt;
        use std::thread;
        use std::time::{Duration, Instant};

        use super::*;

        fn listed(path: &Path, (major, minor): (u32, u32), inode: u64) -> Mapping {
            let line = format!("1000-2000 r-xp 0 {major:02x}:{minor:02x} {inode} {}", path.display());
            Mapping::parse(line.as_bytes()).unwrap()
        }

        #[test]
        fn a_file_is_opened_only_where_it_is_the_one_that_is_mapped() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("library.so");
            fs::write(&path, "content").unwrap();
            let metadata = fs::metadata(&path).unwrap();
            let (device, inode) = (device(metadata.dev()), metadata.ino());
            let mut opener = Opener::without_program();
            let mut opens = |mapping: &Mapping| opener.open(mapping).is_some();
            assert!(opens(&listed(&path, device, inode)));
            assert!(opens(&listed(&path, (0, 99), inode)), "a device that the kernel made up");
            assert!(!opens(&listed(&path, device, inode + 1)));
            assert!(!opens(&listed(folder.path(), device, fs::metadata(folder.path()).unwrap().ino())), "no file");
            assert!(!opens(&listed(Path::new("[vdso]"), (0, 0), 0)));
            if device.0 != 0 {
                assert!(!opens(&listed(&path, (device.0, device.1 + 1), inode)));
            }
            fs::remove_file(&path).unwrap();
            assert!(!opens(&listed(&path, device, inode)));
        }

        #[test]
        fn the_main_program_is_opened_by_its_link_whatever_became_of_its_path() {
            let folder = tempfile::tempdir().unwrap();
            let (program, link) = (folder.path().join("program (deleted)"), folder.path().join("exe"));
            let content = folder.path().join("content");
            fs::write(&content, "content").unwrap();
            // The kernel's link says one path and leads to another.
            std::os::unix::fs::symlink(&program, &link).unwrap();
            let mut opener = Opener::new(&link);
            opener.program = content;
            let opened = opener.open(&listed(&program, (8, 1), 7)).unwrap();
            let mut buffer = [0; 7];
            assert_eq!((opened.read_at(&mut buffer, 0).unwrap(), &buffer), (7, b"content"));
        }

        #[test]
        #[expect(clippy::disallowed_methods, reason = "the test's own deadline")]
        fn a_program_that_another_was_renamed_over_while_it_runs_is_still_opened() {
            let folder = tempfile::tempdir().unwrap();
            let (program, next) = (folder.path().join("service"), folder.path().join("next"));
            fs::copy("/bin/sleep", &program).unwrap();
            let mut process = std::process::Command::new(&program).arg("60").spawn().unwrap();
            let of = |name: &str| PathBuf::from(format!("/proc/{}/{name}", process.id()));
            let mut opener = Opener::new(of("exe"));
            fs::write(&next, "the next version").unwrap();
            fs::rename(&next, &program).unwrap();
            // The kernel lets go of who started a program before it has mapped it.
            let deadline = Instant::now() + Duration::from_secs(30);
            let mapping = loop {
                let maps = fs::read_to_string(of("maps")).unwrap();
                let mut list = maps.lines().filter_map(|line| Mapping::parse(line.as_bytes()));
                let mapping = list.find(|mapping| mapping.has_code() && mapping.path().ends_with("service (deleted)"));
                if mapping.is_some() || Instant::now() >= deadline {
                    break mapping;
                }
                thread::yield_now();
            };
            let opened = mapping.and_then(|mapping| opener.open(&mapping));
            process.kill().unwrap();
            process.wait().unwrap();
            let mut magic = [0; 4];
            assert_eq!((opened.unwrap().read_at(&mut magic, 0).unwrap(), &magic), (4, b"\x7fELF"));
        }

        #[test]
        fn this_very_program_is_found_in_the_kernels_list() {
            let maps = fs::read_to_string("/proc/self/maps").unwrap();
            let mut opener = Opener::new("/proc/self/exe");
            let mut opened = Vec::new();
            for line in maps.lines() {
                let mapping = Mapping::parse(line.as_bytes()).unwrap();
                if mapping.has_code() && opener.open(&mapping).is_some() {
                    opened.push(mapping.file_name().to_owned());
                }
            }
            assert!(opened.iter().any(|name| name.starts_with("highwater_profile")), "{opened:?}");
            assert!(opened.iter().any(|name| name.starts_with("libc.so")), "{opened:?}");
        }

        #[test]
        fn numbers_of_a_device_are_unpacked_as_they_are_packed() {
            assert_eq!(device(0x0801), (8, 1));
            assert_eq!(device(0x0010_0034), (0, 0x134));
            assert_eq!(device(0x0000_1000_0000_0fff), (0x100f, 0xff));
        }
    }
}
