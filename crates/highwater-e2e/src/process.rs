//! A program that runs: what it prints is kept and shown when its test fails, and it does not outlive the test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::cgroup::Cgroup;
use crate::wait::{self, Stopwatch};

/// A program that is to be started. It inherits nothing of the environment but `PATH`.
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
}

/// A program that was started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    ended: Option<ExitStatus>,
    output: Output,
    error: Output,
}

/// What a program prints on one of its streams, read as it comes.
#[derive(Debug)]
struct Output {
    lines: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// The program at `path`.
    pub fn at(path: &Path) -> Self {
        Self::with(path, Command::new(path))
    }

    /// The program at `path`, in `cgroup` from its first instruction on.
    pub fn within(cgroup: Option<&Cgroup>, path: &Path) -> Self {
        let Some(cgroup) = cgroup else { return Self::at(path) };
        // The shell enters the cgroup and then becomes the program, which keeps its process id.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(cgroup.processes()).arg(path);
        Self::with(path, command)
    }

    fn with(path: &Path, mut command: Command) -> Self {
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(path) = crate::environment::variable("PATH") {
            command.env("PATH", path);
        }
        Self { name: path.file_name().unwrap().to_string_lossy().into_owned(), command }
    }

    /// It runs in this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    /// More variables of its environment.
    #[must_use]
    pub fn variables(mut self, variables: &[(&str, &str)]) -> Self {
        self.command.envs(variables.iter().copied());
        self
    }

    /// One more variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Its standard input stays open until [`Process::close_input`].
    #[must_use]
    pub fn with_input(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// Nobody reads its standard output.
    #[must_use]
    pub fn unheard(mut self) -> Self {
        self.command.stdout(Stdio::null());
        self
    }

    /// Starts it.
    #[track_caller]
    pub fn start(mut self) -> Process {
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let output = Output::of(child.stdout.take());
        let error = Output::of(child.stderr.take());
        Process { name: self.name, child, ended: None, output, error }
    }

    /// Starts it and waits for its end.
    #[track_caller]
    pub fn run(self) -> Process {
        let mut process = self.start();
        process.wait();
        process
    }
}

impl Process {
    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed on standard output so far.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// What it has printed on standard error so far.
    pub fn error(&self) -> String {
        self.error.text()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait().unwrap()
        {
            self.ended = Some(status);
            self.output.finish();
            self.error.finish();
        }
        self.ended
    }

    /// Waits for its end; from then on its output is complete.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait::until(&what, || self.ended())
    }

    /// Waits for its end, which comes with status 0. Returns how long it took.
    #[track_caller]
    pub fn wait_for_success(&mut self) -> Duration {
        let clock = Stopwatch::start();
        let status = self.wait();
        let elapsed = clock.elapsed();
        assert!(status.success(), "{} ended with {status}: {}", self.name, self.error());
        elapsed
    }

    /// Asks it to end, as `kill -TERM` or Ctrl-C (`INT`) do.
    #[track_caller]
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.id().to_string()).status().unwrap();
        assert!(status.success(), "kill -{signal} {}: {status}", self.name);
    }

    /// Writes one line to its standard input.
    #[track_caller]
    pub fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("a program with input"), "{line}").unwrap();
    }

    /// The same to one that may have ended.
    pub fn offer(&mut self, line: &str) {
        let _ = writeln!(self.child.stdin.as_mut().expect("a program with input"), "{line}");
    }

    /// Ends its standard input.
    pub fn close_input(&mut self) {
        self.child.stdin.take();
    }

    /// The kernel's resident set size, in bytes.
    #[track_caller]
    pub fn resident(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.id())).unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * page()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
        if thread::panicking() {
            let (name, output, error) = (&self.name, self.output(), self.error());
            eprintln!("--- {name}, standard output:\n{output}--- {name}, standard error:\n{error}---");
        }
    }
}

/// The size of a page.
fn page() -> u64 {
    let mappings = fs::read_to_string("/proc/self/smaps").unwrap();
    let size =
        mappings.lines().find_map(|line| line.strip_prefix("KernelPageSize:")?.trim().strip_suffix(" kB")).unwrap();
    size.parse::<u64>().unwrap() * 1024
}

impl Output {
    fn of(stream: Option<impl Read + Send + 'static>) -> Self {
        let lines = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&lines);
        let read = |stream| {
            thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                let mut line = Vec::new();
                while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                    kept.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                    line.clear();
                }
            })
        };
        Self { lines, reader: stream.map(read) }
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().clone()
    }

    /// Reads what is left of a program that ended.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}
