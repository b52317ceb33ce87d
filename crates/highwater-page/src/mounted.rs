//! The page as a part of a host's own app.

use std::sync::Weak;

use http::{Response, StatusCode};

use crate::body::Body;
use crate::keeper::Keeper;
use crate::mount::Mount;
use crate::routes::{self, Ask};

/// The page as a part of a host's own app, below a path. Of [`Page::mounted`](crate::Page::mounted).
///
/// With feature `tower` it is a `tower_service::Service`, with feature `actix-web` what `App::service` takes. Clones are the
/// same page. It ends with the [`Page`](crate::Page), and answers 503 from then on. A graceful shutdown of the host waits for
/// an open tab for 15 seconds at most, and not at all once the `Page` is dropped.
///
/// Who may ask is the host's own to decide, by what it has for its other routes: neither names of hosts nor tokens are looked
/// at here. The page shows numbers, names of functions and the collector's address; it is for those who run the service.
#[derive(Clone, Debug)]
pub struct Mounted {
    keeper: Weak<Keeper>,
    mount: Mount,
}

impl Mounted {
    pub(crate) fn new(keeper: Weak<Keeper>, mount: Mount) -> Self {
        Self { keeper, mount }
    }

    #[cfg(feature = "actix-web")]
    pub(crate) fn path(&self) -> &str {
        self.mount.as_str()
    }
}

#[cfg_attr(
    not(all(feature = "tower", feature = "actix-web")),
    allow(dead_code, reason = "each framework asks in one way")
)]
impl Mounted {
    /// Answers what is asked for by a path with or without the mount point.
    pub(crate) fn answer(&self, ask: Ask<'_>) -> Response<Body> {
        self.while_there(|keeper| self.mount.answer(keeper, ask))
    }

    /// Answers what is asked for by what stands behind the mount point.
    pub(crate) fn answer_below(&self, ask: Ask<'_>) -> Response<Body> {
        self.while_there(|keeper| self.mount.answer_below(keeper, ask))
    }

    fn while_there(&self, answer: impl FnOnce(&Keeper) -> Response<Body>) -> Response<Body> {
        match self.keeper.upgrade() {
            Some(keeper) => answer(&keeper),
            None => routes::guarded(routes::words(StatusCode::SERVICE_UNAVAILABLE, "the page is off, or has ended\n")),
        }
    }
}
