//! What is sent with each request. As a rule a credential, so that values are never shown.

use std::fmt;

use super::text;

/// Names in lower case, each once, with their values.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(String, String)>);

/// They say what a request is and where it ends: the agent's to write, and wrong otherwise.
const OF_THE_AGENT: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "grpc-timeout",
];

impl Headers {
    /// From a list as in `OTEL_EXPORTER_OTLP_HEADERS`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut headers = Self::default();
        for (name, value) in text::pairs(text)? {
            // A credential alone can end so; then its beginning is no name.
            if value.trim_matches('=').is_empty() {
                return Err("has a header without a value: write name=value".to_owned());
            }
            headers.set(&name, &value)?;
        }
        Ok(headers)
    }

    /// Adds a header, or replaces the one of the same name.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = name.to_ascii_lowercase();
        if !is_name(&name) {
            return Err("has no good name of a header: write letters, digits and dashes before the =".to_owned());
        }
        if OF_THE_AGENT.contains(&name.as_str()) {
            return Err(format!("{name} is the agent's to write: leave it out"));
        }
        // What more could stand in a header can end it, or is read by one program and refused by the next.
        if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
            return Err(format!("the value of {name} has what no header can have: write visible ASCII"));
        }
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.0.push((name, value.to_owned())),
        }
        Ok(())
    }

    /// Takes those of `others` over, also where their names are known.
    pub(super) fn extend(&mut self, others: &Self) {
        for (name, value) in others.iter() {
            self.0.retain(|(known, _)| known != name);
            self.0.push((name.clone(), value.clone()));
        }
    }

    /// Takes those away that gRPC would take for binary data; returns the name of the first.
    pub(super) fn remove_binary(&mut self) -> Option<String> {
        let is_binary = |name: &str| name.ends_with("-bin");
        let first = self.0.iter().find(|(name, _)| is_binary(name)).map(|(name, _)| name.clone());
        self.0.retain(|(name, _)| !is_binary(name));
        first
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (String, String)> {
        self.0.iter()
    }

    /// A text that should be a list of headers, with nothing shown of it but the names.
    pub(super) fn discreet(text: &str) -> String {
        let item = |item: &str| match item.trim().split_once('=') {
            // What ends with `=` and has no more is rather a credential that was given alone.
            Some((name, value)) if is_name(name.trim()) && !value.trim_matches('=').trim().is_empty() => {
                format!("{}=***", name.trim())
            }
            _ => "***".to_owned(),
        };
        text.split(',').map(item).collect::<Vec<_>>().join(",")
    }
}

/// A token, as HTTP has it.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
