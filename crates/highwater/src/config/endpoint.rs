//! The address of a collector, as it is given and as it is called.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::route::Protocol;
use crate::signal::Signal;

/// An address as it is given: by HTTP with a scheme and perhaps a path, by gRPC perhaps without a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    scheme: Option<Scheme>,
    /// Host and port.
    authority: String,
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

const REMEDY: &str = "not an address of a collector: write http://HOST:PORT, such as http://localhost:4318";

impl Endpoint {
    /// What is called for `signal`, where this is its own address or, by `base`, that of all signals.
    pub(super) fn url(&self, protocol: Protocol, insecure: bool, base: Option<Signal>) -> Result<String, String> {
        let scheme = match (self.scheme, protocol) {
            (Some(scheme), _) => scheme,
            (None, Protocol::HttpProtobuf) => return Err(REMEDY.to_owned()),
            (None, Protocol::Grpc) if insecure => Scheme::Http,
            (None, Protocol::Grpc) => Scheme::Https,
        };
        if scheme == Scheme::Https && !cfg!(feature = "tls") {
            let given = if self.scheme.is_some() { "https needs" } else { "without http:// it means TLS, which needs" };
            return Err(format!(
                "{given} highwater's cargo feature `tls`: turn it on, or send to a collector on the same host or in the \
                 same pod, over http://"
            ));
        }
        let (scheme, Self { authority, path, .. }) = (scheme.as_str(), self);
        Ok(match (protocol, base) {
            // A method has a path of its own.
            (Protocol::Grpc, _) => format!("{scheme}://{authority}"),
            (Protocol::HttpProtobuf, None) if path.is_empty() => format!("{scheme}://{authority}/"),
            (Protocol::HttpProtobuf, None) => format!("{scheme}://{authority}{path}"),
            (Protocol::HttpProtobuf, Some(signal)) => {
                let path = path.strip_suffix('/').unwrap_or(path);
                format!("{scheme}://{authority}{path}/{}", signal.path())
            }
        })
    }

    /// A text that should be an address, without what could be a secret in it: names and passwords before an `@`, and a
    /// query.
    pub(super) fn discreet(text: &str) -> String {
        let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
        let rest = match rest.rsplit_once('@') {
            Some((_, host)) => format!("***@{host}"),
            None => rest.to_owned(),
        };
        let rest = match rest.split_once(['?', '#']) {
            Some((address, _)) => format!("{address}?***"),
            None => rest,
        };
        if text.contains("://") { format!("{scheme}://{rest}") } else { rest }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const CREDENTIALS: &str = "an address is said in the log: put credentials into OTEL_EXPORTER_OTLP_HEADERS";
        const QUERY: &str = "a query is not sent: write the address up to its path, and what is secret into \
                             OTEL_EXPORTER_OTLP_HEADERS";
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(Scheme::Http), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(Scheme::Https), rest),
            Some(_) => return Err(REMEDY.to_owned()),
        };
        if rest.contains('@') {
            return Err(CREDENTIALS.to_owned());
        }
        if rest.contains(['?', '#']) {
            return Err(QUERY.to_owned());
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // An IPv6 address stands in brackets, since it has colons of its own.
        let (is_host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
            None => {
                let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                (!host.is_empty() && host.chars().all(is_name), port)
            }
        };
        let is_path =
            |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}');
        // Digits alone: a number may have a sign, a port not.
        let is_port = |port: &str| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        let has_good_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        if !is_host || !has_good_port || !path.chars().all(is_path) {
            return Err(REMEDY.to_owned());
        }
        Ok(Self { scheme, authority: authority.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.as_str())?;
        }
        write!(f, "{}{}", self.authority, self.path)
    }
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}
