//! The story of a run: when, who, what.

use std::fmt;

use switchboard_core::Timestamp;

/// The lines of a run. A story that nobody will read keeps none.
#[derive(Clone, Default, Debug)]
pub struct Story {
    lines: Option<Vec<Line>>,
}

#[derive(Clone, Debug)]
struct Line {
    at: Timestamp,
    who: String,
    what: String,
}

impl Story {
    /// Makes a story that is written down.
    pub fn written() -> Self {
        Self { lines: Some(Vec::new()) }
    }

    /// Adds a line.
    pub fn tell(&mut self, at: Timestamp, who: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let mut what = what();
            if what.len() > 180 {
                what.truncate(what.floor_char_boundary(170));
                what.push('…');
            }
            lines.push(Line { at, who: who.to_owned(), what });
        }
    }

    /// Returns the number of lines.
    pub fn len(&self) -> usize {
        self.lines.as_ref().map_or(0, Vec::len)
    }

    /// Returns whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { at, who, what } in self.lines.iter().flatten() {
            let ms = at.as_millis();
            writeln!(f, "{:>5}.{:03}s  {who:<12} {what}", ms / 1_000, ms % 1_000)?;
        }
        Ok(())
    }
}
