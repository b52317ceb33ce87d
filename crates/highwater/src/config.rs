//! What the agent is told before it starts, from the environment and from code.
//!
//! Code wins over the environment, as in OpenTelemetry's own SDKs. A value that cannot be used is an error with its key,
//! its value and the remedy: the builder returns it, [`crate::start`] says it once and goes on with the default.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use highwater_model::{Bytes, Holds, Level, Levels, Threshold};

use crate::signal::Signals;
use crate::telemetry::Selection;

pub(crate) use route::{Exporter, Protocol, Route, Tls};

mod route;

/// All settings, each with its default.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// No threads, nothing sent: readings on demand only.
    pub(crate) disabled: bool,
    /// Nothing sent; sampling, judgement and callbacks go on.
    pub(crate) sdk_disabled: bool,
    pub(crate) limit: Option<Bytes>,
    /// Where elevated, high and critical begin, not yet held against one another.
    pub(crate) thresholds: [Threshold; 3],
    pub(crate) holds: Holds,
    pub(crate) metrics: Selection,
    /// The base URL of the collector, without a trailing slash.
    pub(crate) endpoint: String,
    /// The way of each signal.
    pub(crate) routes: Signals<Route>,
    pub(crate) interval: Duration,
    pub(crate) service_name: Option<String>,
    /// In the order of `OTEL_RESOURCE_ATTRIBUTES`, percent-decoded.
    pub(crate) resource: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            disabled: false,
            sdk_disabled: false,
            limit: None,
            thresholds: Levels::default().thresholds(),
            holds: Holds::default(),
            metrics: Selection::default(),
            endpoint: "http://localhost:4318".to_owned(),
            routes: Signals {
                metrics: Route::default_of("/v1/metrics"),
                logs: Route::default_of("/v1/logs"),
                traces: Route::default_of("/v1/traces"),
            },
            // OpenTelemetry's 60 s would let a newcomer think that nothing works.
            interval: Duration::from_secs(10),
            service_name: None,
            resource: Vec::new(),
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The environment variable, or the method of the builder.
    pub key: &'static str,
    /// The value as it was given.
    pub value: String,
    /// What is wrong, and what would be right.
    pub remedy: String,
}

impl ConfigError {
    /// Whether only the agent's own way to the collector needs the setting.
    pub(crate) fn is_of_pipeline(&self) -> bool {
        matches!(self.key, ENDPOINT | EXPORT_INTERVAL)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}: {}", self.key, self.value, self.remedy)
    }
}

impl std::error::Error for ConfigError {}

/// An environment variable that the agent reads.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// What it does, with its default.
    #[cfg_attr(not(test), allow(dead_code, reason = "the reference page is made from it, by a test"))]
    pub(crate) meaning: &'static str,
    read: fn(&mut Config, &str) -> Result<(), String>,
}

pub(crate) const LIMIT: &str = "HIGHWATER_LIMIT";
pub(crate) const METRICS: &str = "HIGHWATER_METRICS";
pub(crate) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
pub(crate) const EXPORT_INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
pub(crate) const HOLD_LEAVE: &str = "HIGHWATER_HOLD_LEAVE";

