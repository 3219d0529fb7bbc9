//! Texts of strangers on a terminal.

use std::fmt::{self, Display, Write};

/// A text in one line, in which nothing moves the cursor, changes colors or turns the direction of
/// writing: such characters are escaped, like `\u{202e}`.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if is_hidden(c) { write!(f, "{}", c.escape_unicode()) } else { f.write_char(c) }
        })
    }
}

/// Returns whether a character is a control character (C0, DEL or C1), a line or paragraph
/// separator, or one that sets the direction of writing.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let edges = [
            "\0\u{1f}",
            "\u{7f}\u{9f}",
            "\u{61c}\u{61c}",
            "\u{200e}\u{200f}",
            "\u{2028}\u{202e}",
            "\u{2066}\u{2069}",
        ];
        for edge in edges {
            let mut ends = edge.chars();
            let (first, last) = (ends.next().unwrap(), ends.next().unwrap());
            for c in first..=last {
                let shown = Printable(&format!("a{c}b")).to_string();
                assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(c)));
            }
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        let text = " ~\u{a0}\u{61b}\u{61d}\u{200d}\u{2010}\u{2027}\u{202f}\u{2065}\u{206a}é👩\\\"";
        assert_eq!(Printable(text).to_string(), text);
    }
}
