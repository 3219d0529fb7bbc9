//! Renders actions as readable lines.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard_core::{
    Action, Answer, Beginning, ConnectionId, Epoch, Message, Notice, Operation, Outcome, Output,
    Payload, Position, RawFrame, Refusal, Stats,
};

/// Short names for connections, nonces and epochs.
#[derive(Default)]
pub(super) struct Names {
    /// Connections, with the name that the script gave to the attempt.
    pub(super) connections: Vec<(ConnectionId, String)>,
    /// Nonces of pings, named `n1`, `n2` … as they appear.
    pub(super) nonces: Vec<u64>,
    /// Whether times of day are written.
    pub(super) times: bool,
    /// Epochs of rooms in order of appearance; the first one is not written.
    epochs: BTreeMap<String, Vec<Epoch>>,
}

impl Names {
    pub(super) fn of(&self, id: ConnectionId) -> String {
        let found = self.connections.iter().rfind(|(other, _)| *other == id);
        found.map_or_else(|| format!("?{id}"), |(_, name)| name.clone())
    }

    fn time(&self, unix_ms: u64) -> String {
        if self.times { format!(" at {unix_ms}") } else { String::new() }
    }

    fn nonce(&mut self, nonce: u64) -> String {
        let at = self.nonces.iter().position(|&other| other == nonce).unwrap_or_else(|| {
            self.nonces.push(nonce);
            self.nonces.len() - 1
        });
        format!("n{}", at + 1)
    }

    pub(super) fn position(&mut self, room: &str, position: Position) -> String {
        let epochs = self.epochs.entry(room.to_owned()).or_default();
        let at = epochs.iter().position(|&epoch| epoch == position.epoch).unwrap_or_else(|| {
            epochs.push(position.epoch);
            epochs.len() - 1
        });
        let epoch = if at == 0 { String::new() } else { format!("e{}:", at + 1) };
        format!("{epoch}{}", position.offset)
    }

    fn beginning(&mut self, room: &str, beginning: Beginning) -> String {
        let position = self.position(room, beginning.position);
        match beginning.recovered {
            None => position,
            Some(true) => format!("{position} recovered"),
            Some(false) => format!("{position} not recovered"),
        }
    }

    /// The inverse of [`position`](Self::position); `x:5` is in an epoch that was never seen.
    pub(super) fn parse(&self, room: &str, text: &str) -> Position {
        let (epoch, offset) = text.split_once(':').unwrap_or(("e1", text));
        let epoch = match epoch.strip_prefix('e') {
            Some(at) => self.epochs[room][at.parse::<usize>().expect("e1, e2 …") - 1],
            None => Epoch(1),
        };
        Position { epoch, offset: offset.parse().expect("a number") }
    }

    pub(super) fn action(&mut self, action: &Action<'_>) -> String {
        match action {
            Action::Do(Operation::Accept { connection, .. }) => {
                format!("accept {}", self.of(*connection))
            }
            Action::Do(Operation::Reject { rejection, .. }) => {
                let close = rejection.close_reason();
                let retry = rejection.retry_after().map_or_else(|| "never".into(), span);
                let (name, status) = (rejection.as_str(), rejection.http_status());
                format!(
                    "reject {name}, {status} or {} {}, retry {retry}",
                    close.code(),
                    close.text()
                )
            }
            Action::Send { to, message } => {
                let mut names: Vec<_> = to.iter().map(|&id| self.of(id)).collect();
                names.sort();
                format!("{}: {}", names.join(" "), self.message(message))
            }
            Action::Do(Operation::Ping { connection, nonce }) => {
                format!("{}: ping {}", self.of(*connection), self.nonce(*nonce))
            }
            Action::Do(Operation::Close { connection, reason }) => {
                format!("close {} {} {}", self.of(*connection), reason.code(), reason.text())
            }
            Action::Tell(Output::Closed { connection, user, ending, open_for, .. }) => {
                format!(
                    "closed {} of {user}: {ending}, after {}",
                    self.of(*connection),
                    span(*open_for)
                )
            }
            Action::Tell(Output::Request { connection, user, request }) => {
                let (name, payload) = (self.of(*connection), payload(&request.payload));
                format!("request {} of {name}, {user}: {payload}", request.kind)
            }
            Action::Tell(Output::Raw { connection, frame }) => {
                format!("raw from {}: {} bytes", self.of(*connection), frame.as_bytes().len())
            }
            Action::Do(Operation::Done { result: Ok(outcome), .. }) => Self::outcome(outcome),
            Action::Do(Operation::Done { result: Err(refusal), .. }) => {
                format!("done: {}", refused(refusal))
            }
            Action::Tell(Output::Probed { ticket, answers }) => {
                let answers = answers.iter().map(|(id, latency)| {
                    format!("{} {}", self.of(*id), latency.map_or_else(|| "no answer".into(), span))
                });
                format!("probed t{}: {}", ticket.0, answers.collect::<Vec<_>>().join(", "))
            }
            Action::Tell(Output::Answered { ticket, answer }) => {
                let answer = match answer {
                    Answer::Ok(answer) => payload(answer),
                    Answer::Refused { code, message } => format!("refused, {code}: {message}"),
                    Answer::TimedOut => "not in time".into(),
                    Answer::Gone => "gone".into(),
                };
                format!("answered t{}: {answer}", ticket.0)
            }
            Action::Tell(Output::StateWanted { ticket, room }) => {
                format!("state q{} of {room}?", ticket.0)
            }
            Action::Tell(Output::Notice(notice)) => self.notice(notice),
            Action::Tell(Output::Drained) => "drained".into(),
        }
    }

