//! The command line: what is replayed, and what is judged differently than the agent did.
//!
//! Levels and holds are written as in the agent's environment, and bounded by the same rules.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use highwater::model::{Holds, Levels, LevelsError};
use highwater::{Bytes, Level, Threshold};

/// Tools beside the memory-observability agent Highwater.
#[derive(Debug, Parser)]
#[command(name = "highwater", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Judge a recorded run again: events on standard output, one JSON object a line
    Replay(Replay),
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// What HIGHWATER_RECORD wrote, or any CSV with the columns `seconds` and `used`; `-` is standard input. Several are
    /// one run, in their order: memory.csv.1 memory.csv
    #[arg(required = true, value_name = "TRACE")]
    pub(crate) traces: Vec<PathBuf>,
    /// The limit in place of the column `limit`, such as 512MiB
    #[arg(long, value_parser = limit)]
    pub(crate) limit: Option<Bytes>,
    /// Where a level begins, such as high=80%, high=6GiB or critical=limit-1GiB; for each of elevated, high and critical
    #[arg(long = "level", value_name = "LEVEL=BEGINS", value_parser = level)]
    levels: Vec<(Level, Threshold)>,
    /// How long a level must be exceeded before it is entered, such as high=5s; `leave=60s`: how long use must stay below
    /// before any is left
    #[arg(long = "hold", value_name = "LEVEL=TIME", value_parser = hold)]
    holds: Vec<(Hold, Duration)>,
    /// Draw the run into this file
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Enter(Level),
    Leave,
}

impl Replay {
    /// The agent's levels, with those that were given in place of its own.
    pub(crate) fn levels(&self) -> Result<Levels, OptionError> {
        let mut thresholds = Levels::default().thresholds();
        for (level, begins) in &self.levels {
            for (known, threshold) in Level::RAISED.into_iter().zip(&mut thresholds) {
                if known == *level {
                    *threshold = *begins;
                }
            }
        }
        let [elevated, high, critical] = thresholds;
        Levels::try_new(elevated, high, critical).map_err(OptionError)
    }

    /// The agent's holds, with those that were given in place of its own.
    pub(crate) fn holds(&self) -> Holds {
        let mut holds = Holds::default();
        for (hold, time) in &self.holds {
            match hold {
                Hold::Leave => (holds.leave, holds.leave_critical) = (*time, *time),
                Hold::Enter(Level::Critical) => holds.critical = *time,
                Hold::Enter(Level::High) => holds.high = *time,
                Hold::Enter(_) => holds.elevated = *time,
            }
        }
        holds
    }
}

/// Levels that do not fit together.
#[derive(Debug)]
pub(crate) struct OptionError(LevelsError);

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--level: {}: set one of them by --level {}=...", self.0, self.0.upper.0)
    }
}

fn limit(text: &str) -> Result<Bytes, String> {
    let limit: Bytes = text.parse().map_err(|error| format!("{error}"))?;
    if limit == Bytes::ZERO {
        return Err("a limit of nothing cannot be kept: write an amount such as 512MiB".to_owned());
    }
    Ok(limit)
}

fn level(text: &str) -> Result<(Level, Threshold), String> {
    let (name, begins) = text.split_once('=').ok_or("no pair: write LEVEL=BEGINS, such as high=80%")?;
    let level = raised(name).ok_or("no level: write elevated, high or critical, such as high=80%")?;
    let begins: Threshold = begins.parse().map_err(|error| format!("{error}"))?;
    let nothing = ["0%", "0B"].into_iter().filter_map(|nothing| nothing.parse::<Threshold>().ok());
    if nothing.into_iter().any(|nothing| nothing == begins) {
        return Err("a level of nothing is always exceeded: write a share of the limit, such as 75%".to_owned());
    }
    Ok((level, begins))
}

fn hold(text: &str) -> Result<(Hold, Duration), String> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let (name, time) = text.split_once('=').ok_or("no pair: write LEVEL=TIME, such as high=5s")?;
    let hold = match name {
        "leave" => Some(Hold::Leave),
        name => raised(name).map(Hold::Enter),
    };
    let hold = hold.ok_or("no level: write elevated, high, critical or leave, such as high=5s")?;
    let time = humantime::parse_duration(time).ok().filter(|time| *time <= DAY);
    Ok((hold, time.ok_or("not a duration up to a day: write one with a unit, such as 30s, 500ms or 2m")?))
}

fn raised(name: &str) -> Option<Level> {
    Level::RAISED.into_iter().find(|level| level.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Replay, String> {
        let arguments = ["highwater", "replay", "trace.csv"].iter().chain(arguments);
        let Options { command: Command::Replay(replay) } =
            Options::try_parse_from(arguments).map_err(|error| error.to_string())?;
        Ok(replay)
    }

    #[test]
    fn what_is_not_given_is_as_in_the_agent() {
        let replay = parse(&[]).unwrap();
        assert_eq!((replay.levels().unwrap(), replay.holds()), (Levels::default(), Holds::default()));
    }

    #[test]
    fn levels_and_holds_are_written_as_in_the_agents_environment() {
        let replay = parse(&["--level", "high=80.5%", "--level", "critical=limit-16MiB", "--hold", "high=5s"]);
        let replay = replay.unwrap();
        let [elevated, high, critical] = replay.levels().unwrap().thresholds();
        assert_eq!([elevated, high, critical].map(|t| t.to_string()), ["75%", "80.5%", "limit-16MiB"]);
        assert_eq!(replay.holds(), Holds { high: Duration::from_secs(5), ..Holds::default() });
        let left = parse(&["--hold", "leave=2m", "--hold", "critical=1s", "--hold", "elevated=0s"]).unwrap().holds();
        let seconds = Duration::from_secs;
        let expected = Holds {
            elevated: seconds(0),
            critical: seconds(1),
            leave: seconds(120),
            leave_critical: seconds(120),
            ..Holds::default()
        };
        assert_eq!(left, expected);
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_value_and_what_would_be_right() {
        for (option, value, right) in [
            ("--limit", "much", "such as 512MiB"),
            ("--limit", "0", "such as 512MiB"),
            ("--level", "high", "such as high=80%"),
            ("--level", "huge=80%", "elevated, high or critical"),
            ("--level", "normal=80%", "elevated, high or critical"),
            ("--level", "high=80x", "a share of the limit (85%)"),
            ("--level", "high=0%", "such as 75%"),
            ("--hold", "5s", "such as high=5s"),
            ("--hold", "low=5s", "critical or leave"),
            ("--hold", "high=5", "such as 30s"),
            ("--hold", "high=25h", "up to a day"),
        ] {
            let error = parse(&[option, value]).unwrap_err();
            assert!([option, value, right].iter().all(|part| error.contains(part)), "{option} {value}: {error}");
        }
        let error = parse(&["--level", "high=93%"]).unwrap().levels().unwrap_err().to_string();
        assert!(error.contains("level high (93%) must lie at least 5 points below level critical (95%)"), "{error}");
    }
}
