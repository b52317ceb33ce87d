use std::io::Read as _;

use flate2::read::GzDecoder;

use super::*;

/// What all assets weigh at most as they are sent.
const MOST: usize = 60 << 10;

#[test]
fn all_assets_are_there_and_small() {
    for name in ["index.html", "page.css", "page.js", "uplot.js", "uplot.css", "favicon.svg"] {
        assert!(asset(name).is_some(), "{name}");
    }
    let all: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
    println!("all assets: {all} bytes by gzip");
    assert!(all <= MOST, "{all} bytes");
}

#[test]
fn what_is_compressed_is_the_same() {
    for asset in ASSETS {
        let mut plain = Vec::new();
        GzDecoder::new(asset.gzip).read_to_end(&mut plain).unwrap();
        assert!(plain == asset.plain, "{}", asset.name);
        assert!(std::str::from_utf8(asset.plain).is_ok(), "{}", asset.name);
    }
}

/// In code: comments of licences, and the namespaces of SVG, which nobody asks for, may name others.
#[test]
fn no_asset_names_another_origin() {
    for asset in ASSETS {
        for line in text(asset).lines() {
            let is_comment = ["//", "/*", "*", "<!--"].iter().any(|mark| line.trim_start().starts_with(mark));
            let code = line.replace("http://www.w3.org/2000/svg", "");
            assert!(is_comment || !(code.contains("http://") || code.contains("https://")), "{}: {line}", asset.name);
        }
    }
}

#[test]
fn the_library_s_licence_goes_with_each_copy_of_it() {
    let licence = include_str!("../../assets/UPLOT-LICENSE").trim();
    assert!(licence.contains("Copyright (c) 2022 Leon Sorokin") && licence.contains("Permission is hereby granted"));
    assert!(text(asset("uplot.js").unwrap()).contains(licence), "as it is served");
    let export: Vec<u8> = export(Bytes::new()).concat();
    assert!(String::from_utf8(export).unwrap().contains(licence), "as it is saved");
}

/// The policy of the served page forbids them, so that they would not work.
#[test]
fn the_page_has_no_script_and_no_style_in_its_html() {
    let index = text(asset(INDEX).unwrap());
    for inline in [" style=", "<style", "onclick=", "onload=", "javascript:"] {
        assert!(!index.contains(inline), "{inline}");
    }
    assert_eq!(index.matches("<script").count(), index.matches("<script src=\"").count());
}

#[test]
fn the_export_is_one_file_with_all_in_it_and_the_page_s_script_last() {
    let snapshot = Bytes::from_static(b"{\"seq\":1}");
    let export: Vec<u8> = export(snapshot).concat();
    let export = String::from_utf8(export).unwrap();
    assert!(!export.contains("<link ") && !export.contains("src=\""), "it asks for nothing");
    for name in ["page.css", "page.js", "uplot.js", "uplot.css"] {
        assert!(export.contains(text(asset(name).unwrap())), "{name}");
    }
    let at = |text: &str| export.find(text).unwrap_or_else(|| panic!("{text}"));
    let snapshot = at("<script type=\"application/json\" id=\"snapshot\">{\"seq\":1}</script>");
    assert!(at("Content-Security-Policy") < at("<style>"));
    assert!(snapshot < at(text(asset("page.js").unwrap())));
    assert!(export.trim_end().ends_with("</html>"));
}

/// Else what stands in the export would end where they do.
#[test]
fn no_script_and_no_style_ends_itself() {
    for asset in ASSETS.iter().filter(|asset| asset.name != INDEX) {
        let text = text(asset).to_ascii_lowercase();
        assert!(!text.contains("</script") && !text.contains("</style"), "{}", asset.name);
    }
}
