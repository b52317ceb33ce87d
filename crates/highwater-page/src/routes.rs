//! What is asked for, and the answer: everything but who may ask.
//!
//! Each path is written relative to where the page is mounted, with its slash in front. Nothing here changes anything, and
//! nothing but GET and HEAD is answered.

use bytes::Bytes;
use highwater::Exposition;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::assets::{self, Asset};
use crate::body::Body;
use crate::keeper::Keeper;

/// What a browser may do with the page: use the page's own files and ask the page's own server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const NEVER_KEPT: &str = "no-store";
/// It is kept, and asked for whether it is still the same.
const ASKED_AGAIN: &str = "no-cache";

/// What somebody asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a Method,
    /// As it is sent, relative to where the page is mounted.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
}

/// Answers.
pub(crate) fn answer(keeper: &Keeper, ask: Ask<'_>) -> Response<Body> {
    let is_head = ask.method == Method::HEAD;
    let mut answer = if !keeper.process.is_current() {
        words(StatusCode::SERVICE_UNAVAILABLE, "this is a forked child: the page is its parent's\n")
    } else if is_head || ask.method == Method::GET {
        route(keeper, ask)
    } else {
        let mut answer = words(StatusCode::METHOD_NOT_ALLOWED, "nothing here changes anything: GET and HEAD\n");
        set(&mut answer, ALLOW, "GET, HEAD");
        answer
    };
    if is_head {
        let length = answer.body().length();
        *answer.body_mut() = Body::empty();
        if let Some(length) = length {
            answer.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
    }
    guarded(answer)
}

fn route(keeper: &Keeper, ask: Ask<'_>) -> Response<Body> {
    match ask.path {
        "/" | "" => assets::asset(assets::INDEX).map_or_else(not_found, |index| file(index, ask.headers)),
        "/api/snapshot" => snapshot(keeper, |snapshot| kept_nowhere(JSON, [snapshot])),
        "/api/live" => live(keeper, ask),
        "/metrics" => metrics(keeper, ask.headers),
        "/export.json" => snapshot(keeper, |snapshot| {
            named(kept_nowhere(JSON, [snapshot]), "attachment; filename=\"highwater.json\"")
        }),
        "/export.html" => snapshot(keeper, |snapshot| {
            let pieces = assets::export(snapshot);
            named(kept_nowhere("text/html; charset=utf-8", pieces), "attachment; filename=\"highwater.html\"")
        }),
        path => path
            .strip_prefix('/')
            .filter(|name| *name != assets::INDEX)
            .and_then(assets::asset)
            .map_or_else(not_found, |asset| file(asset, ask.headers)),
    }
}

/// What is made of a snapshot, where one can be had.
fn snapshot(keeper: &Keeper, answer: impl FnOnce(Bytes) -> Response<Body>) -> Response<Body> {
    keeper.snapshot().map_or_else(busy, answer)
}

/// The stream of what is new.
fn live(keeper: &Keeper, ask: Ask<'_>) -> Response<Body> {
    let given = ask.headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let given = given.filter(|id| !id.is_empty()).or_else(|| query(ask.query, "after"));
    // What is no number is none that there was: the reader begins anew.
    let after = given.map(|id| id.parse().unwrap_or_default());
    keeper.see();
    if ask.method == Method::HEAD {
        return kept_nowhere("text/event-stream", []);
    }
    let Some(live) = keeper.feed.read(after) else { return busy() };
    let mut answer = Response::new(Body::live(live));
    set(&mut answer, CONTENT_TYPE, "text/event-stream");
    set(&mut answer, CACHE_CONTROL, NEVER_KEPT);
    // A proxy that collects an answer before it passes it on would show nothing.
    set(&mut answer, HeaderName::from_static("x-accel-buffering"), "no");
    answer
}

/// The numbers for Prometheus, in the format that it asks for.
fn metrics(keeper: &Keeper, headers: &HeaderMap) -> Response<Body> {
    let accepted: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).collect();
    let format = Exposition::from_accept(&accepted.join(","));
    kept_nowhere(format.content_type(), [Bytes::from(keeper.observer.render_prometheus(format))])
}

fn file(asset: &'static Asset, headers: &HeaderMap) -> Response<Body> {
    let gzip = takes_gzip(headers);
    let (bytes, tag) = if gzip {
        (asset.gzip, format!("\"{}-gz\"", asset.version))
    } else {
        (asset.plain, format!("\"{}\"", asset.version))
    };
    let mut answer = if has(headers, &tag) {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        let mut answer = Response::new(Body::pieces([Bytes::from_static(bytes)]));
        set(&mut answer, CONTENT_TYPE, asset.content_type);
        if gzip {
            set(&mut answer, CONTENT_ENCODING, "gzip");
        }
        answer
    };
    set(&mut answer, CACHE_CONTROL, ASKED_AGAIN);
    set(&mut answer, VARY, "accept-encoding");
    if let Ok(tag) = HeaderValue::try_from(tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}

/// Whether who asks takes gzip, and does not say that it would rather not.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|list| list.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse().is_ok_and(|q: f32| q <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// Whether who asks has what `tag` names.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let held = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    held.flat_map(|list| list.split(',')).any(|held| {
        let held = held.trim();
        held.strip_prefix("W/").unwrap_or(held) == tag
    })
}

/// A parameter of a query, as it is sent.
pub(crate) fn query<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| value)
}

/// There is no room for more; soon there may be.
fn busy() -> Response<Body> {
    let mut answer = words(StatusCode::SERVICE_UNAVAILABLE, "too many look at once: close some, or come back\n");
    set(&mut answer, RETRY_AFTER, "5");
    answer
}

fn not_found() -> Response<Body> {
    words(StatusCode::NOT_FOUND, "nothing is here\n")
}

/// An answer in words.
pub(crate) fn words(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut answer = Response::new(Body::pieces([Bytes::from(text.into())]));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, TEXT);
    set(&mut answer, CACHE_CONTROL, NEVER_KEPT);
    answer
}

/// Sends who asks elsewhere; `to` is relative.
pub(crate) fn elsewhere(status: StatusCode, to: &str) -> Response<Body> {
    let mut answer = words(status, String::new());
    if let Ok(to) = HeaderValue::try_from(to) {
        answer.headers_mut().insert(LOCATION, to);
    }
    answer
}

fn kept_nowhere(content_type: &'static str, pieces: impl IntoIterator<Item = Bytes>) -> Response<Body> {
    let mut answer = Response::new(Body::pieces(pieces));
    set(&mut answer, CONTENT_TYPE, content_type);
    set(&mut answer, CACHE_CONTROL, NEVER_KEPT);
    answer
}

fn named(mut answer: Response<Body>, disposition: &'static str) -> Response<Body> {
    set(&mut answer, CONTENT_DISPOSITION, disposition);
    answer
}

/// What every answer says to browsers. Nobody else's page may read it, frame it or run it.
pub(crate) fn guarded(mut answer: Response<Body>) -> Response<Body> {
    set(&mut answer, CONTENT_SECURITY_POLICY, POLICY);
    set(&mut answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut answer, REFERRER_POLICY, "no-referrer");
    set(&mut answer, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    answer
}

fn set(answer: &mut Response<Body>, name: HeaderName, value: &'static str) {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests;
