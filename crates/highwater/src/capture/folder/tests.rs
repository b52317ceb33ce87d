use proptest::prelude::*;

use super::*;

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123 + second * 1000)
}

/// One capture: its second, its episode, what was used in MiB.
fn stored(second: u64, episode: u8, mib: u64) -> Stored {
    let episode = (episode > 0).then(|| EpisodeId::parse(&format!("{episode:032x}")).unwrap());
    Stored { time: at(second), process: 7, episode, level: Level::High, bytes: Bytes::mib(mib) }
}

/// Which of them go, by their seconds, where each file has one MiB.
fn gone(all: &[Stored], most: u64) -> Vec<u64> {
    let files: Vec<_> = all.iter().map(|stored| (*stored, Bytes::mib(1))).collect();
    let second = |index: usize| all[index].time.duration_since(at(0)).unwrap().as_secs();
    superfluous(&files, Bytes::mib(most)).into_iter().map(second).collect()
}

#[test]
fn a_name_says_time_process_episode_level_and_use_and_sorts_by_time() {
    let name = stored(0, 5, 403).to_string();
    assert_eq!(name, "20270115T080000.123Z_7_00000000000000000000000000000005_high_422576128.pb.gz");
    assert_eq!(Stored::parse(&name), Some(stored(0, 5, 403)));
    let asked = Stored { level: Level::Normal, ..stored(0, 0, 1) };
    assert_eq!(Stored::parse(&asked.to_string()), Some(asked));
    assert!(name < stored(1, 1, 1).to_string());
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let others = [
        "notes.txt",
        "core.pb.gz",
        "20270115T080000.123Z_7_none_high_1.pb",
        ".20270115_unfinished",
        "20270115T080000.123Z_7_none_high_1_2.pb.gz",
    ];
    for name in others {
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    let mut profiles = Folder::new(folder.path().to_owned(), Bytes::new(1));
    for second in 0..10 {
        profiles.write(&stored(second, 1, 1), false, |out| out.write_all(b"profile")).unwrap();
    }
    assert!(others.iter().all(|name| folder.path().join(name).exists()));
}

#[test]
fn of_an_episode_the_first_the_last_three_and_the_largest_stay() {
    let all: Vec<_> =
        [10, 20, 90, 30, 40, 50, 60].into_iter().zip(0..).map(|(mib, second)| stored(second, 1, mib)).collect();
    assert_eq!(gone(&all, 100), [1, 3]);
}

#[test]
fn what_was_asked_for_stays_until_the_folder_is_full_and_goes_first_then() {
    let all: Vec<_> = (0..10).map(|second| stored(second, u8::from(second == 4), 1)).collect();
    assert_eq!(gone(&all, 10), [0; 0]);
    assert_eq!(gone(&all, 3), [0, 1, 2, 3, 5, 6, 7]);
    assert_eq!(gone(&all, 1), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn where_the_folder_is_full_the_oldest_and_the_newest_episode_stay_longest() {
    let all = [stored(0, 1, 1), stored(1, 1, 2), stored(2, 2, 1), stored(3, 3, 1), stored(4, 4, 1), stored(5, 4, 2)];
    assert_eq!(gone(&all, 6), [0; 0]);
    assert_eq!(gone(&all, 5), [2]);
    assert_eq!(gone(&all, 4), [2, 3]);
    assert_eq!(gone(&all, 3), [1, 2, 3], "of the oldest episode the first stays");
    assert_eq!(gone(&all, 2), [0, 1, 2, 3]);
    assert_eq!([gone(&all, 1), gone(&all, 0)], [[0, 1, 2, 3, 4]; 2], "the newest file never goes");
}

#[test]
fn nothing_is_deleted_where_the_new_file_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut profiles = Folder::new(folder.path().to_owned(), Bytes::new(1));
    profiles.write(&stored(0, 1, 1), false, |out| out.write_all(b"profile")).unwrap();
    let error = profiles.write(&stored(1, 2, 1), false, |_| Err(io::Error::other("no room"))).unwrap_err();
    assert!(error.ends_with("no room"), "{error}");
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [stored(0, 1, 1).to_string().as_str()]);
    profiles.write(&stored(1, 2, 1), false, |out| out.write_all(b"profile")).unwrap();
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [stored(1, 2, 1).to_string().as_str()], "after that there is only room for one");
}

#[test]
fn the_budget_is_that_of_all_runs_whose_files_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut profiles = Folder::new(folder.path().to_owned(), Bytes::mib(1));
    for (second, episode) in [(0, 1), (100, 0), (200, 1)] {
        profiles.write(&stored(second, episode, 1), false, |out| out.write_all(b"profile")).unwrap();
    }
    assert_eq!(profiles.begun(), [at(0), at(200)], "what was asked for does not count");
}

#[test]
fn a_capture_that_ended_the_process_counts_for_a_day_and_then_goes() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join(format!(".{}{UNFINISHED}", stored(0, 1, 1)));
    fs::write(&left, "half").unwrap();
    let mut profiles = Folder::new(folder.path().to_owned(), Bytes::mib(1));
    assert_eq!(profiles.begun(), [at(0)]);
    profiles.write(&stored(60, 1, 1), false, |out| out.write_all(b"profile")).unwrap();
    assert!(left.exists());
    profiles.write(&stored(24 * 3600, 2, 1), false, |out| out.write_all(b"profile")).unwrap();
    assert!(!left.exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_said_with_the_setting_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let trouble = Folder::new(file.join("profiles"), Bytes::mib(1)).trouble().unwrap();
    assert!(trouble.contains("HIGHWATER_PROFILE_DIR"), "{trouble}");
    assert_eq!(Folder::new(folder.path().join("new/profiles"), Bytes::mib(1)).trouble(), None);
}

proptest! {
    #[test]
    fn the_newest_always_stays_and_no_more_than_fits(
        files in prop::collection::vec((0_u8..5, 0_u64..9, 1_u64..4), 1..40), most in 1_u64..30,
    ) {
        let all: Vec<_> = files.iter().zip(0..).map(|((episode, mib, size), second)| (stored(second, *episode, *mib), Bytes::mib(*size))).collect();
        let gone = superfluous(&all, Bytes::mib(most));
        prop_assert!(gone.windows(2).all(|pair| pair[0] < pair[1]), "each once: {gone:?}");
        prop_assert!(!gone.contains(&(all.len() - 1)));
        let held: u64 = all.iter().enumerate().filter(|(index, _)| !gone.contains(index)).map(|(_, (_, size))| size.get() >> 20).sum();
        let newest = all[all.len() - 1].1.get() >> 20;
        prop_assert!(held <= most.max(newest), "{held} of {most}");
    }

    #[test]
    fn a_name_is_read_as_it_was_written(second in 0_u64..1 << 30, process: u32, episode: u8, mib in 0_u64..1 << 40) {
        let one = Stored { process, ..stored(second, episode, mib) };
        prop_assert_eq!(Stored::parse(&one.to_string()), Some(one));
    }

    #[test]
    fn no_name_is_too_odd(name in ".{0,80}") {
        let _ = Stored::parse(&name);
    }
}
