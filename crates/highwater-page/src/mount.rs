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

    /// Answers what is asked for under this path, or, where a router took that away, by what is left. Which of both it is, the
    /// path does not say; so what is a place of the page's own is that, also where the mount point has the same name.
    pub(crate) fn answer(&self, keeper: &Keeper, ask: Ask<'_>) -> Response<Body> {
        let answer = routes::answer(keeper, ask);
        match ask.path.strip_prefix(self.0.as_str()) {
            Some(below) if answer.status() == StatusCode::NOT_FOUND => {
                self.answer_below(keeper, Ask { path: below, ..ask })
            }
            _ => answer,
        }
    }

    /// Answers what is asked for by what stands behind the mount point. The page's own links are relative, so that without a
    /// slash at its end that is another place: who asks is sent on.
    pub(crate) fn answer_below(&self, keeper: &Keeper, ask: Ask<'_>) -> Response<Body> {
        if !ask.path.is_empty() {
            return routes::answer(keeper, ask);
        }
        let name = self.0.rsplit('/').next().unwrap_or_default();
        routes::guarded(routes::elsewhere(StatusCode::PERMANENT_REDIRECT, &format!("{name}/")))
    }
}
