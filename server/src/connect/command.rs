//! Commands that the user types.

use std::time::Duration;

use serde_json::{Value, json};
use smol::future::{BoxedLocal, FutureExt};
use switchboard_core::{Position, Publication};
use switchboard_smol::{Accepted, CallError, Client, ServerRequest};

use super::json;

pub(super) const HELP: &str =
    "  TEXT                        send it to the room joined last, as {\"text\":…} of type chat
  /join ROOM [POSITION]       join a room; with what was published after a position
  /leave ROOM                 leave it
  /send ROOM TYPE PAYLOAD     publish; a payload that is not JSON is sent as text
  /direct USER PAYLOAD        send to every connection of a user
  /request TYPE PAYLOAD       ask the server's handler for this type
  /members ROOM               who is there
  /history ROOM [N]           what was published last
  /reply ID PAYLOAD           answer a request of the server
  /refuse ID CODE MESSAGE     refuse it
  /wake                       try again now, or see at once whether the server is there
  /quit                       close the connection and end; so does the end of the input
  //TEXT                      send text that starts with a slash";

/// A command, and the tag to answer it with.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) tag: Option<Value>,
    pub(super) command: Command,
}

#[derive(Debug)]
pub(super) enum Command {
    Join { room: String, since: Option<Position> },
    Leave { room: String },
    Send { room: String, kind: String, key: Option<String>, payload: Value },
    Direct { to: String, payload: Value },
    Request { room: Option<String>, kind: String, payload: Value, timeout: Option<Duration> },
    Members { room: String },
    History { room: String, since: Option<Position>, limit: Option<u32> },
    Reply { id: String, answer: Result<Value, (String, String)> },
    Wake,
    Help,
    Quit,
}

/// The outcome of a command: its name and details, or an error code and message.
pub(super) type Answered = Result<(&'static str, Value), (String, String)>;

/// Parses one line of input.
pub(super) fn parse(line: &str, as_json: bool, here: Option<&str>) -> Result<Option<Line>, String> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    if as_json {
        return json::parse(line).map(Some);
    }
    text(line, here).map(|command| Some(Line { tag: None, command }))
}

fn text(line: &str, here: Option<&str>) -> Result<Command, String> {
    let Some(command) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
        let said = line.strip_prefix('/').unwrap_or(line);
        let room = here.ok_or("join a room first: /join ROOM")?.to_owned();
        let payload = json!({ "text": said });
        return Ok(Command::Send { room, kind: "chat".to_owned(), key: None, payload });
    };
    let mut rest = Words(command);
    let name = rest.word().unwrap_or_default();
    let missing = || format!("something is missing; /help says how to use /{name}");
    let parsed = match name {
        "join" => {
            let (room, since) = (rest.word(), rest.word().map(position).transpose()?);
            room.map(|room| Command::Join { room: room.to_owned(), since })
        }
        "leave" => rest.word().map(|room| Command::Leave { room: room.to_owned() }),
        "send" => rest.word().zip(rest.word()).map(|(room, kind)| Command::Send {
            room: room.to_owned(),
            kind: kind.to_owned(),
            key: None,
            payload: rest.payload(),
        }),
        "direct" => {
            rest.word().map(|to| Command::Direct { to: to.to_owned(), payload: rest.payload() })
        }
        "request" => rest.word().map(|kind| Command::Request {
            room: None,
            kind: kind.to_owned(),
            payload: rest.payload(),
            timeout: None,
        }),
        "members" => rest.word().or(here).map(|room| Command::Members { room: room.to_owned() }),
        "history" => {
            let (room, limit) = (rest.word().or(here), rest.word());
            let limit = limit.map(str::parse).transpose();
            let limit = limit.map_err(|_| "how many? /history ROOM [N]".to_owned())?;
            room.map(|room| Command::History { room: room.to_owned(), since: None, limit })
        }
        "reply" => {
            rest.word().map(|id| Command::Reply { id: id.to_owned(), answer: Ok(rest.payload()) })
        }
        "refuse" => rest.word().zip(rest.word()).map(|(id, code)| Command::Reply {
            id: id.to_owned(),
            answer: Err((code.to_owned(), rest.0.trim().to_owned())),
        }),
        "wake" => Some(Command::Wake),
        "help" | "?" => Some(Command::Help),
        "quit" | "exit" => Some(Command::Quit),
        _ => return Err(format!("there is no /{name}; /help shows what there is")),
    };
    parsed.ok_or_else(missing)
}

pub(super) fn position(text: &str) -> Result<Position, String> {
    text.parse().map_err(|error| format!("{text:?} {error}"))
}

/// The unparsed rest of a line.
struct Words<'l>(&'l str);

impl<'l> Words<'l> {
    fn word(&mut self) -> Option<&'l str> {
        let line = self.0.trim_start();
        let end = line.find(char::is_whitespace).unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Returns the rest, as JSON if it parses and as text otherwise.
    fn payload(&self) -> Value {
        let text = self.0.trim();
        if text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
    }
}

