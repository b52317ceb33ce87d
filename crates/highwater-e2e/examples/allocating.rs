//! A subject of the benches: a service that does little else than allocate, as one does that turns records into JSON.
//!
//! Each request makes some 300 allocations of 16 bytes to 16 KiB, 40 KiB in all, and frees them. It answers without a body.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

highwater::jemalloc!();

/// As many as there are connections, and some that are about to end.
const WORKERS: usize = 4;
const END: &[u8] = b"\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

fn main() -> io::Result<()> {
    let _highwater = highwater::start();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    // Threads that stay, so that their time can be counted.
    let worker = || {
        listener.incoming().map_while(Result::ok).for_each(|stream| {
            // Until the client has gone.
            let _ = serve(stream);
        })
    };
    thread::scope(|scope| (0..WORKERS).for_each(|_| drop(scope.spawn(worker))));
    Ok(())
}

fn serve(mut stream: TcpStream) -> Option<()> {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        received.extend_from_slice(chunk.get(..read)?);
        let ends: Vec<_> = received.windows(END.len()).enumerate().filter(|(_, window)| *window == END).collect();
        let (requests, last) = (ends.len(), ends.last().map(|(at, _)| at.saturating_add(END.len())));
        received.drain(..last.unwrap_or_default());
        let answers: Vec<u8> = (0..requests).flat_map(|request| work(request, ANSWER).iter().copied()).collect();
        stream.write_all(&answers).ok()?;
    }
}

/// Records as JSON, there and back.
fn work(seed: usize, answer: &'static [u8]) -> &'static [u8] {
    let record = |index: usize| json!({ "id": index, "name": format!("record {index} of {seed}"), "tags": ["a", "b"] });
    let text = Value::Array((0..16).map(record).collect()).to_string();
    black_box(serde_json::from_str::<Value>(black_box(&text)).ok());
    black_box(vec![0_u8; 16 << 10]);
    answer
}
