//! Texts with placeholders, and messages in which only known places change.

use crate::marker;

/// A text with placeholders such as `{room}`.
#[derive(Debug)]
pub(crate) struct Text(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(String),
    Place(&'static str),
}

impl Text {
    /// Parses placeholders. A name in braces that is not among `names` is an error.
    pub(crate) fn parse(text: &str, names: &'static [&'static str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let (before, from) = rest.split_at(start);
            literal.push_str(before);
            let end = from.find('}').unwrap_or(0);
            let inside = from.get(1..end).unwrap_or_default();
            let is_name =
                !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_lowercase());
            if let Some(name) = names.iter().find(|name| **name == inside) {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
                parts.push(Part::Place(name));
                rest = &from[end + 1..];
            } else if is_name {
                let known: Vec<_> = names.iter().map(|name| format!("{{{name}}}")).collect();
                return Err(format!(
                    "there is no {{{inside}}} to fill in here, only {}: {text}",
                    known.join(", ")
                ));
            } else {
                literal.push('{');
                rest = &from[1..];
            }
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal));
        Ok(Self(parts))
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|part| matches!(part, Part::Place(place) if *place == name)).count()
    }

    pub(crate) fn uses(&self, name: &str) -> bool {
        self.count(name) > 0
    }

    /// Replaces all placeholders.
    pub(crate) fn fill(&self, value: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Place(name) => text.push_str(&value(name)),
            }
        }
        text
    }
}

/// Digits of a message's id: publisher, a separator and sequence number.
const ID: usize = 17;

/// A message in which only marker and ids change.
pub(crate) struct Prepared {
    bytes: Vec<u8>,
    marker: usize,
    ids: Vec<usize>,
}

impl Prepared {
    /// `payload` is in bytes, and at least as long as a marker.
    pub(crate) fn new(text: &Text, room: &str, user: &str, payload: usize) -> Self {
        let mut bytes = Vec::new();
        let mut marker = 0;
        let mut ids = Vec::new();
        for part in &text.0 {
            match part {
                Part::Literal(literal) => bytes.extend_from_slice(literal.as_bytes()),
                Part::Place("room") => bytes.extend_from_slice(room.as_bytes()),
                Part::Place("user") => bytes.extend_from_slice(user.as_bytes()),
                Part::Place("bytes") => bytes.extend_from_slice(payload.to_string().as_bytes()),
                Part::Place("id") => {
                    ids.push(bytes.len());
                    bytes.resize(bytes.len() + ID, b'-');
                }
                Part::Place(_) => {
                    marker = bytes.len();
                    bytes.resize(marker + payload.max(marker::BYTES), b'x');
                }
            }
        }
        Self { bytes, marker, ids }
    }

    /// Returns the message with this mark.
    pub(crate) fn with(&mut self, markers: &marker::Markers, mark: marker::Mark) -> &[u8] {
        markers.write(&mut self.bytes[self.marker..self.marker + marker::BYTES], mark);
        for at in &self.ids {
            marker::put(&mut self.bytes[*at..at + 8], u64::from(mark.publisher));
            marker::put(&mut self.bytes[at + 9..at + ID], u64::from(mark.sequence));
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["room", "user", "payload", "id", "bytes"];

    #[test]
    fn names_are_filled_in_and_json_is_left_alone() {
        let text = r#"{"a":{"b":"{room}"},"c":"{user}{room}","d":{},"e":{}}"#;
        let parsed = Text::parse(text, NAMES).unwrap();
        let filled = parsed.fill(|name| format!("<{name}>"));
        assert_eq!(filled, r#"{"a":{"b":"<room>"},"c":"<user><room>","d":{},"e":{}}"#);
        assert_eq!((parsed.count("room"), parsed.uses("id")), (2, false));
        for text in ["", "{", "}", "{}", "{ room }", "{room", "a{{b"] {
            assert_eq!(Text::parse(text, NAMES).unwrap().fill(|_| "x".to_owned()), text);
        }
        let nested = Text::parse("{{room}}", NAMES).unwrap();
        assert_eq!(nested.fill(|name| name.to_owned()), "{room}");
        let said = Text::parse("/ws/{rom}", &NAMES[..2]).unwrap_err();
        assert_eq!(said, "there is no {rom} to fill in here, only {room}, {user}: /ws/{rom}");
    }

    #[test]
    fn a_prepared_message_changes_in_marker_and_id_only() {
        let text = r#"{"id":"{id}","n":{bytes},"to":"{room}/{user}","p":"{payload}"}"#;
        let text = Text::parse(text, NAMES).unwrap();
        let mut prepared = Prepared::new(&text, "r1", "u2", 50);
        let markers = marker::Markers::new(1);
        for sequence in [7, 12_345_678] {
            let mark = marker::Mark { publisher: 3, sequence, at: 9 };
            let message = String::from_utf8(prepared.with(&markers, mark).to_vec()).unwrap();
            let expected = format!(
                "{{\"id\":\"00000003-{sequence:08}\",\"n\":50,\"to\":\"r1/u2\",\
                 \"p\":\"~sb0001.00000003.{sequence:08}.0000000000000009~xxxxxxx\"}}"
            );
            assert_eq!(message, expected);
            assert_eq!(markers.find(message.as_bytes()).next(), Some(mark));
        }
    }
}
