//! ELF files as anybody could have put them: whatever is in them, names are found or not.
#![no_main]

use std::io::Cursor;

use highwater_profile::{Analysis, LONGEST_NAME, Mapping, Open, ReadAt};
use libfuzzer_sys::fuzz_target;

/// Calls at the beginning, in the middle and at the end of two mappings of the same file.
const DUMP: &str = "heap_v2/1
@ 0x5000 0x5011 0x5101 0x5140 0x6fff 0xfffffffffffff000
  t*: 1: 1 [0: 0]

MAPPED_LIBRARIES:
5000-7000 r-xp 00001000 08:01 7 /service
fffffffffffff000-ffffffffffffffff r-xp 00000000 08:01 7 /service
";

struct One(Vec<u8>);

impl Open for One {
    fn open(&mut self, _: &Mapping) -> Option<Box<dyn ReadAt>> {
        Some(Box::new(self.0.clone()))
    }
}

fuzz_target!(|content: &[u8]| {
    let analysis = Analysis::of(Cursor::new(DUMP), &mut One(content.to_vec())).unwrap();
    assert_eq!((analysis.bytes(), analysis.sites(9, None).len()), (2, 1));
    for call in [0x5000, 0x5010, 0x5100, 0x513f, 0x6ffe, 0xffff_ffff_ffff_efff] {
        let name = analysis.name_of(call).unwrap_or_default();
        assert!(name.len() <= LONGEST_NAME && !name.contains(char::is_control), "{name:?}");
    }
    for mapping in analysis.mappings() {
        assert!(mapping.build_id().is_none_or(|id| id.len() <= 128 && id.bytes().all(|c| c.is_ascii_hexdigit())));
    }
});
