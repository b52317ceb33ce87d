//! Without feature `otlp` the agent has no pipeline of its own: what a host does not pass is not sent.

use std::sync::Arc;

use crate::builder::Exits;
use crate::config::Config;
use crate::delivery::Target;
use crate::shared::Shared;
use crate::telemetry::DISTRO;

/// The resource of what is sent, as texts.
pub(crate) fn resource_of(config: &Config) -> Vec<(String, String)> {
    let attributes = super::resource::attributes(config);
    let attributes = attributes.into_iter().map(|pair| (pair.key.to_string(), pair.value.to_string()));
    attributes.chain(DISTRO.map(|(key, value)| (key.to_owned(), value.to_owned()))).collect()
}

pub(super) fn exits(_: &Config, _: &Arc<Shared>) -> Exits {
    Exits { host: None, own: None, own_ids: true, target: Target::NotBuiltIn }
}
