//! A heap profile as a request of OpenTelemetry's profiles signal, which is in development.
//!
//! It is made on the thread that takes the profile, while its dump is there, and linked to the episode's root span on the one
//! that sends it: there that span is made, perhaps a moment later.

use std::fmt;
use std::io::{self, Read, Seek};
use std::sync::Arc;
use std::time::SystemTime;

use highwater_profile::Analysis;
use highwater_profile::otlp::{About, Request};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use prost::Message;

use super::{pipeline, resource, scope};
use crate::config::{Config, Exporter};
use crate::identity::{EpisodeHandle, random};

/// Makes requests of profiles.
#[derive(Debug)]
pub(crate) struct Profiles {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

/// One that is to be sent.
pub(crate) struct Profile {
    request: Request,
    episode: Option<Arc<EpisodeHandle>>,
}

impl Profiles {
    /// `None` where none is sent.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        if config.routes.profiles.exporter != Exporter::Otlp {
            return None;
        }
        let attributes =
            ResourceAttributesWithSchema::from(&pipeline::resource(resource::attributes(config))).attributes;
        let resource = Resource { attributes: attributes.0, ..Resource::default() };
        let scope = InstrumentationScope::from((scope(), None));
        Some(Self { resource: resource.encode_to_vec(), scope: scope.encode_to_vec() })
    }

    /// Makes one of a profile that was taken now.
    ///
    /// # Errors
    ///
    /// Where the dump cannot be read again.
    pub(crate) fn request<R: Read + Seek>(
        &self,
        analysis: &mut Analysis<R>,
        now: SystemTime,
        episode: Option<&Arc<EpisodeHandle>>,
    ) -> io::Result<Profile> {
        let trace = episode.and_then(|episode| episode.id.get()).map(|id| id.to_bytes());
        let ids = [random(), random()].map(|id| (id | 1).to_be_bytes());
        let about = About { resource: &self.resource, scope: &self.scope, time: now, trace, ids };
        Ok(Profile { request: analysis.write_otlp(&about)?, episode: episode.cloned() })
    }
}

impl Profile {
    /// As it is sent.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let Self { mut request, episode } = self;
        if let Some(span) = episode.and_then(|episode| episode.root_span()) {
            request.set_span(span);
        }
        request.into_bytes()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").finish_non_exhaustive()
    }
}
