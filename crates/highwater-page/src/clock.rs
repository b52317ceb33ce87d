//! The one room with a clock. All else of the page has the agent's time, or is given one.

use std::time::SystemTime;

/// The wall-clock time.
#[expect(clippy::disallowed_methods, reason = "this is the clock's room")]
pub(crate) fn date() -> SystemTime {
    SystemTime::now()
}
