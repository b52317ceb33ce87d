//! Without OpenTelemetry: the agent samples, judges, logs and calls back; nothing leaves the process.

use std::sync::Arc;

use crate::black_box::Value;
use crate::builder::Exits;
use crate::config::Config;
use crate::delivery::Target;
use crate::shared::Shared;
use crate::telemetry::DISTRO;

#[path = "otel/profiles_disabled.rs"]
mod profiles;

pub(crate) use profiles::{Profile, Profiles};

/// Nothing that a host could pass.
#[derive(Debug, Default)]
pub(crate) struct Host {}

/// There are no spans.
#[derive(Debug)]
pub(crate) enum Root {}

pub(crate) fn span_id(root: &Root) -> [u8; 8] {
    match *root {}
}

/// Who runs, for the black box.
pub(crate) fn described(config: &Config) -> Vec<(String, Value)> {
    let service = config.service_name.clone().unwrap_or_else(|| "unknown_service".to_owned());
    let given = config.resource.iter().map(|(key, value)| (key.clone(), Value::Text(value.clone())));
    let given = given.filter(|(key, _)| key != "service.name" || config.service_name.is_none());
    let named = config.resource.iter().any(|(key, _)| key == "service.name") && config.service_name.is_none();
    let own = (!named).then(|| ("service.name".to_owned(), Value::Text(service)));
    own.into_iter().chain(given).collect()
}

/// The same, as texts.
pub(crate) fn resource_of(config: &Config) -> Vec<(String, String)> {
    let text = |value| match value {
        Value::Int(whole) => whole.to_string(),
        Value::Text(text) => text,
    };
    let described = described(config).into_iter().map(|(key, value)| (key, text(value)));
    described.chain(DISTRO.map(|(key, value)| (key.to_owned(), value.to_owned()))).collect()
}

pub(crate) fn sends(_: &Host, _: &Config) -> bool {
    false
}

pub(crate) fn exits(_: Host, _: &Config, _: &Arc<Shared>) -> Exits {
    Exits { host: None, own: None, own_ids: true, target: Target::NotBuiltIn }
}
