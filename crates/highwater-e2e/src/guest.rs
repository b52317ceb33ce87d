//! The guest of `make guest`: a machine that is all the test's, whose clock may be set and which may be put to sleep.

use std::fs;
use std::process::Command;

use crate::environment;

/// Whether this is the guest. Elsewhere the test says so, by its name, and proves nothing.
pub fn is_here(test: &str) -> bool {
    let here = environment::variable("HIGHWATER_GUEST").is_some();
    if !here {
        crate::not_shown(test, "only a machine of its own may be treated so; `make guest` boots one");
    }
    here
}

/// Sets the clock to so many seconds from now, or back.
#[track_caller]
pub fn step_clock(seconds: i64) {
    run("date", &["-s", &format!("@{}", now() + seconds)]);
}

/// Puts the machine to sleep, for so many seconds and a moment.
#[track_caller]
pub fn sleep_machine(seconds: u32) {
    const ALARM: &str = "/sys/class/rtc/rtc0/wakealarm";
    // An alarm that is set already refuses another.
    fs::write(ALARM, "0").unwrap();
    fs::write(ALARM, format!("+{seconds}")).unwrap();
    fs::write("/sys/power/state", "mem").unwrap();
}

/// What the kernel makes huge pages of by itself: `always`, `madvise`, `never`.
#[track_caller]
pub fn set_huge_pages(of: &str) {
    fs::write("/sys/kernel/mm/transparent_hugepage/enabled", of).unwrap();
}

/// Lets the kernel swap, to the second disk that the guest has.
#[track_caller]
pub fn set_swap(on: bool) {
    run(if on { "swapon" } else { "swapoff" }, &["/dev/ram1"]);
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the clock is what is set")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs().try_into().unwrap()
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
