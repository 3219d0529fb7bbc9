//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// Bytes of the file; `hidden` when the line's value must not be printed.
    File { span: Range<usize>, hidden: bool },
    /// Name of a variable or a flag.
    Named(String),
    /// Not set anywhere: the problem is that something is missing.
    Nowhere,
}

/// Everything that is wrong, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<(usize, String)>);

impl Problems {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a single problem without a line, such as a file that cannot be read.
    pub(crate) fn one(text: String) -> Self {
        Self(vec![(0, text)])
    }

    pub(crate) fn add(&mut self, file: &File<'_>, place: &Place, what: &str) {
        let (order, text) = match place {
            Place::File { span, hidden } => (span.start, file.excerpt(span, *hidden, what)),
            Place::Named(name) => (usize::MAX, format!("{name}: {what}")),
            Place::Nowhere => (usize::MAX, what.to_owned()),
        };
        let at = self.0.partition_point(|(other, _)| *other <= order);
        self.0.insert(at, (order, text.chars().map(printable).collect()));
    }
}

/// Replaces control characters: a quoted line must not be able to steer a terminal or a log.
fn printable(c: char) -> char {
    match c {
        '\n' => c,
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (_, text)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{text}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The file's text, to quote from.
pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl File<'_> {
    /// Reports a syntax error. A secret with a stray newline continues below its key, so the lines
    /// shortly after a secret are hidden too.
    pub(crate) fn broken_at(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let hidden = before.split('\n').rev().take(3).any(mentions_secret);
        Place::File { span, hidden }
    }

    /// Formats `name:line:column: what`, and below it the line with the culprit underlined.
    fn excerpt(&self, span: &Range<usize>, hidden: bool, what: &str) -> String {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let number = before.matches('\n').count() + 1;
        let column = before[start..].chars().count();
        let culprit = self.text.get(span.clone()).and_then(|text| text.lines().next());
        let width = culprit.map_or(1, |text| text.chars().count().max(1));
        let (line, width) = if hidden || mentions_secret(line) {
            // Without a `=`, the line may be the middle of a secret.
            let key = line.split_once('=').map_or("", |(key, _)| key);
            let in_key = column < key.trim_end().chars().count();
            let sign = if key.is_empty() { "" } else { "= " };
            (format!("{key}{sign}<hidden>"), if in_key { width } else { 1 })
        } else {
            (line.to_owned(), width)
        };
        let (name, gutter) = (self.name, " ".repeat(number.to_string().len()));
        format!(
            "{name}:{number}:{}: {what}\n  {number} | {line}\n  {gutter} | {}{}",
            column + 1,
            " ".repeat(column),
            "^".repeat(width)
        )
    }
}

/// Returns whether a line may hold a secret. Errors end up in logs, so it is then hidden.
fn mentions_secret(line: &str) -> bool {
    line.to_lowercase().replace("secret_file", "").contains("secret")
}

/// Returns the candidate that was most likely meant: one with a small typo, or one that contains
/// the word.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let allowed = (lower.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|name| {
            let distance = strsim::damerau_levenshtein(&lower, &name.to_lowercase());
            let part = lower.len() >= 3 && name.to_lowercase().contains(&lower);
            (distance <= allowed || part).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_slip_or_a_part_away() {
        let names = ["max_connections", "max_per_room", "interval"];
        assert_eq!(nearest("max_conections", names), Some("max_connections"));
        assert_eq!(nearest("connections", names), Some("max_connections"));
        assert_eq!(nearest("INTERVAL", names), Some("interval"));
        assert_eq!(nearest("colour", names), None);
    }

    #[test]
    fn a_quoted_line_steers_no_terminal() {
        let file = File { name: "f", text: "a\t= \u{1b}[2J" };
        let mut problems = Problems::default();
        problems.add(&file, &Place::File { span: 4..5, hidden: false }, "no \u{9b}");
        assert_eq!(problems.to_string(), "f:1:5: no \u{fffd}\n  1 | a = \u{fffd}[2J\n    |     ^");
    }

    #[test]
    fn columns_count_characters_and_the_secret_stays_hidden() {
        let file = File { name: "f", text: "a = 1\n\"ü\" = bad\nhs256_secret = hunter2" };
        let mut problems = Problems::default();
        let at = file.text.find("bad").unwrap_or_default();
        problems.add(&file, &Place::File { span: at..at + 3, hidden: false }, "no");
        assert_eq!(problems.to_string(), "f:2:7: no\n  2 | \"ü\" = bad\n    |       ^^^");
        let at = file.text.find("hunter2").unwrap_or_default();
        problems.add(&file, &Place::File { span: at..at + 7, hidden: false }, "no");
        assert!(problems.to_string().contains("f:3:16: no\n  3 | hs256_secret = <hidden>\n"));
        assert!(!problems.to_string().contains("hunter2"));
    }
}
