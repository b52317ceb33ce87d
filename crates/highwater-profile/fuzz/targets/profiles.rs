//! Profiles in pprof's format from anywhere: each is read, or it is said why not.
#![no_main]

use highwater_profile::pprof::Profile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| match Profile::read(content) {
    Ok(profile) => {
        let _ = profile.bytes();
        for sample in &profile.samples {
            assert!(sample.frames.iter().all(|frame| *frame < profile.frames.len()));
            match profile.site_of(sample) {
                Some((frame, function)) => {
                    assert!(function.is_none_or(|function| function < profile.frames[frame].functions.len()));
                }
                None => assert!(sample.frames.is_empty()),
            }
        }
    }
    Err(error) => assert!(error.to_string().contains("profile") || error.to_string().contains("longer"), "{error}"),
});
