//! Where memory was allocated: the sites of a heap profile, as evidence.

use std::fmt;

use highwater_model::Bytes;

use crate::event::Attribute;

/// One place of the program that holds memory: the function that allocated it, and how much of it is still held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Site {
    /// The function, where the binary has names.
    pub function: Option<String>,
    /// The file name of the program or library that the function is in.
    pub module: Option<String>,
    /// The build id of that file, in hex: the key to its debug symbols.
    pub build_id: Option<String>,
    /// The address in that file.
    pub offset: Option<u64>,
    /// What it holds: an estimate from samples.
    pub bytes: Bytes,
    /// In so many allocations, estimated too.
    pub objects: u64,
    /// How much more that is than in the calm.
    pub grown: Option<i64>,
}

impl Site {
    /// As one value of an attribute that lists sites.
    pub(crate) fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let text = |text: &String| Attribute::Text(text.clone().into());
        let known = [
            self.function.as_ref().map(|function| ("function", text(function))),
            self.module.as_ref().map(|module| ("module", text(module))),
            self.build_id.as_ref().map(|id| ("build_id", text(id))),
            self.offset.map(|offset| ("offset", Attribute::Text(format!("{offset:#x}").into()))),
            Some(("bytes", Attribute::Int(self.bytes.get()))),
            Some(("objects", Attribute::Int(self.objects))),
            self.grown.map(|grown| ("grown", Attribute::Difference(grown))),
        ];
        known.into_iter().flatten().collect()
    }
}

/// "312MiB in 312 objects by demo::hoard::Hoard::allocate", of one without a name "by demo+0x1f2c0".
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, module, offset, bytes, objects, .. } = self;
        write!(f, "{bytes} in {objects} objects by ")?;
        match (function, module, offset) {
            (Some(function), ..) => f.write_str(function),
            (None, Some(module), Some(offset)) => write!(f, "{module}+{offset:#x}"),
            (None, Some(module), None) => f.write_str(module),
            (None, None, Some(offset)) => write!(f, "{offset:#x}"),
            (None, None, None) => f.write_str("an unknown place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_told_by_the_best_name_that_it_has() {
        let named =
            Site { function: Some("cart::add".to_owned()), bytes: Bytes::mib(3), objects: 3, ..Site::default() };
        assert_eq!(named.to_string(), "3MiB in 3 objects by cart::add");
        let stripped = Site { function: None, module: Some("cart".to_owned()), offset: Some(0x1f2c0), ..named.clone() };
        assert_eq!(stripped.to_string(), "3MiB in 3 objects by cart+0x1f2c0");
        assert_eq!(Site { function: None, ..named }.to_string(), "3MiB in 3 objects by an unknown place");
    }

    #[test]
    fn what_is_unknown_of_a_site_is_left_out() {
        let names = |site: &Site| site.attributes().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&Site::default()), ["bytes", "objects"]);
        let text = |text: &str| Some(text.to_owned());
        let all = Site {
            function: text("f"),
            module: text("m"),
            build_id: text("b"),
            offset: Some(1),
            grown: Some(-1),
            ..Site::default()
        };
        assert_eq!(names(&all), ["function", "module", "build_id", "offset", "bytes", "objects", "grown"]);
    }
}
