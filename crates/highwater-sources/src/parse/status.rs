//! `/proc/self/status`: the kinds of resident memory, which add up, and the threads.

use highwater_model::Bytes;

use super::{lines, number, split_once};

/// What is taken from the file. A kernel before 4.5 has no kinds, one without swap no `VmSwap`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) anon: Option<Bytes>,
    pub(crate) file: Option<Bytes>,
    pub(crate) shmem: Option<Bytes>,
    pub(crate) swap: Option<Bytes>,
    pub(crate) peak: Option<Bytes>,
    pub(crate) threads: Option<u64>,
}

pub(crate) fn parse(content: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    for line in lines(content) {
        // The name of the process stands first and may contain anything but a line end.
        match line.first() {
            Some(b'V' | b'R' | b'T') => {}
            _ => continue,
        }
        let Some((key, value)) = split_once(line, b':') else { continue };
        match key {
            b"VmHWM" => status.peak = kibibytes(value),
            b"RssAnon" => status.anon = kibibytes(value),
            b"RssFile" => status.file = kibibytes(value),
            b"RssShmem" => status.shmem = kibibytes(value),
            b"VmSwap" => status.swap = kibibytes(value),
            b"Threads" => {
                status.threads = number(value);
                // It follows all the others; what follows it grows with the number of processors.
                break;
            }
            _ => {}
        }
    }
    (status != Status::default()).then_some(status)
}

/// `   1234 kB`.
fn kibibytes(value: &[u8]) -> Option<Bytes> {
    number(value.trim_ascii().strip_suffix(b" kB")?)?.checked_mul(1024).map(Bytes::new)
}
