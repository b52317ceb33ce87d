//! A program that holds memory and says who holds it, from a profile of its own: the subject of the tests.
//!
//! `subject DUMP PPROF WHO`, with `_RJEM_MALLOC_CONF=prof:true,prof_active:true` in its environment. On standard output:
//! what is held, a line with what the profile takes it for, and the largest sites.
#![expect(unsafe_code, reason = "the allocator's own interface is C")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    reason = "a subject of tests, which may fail"
)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::File;
use std::hint::black_box;
use std::time::{Duration, SystemTime};

use highwater_profile::{Analysis, Opener};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// How much the guilty one holds.
const HELD: usize = 192 << 20;

type Blocks = Vec<Vec<u8>>;

mod guilty {
    use super::{Blocks, HELD};

    /// Sizes from 64 bytes to 64 KiB that jemalloc has, so that what is held is what was asked for.
    #[inline(never)]
    pub(super) fn hold() -> Blocks {
        let (mut blocks, mut held, mut size) = (Blocks::new(), 0, 64);
        while held < HELD {
            let mut block = Vec::new();
            block.resize(size, 1);
            held += size;
            blocks.push(block);
            size = if size >= 65_536 { 64 } else { size * 2 };
        }
        blocks
    }

    /// It has no frame of its own.
    #[inline(always)]
    fn inlined(size: usize) -> Vec<u8> {
        let mut block = Vec::new();
        block.resize(size, 1);
        block
    }

    #[inline(never)]
    pub(super) fn caller() -> Blocks {
        let mut blocks = Blocks::new();
        while blocks.len() < HELD >> 16 {
            blocks.push(inlined(1 << 16));
        }
        blocks
    }
}

#[inline(never)]
fn innocent() -> Blocks {
    (0..64).map(|_| vec![0; 256 << 10]).collect()
}

#[inline(never)]
fn deep(frames: u32) -> Blocks {
    let blocks = if frames == 0 { guilty::hold() } else { deep(frames - 1) };
    black_box(blocks)
}

/// What a library does, with memory that it gets from here.
type Library = extern "C" fn(extern "C" fn(usize) -> *mut c_void, usize) -> *mut c_void;

extern "C" fn give(size: usize) -> *mut c_void {
    Box::into_raw(Box::new(vec![1_u8; size])).cast()
}

/// Of the library at this path.
#[inline(never)]
fn opened(path: &str) -> Blocks {
    let (path, name) = (CString::new(path).expect("a path"), CString::new("library_hold").expect("a name"));
    // SAFETY: both are C strings; the library has nothing that runs when it is opened.
    let found = unsafe { dlsym(dlopen(path.as_ptr(), 2), name.as_ptr()) };
    assert!(!found.is_null(), "the library has the function");
    // SAFETY: the library was made for this test, and its function is of this type.
    let hold: Library = unsafe { std::mem::transmute(found) };
    let mut blocks = Blocks::new();
    while blocks.len() < HELD >> 16 {
        // SAFETY: what `give` made comes back.
        blocks.push(*unsafe { Box::from_raw(hold(give, 1 << 16).cast()) });
    }
    blocks
}

trait Hold {
    fn hold() -> Blocks;
}

#[derive(Debug)]
struct Long<T>(T);

/// With the new mangling the name of this one has all of its type in it.
impl<T> Hold for Long<T> {
    #[inline(never)]
    fn hold() -> Blocks {
        let mut blocks = Blocks::new();
        while blocks.len() < HELD >> 16 {
            blocks.push(vec![1; 1 << 16]);
        }
        blocks
    }
}

type Two<T> = Long<(T, Option<T>)>;
type Eight<T> = Two<Two<Two<T>>>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dump, pprof, who] = &arguments[..] else { std::process::exit(2) };
    let innocent = black_box(innocent());
    let blocks = black_box(match who.as_str() {
        "deep" => deep(400),
        "long" => <Eight<Eight<u8>> as Hold>::hold(),
        "guilty" => guilty::hold(),
        "inlined" => guilty::caller(),
        library => opened(library),
    });
    let held: usize = blocks.iter().chain(&innocent).map(Vec::capacity).sum();
    let path = CString::new(dump.as_str()).expect("a path");
    // SAFETY: `prof.dump` takes a pointer to a C string, which lives until the call is over.
    unsafe { tikv_jemalloc_ctl::raw::write(b"prof.dump\0", path.as_ptr()) }.expect("a dump");

    let dump = File::open(dump).expect("the dump");
    let mut analysis = Analysis::of(dump, &mut Opener::new("/proc/self/exe")).expect("a profile");
    println!("held {held} profiled {} stacks {}", analysis.bytes(), analysis.stacks());
    for site in analysis.sites(5, None) {
        println!("{site:?}");
    }
    let out = File::create(pprof).expect("a file");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    analysis.write_pprof(out, time).expect("written");
}
