//! The commands of a script.

use std::collections::BTreeMap;

use switchboard_core::{
    Action, Attempt, Command, Config, ConnectionId, Disconnect, ErrorCode, Event, Hub, Inbound,
    Message, Operation, Output, Position, RawFrame, Refusal, Request, RoomName, Session, Ticket,
    Timestamp,
};

use super::oracle::Oracle;
use super::render::{self, Names};
use super::words::{Words, duration, json, named, reason, text};

/// Tickets of attempts start here, those of commands at 1.
const ATTEMPTS: u64 = 1_000_000;

pub(super) struct Play {
    hub: Hub,
    now: Timestamp,
    names: Names,
    oracle: Oracle,
    /// Names of attempts to connect, in order.
    attempts: Vec<String>,
    /// Sessions by the names of their connections.
    sessions: BTreeMap<String, Session>,
    commands: u64,
    notices: bool,
    quiet: bool,
    output: Vec<String>,
}

impl Play {
    pub(super) fn new(config: Config) -> Self {
        Self {
            oracle: Oracle::new(&config),
            hub: Hub::new(config, 7, Timestamp::ZERO).expect("the configuration is sound"),
            now: Timestamp::ZERO,
            names: Names::default(),
            attempts: Vec::new(),
            sessions: BTreeMap::new(),
            commands: 0,
            notices: false,
            quiet: false,
            output: Vec::new(),
        }
    }

    pub(super) fn take_output(&mut self) -> Vec<String> {
        std::mem::take(&mut self.output)
    }

    pub(super) fn command(&mut self, line: &str) {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let mut at = self.now;
        if let Some(time) =
            words.first().filter(|word| word.starts_with(|c: char| "+0123456789".contains(c)))
        {
            at = match time.strip_prefix('+') {
                Some(time) => self.now + duration(time),
                None => Timestamp::ZERO + duration(time),
            };
            words.remove(0);
        }
        if words[..] == ["run"] {
            return self.run(at);
        }
        self.now = at;
        match words[..] {
            ["notices"] => self.notices = true,
            ["times"] => self.names.times = true,
            ["wall-clock", unix_ms] => {
                let unix_ms = unix_ms.parse().expect("a number");
                self.feed(Event::WallClock { unix_ms });
            }
            ["connect", name, user, ref rooms @ ..] => self.connect(name, user, rooms),
            ["enter", name, user, ref rooms @ ..] => {
                self.quiet = true;
                self.connect(name, user, rooms);
                let connection = self.id(name);
                self.feed(Event::Opened { connection });
                self.quiet = false;
            }
            ["open", name] => {
                let connection = self.id(name);
                self.feed(Event::Opened { connection });
            }
            ["tick"] => self.feed(Event::Tick),
            ["next"] => {
                self.now = self.hub.next_deadline().expect("a deadline");
                self.feed(Event::Tick);
            }
            ["deadline"] => {
                let deadline = self.hub.next_deadline();
                let text =
                    deadline.map_or_else(|| "none".into(), |at| render::span(at - Timestamp::ZERO));
                self.output.push(format!("deadline {text}"));
            }
            ["stats"] => self.output.push(render::stats(&self.hub.stats())),
            ["percent"] => self.output.push(format!("{} %", self.hub.stats().capacity_percent())),
            ["view", name] => self.view(name),
            ["room", name] => self.room(name),
            ["online", user] => {
                let is_online = self.hub.user(user).is_some_and(|user| user.is_online());
                self.output
                    .push(format!("{user} is {}", if is_online { "online" } else { "offline" }));
            }
            ["drain", timeout, spread] => {
                let (timeout, spread) = (duration(timeout), duration(spread));
                self.feed(Event::Drain { timeout, spread });
            }
            ["app", verb, ref words @ ..] => {
                let command = self.application(verb, &Words::new(words));
                self.commands += 1;
                self.feed(Event::Command { ticket: Ticket(self.commands), command });
            }
            [name, verb, ref words @ ..] => {
                let event = self.client(self.id(name), verb, &Words::new(words));
                self.feed(event);
            }
            _ => panic!("no such command: {line}"),
        }
    }

    fn connect(&mut self, name: &str, user: &str, rooms: &[&str]) {
        let ticket = Ticket(ATTEMPTS + self.attempts.len() as u64);
        self.attempts.push(name.to_owned());
        let words = Words::new(rooms);
        let rooms = words.plain.iter().map(|room| self.seek(room)).collect();
        let wished = words.option("wish").map(|rooms| rooms.split(',').map(named).collect());
        let session = words.option("session").map(|name| self.sessions[name]);
        let guest = words.option("guest");
        let address =
            guest.or_else(|| words.option("from")).map(|text| text.parse().expect("an address"));
        self.feed(Event::Connect {
            ticket,
            attempt: Attempt {
                rooms,
                wished: wished.unwrap_or_default(),
                session,
                is_operator: words.option("operator").is_some(),
                is_guest: guest.is_some(),
                address,
                ..Attempt::new(named(user))
            },
        });
    }

