//! The environment of the tests themselves. Programs under test never inherit it: they are given theirs.

/// An environment variable, unless it is empty.
#[expect(clippy::disallowed_methods, reason = "this is the room of this crate's environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