    fn outcome(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Joined(_) => "done: joined".into(),
            Outcome::Left => "done: left".into(),
            Outcome::Published { position, recipients } => {
                let offset = position.map_or("nowhere".into(), |p| format!("as {}", p.offset));
                format!("done: published {offset} to {recipients}")
            }
            Outcome::Sent(n) => format!("done: sent to {n}"),
            Outcome::Closing(n) => format!("done: closing {n}"),
            Outcome::Refreshed(n) => format!("done: refreshed {n}"),
            Outcome::Asked => "done: asked".into(),
            Outcome::Probing(n) => format!("done: probing {n}"),
        }
    }

    fn notice(&self, notice: &Notice) -> String {
        match notice {
            Notice::Opened { connection, user, .. } => {
                format!("({} of {user} opened)", self.of(*connection))
            }
            Notice::Joined { connection, room, .. } => {
                format!("({} joined {room})", self.of(*connection))
            }
            Notice::Left { connection, room, .. } => {
                format!("({} left {room})", self.of(*connection))
            }
            Notice::Refused { connection, refusal, .. } => {
                format!("({} refused: {})", self.of(*connection), refusal.code.as_str())
            }
            Notice::Expired { user } => format!("(a session of {user} expired)"),
            Notice::Blocked { connection } => format!("({} blocked)", self.of(*connection)),
        }
    }

    fn message(&mut self, message: &Message) -> String {
        let re = |id: Option<&str>| id.map_or(String::new(), |id| format!(" #{id}"));
        match message {
            Message::Connected(welcome) => {
                let rooms = welcome.rooms.iter();
                let rooms: Vec<_> = rooms
                    .map(|(room, at)| format!(" {room}@{}", self.beginning(room, *at)))
                    .collect();
                let held: Vec<_> = welcome.held.iter().map(|room| format!(" {room}")).collect();
                let held = if held.is_empty() {
                    String::new()
                } else {
                    format!(", held{}", held.concat())
                };
                let time = self.time(welcome.unix_ms);
                format!("connected {}{}{held}{time}", welcome.user, rooms.concat())
            }
            Message::Joined { id, room, beginning, members } => {
                let members = members.map_or(String::new(), |n| format!(", {n} users"));
                let position = self.beginning(room, *beginning);
                format!("joined {room}@{position}{members}{}", re(id.as_deref()))
            }
            Message::Left { id, room } => format!("left {room}{}", re(id.as_deref())),
            Message::MemberJoined { room, user } => format!("{user} joined {room}"),
            Message::MemberLeft { room, user } => format!("{user} left {room}"),
            Message::Publication(p) => {
                let from = p.from.as_deref().unwrap_or("server");
                let position = self.position(&p.room, p.position);
                let id = re(p.id.as_deref());
                let (said, time) = (payload(&p.payload), self.time(p.unix_ms));
                format!("{}@{position} {} {from} {said}{id}{time}", p.room, p.kind)
            }
            Message::Direct(direct) => {
                let from = direct.from.as_deref().unwrap_or("server");
                let (id, time) = (re(direct.id.as_deref()), self.time(direct.unix_ms));
                format!("direct {from} {}{id}{time}", payload(&direct.payload))
            }
            Message::Members { id, room, members, total } => {
                let names: Vec<&str> = members.iter().map(|name| name.as_str()).collect();
                format!("members of {room}: {} of {total}{}", names.join(" "), re(id.as_deref()))
            }
            Message::Ack { id, position } => {
                format!(
                    "ack #{id}{}",
                    position.map_or(String::new(), |p| format!(" as {}", p.offset))
                )
            }
            Message::Reply { id, payload: answer } => format!("reply {} #{id}", payload(answer)),
            Message::Error { id, room, refusal } => {
                let room = room.as_ref().map_or(String::new(), |room| format!(" in {room}"));
                format!("error {}{room}{}", refused(refusal), re(id.as_deref()))
            }
            Message::History { id, room, events, position, more } => {
                let events: Vec<_> = events
                    .iter()
                    .map(|p| {
                        let (at, time) = (self.position(room, p.position), self.time(p.unix_ms));
                        format!(" {at} {}{time}", payload(&p.payload))
                    })
                    .collect();
                let at = self.position(room, *position);
                let more = if *more { ", and more" } else { "" };
                format!("history of {room}@{at}:{}{more}{}", events.join(","), re(id.as_deref()))
            }
            Message::Request { id, method, payload: asked } => {
                format!("request {method} {} #{id}", payload(asked))
            }
            Message::Refresh { room, reason, position, payload: state } => {
                let at = self.position(room, *position);
                let state = state.as_ref().map_or(String::new(), |it| format!(": {}", payload(it)));
                format!("refresh {room}@{at}, {}{state}", reason.as_str())
            }
            Message::HealthPing { timestamp } => format!("health_ping {}", self.nonce(*timestamp)),
            Message::HealthPong { timestamp } => format!("health_pong {timestamp:?}"),
            Message::Gap { room, since, position, dropped } => {
                let (since, position) =
                    (self.position(room, *since), self.position(room, *position));
                format!("gap {room} after {since} to {position}, {dropped} dropped")
            }
            Message::Draining { retry_after } => format!("draining, retry {}", span(*retry_after)),
            Message::Raw(RawFrame::Text(bytes)) => format!("raw text of {} bytes", bytes.len()),
            Message::Raw(RawFrame::Binary(bytes)) => format!("raw binary of {} bytes", bytes.len()),
        }
    }
}

