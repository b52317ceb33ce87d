//! Tells of the boxes in a folder, once or again and again.
//!
//! It ends with 0 where all was told or there was nothing to tell, 1 where a box could not be told, 2 where the folder or
//! the address cannot be used.

use std::process::ExitCode;
use std::thread;

use highwater::black_box::Reaper;

use crate::options::Reap;
use crate::say;

/// Runs, with `--watch` until it is ended from outside.
pub(crate) fn run(options: &Reap) -> ExitCode {
    let reaper = match Reaper::new(&options.folder, &options.otlp) {
        Ok(reaper) => reaper,
        Err(error) => {
            say(&error.to_string());
            return ExitCode::from(2);
        }
    };
    let mut said = String::new();
    loop {
        let mut troubles = Vec::new();
        match reaper.reap() {
            Ok(reaped) => {
                for run in &reaped.told {
                    let service = run.black_box().attribute("service.name").unwrap_or("a service");
                    say(&format!("{service}, process {}: {run}", run.black_box().process()));
                }
                troubles.extend(reaped.kept.iter().map(|(path, why)| format!("{} is kept: {why}", path.display())));
            }
            Err(error) => troubles.push(error.to_string()),
        }
        let now = troubles.join("\n");
        // What stays as it is, is said once.
        if !now.is_empty() && now != said {
            say(&now);
        }
        said = now;
        if !options.watch {
            return if said.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        thread::sleep(options.interval);
    }
}
