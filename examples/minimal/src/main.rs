//! The two lines, in a program without any async runtime.
//!
//! It takes memory in steps of 16 MiB and prints how things stand after each; where a collector listens, it sees the same.
#![forbid(unsafe_code)]

highwater::jemalloc!();

fn main() {
    let highwater = highwater::start();

    let mut held = Vec::new();
    for step in 1..=4_u8 {
        held.push(vec![step; 16 << 20]);
        let sample = highwater.sample();
        if let (Some(allocator), Some(rss)) = (sample.allocator, sample.process.rss) {
            println!("step {step}: heapUsed {}, heapTotal {}, rss {rss}", allocator.allocated, allocator.resident);
        }
    }
    println!("{} pieces held, level {}", held.len(), highwater.status().level);
}
