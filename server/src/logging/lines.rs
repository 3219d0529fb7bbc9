//! Lines on their way to the queue, in which no text of a user acts on a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use super::queue::Queue;
use crate::printable::is_hidden;

/// How hidden characters are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Escape {
    /// `\u{202e}`.
    Text,
    /// The same, but escape sequences that set colors stay.
    Colored,
    /// `\u202e`, which is the same character to a reader of JSON.
    Json,
}

impl Escape {
    /// Escapes a line, except for its end.
    fn apply(self, line: &str) -> Cow<'_, str> {
        let text = line.strip_suffix('\n').unwrap_or(line);
        if !text.contains(is_hidden) {
            return line.into();
        }
        let mut escaped = String::with_capacity(line.len() + 16);
        for (at, c) in text.char_indices() {
            // Writing to a string does not fail.
            let _ = match self {
                _ if !is_hidden(c) => escaped.write_char(c),
                Self::Colored if is_color(&text[at..]) => escaped.write_char(c),
                Self::Text | Self::Colored => write!(escaped, "{}", c.escape_unicode()),
                Self::Json => write!(escaped, "\\u{:04x}", u32::from(c)),
            };
        }
        escaped.push_str(&line[text.len()..]);
        escaped.into()
    }
}

/// Returns whether a text begins with an escape sequence that does nothing but set colors.
fn is_color(text: &str) -> bool {
    let numbers = text.strip_prefix("\u{1b}[");
    let numbers =
        numbers.map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    numbers.is_some_and(|rest| rest.starts_with('m'))
}

/// Makes lines of what the subscriber writes.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) queue: Queue,
    pub(super) escape: Escape,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// Takes a line, which the subscriber writes in one piece.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Lines { queue, escape } = self.0;
        queue.push(escape.apply(&String::from_utf8_lossy(line)).as_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use tracing::subscriber::with_default;

    use super::*;

    /// Every character that is escaped is in one of these ranges, ends included.
    const HIDDEN: [(char, char); 6] = [
        ('\0', '\u{1f}'),
        ('\u{7f}', '\u{9f}'),
        ('\u{61c}', '\u{61c}'),
        ('\u{200e}', '\u{200f}'),
        ('\u{2028}', '\u{202e}'),
        ('\u{2066}', '\u{2069}'),
    ];

    struct Paper(Sender<Vec<u8>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the line that a message with this text, and a field, becomes.
    fn logged(escape: Escape, text: &str) -> String {
        let (sender, written) = channel();
        let (queue, flush) = Queue::start(Paper(sender), |_| ()).unwrap();
        let builder = tracing_subscriber::fmt().with_writer(Lines { queue, escape });
        let log = || tracing::info!(quoted = text, plain = %text, "{text}");
        if escape == Escape::Json {
            with_default(builder.json().flatten_event(true).finish(), log);
        } else {
            with_default(builder.with_ansi(escape == Escape::Colored).finish(), log);
        }
        drop(flush);
        String::from_utf8(written.try_iter().flatten().collect()).unwrap()
    }

    fn hidden() -> impl Iterator<Item = char> {
        HIDDEN.into_iter().flat_map(|(first, last)| first..=last)
    }

    #[test]
    fn no_text_acts_on_a_terminal_wherever_it_stands_in_a_line() {
        let all: String = hidden().collect();
        for escape in [Escape::Text, Escape::Json] {
            let line = logged(escape, &all);
            let shown = line.strip_suffix('\n').unwrap();
            assert!(!shown.contains(|c| hidden().any(|hidden| hidden == c)), "{shown:?}");
        }
        // With colors, what sets them stays, and nothing else.
        let line = logged(Escape::Colored, &format!("{all}\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}["));
        let shown = line.strip_suffix('\n').unwrap();
        let mut sequences = shown.split('\u{1b}');
        let is_plain = |text: &str| !text.contains(|c| hidden().any(|hidden| hidden == c));
        assert!(sequences.next().is_some_and(is_plain), "{line:?}");
        assert!(sequences.clone().count() > 4, "there are colors: {line:?}");
        for sequence in sequences {
            let (color, rest) = sequence.split_once('m').unwrap();
            let numbers = color.strip_prefix('[').unwrap();
            assert!(numbers.chars().all(|c| c.is_ascii_digit()), "{sequence:?}");
            assert!(is_plain(rest), "{sequence:?}");
        }
    }

    #[test]
    fn a_reader_of_json_gets_the_text_back() {
        for c in hidden() {
            let text = format!("a{c}b\\\"é");
            let line: serde_json::Value =
                serde_json::from_str(&logged(Escape::Json, &text)).unwrap();
            for field in ["quoted", "plain", "message"] {
                assert_eq!(line[field], text, "{field}");
            }
        }
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for line in ["é \u{200d} \u{2027}\u{202f}\n", "no end", "\n", ""] {
            for escape in [Escape::Text, Escape::Colored, Escape::Json] {
                assert!(matches!(escape.apply(line), Cow::Borrowed(same) if same == line));
            }
        }
        assert_eq!(Escape::Text.apply("a\nb\n"), "a\\u{a}b\n");
    }
}
