//! The page's files, embedded; and the export, which has them in itself.

use bytes::Bytes;

/// One file.
#[derive(Debug)]
pub(crate) struct Asset {
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    /// Another one where the content is another.
    pub(crate) version: &'static str,
    pub(crate) plain: &'static [u8],
    pub(crate) gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

pub(crate) const INDEX: &str = "index.html";

pub(crate) fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// What the export may do: run what it has in itself, and ask nobody for anything.
const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; \
                      style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">";

/// One file with all that the page needs and a snapshot in it, in pieces: what is embedded is not copied.
///
/// `index.html` names its styles and scripts each on a line of its own. A script that is deferred runs once the page is
/// there, so it stands at the end here, after the snapshot.
pub(crate) fn export(snapshot: Bytes) -> Vec<Bytes> {
    let index = asset(INDEX).map_or("", text);
    let mut pieces = Vec::new();
    let mut deferred = Vec::new();
    for line in index.split_inclusive('\n') {
        let code = line.trim();
        let named = |before: &str, after: &str| code.strip_prefix(before)?.strip_suffix(after).and_then(asset);
        if let Some(style) = named("<link rel=\"stylesheet\" href=\"", "\">") {
            pieces.extend(["<style>", text(style), "</style>\n"].map(piece));
        } else if let Some(script) = named("<script src=\"", "\"></script>") {
            pieces.extend(["<script>", text(script), "</script>\n"].map(piece));
        } else if let Some(script) = named("<script src=\"", "\" defer></script>") {
            deferred.extend(["<script>", text(script), "</script>\n"].map(piece));
        } else if code.starts_with("<link rel=\"icon\"") {
            // A file has none.
        } else if let Some(at) = line.find("</body>") {
            let (before, after) = line.split_at(at);
            pieces.extend([piece(before), piece("<script type=\"application/json\" id=\"snapshot\">")]);
            pieces.push(snapshot.clone());
            pieces.push(piece("</script>\n"));
            pieces.append(&mut deferred);
            pieces.push(piece(after));
        } else {
            pieces.push(piece(line));
            if code.starts_with("<meta charset") {
                pieces.push(piece(POLICY));
            }
        }
    }
    pieces
}

fn piece(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn text(asset: &'static Asset) -> &'static str {
    // The build would not have it otherwise; a test holds it.
    std::str::from_utf8(asset.plain).unwrap_or_default()
}

#[cfg(test)]
mod tests;
