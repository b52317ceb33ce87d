//! Writing the box, and what goes wrong with it: said when it begins and when it is over, and tried again, never fatal.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use highwater_model::{SinceStart, Verdict};
use highwater_sources::platform;

use super::claim::{self, Left};
use super::format::{self, Captures, Header, LastEpisode, Moment, Place, RINGS, Ring, SAMPLE, State, Value};
use super::previous::{PreviousRun, Surroundings};
use super::reader::ReadError;
use super::{Entry, Word, marks};
use crate::clock::Clock;
use crate::event::Severity;
use crate::identity::EpisodeHandle;
use crate::site::Site;

/// From a failure to the next attempt.
const RETRY: Duration = Duration::from_secs(2);
/// Between two looks whether the file is still the one at the path.
const LOOK: Duration = Duration::from_secs(2);
/// Between two times that what only drifts is written.
const DRIFT: Duration = Duration::from_secs(10);
/// For the last boxes to be told, when the agent ends.
const END: Duration = Duration::from_secs(2);

/// Who runs, as it is written into the first block.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) config: String,
    pub(crate) resource: Vec<(String, Value)>,
}

/// Where samples go.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    /// In a folder, of the service's name and the run's id.
    own: PathBuf,
    is_folder: bool,
    header: Header,
    around: Surroundings,
    clock: Clock,
    words: SyncSender<Word>,
    open: Option<Arc<File>>,
    /// What went wrong last, as it was said.
    trouble: Option<String>,
    /// Nothing is tried before.
    next_try: SinceStart,
    next_look: SinceStart,
    next_drift: SinceStart,
    /// Boxes of runs that are over, until they are told.
    left: Vec<(Left, Arc<PreviousRun>)>,
    /// Whether they were looked for. What is left while this runs is for others.
    searched: bool,
    /// As it was written last.
    state: State,
    episode: Option<Arc<EpisodeHandle>>,
    samples: u64,
    /// How many samples each ring has had, and when its next is due.
    rings: [(u64, SinceStart); 3],
    /// How often sites were written.
    sites: u64,
    /// What held most, and whether that is to be written yet.
    latest_sites: Option<Arc<[Site]>>,
    has_new_sites: bool,
    /// Those of the state that was written last, and those since.
    captures: Captures,
}

impl Writer {
    /// Opens the box and gives what was left.
    pub(super) fn new(
        path: PathBuf,
        is_folder: bool,
        run: Run,
        around: Surroundings,
        clock: Clock,
        words: SyncSender<Word>,
    ) -> Self {
        let header = Header {
            run: run.id,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: around.boot_id.clone().unwrap_or_default(),
            machine: around.machine,
            pid: std::process::id(),
            started: around.started,
            began: Some(around.now),
            config: run.config,
            resource: run.resource,
        };
        let text = |name: &str| text(&header, name).unwrap_or("service");
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        let plain = |letter: char| if is_plain(letter) { letter } else { '_' };
        let service: String = text("service.name").chars().take(64).map(plain).collect();
        let own = if is_folder { path.join(format!("{service}-{}.box", header.run)) } else { path.clone() };
        let mut writer = Self {
            path,
            own,
            is_folder,
            header,
            around,
            clock,
            words,
            open: None,
            trouble: None,
            next_try: SinceStart::default(),
            next_look: SinceStart::default(),
            next_drift: SinceStart::default(),
            left: Vec::new(),
            searched: false,
            state: State::default(),
            episode: None,
            samples: 0,
            rings: [(0, SinceStart::default()); 3],
            sites: 0,
            latest_sites: None,
            has_new_sites: false,
            captures: Captures::default(),
        };
        writer.attempt(|writer| writer.open().map(drop));
        let _ = writer.words.try_send(Word::Ready);
        writer
    }

    /// Whether the episode has no root span yet, as far as it was written.
    pub(super) fn lacks_root(&self) -> bool {
        self.state.episode.as_ref().is_some_and(|episode| episode.root.is_none())
    }

    /// Writes the state where the id of the root span is known now.
    pub(super) fn look_again(&mut self) {
        let Some(root) = self.episode.as_ref().and_then(|episode| episode.root_span()) else { return };
        let mut state = self.state.clone();
        if let Some((episode, handle)) = state.episode.as_mut().zip(self.episode.as_ref()) {
            (episode.root, episode.trace) = (Some(root), handle.id.get().map(|id| id.to_bytes()));
        }
        self.attempt(|writer| writer.write_state(state));
    }

