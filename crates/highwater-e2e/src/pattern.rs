//! Texts that are known but for their numbers.

/// Whether `text` is `pattern`, where each `@` stands for a whole number and each `~` for one that may have a fraction.
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some(at) = pattern.find(['@', '~']) else { return pattern == text };
    let Some(rest) = text.strip_prefix(&pattern[..at]) else { return false };
    let is_part = |c: char| c.is_ascii_digit() || (c == '.' && pattern[at..].starts_with('~'));
    let after = rest.trim_start_matches(is_part);
    after.len() < rest.len() && fits(&pattern[at + 1..], after)
}

/// Asserts that `text` is `pattern`, as [`fits`] has it.
#[track_caller]
pub fn assert_fits(pattern: &str, text: &str) {
    assert!(fits(pattern, text), "{text:?} is not {pattern:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_may_differ() {
        assert!(fits("a @MB, ~MiB.", "a 12MB, 3.5MiB."));
        assert!(fits("", "") && fits("@", "7"));
        for text in ["a MB, 3MiB.", "a 1.2MB, 3MiB.", "a 12MB, 3MiB", "a 12MB, 3MiB..", "b 12MB, 3MiB."] {
            assert!(!fits("a @MB, ~MiB.", text), "{text}");
        }
    }
}