    /// `room`, or `room@5` for a client that has seen everything up to number 5.
    fn seek(&self, word: &str) -> (RoomName, Option<Position>) {
        match word.split_once('@') {
            Some((room, position)) => (named(room), Some(self.names.parse(room, position))),
            None => (named(word), None),
        }
    }

    fn client(&self, connection: ConnectionId, verb: &str, words: &Words<'_>) -> Event {
        let id = words.named("id");
        let word = words.plain.first().filter(|room| **room != "-");
        let (room, since) = word.map(|word| self.seek(word)).unzip();
        let since = since.flatten();
        let inbound = match verb {
            "join" => Inbound::Join { id, room: room.expect("a room"), since },
            "resume" => Inbound::Resume {
                id,
                rooms: words.plain.iter().map(|word| self.seek(word)).collect(),
            },
            "history" => {
                let limit = words.option("limit").map(|n| n.parse().expect("a number"));
                Inbound::History { id, room, since, limit }
            }
            "replies" => {
                let result = match words.option("error") {
                    Some(code) => Err((code.to_owned(), "no".to_owned())),
                    None => Ok(text(words.plain[0])),
                };
                Inbound::Reply { id: id.expect("an id"), result }
            }
            "leave" => Inbound::Leave { id, room },
            "members" => Inbound::Members { id, room },
            "direct" => Inbound::Direct {
                id,
                to: named(words.plain[0]),
                kind: None,
                payload: text(words.plain[1]),
            },
            "say" => {
                let (kind, key) = (words.kind(), words.named("key"));
                let payload = text(words.plain[1]);
                Inbound::Application(Request { kind, id, room, key, payload })
            }
            "frame" => Inbound::Raw(RawFrame::Binary(b"raw".to_vec().into())),
            "garbage" => switchboard_core::Codec::Json.decode_text("garbage"),
            "health_ping" => Inbound::HealthPing { timestamp: json(words.plain[0]) },
            "health_pong" => Inbound::HealthPong { nonce: self.nonce(words) },
            "pong" => return Event::Pong { connection, nonce: self.nonce(words) },
            "alive" => return Event::Alive { connection },
            "blocked" => return Event::Blocked { connection },
            "writable" => return Event::Writable { connection },
            "lost" => return Event::Disconnected { connection, how: Disconnect::Lost },
            "closes" => {
                let code = words.plain.first().map_or(1000, |n| n.parse().expect("a code"));
                return Event::Disconnected { connection, how: Disconnect::ByPeer(Some(code)) };
            }
            "fails" => return Event::Disconnected { connection, how: Disconnect::HandshakeFailed },
            _ => panic!("unknown client command: {verb}"),
        };
        let bytes = words.option("bytes").map_or(100, |n| n.parse().expect("a number"));
        Event::Received { connection, bytes, inbound }
    }

    fn application(&self, verb: &str, words: &Words<'_>) -> Command {
        let plain = &words.plain[..];
        match (verb, plain) {
            ("join", [name, room]) => {
                Command::Join { connection: self.id(name), room: named(room) }
            }
            ("leave", [name, room]) => {
                Command::Leave { connection: self.id(name), room: named(room) }
            }
            ("publish", [room, words_said]) => Command::Publish {
                room: named(room),
                kind: words.kind(),
                from: words.named("from"),
                id: words.named("id"),
                key: words.named("key"),
                payload: text(words_said),
                except: words.option("except").map(|name| self.id(name)),
            },
            ("direct", [user, said]) => {
                Command::Direct { to: named(user), from: words.named("from"), payload: text(said) }
            }
            ("reply", [name, said]) => {
                let id = words.named("id").expect("an id");
                Command::Send {
                    to: self.id(name),
                    message: Message::Reply { id, payload: text(said) },
                }
            }
            ("answer", [name, said]) => {
                let connection = self.id(name);
                Command::Answer {
                    connection,
                    user: words.named("user").expect("a user"),
                    id: words.named("id").expect("an id"),
                    result: match *said {
                        "-" => Ok(None),
                        "!" => Err(Refusal::new(ErrorCode::Internal, "no")),
                        said => Ok(Some(text(said))),
                    },
                }
            }
            ("request", [name, method, said, timeout]) => Command::Request {
                to: self.id(name),
                method: named(method),
                payload: text(said),
                timeout: duration(timeout),
            },
            ("state", [ticket, room, said]) => Command::State {
                ticket: Ticket(ticket.trim_start_matches('q').parse().expect("q0, q1 …")),
                room: named(room),
                payload: Some(text(said)).filter(|_| *said != "-"),
            },
            ("gap", [name, room]) => {
                let position = self.hub.room(room).expect("a room").position();
                let room = named(room);
                let message = Message::Gap { room, since: position, position, dropped: 0 };
                Command::Send { to: self.id(name), message }
            }
            ("close", [name, why]) => {
                Command::Close { connection: self.id(name), reason: reason(why) }
            }
            ("close_user", [user, why]) => {
                Command::CloseUser { user: named(user), reason: reason(why) }
            }
            ("probe", [user, timeout]) => {
                Command::Probe { user: named(user), timeout: Some(duration(timeout)) }
            }
            _ => panic!("unknown application command: {verb} {plain:?}"),
        }
    }

