//! Parses the words of a script: names, texts, durations.

use std::time::Duration;

use switchboard_core::{CloseReason, Json, Kind, Payload};

/// A command's words: options such as `#id` and `key=…`, and the others.
pub(super) struct Words<'a> {
    pub(super) plain: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    pub(super) fn new(words: &[&'a str]) -> Self {
        let (mut plain, mut options) = (Vec::new(), Vec::new());
        for word in words {
            match (word.strip_prefix('#'), word.split_once('=')) {
                (Some(id), _) => options.push(("id", id)),
                (None, Some(option)) => options.push(option),
                (None, None) => plain.push(*word),
            }
        }
        Self { plain, options }
    }

    pub(super) fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    /// An option that is a name.
    pub(super) fn named<T: for<'t> TryFrom<&'t str>>(&self, name: &str) -> Option<T> {
        self.option(name).map(named)
    }

    pub(super) fn kind(&self) -> Kind {
        named(self.option("type").unwrap_or("chat"))
    }
}

pub(super) fn named<T: for<'t> TryFrom<&'t str>>(name: &str) -> T {
    T::try_from(name).unwrap_or_else(|_| panic!("not a name: {name}"))
}

pub(super) fn json(text: &str) -> Json {
    Json::parse(text).expect("JSON")
}

/// A JSON string; `x*5` is `"xxxxx"`.
pub(super) fn text(word: &str) -> Payload {
    let text = match word.split_once('*') {
        Some((part, times)) => part.repeat(times.parse().expect("a number")),
        None => word.to_owned(),
    };
    Payload::Json(Json::of(&text).expect("a string"))
}

pub(super) fn reason(name: &str) -> CloseReason {
    match name {
        "normal" => CloseReason::Normal,
        "forbidden" => CloseReason::Forbidden,
        "unauthorized" => CloseReason::Unauthorized,
        _ => panic!("no such reason: {name}"),
    }
}

/// `5s`, `20ms`, `45s-1us`.
pub(super) fn duration(text: &str) -> Duration {
    if let Some((long, short)) = text.split_once('-') {
        return duration(long) - duration(short);
    }
    if let Some((long, short)) = text.split_once('+') {
        return duration(long) + duration(short);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..digits].parse().expect("a number");
    match &text[digits..] {
        "us" => Duration::from_micros(number),
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "" if number == 0 => Duration::ZERO,
        unit => panic!("no such unit: {unit}"),
    }
}
