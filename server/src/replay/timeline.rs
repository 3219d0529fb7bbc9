//! The timeline: events and actions, one per line.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::recording::Entry;
use switchboard_core::{
    Action, Attempt, Command, ConnectionId, Event, Hub, Message, Notice, Operation, Output,
    Payload, RoomName, Ticket, UserName,
};

use crate::cli;

/// Characters shown of a payload.
const SHOWN: usize = 100;

/// Which lines to show; all criteria must match.
#[derive(Debug, Default)]
pub(super) struct Filter {
    connection: Option<ConnectionId>,
    user: Option<UserName>,
    room: Option<RoomName>,
}

impl Filter {
    pub(super) fn new(options: &cli::Replay) -> Result<Self, String> {
        let name = |flag: &str, error| format!("{flag}: the name {error}");
        let user = options.user.as_deref().map(UserName::new).transpose();
        let room = options.room.as_deref().map(RoomName::new).transpose();
        Ok(Self {
            connection: options.connection.as_deref().map(connection_id).transpose()?,
            user: user.map_err(|error| name("--user", error))?,
            room: room.map_err(|error| name("--room", error))?,
        })
    }

    /// Returns whether anything about this connection, user and rooms is to be shown.
    pub(super) fn picks<'r>(
        &self,
        connection: Option<ConnectionId>,
        user: Option<&UserName>,
        rooms: impl IntoIterator<Item = &'r RoomName>,
    ) -> bool {
        (self.connection.is_none() || self.connection == connection)
            && (self.user.is_none() || self.user.as_ref() == user)
            && self.room.as_ref().is_none_or(|wanted| rooms.into_iter().any(|room| room == wanted))
    }

    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.connection
    }

    pub(super) fn room(&self) -> Option<&RoomName> {
        self.room.as_ref()
    }

    pub(super) fn user(&self) -> Option<&UserName> {
        self.user.as_ref()
    }
}

/// Parses an id in the form used here and in the log: slot and generation.
fn connection_id(text: &str) -> Result<ConnectionId, String> {
    let parts = text.trim_start_matches('#').split_once('-');
    let id = parts.and_then(|(index, generation)| {
        Some(ConnectionId::from_parts(index.parse().ok()?, generation.parse().ok()?))
    });
    id.ok_or_else(|| format!("--connection: {text:?} is not a connection id, such as 12-345"))
}

/// What the timeline knows about a connection.
#[derive(Debug)]
struct Known {
    user: UserName,
    /// Every room that it has been in.
    rooms: BTreeSet<RoomName>,
}

/// Turns events and actions into lines.
pub(super) struct Timeline {
    filter: Filter,
    with_messages: bool,
    known: BTreeMap<ConnectionId, Known>,
    /// The user and rooms of the event's request for a seat.
    /// Who asks for a connection, the rooms, and those wished.
    asking: Option<(UserName, BTreeSet<RoomName>, Vec<RoomName>)>,
    lines: Vec<String>,
}

impl Timeline {
    pub(super) fn new(filter: Filter, with_messages: bool) -> Self {
        Self { filter, with_messages, known: BTreeMap::new(), asking: None, lines: Vec::new() }
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Takes over the connections at the start of a segment.
    pub(super) fn enter(&mut self, hub: &Hub) {
        let known = hub.connections().map(|view| {
            let rooms = view.rooms().chain(view.held_rooms()).cloned().collect();
            (view.id(), Known { user: view.user().clone(), rooms })
        });
        self.known = known.collect();
    }

    /// Returns the lines since the last call.
    pub(super) fn take(&mut self) -> std::vec::Drain<'_, String> {
        self.lines.drain(..)
    }

