//! Dumps of jemalloc, whole or torn: what is read adds up, and is the same when it has been written and read again.
#![no_main]

use std::io::Cursor;
use std::time::SystemTime;

use highwater_profile::otlp::{About, MOST};
use highwater_profile::pprof::Profile;
use highwater_profile::{Analysis, NoFiles};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let Ok(mut analysis) = Analysis::of(Cursor::new(content), &mut NoFiles) else { return };
    let sites = analysis.sites(usize::MAX, Some(&analysis.baseline()));
    let sum = sites.iter().fold(analysis.rest().0, |sum, site| sum.saturating_add(site.bytes));
    assert_eq!(sum, analysis.bytes());
    assert!(sites.iter().all(|site| site.grown == Some(0) || sites.len() > 4096));
    let mut stacks = 0;
    analysis.for_each_stack(&mut |calls, objects, _| stacks += u64::from(!calls.is_empty() && objects > 0)).unwrap();
    assert_eq!(stacks, analysis.stacks());
    let mut written = Vec::new();
    let count = analysis.write_pprof(&mut written, SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(count, written.len() as u64);
    let profile = Profile::read(&written[..]).unwrap();
    assert_eq!(profile.samples.len() as u64, stacks);
    let ids = [[1; 16], [2; 16]];
    let about = About { resource: b"", scope: b"", time: SystemTime::UNIX_EPOCH, trace: Some([3; 16]), ids };
    let mut request = analysis.write_otlp(&about).unwrap();
    request.set_span([4; 8]);
    assert!(request.into_bytes().len() <= MOST);
});