    /// Writes a sample, and what has changed with it.
    pub(super) fn take(&mut self, entry: Entry) {
        self.remove_told();
        // Kept until they are written, which may fail, or not be tried yet.
        if let Some(sites) = &entry.sites {
            (self.latest_sites, self.has_new_sites) = (Some(Arc::clone(sites)), true);
        }
        entry.captured.into_iter().for_each(|at| self.captures.push(at));
        self.attempt(|writer| writer.try_take(&entry));
    }

    /// Removes the boxes whose event has arrived.
    fn remove_told(&mut self) {
        while let Some(at) = self.left.iter().position(|(_, run)| run.receipt().is_delivered()) {
            marks::with_disk(self.clock, || self.left.swap_remove(at).0.remove());
        }
    }

    fn try_take(&mut self, entry: &Entry) -> Result<(), Trouble> {
        let file = self.open()?;
        let at = entry.at;
        self.samples = self.samples.saturating_add(1);
        let mut block = [0; SAMPLE];
        let (number, date) = (self.samples, Some(self.clock.wall(at)));
        Moment { number, at: date, ..entry.moment }.encode(&mut block);
        for (ring, (count, due)) in RINGS.iter().zip(&mut self.rings) {
            // A sample that comes again, with what was learned since, is there already.
            if at >= *due {
                write(&file, Ring::place(ring, *count), &block)?;
                let apart = ring.every.max(Duration::from_nanos(1));
                (*count, *due) = (count.saturating_add(1), at.after(apart));
            }
        }
        self.write_sites(&file)?;
        let state = self.state_of(entry);
        self.episode = entry.episode.as_ref().map(|(_, handle)| Arc::clone(handle));
        if state == self.state && at < self.next_drift {
            return Ok(());
        }
        self.next_drift = at.after(DRIFT);
        self.write_state(state)
    }

    /// Over the older of two, where there is something new.
    fn write_sites(&mut self, file: &File) -> Result<(), Trouble> {
        let Some(sites) = self.latest_sites.as_ref().filter(|_| self.has_new_sites) else { return Ok(()) };
        let sequence = self.sites.saturating_add(1);
        let place = format::SITES.get(usize::from(sequence & 1 != 0)).copied().unwrap_or(format::HEADER);
        let mut block = [0; 4096];
        format::encode_sites(sequence, sites, &mut block);
        write(file, place, &block)?;
        (self.sites, self.has_new_sites) = (sequence, false);
        Ok(())
    }

    /// What is to be written; what only drifts is as it was, until that is due.
    fn state_of(&self, entry: &Entry) -> State {
        let cgroup = entry.cgroup;
        // Where another cgroup came to bind, its count is not that of this run.
        let same = self.samples <= 1 || self.state.cgroup == cgroup;
        let drifts = entry.at >= self.next_drift || entry.episode.is_some();
        State {
            sequence: self.state.sequence,
            at: self.state.at,
            level: entry.moment.level,
            closed: false,
            limit: entry.limit,
            cgroup: if same { cgroup } else { 0 },
            others_hold_most: entry.others_hold_most,
            slope: if drifts { entry.slope } else { self.state.slope },
            episode: entry.episode.as_ref().map(|(episode, handle)| LastEpisode {
                trace: handle.id.get().map(|id| id.to_bytes()),
                root: handle.root_span(),
                ..episode.clone()
            }),
            captures: self.captures,
        }
    }

    /// What is known now, as the next state.
    fn write_state(&mut self, mut state: State) -> Result<(), Trouble> {
        let file = self.open()?;
        state.sequence = self.state.sequence.saturating_add(1);
        state.at = Some(Clock::date());
        write_state(&file, &state)?;
        self.state = state;
        Ok(())
    }