    /// Notes an event before the hub handles it.
    pub(super) fn event(&mut self, hub: &Hub, entry: &Entry) {
        match &entry.event {
            Event::Connect { attempt: Attempt { user, rooms, wished, .. }, .. } => {
                let rooms: BTreeSet<_> = rooms.iter().map(|(room, _)| room.clone()).collect();
                self.asking = Some((user.clone(), rooms, wished.clone()));
            }
            Event::Writable { connection } => {
                let view = hub.connection(*connection).filter(|view| view.is_blocked());
                if let Some(view) = view {
                    let (messages, bytes) = view.waiting();
                    let waiting =
                        format!("reads again; {messages} messages waited ({bytes} bytes)");
                    self.of(*connection, waiting);
                }
            }
            Event::WallClock { unix_ms } => {
                let taken = hub.wall_clock().unix_ms_at(entry.now);
                let seconds = (i128::from(*unix_ms) - i128::from(taken)) as f64 / 1e3;
                self.all(format!("the wall clock was set by {seconds:+} s, to the time shown"));
            }
            // Only the first drain counts.
            Event::Drain { timeout, spread } if !hub.is_draining() => {
                let (timeout, spread) = (timeout.as_secs_f64(), spread.as_secs_f64());
                self.all(format!(
                    "DRAIN for at most {timeout} s, clients reconnect within {spread} s"
                ));
            }
            Event::Command { command: Command::Close { connection, reason }, .. } => {
                self.of(*connection, format!("is to be closed: {}", reason.as_str()));
            }
            Event::Command { command: Command::CloseUser { user, reason }, .. } => {
                let what = format!("{user:?} is to be closed: {}", reason.as_str());
                self.line(None, Some(user), None, what);
            }
            Event::Command { command: Command::Probe { user, .. }, .. } => {
                self.line(None, Some(user), None, format!("{user:?} is probed"));
            }
            Event::Command { .. }
            | Event::Drain { .. }
            | Event::Opened { .. }
            | Event::Received { .. }
            | Event::Alive { .. }
            | Event::Pong { .. }
            | Event::Blocked { .. }
            | Event::Disconnected { .. }
            | Event::Tick => {}
        }
    }

    /// Notes an action that the hub answered with.
    pub(super) fn action(&mut self, action: &Action<'_>) {
        match action {
            Action::Do(Operation::Accept { connection, .. }) => {
                if let Some((user, mut rooms, wished)) = self.asking.take() {
                    let seats: Vec<&str> = rooms.iter().map(|room| &**room).collect();
                    let mut what = match &seats[..] {
                        [] => "has a seat".to_owned(),
                        rooms => format!("has a seat, and one in each of {rooms:?}"),
                    };
                    if !wished.is_empty() {
                        let names: Vec<&str> = wished.iter().map(|room| &**room).collect();
                        what += &format!(", and in those of {names:?} that are not full");
                    }
                    rooms.extend(wished);
                    self.known.insert(*connection, Known { user, rooms });
                    self.of(*connection, what);
                }
            }
            Action::Do(Operation::Reject { rejection, .. }) => {
                if let Some((user, rooms, _)) = self.asking.take() {
                    let what = format!("{user:?} is refused: {rejection}");
                    self.line(None, Some(&user), rooms.first(), what);
                }
            }
            Action::Send { to, message } => self.sent(to, message),
            Action::Do(Operation::Close { connection, reason }) => {
                let (name, code) = (reason.as_str(), reason.code());
                self.of(*connection, format!("is being closed: {name} ({code})"));
            }
            Action::Tell(Output::Closed { connection, ending, open_for, .. }) => {
                let seconds = open_for.as_secs_f64();
                self.of(*connection, format!("is gone after {seconds:.3} s: {ending}"));
                self.known.remove(connection);
            }
            Action::Tell(Output::Request { connection, request, .. }) if self.with_messages => {
                let what =
                    format!("sends {} to the application{}", request.kind, shown(&request.payload));
                self.of(*connection, what);
            }
            Action::Tell(Output::Probed { answers, .. }) => {
                for (connection, latency) in answers {
                    let what = match latency {
                        Some(latency) => {
                            format!("answers after {:.1} ms", latency.as_secs_f64() * 1e3)
                        }
                        None => "does not answer".to_owned(),
                    };
                    self.of(*connection, what);
                }
            }
            Action::Tell(Output::Notice(notice)) => self.notice(notice),
            Action::Tell(Output::StateWanted { ticket: Ticket(_), room }) => {
                let what = format!("the application is asked for the state of {room:?}");
                self.line(None, None, Some(room), what);
            }
            Action::Tell(Output::Drained) => self.all("DRAINED: every connection is closed".into()),
            Action::Tell(Output::Request { .. })
            | Action::Do(Operation::Ping { .. })
            | Action::Tell(Output::Raw { .. })
            | Action::Do(Operation::Done { .. })
            | Action::Tell(Output::Answered { .. }) => {}
        }
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Opened { connection, .. } => self.of(*connection, "is open".into()),
            Notice::Joined { connection, room, .. } => {
                if let Some(known) = self.known.get_mut(connection) {
                    known.rooms.insert(room.clone());
                }
                self.about(*connection, room, format!("joins {room:?}"));
            }
            Notice::Left { connection, room, .. } => {
                self.about(*connection, room, format!("leaves {room:?}"));
            }
            Notice::Refused { connection, refusal, .. } => {
                let code = refusal.code.as_str();
                self.of(*connection, format!("is told of an error: {code}"));
            }
            Notice::Expired { user } => {
                let what = format!("{user:?} did not reconnect to the seats held for it");
                self.line(None, Some(user), None, what);
            }
            Notice::Blocked { connection } => {
                self.of(*connection, "is slow: its socket takes no more".into());
            }
        }
    }

    fn sent(&mut self, to: &[ConnectionId], message: &Message) {
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "the others are answers to what is shown"
        )]
        match message {
            Message::Gap { room, dropped, position, .. } => {
                for &connection in to {
                    let what =
                        format!("misses {dropped} publications of {room:?} up to {position}");
                    self.about(connection, room, what);
                }
            }
            Message::Refresh { room, reason, position, .. } => {
                for &connection in to {
                    let reason = reason.as_str();
                    let what = format!("is to look at {room:?} anew from {position}: {reason}");
                    self.about(connection, room, what);
                }
            }
            Message::Publication(publication) if self.with_messages => {
                let from = publication.from.as_ref();
                let what = format!(
                    "{} publishes {} in {:?} at {}, to {} connections{}",
                    from.map_or_else(|| "the server".into(), |user| format!("{user:?}")),
                    publication.kind,
                    publication.room,
                    publication.position,
                    to.len(),
                    shown(&publication.payload)
                );
                self.line(None, from, Some(&publication.room), what);
            }
            Message::Direct(direct) if self.with_messages => {
                for &connection in to {
                    let from = direct.from.as_ref();
                    let from = from.map_or_else(|| "the server".into(), |user| format!("{user:?}"));
                    self.of(connection, format!("hears from {from}{}", shown(&direct.payload)));
                }
            }
            _ => {}
        }
    }

    fn all(&mut self, what: String) {
        self.lines.push(what);
    }

    /// Adds a line about a connection and all rooms that it has been in.
    fn of(&mut self, connection: ConnectionId, what: String) {
        let known = self.known.get(&connection);
        let user = known.map(|known| &known.user);
        let rooms = known.into_iter().flat_map(|known| &known.rooms);
        if self.filter.picks(Some(connection), user, rooms) {
            self.lines.push(named(connection, user, &what));
        }
    }

    /// Adds a line about a connection in one room.
    fn about(&mut self, connection: ConnectionId, room: &RoomName, what: String) {
        let user = self.known.get(&connection).map(|known| &known.user);
        if self.filter.picks(Some(connection), user, [room]) {
            self.lines.push(named(connection, user, &what));
        }
    }

    fn line(
        &mut self,
        connection: Option<ConnectionId>,
        user: Option<&UserName>,
        room: Option<&RoomName>,
        what: String,
    ) {
        if self.filter.picks(connection, user, room) {
            self.lines.push(what);
        }
    }
}