/// Starts a call, and returns the future of its answer.
pub(super) fn begin(client: &Client, command: Command) -> BoxedLocal<Answered> {
    let room = |room: &str| client.room(room).map_err(|error| failed(&error));
    let begun = match command {
        Command::Join { room: name, since } => room(&name).map(|room| {
            let call = match since {
                Some(since) => room.join_since(since),
                None => room.join(),
            };
            answer(call, "joined", move |joined| {
                let position = joined.position.to_string();
                let mut answer = json!({ "room": name, "position": position });
                if let Some(recovered) = joined.recovered {
                    answer["recovered"] = recovered.into();
                }
                answer
            })
        }),
        Command::Leave { room: name } => room(&name)
            .map(|room| answer(room.leave(), "left", move |()| json!({ "room": name }))),
        Command::Send { room: name, kind, key, payload } => room(&name).map(|room| {
            let call = match key {
                Some(key) => room.send_with_key(&kind, &key, &payload),
                None => room.send(&kind, &payload),
            };
            answer(call, "sent", accepted)
        }),
        Command::Direct { to, payload } => {
            Ok(answer(client.direct(&to, &payload), "sent", accepted))
        }
        Command::Request { room: None, kind, payload, timeout } => {
            let call = match timeout {
                Some(timeout) => client.request_within(timeout, &kind, &payload),
                None => client.request(&kind, &payload),
            };
            Ok(answer(call, "answered", accepted))
        }
        Command::Request { room: Some(name), kind, payload, timeout } => room(&name).map(|room| {
            let call = match timeout {
                Some(timeout) => room.request_within(timeout, &kind, &payload),
                None => room.request(&kind, &payload),
            };
            answer(call, "answered", accepted)
        }),
        Command::Members { room: name } => room(&name).map(|room| {
            answer(room.members(), "members", move |members| {
                let users: Vec<_> = members.users.iter().map(|user| user.as_str()).collect();
                json!({ "room": name, "members": users, "total": members.total })
            })
        }),
        Command::History { room: name, since, limit } => room(&name).map(|room| {
            answer(room.history(since, limit), "history", move |history| {
                let events: Vec<Value> = history.events.iter().map(publication).collect();
                let position = history.position.to_string();
                json!({ "room": name, "events": events, "position": position, "more": history.more })
            })
        }),
        Command::Wake => {
            client.wake();
            Ok(std::future::ready(Ok(("done", json!({})))).boxed_local())
        }
        Command::Reply { .. } | Command::Help | Command::Quit => {
            Ok(std::future::ready(Ok(("done", json!({})))).boxed_local())
        }
    };
    begun.unwrap_or_else(|error| std::future::ready(Err(error)).boxed_local())
}

/// Answers a request of the server.
pub(super) fn reply(
    request: Option<ServerRequest>,
    answer: Result<Value, (String, String)>,
) -> BoxedLocal<Answered> {
    let done = match (request, answer) {
        (None, _) => {
            Err(("no_such_request".to_owned(), "no request with this id is waiting".to_owned()))
        }
        (Some(request), Ok(payload)) => {
            request.reply(&payload).map(|()| ("replied", json!({}))).map_err(|error| failed(&error))
        }
        (Some(request), Err((code, message))) => {
            request.refuse(&code, &message);
            Ok(("replied", json!({})))
        }
    };
    std::future::ready(done).boxed_local()
}

fn answer<T: 'static>(
    call: impl Future<Output = Result<T, CallError>> + 'static,
    name: &'static str,
    read: impl FnOnce(T) -> Value + 'static,
) -> BoxedLocal<Answered> {
    async move {
        match call.await {
            Ok(value) => Ok((name, read(value))),
            Err(error) => Err(failed(&error)),
        }
    }
    .boxed_local()
}

fn failed(error: &CallError) -> (String, String) {
    let code = error.code().to_owned();
    let text = error.to_string();
    let message = text.strip_prefix(&format!("{code}: ")).unwrap_or(&text).to_owned();
    (code, message)
}

fn accepted(accepted: Accepted) -> Value {
    let mut answer = json!({});
    if let Some(position) = accepted.event_id {
        answer["event_id"] = position.to_string().into();
    }
    if let Some(payload) = &accepted.payload {
        json::put_payload(&mut answer, payload);
    }
    answer
}

/// Formats a publication, without its room.
pub(super) fn publication(publication: &Publication) -> Value {
    let mut value = json!({
        "type": publication.kind.as_str(),
        "event_id": publication.position.to_string(),
        "timestamp": publication.unix_ms,
    });
    if let Some(from) = &publication.from {
        value["from"] = from.as_str().into();
    }
    if let Some(id) = &publication.id {
        value["id"] = id.as_str().into();
    }
    json::put_payload(&mut value, &publication.payload);
    value
}
