//! The reads themselves, without any understanding.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};

pub(crate) struct Raw {
    files: Vec<File>,
    sized: Option<File>,
    allocator: Option<allocator::Keys>,
    buffer: Box<[u8]>,
}

impl Raw {
    pub(crate) fn open(paths: &[PathBuf]) -> Self {
        let files = paths.iter().map(|path| File::open(path).unwrap()).collect();
        Self { files, sized: None, allocator: None, buffer: vec![0; 16 << 10].into_boxed_slice() }
    }

    pub(crate) fn with_size_of(mut self, path: &Path) -> Self {
        self.sized = File::open(path).ok();
        self
    }

    pub(crate) fn with_allocator(mut self) -> Self {
        self.allocator = allocator::Keys::resolve();
        self
    }

    pub(crate) fn read(&mut self) {
        if let Some(allocator) = &self.allocator {
            allocator.read();
        }
        for file in &self.files {
            black_box(read_from_start(file, &mut self.buffer));
        }
        if let Some(sized) = &self.sized {
            black_box(sized.metadata().unwrap().len());
        }
    }
}

#[cfg(unix)]
fn read_from_start(file: &File, buffer: &mut [u8]) -> usize {
    std::os::unix::fs::FileExt::read_at(file, buffer, 0).unwrap()
}

#[cfg(not(unix))]
fn read_from_start(_: &File, _: &mut [u8]) -> usize {
    0
}

#[cfg(feature = "jemalloc")]
mod allocator {
    #![allow(unsafe_code, reason = "mallctl is a C function")]

    use std::ffi::CStr;
    use std::hint::black_box;
    use std::ptr;

    use tikv_jemalloc_sys as sys;

    const NAMES: [&CStr; 12] = [
        c"stats.allocated",
        c"stats.active",
        c"stats.resident",
        c"stats.mapped",
        c"stats.retained",
        c"stats.metadata",
        c"stats.arenas.4096.pdirty",
        c"stats.arenas.4096.pmuzzy",
        c"stats.arenas.4096.small.nmalloc",
        c"stats.arenas.4096.large.nmalloc",
        c"stats.arenas.4096.small.ndalloc",
        c"stats.arenas.4096.large.ndalloc",
    ];

    type Key = ([usize; 6], usize);

    pub(crate) struct Keys {
        epoch: Key,
        values: Vec<Key>,
    }

    impl Keys {
        pub(crate) fn resolve() -> Option<Self> {
            Some(Self { epoch: key(c"epoch"), values: NAMES.map(key).to_vec() })
        }

        pub(crate) fn read(&self) {
            let mut epoch = 1_u64;
            // SAFETY: jemalloc(3): the key was resolved, and `epoch` is written as eight bytes.
            unsafe {
                let new = (&raw mut epoch).cast();
                sys::mallctlbymib(self.epoch.0.as_ptr(), self.epoch.1, ptr::null_mut(), ptr::null_mut(), new, 8);
            }
            for (mib, depth) in &self.values {
                let (mut value, mut size) = (0_u64, 8);
                // SAFETY: jemalloc(3): the key was resolved, and all these values have eight bytes on 64-bit machines.
                unsafe {
                    let old = (&raw mut value).cast();
                    sys::mallctlbymib(mib.as_ptr(), *depth, old, &mut size, ptr::null_mut(), 0);
                }
                black_box(value);
            }
        }
    }

    fn key(name: &CStr) -> Key {
        let (mut mib, mut depth) = ([0; 6], 6);
        // SAFETY: jemalloc(3): the name ends with a zero byte, and `mib` has room for `depth` numbers.
        unsafe { sys::mallctlnametomib(name.as_ptr(), mib.as_mut_ptr(), &mut depth) };
        (mib, depth)
    }
}

#[cfg(not(feature = "jemalloc"))]
mod allocator {
    pub(crate) struct Keys;

    impl Keys {
        pub(crate) fn resolve() -> Option<Self> {
            None
        }

        pub(crate) fn read(&self) {}
    }
}
