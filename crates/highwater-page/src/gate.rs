//! Who may ask the page's own server: by what name it is asked for, and with which token.
//!
//! Loopback is no protection from a browser on the same machine: a page from elsewhere can have its own name resolve to
//! 127.0.0.1 and read what answers (DNS rebinding). So a name that nobody gave is refused. On another address anybody in the
//! network can ask, so a token is needed there: once in the address, then in a cookie that no script can read, so that it stays
//! in no history, no bookmark and no log. The cookie is `Lax`: a link in a ticket or a chat has to lead to the page, and a strict
//! one would not be sent to where it is sent on. Another site gains nothing by it, since nothing here changes anything.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};

use http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};

use crate::body::Body;
use crate::routes::{self, elsewhere, query, words};

const TOKEN: &str = "token";

/// Who may ask.
#[derive(Clone)]
pub(crate) struct Gate {
    /// Whether the server listens on the loopback address alone.
    is_loopback: bool,
    /// Names that are good beside addresses, in lower case.
    hosts: Vec<String>,
    token: Option<String>,
    /// The cookie's name.
    cookie: String,
}

impl Gate {
    pub(crate) fn new(is_loopback: bool, hosts: Vec<String>, token: Option<String>) -> Self {
        let cookie = cookie(token.as_deref().unwrap_or_default());
        Self { is_loopback, hosts, token, cookie }
    }

    /// Lets who asks in, or says why not.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Box<Response<Body>>> {
        let refuse = |answer| Err(Box::new(routes::guarded(answer)));
        if !self.names_this_server(uri, headers) {
            return refuse(words(
                StatusCode::FORBIDDEN,
                "asked for by a name that this page does not know: HIGHWATER_PAGE_HOSTS names those that it may have\n",
            ));
        }
        let Some(token) = &self.token else { return Ok(()) };
        let is_known = self.cookies(headers).chain(bearer(headers)).any(|given| is_same(given, token));
        match query(uri.query(), TOKEN) {
            // Who is known already is not to keep it in the address either.
            Some(given) if is_known || is_same(given, token) => refuse(self.welcome(uri, token)),
            None if is_known => Ok(()),
            _ => refuse(words(
                StatusCode::UNAUTHORIZED,
                "a token is needed: add ?token=... to the address once, as it was printed at the start, or send it as \
                 Authorization: Bearer ...\n",
            )),
        }
    }

    fn names_this_server(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else { return false };
        let of_uri = uri.authority().is_none_or(|authority| self.is_known(authority.as_str()));
        of_uri && host.to_str().is_ok_and(|host| self.is_known(host))
    }

    /// Whether `host`, perhaps with a port, is a name of this server.
    fn is_known(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        let name = name.to_ascii_lowercase();
        if name == "localhost" || self.hosts.contains(&name) {
            return true;
        }
        let address = match name.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok()).map(IpAddr::from),
            None => name.parse().ok().filter(IpAddr::is_ipv4),
        };
        // An address cannot be made to mean another: on the network each is good.
        address.is_some_and(|address| !self.is_loopback || address.is_loopback())
    }

    /// Sets the cookie, and sends who asks to the same place without the token.
    fn welcome(&self, uri: &Uri, token: &str) -> Response<Body> {
        let rest: Vec<_> =
            uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("token=")).collect();
        // Relative, and not to be taken for a scheme.
        let name = uri.path().rsplit('/').next().unwrap_or_default();
        let query = rest.join("&");
        let to = if query.is_empty() { format!("./{name}") } else { format!("./{name}?{query}") };
        let mut answer = elsewhere(StatusCode::SEE_OTHER, &to);
        let cookie = format!("{}={token}; Path=/; HttpOnly; SameSite=Lax", self.cookie);
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            answer.headers_mut().insert(SET_COOKIE, cookie);
        }
        answer
    }

    fn cookies<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|list| list.split(';')).filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name.trim() == self.cookie).then(|| value.trim())
        })
    }
}

/// The name of the cookie for a token. Cookies know no ports, and the port that is bound need not be the one that is
/// published: by its token each page of a host has one of its own. Of the hash so little is taken that many tokens have the
/// same.
fn cookie(token: &str) -> String {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    format!("highwater_page_{:08x}", hasher.finish() >> 32)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A host without its port; nothing where that is no port.
fn without_port(host: &str) -> Option<&str> {
    let end = host.find(']').map_or(0, |end| end.saturating_add(1));
    match host.get(end..)?.find(':') {
        None => Some(host),
        Some(colon) => {
            let (name, port) = host.split_at(end.saturating_add(colon));
            let digits = port.strip_prefix(':')?;
            (digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
        }
    }
}

/// Whether both are the same, in a time that says nothing of where they differ; only of their lengths.
fn is_same(given: &str, token: &str) -> bool {
    let differing = given.bytes().zip(token.bytes()).fold(0, |all, (one, other)| black_box(all | (one ^ other)));
    given.len() == token.len() && differing == 0
}

/// The token is a secret.
impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_loopback, hosts, token, .. } = self;
        let mut debug = f.debug_struct("Gate");
        debug.field("is_loopback", is_loopback).field("hosts", hosts).field("has_token", &token.is_some()).finish()
    }
}

#[cfg(test)]
mod tests;
