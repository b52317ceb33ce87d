//! Elements of SVG, with whatever text in them.

use std::fmt::{self, Display, Write};

/// A document that grows.
#[derive(Debug, Default)]
pub(crate) struct Svg(String);

impl Svg {
    /// Adds markup as it is: whatever comes from outside goes through [`Text`].
    pub(crate) fn add(&mut self, markup: fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.0.write_fmt(markup);
        self.0.push('\n');
    }

    /// Adds a line of text, with the attributes that are given.
    pub(crate) fn text(&mut self, x: f64, y: f64, attributes: &str, text: &str) {
        self.add(format_args!(r#"<text x="{x:.1}" y="{y:.1}" {attributes}>{}</text>"#, Text(text)));
    }

    /// Adds a horizontal or vertical line.
    pub(crate) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), attributes: &str) {
        self.add(format_args!(r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" {attributes}/>"#));
    }

    /// Adds a rectangle between two corners; one with a title says it where a pointer rests.
    pub(crate) fn rect(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), attributes: &str, title: &str) {
        let (width, height) = ((x2 - x1).max(0.0), (y2 - y1).max(0.0));
        let of = |f: &mut Self, end: fmt::Arguments<'_>| {
            f.add(format_args!(
                r#"<rect x="{x1:.1}" y="{y1:.1}" width="{width:.1}" height="{height:.1}" {attributes}{end}"#
            ));
        };
        match title {
            "" => of(self, format_args!("/>")),
            title => of(self, format_args!("><title>{}</title></rect>", Text(title))),
        }
    }

    /// The whole document.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// A text as XML can hold it: its own characters are escaped, and those that no document may hold replaced.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER)?,
                c if c.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_element() {
        assert_eq!(
            Text("a<b>&\"c\"'\u{1b}[0m\u{0}é").to_string(),
            "a&lt;b&gt;&amp;&quot;c&quot;&#39;\u{fffd}[0m\u{fffd}é"
        );
    }
}
