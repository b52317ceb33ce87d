//! Heap profiles of a program whose jemalloc samples from the first allocation on.
#![allow(unsafe_code, reason = "the symbol of the settings is exported by name")]

use std::hint::black_box;
use std::io::{Read, Seek, SeekFrom};

use highwater_sources::jemalloc::{self, CONF, Conf, Jemalloc, Profiler};
use highwater_sources::platform;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What jemalloc reads before `main`.
// SAFETY: jemalloc declares this symbol as a `const char *`, and nothing else has its name.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: Conf = Conf::new(CONF);

#[test]
fn the_program_is_sampled_from_its_first_allocation_on() {
    let settings = jemalloc::settings();
    assert_eq!(settings.profiling, Some(true));
    assert_eq!(settings.sampling, Some(true));
    assert_eq!(settings.sample_interval, Some(2 << 20));
}

#[test]
fn a_profile_has_stacks_and_the_files_that_are_mapped_there() {
    let held = black_box((0..64).map(|_| vec![1_u8; 1 << 20]).collect::<Vec<_>>());
    let mut file = platform::memory_file().unwrap();
    Profiler::resolve().unwrap().dump(&file).unwrap();
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("heap_v2/2097152\n"), "{text}");
    assert!(text.contains("\n@ 0x"), "{text}");
    let program = std::env::current_exe().unwrap();
    let mapped = text.split_once("MAPPED_LIBRARIES:").unwrap().1;
    assert!(mapped.contains(program.to_str().unwrap()), "{mapped}");
    drop(held);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let file = std::fs::File::open("/dev/full").unwrap();
    // As root it can be opened for writing all the same, and then there is no room.
    let error = Profiler::resolve().unwrap().dump(&file).unwrap_err();
    assert!(error.to_string().starts_with("prof.dump"), "{error}");
}
