//! Where the page is mounted in a host's own app.

use http::{Response, StatusCode};

use crate::body::Body;
use crate::keeper::Keeper;
use crate::routes::{self, Ask};

/// The beginning of the page's paths, without a slash at its end: `/memory`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount(String);

impl Mount {
    pub(crate) fn at(path: &str) -> Self {
        let inner = path.trim_matches('/');
        Self(if inner.is_empty() { String::new() } else { format!("/{inner}") })
    }

    #[cfg(feature = "actix-web")]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Answers what is asked for under this path, or, where a router took that away, by what is left. The page's own links
    /// are relative, so that without a slash at its end the mount point is another place: who asks is sent on.
    pub(crate) fn answer(&self, keeper: &Keeper, ask: Ask<'_>) -> Response<Body> {
        let Self(beginning) = self;
        let inner = ask.path.strip_prefix(beginning.as_str());
        match inner {
            Some("") if !beginning.is_empty() => {
                let name = beginning.rsplit('/').next().unwrap_or_default();
                routes::guarded(routes::elsewhere(StatusCode::PERMANENT_REDIRECT, &format!("{name}/")))
            }
            Some(path) if path.starts_with('/') => routes::answer(keeper, Ask { path, ..ask }),
            _ => routes::answer(keeper, ask),
        }
    }
}
