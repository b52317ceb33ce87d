use proptest::prelude::*;

use super::*;

/// A file of 64 or 32 bits in either byte order, with one code segment, one note and some symbols.
struct File {
    wide: bool,
    big: bool,
    symbols: Vec<(&'static str, u8, u64, u64)>,
    kind: u64,
}

impl File {
    fn new(wide: bool, big: bool) -> Self {
        // Name, info, value, size: not in order, nested, twice at one place, of no size, of data, of another file.
        let symbols = vec![
            ("late", 0x12, 0x5100, 0x40),
            ("early", 0x02, 0x5000, 0x80),
            ("inner", 0x02, 0x5010, 0x10),
            ("alias", 0x12, 0x5000, 0x80),
            ("empty", 0x12, 0x5090, 0),
            ("data", 0x11, 0x5080, 0x100),
        ];
        Self { wide, big, symbols, kind: SHT_SYMTAB }
    }

    fn put(&self, out: &mut Vec<u8>, number: u64, size: usize) {
        let bytes = number.to_le_bytes();
        let bytes = &bytes[..size];
        if self.big { out.extend(bytes.iter().rev()) } else { out.extend(bytes) }
    }

    fn bytes(&self) -> Vec<u8> {
        let word = if self.wide { 8 } else { 4 };
        let (header, program, section) = if self.wide { (64, 56, 64) } else { (52, 32, 40) };
        let mut names = vec![0];
        let mut symbols = Vec::new();
        for (name, info, value, size) in &self.symbols {
            let at = names.len() as u64;
            names.extend(name.bytes().chain([0]));
            self.put(&mut symbols, at, 4);
            if self.wide {
                symbols.extend([*info, 0]);
                for (number, size) in [(1, 2), (*value, 8), (*size, 8)] {
                    self.put(&mut symbols, number, size);
                }
            } else {
                for number in [*value, *size] {
                    self.put(&mut symbols, number, 4);
                }
                symbols.extend([*info, 0]);
                self.put(&mut symbols, 1, 2);
            }
        }
        let mut notes = Vec::new();
        for (kind, name, content) in
            [(1, &b"Other\0"[..], &[9, 9][..]), (NT_GNU_BUILD_ID, b"GNU\0", &[0xab, 0xcd, 0x01])]
        {
            for number in [name.len() as u64, content.len() as u64, kind] {
                self.put(&mut notes, number, 4);
            }
            for part in [name, content] {
                notes.extend(part);
                notes.resize(notes.len().next_multiple_of(4), 0);
            }
        }
        let programs_at = header;
        let sections_at = programs_at + 2 * program;
        let notes_at = sections_at + 2 * section;
        let symbols_at = notes_at + notes.len() as u64;
        let names_at = symbols_at + symbols.len() as u64;

        let mut out = b"\x7fELF".to_vec();
        out.extend([if self.wide { 2 } else { 1 }, if self.big { 2 } else { 1 }, 1]);
        out.resize(16, 0);
        for (number, size) in [(3, 2), (62, 2), (1, 4), (0, word), (programs_at, word), (sections_at, word), (0, 4)] {
            self.put(&mut out, number, size);
        }
        for number in [header, program, 2, section, 2, 0] {
            self.put(&mut out, number, 2);
        }
        // The code: at 0x1000 of the file, loaded at 0x5000.
        for (kind, flags, offset, address, size) in
            [(PT_LOAD, 5, 0x1000, 0x5000, 0x2000), (PT_NOTE, 4, notes_at, notes_at, notes.len() as u64)]
        {
            self.put(&mut out, kind, 4);
            if self.wide {
                self.put(&mut out, flags, 4);
            }
            for number in [offset, address, address, size, size] {
                self.put(&mut out, number, word);
            }
            if !self.wide {
                self.put(&mut out, flags, 4);
            }
            self.put(&mut out, 4, word);
        }
        for (kind, offset, size, link, entry) in
            [(self.kind, symbols_at, symbols.len() as u64, 1, 24), (3, names_at, names.len() as u64, 0, 0)]
        {
            self.put(&mut out, 0, 4);
            self.put(&mut out, kind, 4);
            for number in [0, 0, offset, size] {
                self.put(&mut out, number, word);
            }
            self.put(&mut out, link, 4);
            self.put(&mut out, 0, 4);
            for number in [1, entry] {
                self.put(&mut out, number, word);
            }
        }
        out.extend(notes);
        out.extend(symbols);
        out.extend(names);
        out
    }
}

/// The names that these addresses have.
fn names(content: &[u8], addresses: &[u64]) -> Vec<String> {
    let elf = Elf::open(&content).unwrap();
    let symbols = elf.symbols().unwrap();
    let mut found = vec![Found::default(); addresses.len()];
    elf.find(&symbols, &Shifted(addresses, 0), &mut found).unwrap();
    let mut buffer = [0; 64];
    let mut name = |found| String::from_utf8(elf.name(&symbols, found, &mut buffer).to_vec()).unwrap();
    found.into_iter().map(&mut name).collect()
}

#[test]
fn a_file_of_any_width_and_order_is_read() {
    for (wide, big) in [(true, false), (true, true), (false, false), (false, true)] {
        let content = File::new(wide, big).bytes();
        let elf = Elf::open(&content).unwrap();
        assert_eq!(elf.build_id().as_deref(), Some("abcd01"), "{wide} {big}");
        let distance = elf.distance(0x7f00_1000, 0x1000, 0x2000).unwrap();
        assert_eq!(0x7f00_1010_u64.wrapping_add(distance), 0x5010);
        assert_eq!(elf.distance(0x7f00_0000, 0, 0x1000), None, "no code there");
        let at = [0x4fff, 0x5000, 0x500f, 0x5010, 0x501f, 0x5020, 0x507f, 0x5080, 0x5090, 0x5100, 0x5140];
        let are = ["", "alias", "alias", "inner", "inner", "alias", "alias", "", "", "late", ""];
        assert_eq!(names(&content, &at), are, "{wide} {big}");
    }
}

#[test]
fn without_a_table_of_all_functions_the_other_one_is_taken() {
    let mut file = File::new(true, false);
    file.kind = SHT_DYNSYM;
    assert_eq!(names(&file.bytes(), &[0x5100]), ["late"]);
    file.kind = 1;
    assert!(Elf::open(&file.bytes()).unwrap().symbols().is_none());
}

#[test]
fn what_is_no_elf_is_none() {
    for content in [&b""[..], b"\x7fELF", b"MZ", &[0x7f, b'E', b'L', b'F', 9, 9]] {
        assert!(Elf::open(&content.to_vec()).is_none());
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_read_as_far_as_it_goes() {
    let whole = File::new(true, false).bytes();
    for length in 0..whole.len() {
        reads(&whole[..length]);
    }
}

/// Nothing of it may fail.
fn reads(content: &[u8]) {
    let Some(elf) = Elf::open(&content) else { return };
    elf.build_id();
    elf.distance(1, 0, u64::MAX);
    let Some(symbols) = elf.symbols() else { return };
    let mut found = [Found::default(); 3];
    elf.find(&symbols, &Shifted(&[0, 0x5000, u64::MAX], 0), &mut found).unwrap();
    for found in found {
        elf.name(&symbols, found, &mut [0; 300]);
    }
}

proptest! {
    #[test]
    fn a_file_with_any_bytes_changed_is_read(changes in prop::collection::vec((0..900_usize, any::<u8>()), 1..20), wide: bool, big: bool) {
        let mut content = File::new(wide, big).bytes();
        for (at, byte) in changes {
            if let Some(place) = content.get_mut(at) {
                *place = byte;
            }
        }
        reads(&content);
    }
}