fn refused(refusal: &Refusal) -> String {
    let field = refusal.field.as_ref().map_or(String::new(), |field| format!(" ({field})"));
    format!("{}{field}", refusal.code.as_str())
}

fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Json(json) if json.as_bytes().len() < 30 => {
            format!("{json:?}").trim_matches('"').to_owned()
        }
        Payload::Json(json) => format!("{} bytes", json.as_bytes().len()),
        Payload::Binary(bytes) => format!("{} binary bytes", bytes.len()),
    }
}

/// Lists the values that are not zero.
pub(super) fn stats(stats: &Stats) -> String {
    let gauges = [
        ("connections", stats.connections),
        ("reserved", stats.reserved),
        ("closing", stats.closing),
        ("rooms", stats.rooms),
        ("users", stats.users),
        ("blocked", stats.blocked),
        ("held", stats.held),
        ("kept rooms", stats.kept_rooms),
        ("remembered", stats.remembered),
    ];
    let counters = [
        ("accepted", stats.accepted),
        ("in", stats.messages_in),
        ("bytes in", stats.bytes_in),
        ("out", stats.messages_out),
        ("published", stats.published),
        ("refused", stats.refused),
        ("dropped", stats.dropped),
        ("replayed", stats.replayed),
        ("refreshed", stats.refreshed),
        ("repeated", stats.repeated),
        ("stale events", stats.stale_events),
        ("clamped", stats.clock_clamped),
    ];
    let mut all: Vec<(String, u64)> =
        gauges.map(|(name, n)| (name.to_owned(), n as u64)).into_iter().collect();
    all.extend(counters.map(|(name, n)| (name.to_owned(), n)));
    all.extend(stats.rejections().map(|(name, n)| (format!("rejected {name}"), n)));
    all.extend(stats.endings().map(|(name, n)| (format!("ended {name}"), n)));
    all.retain(|(_, n)| *n > 0);
    let all: Vec<_> = all.into_iter().map(|(name, n)| format!("{name} {n}")).collect();
    if all.is_empty() { "nothing".into() } else { all.join(", ") }
}

/// Formats a duration in the largest unit that needs no fraction.
pub(super) fn span(duration: Duration) -> String {
    match duration.as_micros() {
        0 => "0".into(),
        micros if micros % 1_000_000 == 0 => format!("{}s", micros / 1_000_000),
        micros if micros % 1_000 == 0 => format!("{}ms", micros / 1_000),
        micros => format!("{micros}us"),
    }
}
