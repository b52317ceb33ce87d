//! Dumps of a real jemalloc, in programs that were built in several ways, and the real reader of pprof.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code, outside of test functions"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use highwater_profile::pprof::Profile;

/// What the subject said, and where it left its profile.
struct Said {
    folder: tempfile::TempDir,
    head: String,
    sites: Vec<String>,
}

impl Said {
    fn pprof(&self) -> PathBuf {
        self.folder.path().join("heap.pb.gz")
    }

    /// The numbers after these words.
    fn number(&self, name: &str) -> f64 {
        let mut words = self.head.split(' ');
        words.find(|word| *word == name);
        words.next().unwrap().parse().unwrap()
    }
}

/// Builds the subject with these flags, into a folder of their own name.
fn built(flags: &[&str], name: &str) -> PathBuf {
    // Each is linked under the same name: one at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    // Where the tests are built: jemalloc takes a minute, and is there already.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = folder.parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["rustc", "-q", "--example", "subject", "--manifest-path"]).arg(manifest);
    let output = cargo.arg("--target-dir").arg(target).arg("--").args(flags).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let program = folder.join(format!("subject-{name}"));
    std::fs::copy(target.join("debug/examples/subject"), &program).unwrap();
    program
}

fn run(program: &Path, who: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.arg(folder.path().join("heap")).arg(folder.path().join("heap.pb.gz")).arg(who);
    let output = command.env("_RJEM_MALLOC_CONF", "prof:true,prof_active:true,lg_prof_sample:14").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    let said = Said { folder, head: lines.next().unwrap(), sites: lines.collect() };
    println!("{}\n{:#?}", said.head, said.sites);
    said
}

/// The largest site is named so, and all sites together are what is held.
#[track_caller]
fn names(said: &Said, function: &str) {
    // With a mean of 16 KiB between samples more than ten thousand are live: a standard error below 1 %.
    let (held, profiled) = (said.number("held"), said.number("profiled"));
    assert!((profiled / held - 1.0).abs() < 0.05, "{held} are held, {profiled} told");
    assert!(said.sites[0].contains(&format!("function: Some(\"{function}")), "{}", said.sites[0]);
    assert!(said.sites[0].contains("build_id: Some("), "{}", said.sites[0]);
    assert!(said.sites[1].contains("function: Some(\"subject::innocent"), "{}", said.sites[1]);
}

#[test]
fn the_guilty_function_is_named_and_what_it_holds_is_what_is_held() {
    let program = built(&[], "plain");
    names(&run(&program, "guilty"), "subject::guilty::hold");
    names(&run(&program, "deep"), "subject::guilty::hold");
}

#[test]
fn the_guilty_function_is_named_in_a_program_at_a_fixed_address() {
    names(&run(&built(&["-C", "relocation-model=static"], "fixed"), "guilty"), "subject::guilty::hold");
}

#[test]
fn the_guilty_function_is_named_in_a_program_with_its_c_library_inside() {
    names(&run(&built(&["-C", "target-feature=+crt-static"], "static"), "guilty"), "subject::guilty::hold");
}

/// Not even moved when it starts, which one with its C library inside is as a rule.
#[test]
fn the_guilty_function_is_named_in_a_program_that_nothing_loads_or_moves() {
    let program = built(&["-C", "relocation-model=static", "-C", "target-feature=+crt-static"], "alone");
    let output = Command::new("readelf").args(["--file-header", "--program-headers", "--wide"]).arg(&program).output();
    let headers = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(headers.contains("EXEC (Executable file)") && !headers.contains("INTERP"), "{headers}");
    names(&run(&program, "guilty"), "subject::guilty::hold");
}

#[test]
fn a_name_of_thousands_of_characters_is_cut() {
    let said = run(&built(&["-C", "symbol-mangling-version=v0"], "long"), "long");
    names(&said, "<subject::Long<(");
}

/// Built by the C compiler that built jemalloc; what it calls is the program's own, so what it gives stays under that name.
#[test]
fn a_library_that_was_opened_later_has_its_names_too() {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("library.c"), folder.path().join("liblibrary.so"));
    let text = "void *library_hold(void *(*give)(unsigned long), unsigned long size) { void *held = give(size); __asm__(\"\"); return held; }";
    std::fs::write(&source, text).unwrap();
    let built_library =
        Command::new("cc").args(["-shared", "-fPIC", "-fexceptions", "-o"]).args([&library, &source]).status().unwrap();
    assert!(built_library.success());
    let said = run(&built(&[], "opening"), library.to_str().unwrap());
    names(&said, "subject::give");
    let profile = Profile::read(File::open(said.pprof()).unwrap()).unwrap();
    let frame = profile.frames.iter().find(|frame| frame.functions == ["library_hold"]).unwrap();
    assert_eq!(frame.module.as_deref(), library.to_str());
    assert!(frame.build_id.is_some());
}

#[test]
fn a_program_without_symbols_has_module_offset_and_build_id() {
    let program = built(&[], "stripped");
    assert!(Command::new("strip").arg(&program).status().unwrap().success());
    let said = run(&program, "guilty");
    let largest = &said.sites[0];
    for part in ["function: None", "module: Some(\"subject-stripped\")", "build_id: Some(", "offset: Some("] {
        assert!(largest.contains(part), "{part}: {largest}");
    }
}