/// All environment variables, in the order of the reference page.
pub(crate) static ENVIRONMENT: &[Variable] = &[
    Variable {
        name: LIMIT,
        meaning: "a limit of your own, such as `512MiB`; it competes with the cgroup's (default: none)",
        read: |config, text| config.set_limit(parse(text)?),
    },
    Variable {
        name: "HIGHWATER_LEVEL_ELEVATED",
        meaning: "where elevated begins: `75%`, `6GiB` or `limit-1GiB` (default: `75%`)",
        read: |config, text| level(config, Level::Elevated, text),
    },
    Variable {
        name: "HIGHWATER_LEVEL_HIGH",
        meaning: "where high begins (default: `85%`)",
        read: |config, text| level(config, Level::High, text),
    },
    Variable {
        name: "HIGHWATER_LEVEL_CRITICAL",
        meaning: "where critical begins (default: `95%`)",
        read: |config, text| level(config, Level::Critical, text),
    },
    Variable {
        name: "HIGHWATER_HOLD_ELEVATED",
        meaning: "how long elevated must be exceeded before it is entered (default: `30s`)",
        read: |config, text| config.set_hold(Level::Elevated, hold(text)?),
    },
    Variable {
        name: "HIGHWATER_HOLD_HIGH",
        meaning: "the same for high (default: `10s`)",
        read: |config, text| config.set_hold(Level::High, hold(text)?),
    },
    Variable {
        name: "HIGHWATER_HOLD_CRITICAL",
        meaning: "the same for critical (default: `0s`)",
        read: |config, text| config.set_hold(Level::Critical, hold(text)?),
    },
    Variable {
        name: HOLD_LEAVE,
        meaning: "how long use must stay below a level before it is left, for all three (default: `60s`, critical `30s`)",
        read: |config, text| {
            config.set_hold_leave(hold(text)?);
            Ok(())
        },
    },
    Variable {
        name: METRICS,
        meaning: "which metrics are sent: `core` or `all`, then `,+name` and `,-name`, `*` at the end (default: `core`)",
        read: Config::set_metrics,
    },
    Variable {
        name: "HIGHWATER_DISABLED",
        meaning: "`true`: no threads and nothing sent, only readings on demand (default: `false`)",
        read: |config, text| {
            config.disabled = text.eq_ignore_ascii_case("true");
            Ok(())
        },
    },
    Variable {
        name: "OTEL_SDK_DISABLED",
        meaning: "`true`: nothing sent; sampling, judgement and callbacks go on (default: `false`)",
        read: |config, text| {
            config.sdk_disabled = text.eq_ignore_ascii_case("true");
            Ok(())
        },
    },
    Variable {
        name: ENDPOINT,
        meaning: "the collector's OTLP/HTTP address (default: `http://localhost:4318`)",
        read: Config::set_endpoint,
    },
    Variable {
        name: EXPORT_INTERVAL,
        meaning: "milliseconds between two exports of metrics, 100 to 3600000 (default: `10000`)",
        read: |config, text| config.set_interval(text.parse().map(Duration::from_millis).map_err(|_| INTERVAL)?),
    },
    Variable {
        name: "OTEL_SERVICE_NAME",
        meaning: "the service's name (default: `service.name` of `OTEL_RESOURCE_ATTRIBUTES`, else `unknown_service:` and the program's name)",
        read: |config, text| {
            config.service_name = Some(text.to_owned());
            Ok(())
        },
    },
    Variable {
        name: "OTEL_RESOURCE_ATTRIBUTES",
        meaning: "attributes of the resource, `key=value` pairs with commas between, percent-encoded (default: none)",
        read: |config, text| {
            config.resource = resource_attributes(text)?;
            Ok(())
        },
    },
];

const INTERVAL: &str = "not an interval from 100 ms to 1 h: write milliseconds, such as 10000";

impl Config {
    /// Reads the environment through `get`. What cannot be used is returned beside the settings, which keep their
    /// defaults there. An empty variable is as good as none, as OpenTelemetry has it.
    pub(crate) fn read(get: impl Fn(&str) -> Option<OsString>) -> (Self, Vec<ConfigError>) {
        let mut config = Self::default();
        let mut errors = Vec::new();
        for variable in ENVIRONMENT {
            let Some(value) = get(variable.name) else { continue };
            let read = match value.to_str() {
                Some("") => Ok(()),
                Some(text) => (variable.read)(&mut config, text.trim()),
                None => Err("not Unicode: write it in UTF-8".to_owned()),
            };
            if let Err(remedy) = read {
                errors.push(ConfigError { key: variable.name, value: value.to_string_lossy().into_owned(), remedy });
            }
        }
        if let Err(error) = config.levels() {
            errors.push(error);
            config.thresholds = Self::default().thresholds;
        }
        (config, errors)
    }

    /// Reads the environment of the process.
    #[expect(clippy::disallowed_methods, reason = "this is the environment's room")]
    pub(crate) fn from_environment() -> (Self, Vec<ConfigError>) {
        Self::read(|name| std::env::var_os(name))
    }

    /// The three levels, held against one another.
    pub(crate) fn levels(&self) -> Result<Levels, ConfigError> {
        let [elevated, high, critical] = self.thresholds;
        Levels::try_new(elevated, high, critical).map_err(|error| {
            let (level, threshold) = error.lower;
            ConfigError { key: level_variable(level), value: threshold.to_string(), remedy: error.to_string() }
        })
    }

    pub(crate) fn set_metrics(&mut self, selection: &str) -> Result<(), String> {
        self.metrics = parse(selection)?;
        Ok(())
    }

    pub(crate) fn set_endpoint(&mut self, url: &str) -> Result<(), String> {
        self.endpoint = endpoint(url)?;
        self.routes.metrics.url = format!("{}/v1/metrics", self.endpoint);
        self.routes.logs.url = format!("{}/v1/logs", self.endpoint);
        self.routes.traces.url = format!("{}/v1/traces", self.endpoint);
        Ok(())
    }