    fn view(&mut self, name: &str) {
        let line = match self.hub.connection(self.id(name)) {
            None => format!("{name} is gone"),
            Some(view) => {
                let phase = match (view.is_open(), view.is_closing()) {
                    (true, _) => "open",
                    (false, true) => "closing",
                    (false, false) => "reserved",
                };
                let rooms: Vec<_> = view.rooms().map(|room| format!(" {room}")).collect();
                let (messages, bytes) = view.waiting();
                let latency = view.latency().map_or_else(|| "unknown".into(), render::span);
                let seen = render::span(view.last_seen() - Timestamp::ZERO);
                let rooms = if rooms.is_empty() { " no room".into() } else { rooms.concat() };
                let blocked = if view.is_blocked() {
                    format!(", {messages} messages of {bytes} bytes wait")
                } else {
                    String::new()
                };
                format!("{name} is {phase} in{rooms}{blocked}, latency {latency}, seen at {seen}")
            }
        };
        self.output.push(line);
    }

    fn room(&mut self, name: &str) {
        let line = match self.hub.room(name) {
            None => format!("no {name}"),
            Some(room) => {
                let mut members: Vec<_> =
                    room.members().iter().map(|&id| self.names.of(id)).collect();
                members.sort();
                let users: Vec<_> = room.users().iter().map(|user| format!(" {user}")).collect();
                let (seats, position) = (room.seats(), self.names.position(name, room.position()));
                format!(
                    "{name}@{position}: {seats} seats, {}, users{}",
                    members.join(" "),
                    users.concat()
                )
            }
        };
        self.output.push(line);
    }

    fn nonce(&self, words: &Words<'_>) -> Option<u64> {
        let word = words.plain.first()?;
        Some(match word.strip_prefix('n') {
            Some(index) => self.names.nonces[index.parse::<usize>().expect("n1, n2 …") - 1],
            None => word.parse().expect("a number"),
        })
    }

    fn id(&self, name: &str) -> ConnectionId {
        let found = self.names.connections.iter().rfind(|(_, other)| other == name);
        found.unwrap_or_else(|| panic!("no connection was called {name}")).0
    }

    /// Plays every deadline up to `until`, each at its time.
    fn run(&mut self, until: Timestamp) {
        for turn in 0.. {
            assert!(
                turn < 100_000,
                "no progress: {:?} at {:?}",
                self.hub.next_deadline(),
                self.now
            );
            let Some(at) = self.hub.next_deadline().filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            let before = self.output.len();
            self.feed(Event::Tick);
            let time = render::span(self.now - Timestamp::ZERO);
            for line in &mut self.output[before..] {
                *line = format!("{time} {line}");
            }
        }
        self.now = until;
    }

    fn feed(&mut self, event: Event) {
        let opened =
            if let Event::Opened { connection } = &event { Some(*connection) } else { None };
        let mut admitted = None;
        for action in self.hub.handle(self.now, event) {
            if let Action::Do(&Operation::Accept { ticket, connection }) = action {
                let name = &self.attempts[(ticket.0 - ATTEMPTS) as usize];
                self.names.connections.push((connection, name.clone()));
                admitted = Some((name.clone(), connection));
            }
            self.oracle.see(&action, opened);
            if self.quiet || (!self.notices && matches!(action, Action::Tell(Output::Notice(_)))) {
                continue;
            }
            self.output.push(self.names.action(&action));
        }
        if let Some((name, id)) = admitted
            && let Some(view) = self.hub.connection(id)
        {
            self.sessions.insert(name, view.session());
        }
        self.oracle.count_again(&self.hub);
    }

    /// Ends every script: nothing may be left.
    pub(super) fn everybody_leaves(mut self) {
        for id in self.oracle.alive() {
            self.feed(Event::Disconnected { connection: id, how: Disconnect::Lost });
        }
        self.run(Timestamp::MAX);
        assert!(self.hub.is_empty(), "something is left: {:#?}", self.hub);
        assert_eq!(self.hub.next_deadline(), None);
    }
}
