//! Without feature `tls` there is no https: the configuration refuses it, and what is refused there fails here, never to be
//! sent in the clear.

use std::convert::Infallible;
use std::sync::Arc;

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::config::Tls;

/// What would be trusted: nothing.
#[derive(Debug)]
pub(super) struct Trust;

/// None can exist.
#[derive(Debug)]
pub(super) struct Credentials(Infallible);

impl Trust {
    pub(super) fn of(_: &Tls) -> Self {
        Self
    }

    pub(super) fn credentials(&self) -> Result<Arc<Credentials>, String> {
        Err("https needs highwater's cargo feature `tls`".to_owned())
    }
}

impl Credentials {
    pub(super) fn for_http(&self, _: ConfigBuilder<AgentScope>) -> Agent {
        match self.0 {}
    }

    #[cfg(feature = "grpc")]
    pub(super) async fn secure<S>(&self, _: S, _: &str) -> Result<S, String> {
        match self.0 {}
    }
}
