//! The loop: read, judge, tell - as the agent's, with a file in place of the kernel.
//!
//! Rows come one at a time and nothing of them is kept but counts and a picture of a fixed size: a trace may be of any
//! length. What is open at the end of a trace stays open: nobody knows what came then.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use highwater::Event;
use highwater::model::{Judge, SinceStart};

use crate::line;
use crate::options::{OptionError, Replay};
use crate::plot::Plot;
use crate::say;
use crate::summary::Summary;
use crate::trace::{Trace, TraceError};

/// How much of a trace is read at once.
const BUFFER: usize = 64 << 10;

/// Replays what the options say. Where whoever reads the events has had enough it ends early and quietly: that is no failure.
pub(crate) fn run(options: &Replay) -> Result<(), Failure> {
    let clock = Clock::start();
    let rules = options.rules().map_err(Failure::Option)?;
    let mut judge = Judge::new(rules);
    let mut told = Told {
        out: Some(io::stdout()),
        summary: Summary::default(),
        plot: options.plot.as_ref().map(|_| Plot::new(rules.levels)),
    };
    let mut after = SinceStart::default();
    for path in &options.traces {
        let name = path.display().to_string();
        let input = open(path).map_err(|error| Failure::Open(name.clone(), error))?;
        let mut trace = Trace::open(&name, input, after).map_err(Failure::Trace)?;
        while let Some(mut row) = trace.next_row().map_err(Failure::Trace)? {
            trace.take_words().iter().for_each(|word| say(word));
            if let Some(limit) = options.limit {
                row.limit = Some(limit.get());
            }
            let sample = row.sample();
            let transitions = judge.judge(&sample);
            let open = judge.episode().map(|episode| episode.number);
            for transition in transitions.iter() {
                told.tell(&Event::judged(*transition, sample), transition.at, open)?;
            }
            if told.is_for_nobody() {
                return Ok(());
            }
            told.summary.sample(&sample, judge.level());
            if let Some(plot) = &mut told.plot {
                plot.sample(&sample);
            }
        }
        trace.take_words().iter().for_each(|word| say(word));
        after = trace.last();
    }
    let Told { mut summary, plot, out } = told;
    if let (Some(path), Some(plot)) = (&options.plot, plot) {
        let title = options.traces.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        let drawn = plot.draw(&title, &summary);
        fs::write(path, drawn).map_err(|error| Failure::Write(path.display().to_string(), error))?;
    }
    if out.is_none() {
        return Ok(());
    }
    if summary.is_without_limit() {
        say("no sample has a limit: levels in percent are off; --limit sets one");
    }
    summary.took = clock.elapsed();
    let _ = writeln!(io::stderr(), "{summary}");
    Ok(())
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path.as_os_str() == OsStr::new("-") {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, io::stdin())));
    }
    Ok(Box::new(BufReader::with_capacity(BUFFER, File::open(path)?)))
}

/// Everybody who hears of what was judged.
struct Told {
    /// `None` once nobody reads it any more.
    out: Option<io::Stdout>,
    summary: Summary,
    plot: Option<Plot>,
}

impl Told {
    fn tell(&mut self, event: &Event, at: SinceStart, episode: Option<u64>) -> Result<(), Failure> {
        self.summary.event(event);
        if let Some(plot) = &mut self.plot {
            plot.event(event, at);
        }
        let Some(out) = &mut self.out else { return Ok(()) };
        match line::write(out, event, at.elapsed().as_secs_f64(), episode) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.out = None;
                Ok(())
            }
            written => written.map_err(|error| Failure::Write("standard output".to_owned(), error)),
        }
    }

    /// Whether nobody reads the events any more. A picture that was asked for is drawn all the same.
    fn is_for_nobody(&self) -> bool {
        self.out.is_none() && self.plot.is_none()
    }
}

/// How long the replay takes, which is said and decides nothing.
struct Clock(Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock's room")]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Why a replay ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    Option(OptionError),
    Open(String, io::Error),
    Trace(TraceError),
    Write(String, io::Error),
}

impl Failure {
    /// 2: something else should be given. 1: what was given is right.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Option(_) | Self::Open(..) | Self::Trace(_) => 2,
            Self::Write(..) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(error) => error.fmt(f),
            Self::Open(name, error) => {
                write!(f, "{name}: cannot be opened: {error}; name a trace, or - for standard input")
            }
            Self::Trace(error) => error.fmt(f),
            Self::Write(name, error) => write!(f, "{name}: cannot be written: {error}"),
        }
    }
}
