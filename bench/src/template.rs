//! How to speak to a server: its envelope, what to say first, and what to answer.

use std::fs;
use std::path::Path;

use regex_lite::Regex;
use serde::Deserialize;

use crate::text::Text;

/// The built-in templates.
const BUILT_IN: [(&str, &str); 3] = [
    ("switchboard", include_str!("templates/switchboard.toml")),
    ("plain", include_str!("templates/plain.toml")),
    ("socket.io", include_str!("templates/socket.io.toml")),
];

/// Placeholders of texts that are filled in once per connection.
pub(crate) const NAMES: &[&str] = &["room", "user"];

/// Placeholders of the message that publishes.
pub(crate) const PUBLISHED: &[&str] = &["room", "user", "payload", "id", "bytes"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    publish: String,
    #[serde(default)]
    binary: bool,
    echo: Option<bool>,
    #[serde(default)]
    headers: Vec<String>,
    subprotocol: Option<String>,
    #[serde(default)]
    hello: Vec<FileStep>,
    #[serde(default)]
    reply: Vec<FileReply>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    wait: Option<String>,
    send: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileReply {
    #[serde(rename = "match")]
    pattern: String,
    send: String,
}

/// One step of the hello.
#[derive(Debug)]
pub(crate) enum Step {
    /// Waits for a message that contains this text.
    Wait(String),
    Send(Text),
}

/// A rule for answering foreign messages, such as an application's pings.
#[derive(Debug)]
pub(crate) struct Reply {
    pattern: Regex,
    send: String,
}

impl Reply {
    pub(crate) fn to(&self, message: &str) -> Option<String> {
        let found = self.pattern.captures(message)?;
        let mut answer = String::new();
        found.expand(&self.send, &mut answer);
        Some(answer)
    }
}

/// A template, checked.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) publish: Text,
    pub(crate) binary: bool,
    /// Whether a publisher receives its own messages; measured if not set.
    pub(crate) echo: Option<bool>,
    pub(crate) headers: Vec<Text>,
    pub(crate) hello: Vec<Step>,
    pub(crate) replies: Vec<Reply>,
}

impl Template {
    /// Loads a built-in template by its name, or a file.
    pub(crate) fn load(name: &str) -> Result<Self, String> {
        let about = |why| format!("the template {name}: {why}");
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(text).map_err(about);
        }
        let text = fs::read_to_string(Path::new(name)).map_err(|error| {
            let known: Vec<_> = BUILT_IN.iter().map(|(known, _)| *known).collect();
            about(format!("{error}; it is a file, or one of {}", known.join(", ")))
        })?;
        Self::parse(&text).map_err(about)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut hello = Vec::new();
        for (number, step) in (1..).zip(&file.hello) {
            if step.wait.is_none() && step.send.is_none() {
                return Err(format!("hello step {number} needs `wait`, `send` or both"));
            }
            if let Some(wait) = &step.wait {
                if wait.is_empty() {
                    return Err(format!("hello step {number} waits for an empty text"));
                }
                hello.push(Step::Wait(wait.clone()));
            }
            if let Some(send) = &step.send {
                hello.push(Step::Send(Text::parse(send, NAMES)?));
            }
        }
        let replies = file.reply.into_iter().map(|reply| {
            let pattern = Regex::new(&reply.pattern)
                .map_err(|error| format!("the pattern {}: {error}", reply.pattern))?;
            Ok(Reply { pattern, send: reply.send })
        });
        let mut template = Self {
            publish: published(&file.publish)?,
            binary: file.binary,
            echo: file.echo,
            headers: Vec::new(),
            hello,
            replies: replies.collect::<Result<_, String>>()?,
        };
        for line in &file.headers {
            template.add_header(line)?;
        }
        if let Some(name) = &file.subprotocol {
            template.set_subprotocol(name)?;
        }
        Ok(template)
    }

    pub(crate) fn set_publish(&mut self, text: &str) -> Result<(), String> {
        self.publish = published(text)?;
        Ok(())
    }

    /// Adds `NAME: VALUE` to every request.
    pub(crate) fn add_header(&mut self, line: &str) -> Result<(), String> {
        let name = line.split_once(':').map(|(name, _)| name).unwrap_or_default();
        let is_token = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&byte));
        if !is_token || line.chars().any(char::is_control) {
            return Err(format!("{line:?} is not a header; write it as \"NAME: VALUE\""));
        }
        self.headers.push(Text::parse(line, NAMES)?);
        Ok(())
    }

    pub(crate) fn set_subprotocol(&mut self, name: &str) -> Result<(), String> {
        self.add_header(&format!("Sec-WebSocket-Protocol: {name}"))
    }

    /// Returns whether anything but the address tells the server the room.
    pub(crate) fn names_rooms(&self) -> bool {
        let in_hello = self.hello.iter().any(|step| match step {
            Step::Wait(_) => false,
            Step::Send(text) => text.uses("room"),
        });
        in_hello
            || self.publish.uses("room")
            || self.headers.iter().any(|header| header.uses("room"))
    }
}

fn published(text: &str) -> Result<Text, String> {
    let text = Text::parse(text, PUBLISHED)?;
    match text.count("payload") {
        1 => Ok(text),
        count => Err(format!("{{payload}} must be in `publish` once, and is there {count} times")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_built_in_are_good() {
        for (name, _) in BUILT_IN {
            Template::load(name).unwrap();
        }
        let template = Template::load("switchboard").unwrap();
        let ping = r#"{"type":"health_ping","timestamp":1764.5}"#;
        let pong = r#"{"type":"health_pong","timestamp":1764.5}"#;
        assert_eq!(template.replies[0].to(ping).as_deref(), Some(pong));
        assert_eq!(template.replies[0].to(pong), None);
        assert!(!template.names_rooms());
        let template = Template::load("socket.io").unwrap();
        assert_eq!(template.replies[0].to("2").as_deref(), Some("3"));
        assert_eq!(template.replies[0].to("20"), None);
        assert_eq!(template.hello.len(), 5);
        assert!(template.names_rooms());
    }

    #[test]
    fn a_wrong_one_says_what_is_wrong() {
        for (text, part) in [
            ("publish = '{payload'", "once, and is there 0 times"),
            ("publish = '{payload}{payload}'", "is there 2 times"),
            ("publish = '{paylod}'", "{paylod}"),
            ("", "missing field `publish`"),
            ("publish = '{payload}'\npublsh = 1", "unknown field `publsh`"),
            ("publish = '{payload}'\nheaders = ['x']", "\"x\" is not a header"),
            ("publish = '{payload}'\nheaders = [\"x: a\\r\\nb: c\"]", "is not a header"),
            ("publish = '{payload}'\n[[hello]]", "hello step 1 needs"),
            ("publish = '{payload}'\n[[hello]]\nwait = ''", "an empty text"),
            ("publish = '{payload}'\n[[hello]]\nsend = '{payload}'", "{payload}"),
            ("publish = '{payload}'\n[[reply]]\nmatch = '('\nsend = ''", "the pattern ("),
            ("publish = ", "line 1"),
        ] {
            let said = Template::parse(text).unwrap_err();
            assert!(said.contains(part), "{part} in {said}");
        }
        let said = Template::load("no/such.toml").unwrap_err();
        assert!(said.contains("one of switchboard, plain, socket.io"), "{said}");
    }
}
