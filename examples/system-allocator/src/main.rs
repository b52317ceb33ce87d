//! Highwater beside another allocator than jemalloc: one line alone.
//!
//! The allocator's numbers are absent, and the startup line says so; all that the kernel knows is there.
#![forbid(unsafe_code)]

fn main() {
    let highwater = highwater::start();

    // Without the black box the compiler sees that nobody reads the bytes, and allocates none.
    let held = std::hint::black_box(vec![1_u8; 64 << 20]);
    let sample = highwater.sample();
    match sample.allocator {
        Some(allocator) => println!("heapUsed {}", allocator.allocated),
        None => println!("heapUsed absent: the allocator is not jemalloc"),
    }
    if let (Some(rss), Some(used)) = (sample.process.rss, sample.used) {
        println!("rss {rss}, used {used}, {} bytes held", held.len());
    }
}
