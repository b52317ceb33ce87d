//! Embeds the assets, as they are and compressed by gzip.
//!
//! At build time, so that a host runs no compressor and holds nothing on its heap for them: both forms lie in the binary,
//! in pages that the kernel can drop. The uncompressed ones are for the few clients that take nothing else, and for the
//! export, which has them in itself.
#![allow(clippy::expect_used, clippy::panic, reason = "a build that cannot go on says why, and ends")]

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

/// The parts of `page.js`, in the order in which they are read. One direction, as in the agent: data comes in (a snapshot, then
/// live), is kept in one store, and everything on the page is derived from the store. Nothing the server says becomes markup,
/// and what is unknown is absent: never 0, never a dash that could be read as a number.
const PARTS: &[&str] = &[
    "store",
    "text",
    "elements",
    "live",
    "verdict",
    "view",
    "charts",
    "paint",
    "numbers",
    "marks",
    "happened",
    "cards",
    "keyboard",
    "theme",
    "definitions",
    "start",
];

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("assets");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<_> =
        fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.push(out.join("page.js"));
    fs::write(out.join("page.js"), joined(&folder.join("page"))?)?;
    files.sort();
    let mut table = String::from("pub(crate) static ASSETS: &[Asset] = &[\n");
    for file in files {
        let Some(content_type) = content_type(&file) else { continue };
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("an asset's name is not Unicode")?;
        let plain = fs::read(&file)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&plain)?;
        let compressed = out.join(format!("{name}.gz"));
        fs::write(&compressed, gzip.finish()?)?;
        let mut sum = Crc::new();
        sum.update(&plain);
        let version = format!("{:08x}-{:x}", sum.sum(), plain.len());
        writeln!(
            table,
            "Asset {{ name: {name:?}, content_type: {content_type:?}, version: {version:?}, plain: include_bytes!({file:?}), \
             gzip: include_bytes!({compressed:?}) }},"
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// The parts as one script, which leaves nothing of its own among the names that every script of a document shares.
fn joined(folder: &Path) -> Result<String, Box<dyn Error>> {
    let is_script = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "js");
    if fs::read_dir(folder)?.filter_map(Result::ok).filter(is_script).count() != PARTS.len() {
        return Err(format!("{} has other scripts than {PARTS:?}", folder.display()).into());
    }
    let mut script = String::from("\"use strict\";\n(() => {\n\n");
    for part in PARTS {
        script.push_str(&fs::read_to_string(folder.join(format!("{part}.js")))?);
        script.push('\n');
    }
    script.push_str("})();\n");
    Ok(script)
}

/// What a browser is told that it is; nothing of what is not served.
fn content_type(file: &Path) -> Option<&'static str> {
    Some(match file.extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}