    /// The last word: how it ended, where it `closes` in order.
    pub(super) fn end(&mut self, closes: bool) {
        if closes && self.open.is_some() {
            let (level, captures) = (highwater_model::Level::Normal, self.captures);
            let state = State { closed: true, level, episode: None, captures, ..self.state.clone() };
            self.next_try = SinceStart::default();
            self.attempt(|writer| {
                let file = writer.open()?;
                writer.write_sites(&file)?;
                writer.write_state(state)
            });
        }
        marks::go_to(None, self.clock);
        // What waits to be sent is being tried once more.
        let until = self.clock.now().after(END);
        while self.left.iter().any(|(_, run)| run.receipt().is_awaited()) && self.clock.now() < until {
            thread::park_timeout(Duration::from_millis(10));
        }
        self.remove_told();
    }

    /// Does it, unless something is wrong and not to be tried again yet.
    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Trouble>) {
        if self.clock.now() < self.next_try {
            return;
        }
        match marks::with_disk(self.clock, || work(self)) {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    self.say(Severity::Info, format!("the black box goes on in {}", self.own.display()));
                }
            }
            Err(trouble) => {
                self.next_try = self.clock.now().after(RETRY);
                let text = trouble.to_string();
                if self.trouble.as_ref() != Some(&text) {
                    let (path, every) = (self.own.display(), RETRY.as_secs());
                    self.say(Severity::Warn, format!("no black box in {path}: {text}; tried again every {every} s"));
                    self.trouble = Some(text);
                }
            }
        }
    }

    /// The open box; a new one where there is none, or what stands there is not it any more.
    fn open(&mut self) -> Result<Arc<File>, Trouble> {
        let now = self.clock.now();
        let Some(file) = self.open.clone() else { return self.make() };
        if now < self.next_look {
            return Ok(file);
        }
        self.next_look = now.after(LOOK);
        // A path that cannot be seen any more, by a user with fewer rights, say: the box may be there, and is written.
        let is_there = platform::stands_at(&file, &self.own).unwrap_or(true);
        if is_there && file.metadata()?.len() >= format::SIZE {
            return Ok(file);
        }
        let path = self.own.display();
        let gone = format!("the black box {path} was removed, replaced or cut: it begins anew");
        if is_there {
            // In its place, so that its lock and what is left of it stay.
            platform::write_at(&file, &self.first_block(), format::HEADER.at)?;
            platform::allocate(&file, format::SIZE)?;
            self.write_all_again();
            self.say(Severity::Warn, gone);
            return Ok(file);
        }
        if platform::has_name(&file) {
            // Under another name, or seen from another root. Where no other can be made, it is better than none.
            let made = self.make();
            return match made {
                Ok(new) => {
                    self.say(Severity::Warn, gone);
                    // The run goes on in the other one: of this nothing is to be told.
                    let closed = State { closed: true, sequence: u64::MAX, ..self.state.clone() };
                    let _ = write_state(&file, &closed);
                    Ok(new)
                }
                Err(_) => Ok(file),
            };
        }
        self.say(Severity::Warn, gone);
        marks::go_to(None, self.clock);
        self.open = None;
        self.make()
    }

    /// A new box.
    fn make(&mut self) -> Result<Arc<File>, Trouble> {
        if self.is_folder && !self.searched {
            self.search()?;
        } else if !self.is_folder {
            self.make_room()?;
        }
        let file = match claim::make(&self.own, &self.header.run, &self.first_block()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Trouble::InUse),
            made => Arc::new(made?),
        };
        self.rings = [(0, SinceStart::default()); 3];
        self.state.sequence = 0;
        self.write_all_again();
        marks::go_to(Some(&file), self.clock);
        self.open = Some(Arc::clone(&file));
        self.next_look = self.clock.now().after(LOOK);
        Ok(file)
    }

    fn first_block(&self) -> [u8; 4096] {
        let mut block = [0; 4096];
        self.header.encode(&mut block);
        block
    }

    /// With the next sample, not only what has changed.
    fn write_all_again(&mut self) {
        self.rings.iter_mut().for_each(|(_, due)| *due = SinceStart::default());
        self.has_new_sites = self.latest_sites.is_some();
        self.next_drift = SinceStart::default();
    }

    fn search(&mut self) -> Result<(), Trouble> {
        let (name, namespace) = (text(&self.header, "service.name"), text(&self.header, "service.namespace"));
        claim::clear(&self.path, "");
        let (ours, gone) = claim::in_folder(&self.path, |black_box| black_box.is_of(name, namespace))?;
        self.searched = true;
        ours.into_iter().for_each(|left| self.find(left));
        if gone > 0 {
            let (folder, s) = (self.path.display(), if gone == 1 { "" } else { "es" });
            self.say(
                Severity::Warn,
                format!("{gone} black box{s} in {folder} went untold, the oldest: there are too many"),
            );
        }
        Ok(())
    }

    /// What stands at the path goes aside.
    fn make_room(&mut self) -> Result<(), Trouble> {
        if !self.searched {
            if let Some((folder, name)) = self.path.parent().zip(self.path.file_name().and_then(OsStr::to_str)) {
                claim::clear(folder, name);
            }
            claim::beside(&self.path).into_iter().for_each(|left| self.find(left));
            self.searched = true;
        }
        match claim::claim(&self.path) {
            Ok(None) => Err(Trouble::InUse),
            Ok(Some(left)) if left.black_box.run() == self.header.run => {
                left.remove();
                Ok(())
            }
            Ok(Some(mut left)) => {
                let held: Vec<_> = self.left.iter().map(|(left, _)| left.path.as_path()).collect();
                if let Some(lost) = claim::set_aside(&mut left, &held)? {
                    self.left.retain(|(left, _)| left.path != lost);
                    self.say_lost(&lost);
                }
                // Those that wait already went one further.
                self.left.iter_mut().for_each(|(other, _)| other.follow(&self.path));
                self.find(left);
                Ok(())
            }
            Err(ReadError::System(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(ReadError::System(error)) => Err(error.into()),
            Err(error @ (ReadError::Version(_) | ReadError::Spoilt)) => {
                let path = self.path.display();
                self.say(Severity::Warn, format!("the black box {path} cannot be read, and gives way: {error}"));
                Ok(fs::remove_file(&self.path)?)
            }
            // Somebody else's file is not touched, but what is empty was made for this.
            Err(ReadError::NotABox) if fs::metadata(&self.path).is_ok_and(|file| file.is_file() && file.len() == 0) => {
                Ok(fs::remove_file(&self.path)?)
            }
            Err(ReadError::NotABox) => Err(Trouble::NoBox),
        }
    }

    /// A run that is over: to be told, unless it has nothing to tell.
    fn find(&mut self, left: Left) {
        // A box knows those of the boxes before it.
        for at in left.black_box.captures() {
            if self.captures.iter().all(|known| known != at) {
                self.captures.push(at);
            }
        }
        let run = PreviousRun::of(left.black_box.clone(), &self.around);
        if run.verdict() == Verdict::ShutDown && run.black_box().episode().is_none() {
            let _ = self.words.try_send(Word::Captures(left.black_box.captures().collect()));
            return left.remove();
        }
        let run = Arc::new(run);
        // Where there is no room for it, it waits for the next start.
        if self.words.try_send(Word::Found(Arc::clone(&run))).is_ok() {
            self.left.push((left, run));
        }
    }

    fn say_lost(&self, path: &Path) {
        self.say(Severity::Warn, format!("the black box {} was removed untold: there are too many", path.display()));
    }

    fn say(&self, severity: Severity, text: String) {
        // Where so many words wait already, those tell the older part of the same trouble.
        let _ = self.words.try_send(Word::Say(severity, text));
    }
}

fn text<'a>(header: &'a Header, name: &str) -> Option<&'a str> {
    header.resource.iter().find_map(|(key, value)| match value {
        Value::Text(text) if key == name => Some(text.as_str()),
        _ => None,
    })
}

/// Over the older of two.
fn write_state(file: &File, state: &State) -> Result<(), Trouble> {
    let place = format::STATE.get(usize::from(state.sequence & 1 != 0)).copied().unwrap_or(format::HEADER);
    let mut block = [0; 1024];
    state.encode(&mut block);
    write(file, place, &block)
}

fn write(file: &File, place: Place, block: &[u8]) -> Result<(), Trouble> {
    Ok(platform::write_at(file, block.get(..place.size).unwrap_or(block), place.at)?)
}

/// Why there is no box.
#[derive(Debug)]
enum Trouble {
    NoBox,
    InUse,
    System(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBox => {
                f.write_str("what stands there is no black box: name a file such as /var/lib/service/memory.box")
            }
            Self::InUse => {
                f.write_str("another process has its box there: name a folder, with / at its end, for several")
            }
            Self::System(error) => error.fmt(f),
        }
    }
}
