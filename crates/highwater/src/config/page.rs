//! What the live page is told: `highwater-page` serves by it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// What the live page is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Where it listens.
    pub address: PageAddress,
    /// What a browser has to show where others than this machine can ask. One that cannot be used is kept as that, with what
    /// would be right: without one there would be a page for anybody.
    pub token: Option<Result<PageToken, String>>,
    /// Names by which it may be asked for, beside addresses; in lower case.
    pub hosts: Vec<String>,
    /// Where traces can be looked at, without a slash at its end.
    pub jaeger: Option<String>,
}

/// Where the page listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageAddress {
    /// As the program has it.
    #[default]
    Unset,
    /// Nowhere.
    Off,
    /// Here.
    At(SocketAddr),
}

impl FromStr for PageAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let at = match text.strip_prefix("localhost:") {
            Some(port) => port.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            None => text.parse().ok(),
        };
        at.map(Self::At).ok_or_else(|| {
            "not an address to listen at: write an IP address and a port, such as 127.0.0.1:7070 or [::]:7070, or off".to_owned()
        })
    }
}

/// A secret, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PageToken(String);

impl PageToken {
    /// Fewer characters could be guessed.
    pub const LEAST: usize = 16;
    /// More are no better, and have no room in a request.
    pub const MOST: usize = 256;

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for PageToken {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What a query and a cookie can have as it is.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if (Self::LEAST..=Self::MOST).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "not a token: write {} to {} letters, digits and any of - . _ ~, such as `openssl rand -hex 16` prints",
            Self::LEAST,
            Self::MOST
        ))
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageToken(***)")
    }
}

/// Names with commas between.
pub fn hosts(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<_> =
        text.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match names.iter().find(|name| !name.bytes().all(fits)) {
        Some(_) => Err("not names of hosts: write them without scheme and port, with commas between, such as \
                        memory.example.org,cart.internal"
            .to_owned()),
        None => Ok(names),
    }
}

/// An address that a browser is sent to.
pub fn url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let fits = |rest: &str| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"@?#\"<>\\".contains(&byte))
    };
    match rest.filter(|rest| fits(rest)) {
        Some(_) => Ok(text.trim_end_matches('/').to_owned()),
        None => Err("not an address for a browser: write http://HOST:PORT, such as http://127.0.0.1:16686".to_owned()),
    }
}
