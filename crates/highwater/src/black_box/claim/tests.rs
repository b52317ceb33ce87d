use super::super::format::{HEADER, Header, MAGIC, SIZE, VERSION, Value};
use super::*;

/// A box of `service` that was written so many seconds ago; nobody has it.
fn dead(path: &Path, service: &str, seconds: u64) {
    let resource = vec![("service.name".to_owned(), Value::Text(service.to_owned()))];
    let mut block = [0; HEADER.size];
    Header { run: format!("{service}-{seconds}"), resource, ..Header::default() }.encode(&mut block);
    let file = File::create(path).unwrap();
    file.set_len(SIZE).unwrap();
    platform::write_at(&file, &block, HEADER.at).unwrap();
    file.set_modified(Clock::date() - Duration::from_secs(seconds)).unwrap();
}

fn is_ours(black_box: &BlackBox) -> bool {
    black_box.is_of(Some("ours"), None)
}

#[test]
fn a_folder_holds_so_many_boxes_whoever_left_them_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, number: u64| folder.path().join(format!("{name}-{number}.box"));
    for number in 0..30 {
        dead(&path("ours", number), "ours", 1000 - number);
        dead(&path("theirs", number), "theirs", 2000 - number);
    }
    let (ours, gone) = in_folder(folder.path(), is_ours).unwrap();
    let runs: Vec<_> = ours.iter().map(|left| left.black_box.run().to_owned()).collect();
    let expected: Vec<_> = (0..30).map(|number| format!("ours-{}", 1000 - number)).collect();
    assert_eq!((gone, runs), (28, expected), "the oldest first");
    assert!(path("theirs", 28).exists() && !path("theirs", 27).exists());
    drop(ours);
    for number in 100..110 {
        dead(&path("ours", number), "ours", 1100 - number);
    }
    let (ours, gone) = in_folder(folder.path(), is_ours).unwrap();
    assert_eq!((ours.len(), gone, fs::read_dir(folder.path()).unwrap().count()), (IN_FOLDER, 10, IN_FOLDER));
}

#[test]
fn of_a_folder_too_full_nothing_goes_that_is_no_box() {
    let folder = tempfile::tempdir().unwrap();
    let path = |number: u64| folder.path().join(format!("{number}.box"));
    let (foreign, other, cut) = (path(900), path(901), path(902));
    fs::write(&foreign, "tuxedo").unwrap();
    fs::write(&other, [&MAGIC[..], &(VERSION + 1).to_le_bytes()].concat()).unwrap();
    fs::write(&cut, MAGIC).unwrap();
    let link = path(903);
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    for path in [&foreign, &other, &cut] {
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    (0..IN_FOLDER as u64).for_each(|number| dead(&path(number), "theirs", number));
    let (ours, gone) = in_folder(folder.path(), is_ours).unwrap();
    assert_eq!((ours.len(), gone), (0, 2), "those of another version, and those that are cut");
    assert!(foreign.exists() && !other.exists() && !cut.exists());
    assert!(cfg!(not(unix)) || link.is_symlink());
}

#[test]
fn what_waits_beside_a_path_goes_round_what_is_no_box() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.box");
    for number in [1, 3] {
        fs::write(waiting(&path, number), "a log").unwrap();
    }
    let mut lost = Vec::new();
    for round in 0..8 {
        dead(&path, "ours", 100 - round);
        let mut left = claim(&path).unwrap().unwrap();
        lost.push(set_aside(&mut left, &[]).unwrap());
        assert_eq!(left.path, waiting(&path, 2));
    }
    let expected: Vec<_> = (0..8).map(|round| (round >= 6).then(|| waiting(&path, 8))).collect();
    assert_eq!(lost, expected);
    for number in [1, 3] {
        assert_eq!(fs::read(waiting(&path, number)).unwrap(), b"a log");
    }
    (1..=WAITING).for_each(|number| fs::write(waiting(&path, number), "a log").unwrap());
    dead(&path, "ours", 1);
    let mut left = claim(&path).unwrap().unwrap();
    assert_eq!(set_aside(&mut left, &[]).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert!(path.exists());
}

#[test]
fn without_locks_a_fresh_box_is_in_use_unless_its_process_is_gone() {
    let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    let mut block = [0; HEADER.size];
    let (boot_id, pid) = ("boot".to_owned(), 7);
    let header = Header { boot_id, pid, started: Some(at(900)), began: Some(at(1000)), ..Header::default() };
    header.encode(&mut block);
    let black_box = BlackBox::parse(&block).unwrap();
    let seems = |now, boot, started: Option<u64>| {
        seems_in_use(&black_box, at(now), boot, |process| started.map(at).filter(|_| process == 7))
    };
    assert!(seems(1014, Some("boot"), Some(900)));
    assert!(!seems(1015, Some("boot"), Some(900)), "it is not fresh");
    assert!(!seems(1001, Some("boot"), None), "its process is gone");
    assert!(!seems(1001, Some("boot"), Some(990)), "another process has its id");
    assert!(seems(1001, Some("other"), None) && seems(1001, None, None), "it may run elsewhere");
}

#[test]
fn what_runs_have_left_that_were_killed_while_they_made_a_box_goes_when_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let run = crate::identity::uuid();
    let left = [format!("memory.box.{run}.new"), format!("other.box.{run}.new")];
    let others = ["memory.box.new".to_owned(), "memory.box.1".to_owned(), format!("memory.box.{run}")];
    for path in left.iter().chain(&others).map(|name| path(name)) {
        File::create(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    let fresh = path(&format!("memory.box.{}.new", crate::identity::uuid()));
    File::create(&fresh).unwrap();
    let there = || left.iter().map(|name| path(name).exists()).collect::<Vec<_>>();
    clear(folder.path(), "memory.box");
    assert_eq!(there(), [false, true], "of this box alone");
    clear(folder.path(), "");
    assert_eq!(there(), [false, false]);
    assert!(others.iter().all(|name| path(name).exists()) && fresh.exists());
}