    pub(crate) fn set_interval(&mut self, interval: Duration) -> Result<(), String> {
        if !(Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&interval) {
            return Err(INTERVAL.to_owned());
        }
        self.interval = interval;
        Ok(())
    }

    pub(crate) fn set_limit(&mut self, limit: Bytes) -> Result<(), String> {
        if limit == Bytes::ZERO {
            return Err("a limit of nothing cannot be kept: write an amount such as 512MiB".to_owned());
        }
        self.limit = Some(limit);
        Ok(())
    }

    /// Sets where one level begins.
    pub(crate) fn set_threshold(&mut self, level: Level, threshold: Threshold) -> Result<(), String> {
        let raised = Level::RAISED.into_iter().zip(&mut self.thresholds).find(|(raised, _)| *raised == level);
        let (_, begins) = raised.ok_or_else(|| NORMAL.to_owned())?;
        *begins = threshold;
        Ok(())
    }

    /// Sets how long one level must be exceeded before it is entered.
    pub(crate) fn set_hold(&mut self, level: Level, hold: Duration) -> Result<(), String> {
        match level {
            Level::Normal => return Err(NORMAL.to_owned()),
            Level::Elevated => self.holds.elevated = hold,
            Level::High => self.holds.high = hold,
            Level::Critical => self.holds.critical = hold,
        }
        Ok(())
    }

    /// Sets how long use must stay below any level before it is left.
    pub(crate) fn set_hold_leave(&mut self, hold: Duration) {
        (self.holds.leave, self.holds.leave_critical) = (hold, hold);
    }
}

const NORMAL: &str = "normal is not entered but returned to: set elevated, high or critical";

pub(crate) const fn hold_variable(level: Level) -> &'static str {
    match level {
        Level::Normal | Level::Elevated => "HIGHWATER_HOLD_ELEVATED",
        Level::High => "HIGHWATER_HOLD_HIGH",
        Level::Critical => "HIGHWATER_HOLD_CRITICAL",
    }
}

pub(crate) const fn level_variable(level: Level) -> &'static str {
    match level {
        Level::Normal | Level::Elevated => "HIGHWATER_LEVEL_ELEVATED",
        Level::High => "HIGHWATER_LEVEL_HIGH",
        Level::Critical => "HIGHWATER_LEVEL_CRITICAL",
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn level(config: &mut Config, level: Level, text: &str) -> Result<(), String> {
    config.set_threshold(level, parse(text)?)
}

fn hold(text: &str) -> Result<Duration, String> {
    const REMEDY: &str = "not a duration up to a day: write one with a unit, such as 30s, 500ms or 2m";
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    humantime::parse_duration(text).ok().filter(|duration| *duration <= DAY).ok_or_else(|| REMEDY.to_owned())
}

fn endpoint(text: &str) -> Result<String, String> {
    const REMEDY: &str = "not an address of a collector: write http://HOST:PORT, such as http://localhost:4318";
    const HTTPS: &str = "https is not built in: send to a collector on the same host or in the same pod, over http://";
    const CREDENTIALS: &str = "an address is said in the log: put credentials into OTEL_EXPORTER_OTLP_HEADERS";
    if text.starts_with("https://") {
        return Err(HTTPS.to_owned());
    }
    let rest = text.strip_prefix("http://").ok_or(REMEDY)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(CREDENTIALS.to_owned());
    }
    // An IPv6 address stands in brackets, since it has colons of its own.
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (address, port.strip_prefix(':')),
        Some(_) => return Err(REMEDY.to_owned()),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let is_path = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '?' | '#' | '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}')
    };
    let good_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if host.is_empty() || !host.chars().all(is_name) || !good_port || !path.chars().all(is_path) {
        return Err(REMEDY.to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn resource_attributes(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |pair: &str| {
        let (key, value) = pair
            .split_once('=')
            .filter(|(key, _)| !key.trim().is_empty())
            .ok_or_else(|| format!("{pair:?} is no pair: write key=value, with commas between pairs"))?;
        let value = percent_decode(value.trim())
            .ok_or_else(|| format!("{pair:?}: write % as %25, and other bytes as %XX of their UTF-8"))?;
        Ok((key.trim().to_owned(), value))
    };
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(pair).collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()?.checked_mul(16)?.checked_add(digit()?)?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
