//! What happened, as a story: when, who, what.

use std::fmt;

use switchboard_core::Timestamp;

/// The lines of a run. One that nobody will read keeps none.
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
    /// One that is written down.
    pub fn written() -> Self {
        Self { lines: Some(Vec::new()) }
    }

    /// Something happened.
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

    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.lines.as_ref().map_or(0, Vec::len)
    }

    /// Whether nothing has been written down.
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