#[test]
fn pprof_opens_what_is_written() {
    let said = run(&built(&[], "written"), "guilty");
    let profile = Profile::read(File::open(said.pprof()).unwrap()).unwrap();
    assert_eq!(profile.bytes() as f64, said.number("profiled"));
    assert_eq!(profile.samples.len() as f64, said.number("stacks"));
    let mut go = Command::new("go");
    go.args(["tool", "pprof", "-top", "-cum", "-nodecount=100", "-sample_index=inuse_space", "-symbolize=none"]);
    let output = go.arg(said.pprof()).output().expect("this test needs Go, for its pprof");
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{error}");
    for part in ["Type: inuse_space", "Time: 2023-11-14", "subject::guilty::hold"] {
        assert!(text.contains(part), "{part}: {text}\n{error}");
    }
    assert!(!text.contains("prof_backtrace") && !text.contains("_rjem_"), "the allocator's own is left out: {text}");
}

#[cfg(feature = "symbolize")]
mod symbolize {
    use highwater_profile::symbolize::Symbols;

    use super::*;

    /// The functions of all calls, and their places.
    fn functions(profile: &Profile) -> Vec<(String, Option<String>)> {
        let all = |frame: &highwater_profile::pprof::Frame| {
            frame.functions.iter().cloned().zip(frame.places.iter().cloned()).collect::<Vec<_>>()
        };
        profile.frames.iter().flat_map(all).collect()
    }

    #[test]
    fn a_function_that_was_inlined_and_who_calls_it_are_both_named() {
        // With line tables alone, names have no paths.
        let said = run(&built(&["-C", "debuginfo=2"], "inlining"), "inlined");
        let mut profile = Profile::read(File::open(said.pprof()).unwrap()).unwrap();
        let both = ["subject::guilty::inlined", "subject::guilty::caller"];
        let has = |profile: &Profile, names: &[&str]| profile.frames.iter().any(|frame| frame.functions == names);
        assert!(has(&profile, &both[1..]), "the symbol table knows the caller alone");
        Symbols::new(Vec::new(), None).symbolize(&mut profile);
        assert!(has(&profile, &both), "the inlined one first: {:?}", functions(&profile));
    }

    #[test]
    fn symbols_in_a_file_beside_a_stripped_program_name_what_it_did() {
        let program = built(&[], "apart");
        let symbols = program.with_extension("debug");
        let run_tool = |name: &str, arguments: &[&str], paths: &[&Path]| {
            assert!(Command::new(name).args(arguments).args(paths).status().unwrap().success(), "{name}");
        };
        run_tool("objcopy", &["--only-keep-debug"], &[&program, &symbols]);
        run_tool("strip", &[], &[&program]);
        let said = run(&program, "guilty");
        let written = || Profile::read(File::open(said.pprof()).unwrap()).unwrap();

        let mut profile = written();
        let outcomes = Symbols::new(vec![symbols.clone()], None).symbolize(&mut profile);
        assert!(
            outcomes.iter().any(|outcome| outcome.file.as_ref() == Some(&symbols) && outcome.found > 0),
            "{outcomes:?}"
        );
        let named = functions(&profile);
        let (_, place) = named.iter().find(|(name, _)| name == "subject::guilty::hold").unwrap();
        assert!(place.as_deref().unwrap().contains("examples/subject.rs:"), "{place:?}");
        let largest = profile.samples.iter().max_by_key(|sample| sample.bytes).unwrap();
        let (frame, function) = profile.site_of(largest).unwrap();
        assert_eq!(profile.frames[frame].functions[function.unwrap()], "subject::guilty::hold");

        // Compressed, as distributions have them.
        for format in ["zlib", "zstd"] {
            let packed = program.with_extension(format);
            run_tool("objcopy", &[&format!("--compress-debug-sections={format}")], &[&symbols, &packed]);
            assert!(std::fs::metadata(&packed).unwrap().len() < std::fs::metadata(&symbols).unwrap().len());
            let mut profile = written();
            Symbols::new(vec![packed], None).symbolize(&mut profile);
            assert_eq!(functions(&profile), named, "{format}");
        }

        // A folder of the system's, by build id.
        let mut profile = written();
        let own = profile.frames.iter().find(|frame| frame.module.as_deref() == program.to_str()).unwrap();
        let (folder, name) = own.build_id.as_deref().unwrap().split_at(2);
        let debug = said.folder.path().join("debug");
        std::fs::create_dir_all(debug.join(".build-id").join(folder)).unwrap();
        std::fs::copy(&symbols, debug.join(format!(".build-id/{folder}/{name}.debug"))).unwrap();
        Symbols::new(Vec::new(), Some(debug)).symbolize(&mut profile);
        assert_eq!(functions(&profile), named);

        // Another program's are not taken.
        let mut profile = written();
        let other = built(&["-C", "relocation-model=static"], "other");
        Symbols::new(vec![other], None).symbolize(&mut profile);
        assert!(!functions(&profile).iter().any(|(name, _)| name.starts_with("subject::")));
    }
}
