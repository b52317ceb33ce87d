//! The way of the fuzz targets to what the agent parses, which nobody else calls by itself.
#![allow(missing_docs, reason = "compiled for the fuzz targets only, which say what each is")]

use std::ffi::OsString;

use crate::config::{Config, variables};

/// Whatever stands in the environment, the settings can be used and each error helps.
pub fn environment(get: impl Fn(&str) -> Option<OsString>) {
    let (mut config, mut errors) = Config::read(get);
    errors.extend(config.settle());
    assert!(config.levels().is_ok(), "{config:?}");
    for error in errors {
        assert!(variables().any(|name| name == error.key), "{error}");
        assert!(!error.remedy.is_empty() && !error.to_string().contains('\n'), "{error}");
    }
}
