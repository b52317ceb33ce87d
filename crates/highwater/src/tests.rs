//! What tests of several modules share.

use std::path::Path;

/// Whether `docs/NAME` is `text`. With `HIGHWATER_BLESS=1` in the environment it is written.
#[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the agent")]
pub(crate) fn is_page(name: &Path, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("HIGHWATER_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == text, "{} is out of date: run the tests with HIGHWATER_BLESS=1", path.display());
}
