//! The kernel's numbers for this process, from `/proc/self`.

use std::path::Path;

use highwater_model::{Bytes, Process};

use crate::availability::Availability;
use crate::file::{Kept, Scratch};
use crate::parse::{stat, statm, status};
use crate::platform;

/// The kept files of one process.
#[derive(Debug)]
pub(crate) struct ProcessFiles {
    page: Option<u64>,
    statm: Kept,
    status: Kept,
    stat: Kept,
    descriptors: Kept,
}

impl ProcessFiles {
    /// Opens the files of the process that calls: a child after a fork that reads with these descriptors would see its
    /// parent.
    pub(crate) fn open(root: &Path) -> Self {
        let folder = root.join("proc/self");
        Self {
            page: platform::page_size(),
            statm: Kept::open(&folder, "statm"),
            status: Kept::open(&folder, "status"),
            stat: Kept::open(&folder, "stat"),
            descriptors: Kept::open(&folder, "fd"),
        }
    }

    /// All numbers. Resident memory comes first: it is compared with the allocator's numbers, which were read before it.
    pub(crate) fn read(&mut self, scratch: &mut Scratch) -> Process {
        let statm = self.statm.read(scratch, statm::parse);
        let status = self.status.read(scratch, status::parse).unwrap_or_default();
        let stat = self.stat.read(scratch, stat::parse);
        Process {
            rss: statm.and_then(|statm| self.pages(statm.resident)),
            address_space: statm.and_then(|statm| self.pages(statm.size)),
            anon: status.anon,
            file: status.file,
            shmem: status.shmem,
            swap: status.swap,
            peak: status.peak,
            threads: status.threads,
            // The size of this directory is the number of descriptors since Linux 6.2, and 0 before.
            descriptors: self.descriptors.size().filter(|size| *size > 0),
            minor_faults: stat.map(|stat| stat.minor_faults),
            major_faults: stat.map(|stat| stat.major_faults),
        }
    }

    /// Resident anonymous memory, from the cheapest file.
    pub(crate) fn glance(&mut self, scratch: &mut Scratch) -> Option<Bytes> {
        let statm = self.statm.read(scratch, statm::parse)?;
        self.pages(statm.resident.checked_sub(statm.shared)?)
    }

    /// Opens what failed.
    pub(crate) fn retry(&mut self) {
        for file in [&mut self.statm, &mut self.status, &mut self.stat, &mut self.descriptors] {
            file.retry();
        }
    }

    /// What came of the last reading of each file.
    pub(crate) fn availability(&self) -> Availability {
        let of = if platform::HAS_PROC { Kept::required } else { Kept::availability };
        [&self.statm, &self.status, &self.stat].into_iter().map(of).fold(Availability::Absent, Availability::and)
    }

    fn pages(&self, pages: u64) -> Option<Bytes> {
        pages.checked_mul(self.page?).map(Bytes::new)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_pages_count_pages_of_the_systems_size() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("proc/self");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("statm"), "3000 300 100 10 0 400 0\n").unwrap();
        let mut files = ProcessFiles::open(root.path());
        let mut read = |page: Option<u64>| {
            files.page = page;
            let process = files.read(&mut Scratch::new());
            (process.rss, process.address_space, files.glance(&mut Scratch::new()))
        };
        for page in [4 << 10, 16 << 10, 64 << 10] {
            let pages = |pages| Some(Bytes::new(pages * page));
            assert_eq!(read(Some(page)), (pages(300), pages(3000), pages(200)));
        }
        assert_eq!(read(None), (None, None, None), "unknown is absent");
    }
}
