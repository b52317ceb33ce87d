//! Traces as they come from a disk or a pipe, in pieces of any size: the first byte is the size.
#![no_main]

use std::io::{BufReader, Cursor};

use highwater::model::{Judge, Rules, SinceStart};
use libfuzzer_sys::fuzz_target;
use trace::Trace;

#[path = "../../src/trace.rs"]
mod trace;

fuzz_target!(|content: &[u8]| {
    let Some((size, content)) = content.split_first() else { return };
    let (whole, in_pieces) = (read(content, 1 << 16), read(content, usize::from(*size).max(1)));
    assert_eq!(whole, in_pieces, "what is read does not depend on how it came");
});

/// What is said of a trace: its rows, or where it is wrong.
fn read(content: &[u8], piece: usize) -> Vec<String> {
    let input = BufReader::with_capacity(piece, Cursor::new(content));
    let mut said = Vec::new();
    let mut judge = Judge::new(Rules::default());
    let mut last = SinceStart::default();
    let mut trace = match Trace::open("trace.csv", input, last) {
        Ok(trace) => trace,
        Err(error) => return vec![checked(error.to_string())],
    };
    loop {
        match trace.next_row() {
            Ok(Some(row)) => {
                assert!(row.seconds >= last);
                last = row.seconds;
                judge.judge(&row.sample());
                said.push(row.to_string());
            }
            Ok(None) => break,
            Err(error) => {
                said.push(checked(error.to_string()));
                break;
            }
        }
    }
    assert!(trace.last() >= last);
    said.extend(trace.take_words().into_iter().map(checked));
    said
}

fn checked(error: String) -> String {
    assert!(error.starts_with("trace.csv") && !error.contains(char::is_control) && error.len() < 2000, "{error:?}");
    error
}