fn named(connection: ConnectionId, user: Option<&UserName>, what: &str) -> String {
    match user {
        Some(user) => format!("#{connection} {user:?} {what}"),
        None => format!("#{connection} {what}"),
    }
}

/// Shows the start of a payload. Text is escaped, so that nothing in it can steer the terminal.
fn shown(payload: &Payload) -> String {
    let bytes = payload.len();
    if let Payload::Json(json) = payload
        && let Ok(text) = str::from_utf8(json.as_bytes())
        && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
    {
        let start: String = text.chars().take(SHOWN).collect();
        let more = if start.len() < text.len() { "…" } else { "" };
        return format!(", {bytes} bytes: {}{more}", start.escape_debug());
    }
    format!(", {bytes} bytes")
}

#[cfg(test)]
mod tests {
    use switchboard_core::{Config, Timestamp};

    use super::*;

    #[test]
    fn a_wall_clock_that_was_set_is_a_line() {
        let config = Config { unix_ms_at_start: 10_000_000, ..Config::default() };
        let mut hub = Hub::new(config, 1, Timestamp::ZERO).unwrap();
        let mut timeline = Timeline::new(Filter::default(), false);
        // One second after the start, an hour ahead; at the next second, back where it was.
        for (second, unix_ms, by) in [(1, 13_601_500, "+3600.5"), (2, 10_002_000, "-3600.5")] {
            let (now, event) =
                (Timestamp::from_millis(second * 1_000), Event::WallClock { unix_ms });
            timeline.event(&hub, &Entry { number: second, now, event: event.clone() });
            hub.handle(now, event).for_each(|action| timeline.action(&action));
            let line = format!("the wall clock was set by {by} s, to the time shown");
            assert_eq!(timeline.take().collect::<Vec<_>>(), [line]);
        }
    }
}
