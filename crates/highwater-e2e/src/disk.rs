//! A small file system of its own: to be filled, made read-only, frozen.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::folder::Folder;
use crate::not_shown;

/// Mounted as long as it lives.
#[derive(Debug)]
pub struct Disk {
    root: Folder,
    _image: Option<Folder>,
}

impl Disk {
    /// One in memory, of so many KiB. `None` where none can be mounted; the test then proves nothing, and that is said.
    pub fn in_memory(test: &str, kib: u32) -> Option<Self> {
        let disk = Self { root: Folder::temporary(), _image: None };
        if disk.mount(&["-t", "tmpfs", "-o", &format!("size={kib}k"), "highwater"]) {
            return Some(disk);
        }
        not_shown(test, "nothing can be mounted");
        None
    }

    /// One that can be frozen.
    pub fn of_blocks(test: &str) -> Option<Self> {
        let folder = Folder::temporary();
        let image = folder.path().join("image");
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let made = succeeds(Command::new("mkfs.ext4").arg("-q").arg(&image));
        let disk = Self { root: Folder::temporary(), _image: Some(folder) };
        if made && disk.mount(&["-o", "loop", image.to_str().unwrap()]) {
            return Some(disk);
        }
        not_shown(test, "no file system in a file can be mounted");
        None
    }

    /// The path of a file on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Where it is mounted.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// From now on it is read-only, or not.
    #[track_caller]
    pub fn set_read_only(&self, is: bool) {
        assert!(self.mount(&["-o", if is { "remount,ro" } else { "remount,rw" }]), "{self:?}");
    }

    /// From now on what writes waits, until this is dropped. Before the processes that write there: none of them can end.
    #[track_caller]
    pub fn freeze(&self) -> Frozen<'_> {
        assert!(self.change("--freeze"), "{self:?}");
        Frozen(self)
    }

    fn change(&self, how: &str) -> bool {
        succeeds(Command::new("fsfreeze").arg(how).arg(self.root.path()))
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        succeeds(Command::new("mount").args(arguments).arg(self.root.path()))
    }
}

/// A disk that hangs.
#[derive(Debug)]
#[must_use]
pub struct Frozen<'a>(&'a Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.change("--unfreeze");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.root.path()).status();
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
