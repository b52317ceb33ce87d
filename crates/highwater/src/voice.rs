//! The agent's own words to the people of the service: in its log where it has one, else on standard error.
//!
//! Each thing is said once. Events are said too, so that a service without a collector hears of them.

use highwater_sources::platform;

use crate::event::{Event, Severity};

/// Says one line.
pub(crate) fn say(severity: Severity, text: &str) {
    #[cfg(feature = "tracing")]
    if has_log() {
        match severity {
            Severity::Info => tracing::info!(target: "highwater", "{text}"),
            Severity::Warn => tracing::warn!(target: "highwater", "{text}"),
            Severity::Error => tracing::error!(target: "highwater", "{text}"),
        }
        return;
    }
    let _ = severity;
    platform::write_to_stderr(&format!("highwater: {text}\n"));
}

/// Whether this thread has a log to speak to. Not whether one `has_been_set`, as tracing asks: it says so of a log for one
/// other thread too, or for a piece of work, and the words would go nowhere.
pub fn has_log() -> bool {
    #[cfg(feature = "tracing")]
    return tracing::dispatcher::get_default(|log| !log.is::<tracing::subscriber::NoSubscriber>());
    #[cfg(not(feature = "tracing"))]
    false
}

/// Does `work` without a word of it in the service's log, which may hang, whatever the libraries that it calls have to
/// say: a host can turn on that OpenTelemetry's SDK logs what it does.
///
/// Meanwhile each line of the host's own costs it a look at which log is in force.
pub(crate) fn in_silence<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(feature = "tracing")]
    return tracing::dispatcher::with_default(&tracing::Dispatch::none(), work);
    #[cfg(not(feature = "tracing"))]
    work()
}

/// Says what happened, with the few fields that a person or a filter wants; the rest goes by OpenTelemetry.
pub(crate) fn say_event(event: &Event) {
    #[cfg(feature = "tracing")]
    if has_log() {
        let sample = event.sample();
        let used = sample.used.map(|used| used.get());
        let limit = sample.limit.map(|limit| limit.bytes.get());
        let level = event.level().map(|level| level.as_str());
        let reason = event.reason().map(|reason| reason.as_str());
        let cause = event.cause().map(|cause| cause.as_str());
        let episode = event.episode_id().map(tracing::field::display);
        let name = event.name();
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(target: "highwater", event = name, level, reason, cause, used, limit, episode, "{event}")
            };
        }
        match event.severity() {
            Severity::Info => emit!(info),
            Severity::Warn => emit!(warn),
            Severity::Error => emit!(error),
        }
        return;
    }
    say(event.severity(), &event.to_string());
}
