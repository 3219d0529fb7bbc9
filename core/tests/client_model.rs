//! The client machine under random events: what must be so whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use switchboard_core::client::{
    Action, Client, CloseFrame, Config, Delivery, Event, Outbound, Question, ReplyError,
    RoomChange, ServerMessage, Settled, State, Token,
};
use switchboard_core::{
    Epoch, Json, Kind, MessageId, Payload, Position, RoomName, Ticket, Timestamp, UserName,
};

const ROOMS: [&str; 4] = ["lobby", "news", "a", "b"];
const BUFFER: usize = 3;
const IN_FLIGHT: usize = 2;
const MAX_ROOMS: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Feed(Event),
    /// A call; the ticket is given when it is made.
    Join(usize, Option<u64>),
    Leave(usize),
    Send(Option<usize>, usize),
    Direct,
    Request(u64),
    Ask(bool),
    Cancel(usize),
    /// The server answers one of the last messages.
    Answer(usize, Answer),
    Wait(u64),
    /// Time passes until something is due.
    Due,
}

#[derive(Clone, Debug)]
enum Answer {
    Ack(Option<u64>),
    Error(&'static str),
    Right,
}

fn position(offset: u64) -> Position {
    Position { epoch: Epoch(7 + offset / 40), offset: offset % 40 }
}

fn room(index: usize) -> RoomName {
    RoomName::new(ROOMS[index]).expect("a name")
}

fn received(message: &Value) -> Op {
    Op::Feed(Event::Received(ServerMessage::from_text(&message.to_string())))
}

fn connected(rooms: &BTreeMap<usize, u64>, limit: Option<usize>, stale: Option<u64>) -> Op {
    let rooms: Vec<_> = rooms
        .iter()
        .map(|(&room, &at)| json!({ "room": ROOMS[room], "position": position(at).to_string() }))
        .collect();
    received(&json!({
        "type": "connected",
        "session": "5be0cd19137e2179",
        "rooms": rooms,
        "limits": { "max_message_bytes": limit },
        "heartbeat": { "stale_after_ms": stale },
    }))
}

fn published(room: usize, at: u64) -> Op {
    let event_id = position(at).to_string();
    received(&json!({ "type": "chat", "room": ROOMS[room], "event_id": event_id, "timestamp": 1 }))
}

fn op() -> impl Strategy<Value = Op> {
    let room = 0..ROOMS.len();
    let close = prop_oneof![
        4 => Just(None),
        4 => prop::sample::select(vec![1001, 1006, 4002, 4008, 4029]).prop_map(Some),
        2 => Just(Some(4001)),
        1 => prop::sample::select(vec![1000, 4003, 4004]).prop_map(Some),
    ];
    let ended = close.prop_map(|code| {
        Op::Feed(Event::Ended(code.map(|code| CloseFrame { code, reason: None })))
    });
    let refused = (prop::sample::select(vec![401, 403, 429, 503]), prop::option::of(0..3_000u64));
    let answer = prop_oneof![
        prop::option::of(0..120u64).prop_map(Answer::Ack),
        prop::sample::select(vec!["rate_limited", "forbidden"]).prop_map(Answer::Error),
        Just(Answer::Right),
    ];
    let token = prop_oneof![
        3 => Just(Ok(Token::new("T"))),
        1 => Just(Err("offline".into())),
    ];
    let joined = (room.clone(), 0..120u64, prop::option::of(any::<bool>()));
    let coming = prop_oneof![
        8 => (prop::collection::btree_map(room.clone(), 0..120u64, 0..2),
              prop::option::of(30..200usize), prop::option::of(0..4_000u64))
            .prop_map(|(rooms, limit, stale)| connected(&rooms, limit, stale)),
        12 => (room.clone(), 0..120u64).prop_map(|(room, at)| published(room, at)),
        4 => joined.prop_map(|(room, at, recovered)| received(&json!({
            "type": "joined", "room": ROOMS[room], "position": position(at).to_string(), "recovered": recovered,
        }))),
        2 => room.clone().prop_map(|room| received(&json!({ "type": "left", "room": ROOMS[room] }))),
        2 => room.clone().prop_map(|room| received(&json!({
            "type": "error", "room": ROOMS[room], "code": "lobby_full", "message": "",
        }))),
        2 => (room.clone(), 0..120u64).prop_map(|(room, at)| received(&json!({
            "type": "refresh", "room": ROOMS[room], "reason": "", "position": position(at).to_string(),
        }))),
        2 => (room.clone(), 0..120u64).prop_map(|(room, at)| received(&json!({
            "type": "gap", "room": ROOMS[room], "since": position(0).to_string(),
            "position": position(at).to_string(), "dropped": 1,
        }))),
        1 => (0..3_000u64).prop_map(|ms| received(&json!({ "type": "draining", "retry_after_ms": ms }))),
        1 => Just(received(&json!({ "type": "health_ping", "timestamp": 5 }))),
    ];
    let other = prop_oneof![
        1 => Just(Event::Stop),
        8 => Just(Event::Connect),
        2 => Just(Event::Wake),
        2 => Just(Event::Alive),
        2 => Just(Event::Opened),
        3 => token.prop_map(Event::Token),
        1 => Just(Event::Tick),
        1 => Just(Event::Reply {
            id: MessageId::new("s1").expect("an id"),
            result: Err(ReplyError { code: "busy".into(), message: "later".into() }),
        }),
        2 => refused.prop_map(|(status, ms)| Event::Refused {
            status, retry_after: ms.map(Duration::from_millis),
        }),
    ];
    prop_oneof![
        12 => other.prop_map(Op::Feed),
        30 => coming,
        4 => ended,
        5 => (room.clone(), prop::option::of(0..120u64)).prop_map(|(room, at)| Op::Join(room, at)),
        3 => room.clone().prop_map(Op::Leave),
        12 => (prop::option::of(room), 0..80usize).prop_map(|(room, len)| Op::Send(room, len)),
        2 => Just(Op::Direct),
        4 => (0..3_000u64).prop_map(Op::Request),
        2 => any::<bool>().prop_map(Op::Ask),
        3 => (0..8usize).prop_map(Op::Cancel),
        16 => (0..4usize, answer).prop_map(|(back, answer)| Op::Answer(back, answer)),
        4 => (0..3_000u64).prop_map(Op::Wait),
        8 => Just(Op::Due),
    ]
}

/// What is known from outside.
struct Watch {
    client: Client,
    twin: Client,
    now: Timestamp,
    state: State,
    socket: bool,
    calls: u64,
    /// Calls without an answer.
    unsettled: BTreeSet<u64>,
    /// Messages by their ids, with the connection they were last transmitted on.
    transmitted: BTreeMap<String, (Outbound, u64)>,
    order: Vec<String>,
    connections: u64,
    /// The last publication of each room since its stream last began.
    seen: BTreeMap<RoomName, Position>,
}

impl Watch {
    fn new(seed: u32, ask_token: bool) -> Self {
        let config = Config {
            buffer: BUFFER,
            max_in_flight: IN_FLIGHT,
            max_rooms: MAX_ROOMS,
            ask_token,
            ..Config::default()
        };
        let client = || Client::new(config.clone(), "p", seed).expect("a prefix");
        Self {
            client: client(),
            twin: client(),
            now: Timestamp::ZERO,
            state: State::Idle,
            socket: false,
            calls: 0,
            unsettled: BTreeSet::new(),
            transmitted: BTreeMap::new(),
            order: Vec::new(),
            connections: 0,
            seen: BTreeMap::new(),
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.calls += 1;
        self.unsettled.insert(self.calls);
        Ticket(self.calls)
    }

    fn apply(&mut self, op: Op) {
        let payload = |len: usize| Payload::Json(Json::of(&"x".repeat(len)).expect("JSON"));
        let kind = || Kind::new("chat").expect("a type");
        let event = match op {
            Op::Feed(event) => event,
            Op::Join(at, since) => {
                Event::Join { ticket: self.ticket(), room: room(at), since: since.map(position) }
            }
            Op::Leave(at) => Event::Leave { ticket: self.ticket(), room: room(at) },
            Op::Send(at, len) => Event::Send {
                ticket: self.ticket(),
                room: at.map(room),
                kind: kind(),
                key: None,
                payload: if len % 5 == 0 {
                    Payload::Binary(Bytes::from(vec![0; len]))
                } else {
                    payload(len)
                },
            },
            Op::Direct => {
                let to = UserName::new("bob").expect("a name");
                Event::Direct { ticket: self.ticket(), to, payload: payload(1) }
            }
            Op::Request(ms) => Event::Request {
                ticket: self.ticket(),
                room: None,
                kind: Kind::new("move").expect("a type"),
                payload: payload(1),
                timeout: Some(Duration::from_millis(ms)),
            },
            Op::Ask(members) => {
                let room = room(0);
                let question = if members {
                    Question::Members { room }
                } else {
                    Question::History { room, since: None, limit: Some(2) }
                };
                Event::Ask { ticket: self.ticket(), question, timeout: None }
            }
            Op::Cancel(back) => {
                let ticket = self.calls.saturating_sub(back as u64);
                self.unsettled.remove(&ticket);
                Event::Cancel { ticket: Ticket(ticket) }
            }
            Op::Answer(back, answer) => match self.answer(back, &answer) {
                Some(message) => Event::Received(ServerMessage::from_text(&message.to_string())),
                None => return,
            },
            Op::Wait(ms) => {
                self.now = self.now + Duration::from_millis(ms);
                return;
            }
            Op::Due => {
                let Some(due) = self.client.next_deadline() else { return };
                self.now = self.now.max(due);
                Event::Tick
            }
        };
        self.feed(event);
    }

    /// What a server says to the last message but so many.
    fn answer(&self, back: usize, answer: &Answer) -> Option<Value> {
        let id = self.order.get(self.order.len().checked_sub(back + 1)?)?;
        let error = |code| json!({ "type": "error", "id": id, "code": code, "message": "" });
        Some(match answer {
            Answer::Ack(at) => {
                let event_id = at.map(|at| position(at).to_string());
                json!({ "type": "ack", "id": id, "event_id": event_id })
            }
            Answer::Error(code) => error(*code),
            Answer::Right => {
                let (message, _) = &self.transmitted[id];
                let Outbound::Text(text) = message else {
                    return Some(json!({ "type": "ack", "id": id }));
                };
                let message: Value = serde_json::from_str(text).expect("JSON");
                let (room, position) = (&message["room"], position(3).to_string());
                match message["type"].as_str().expect("a type") {
                    "join" => {
                        json!({ "type": "joined", "id": id, "room": room, "position": position })
                    }
                    "leave" => json!({ "type": "left", "id": id, "room": room }),
                    "members" => {
                        json!({ "type": "members", "id": id, "room": room, "members": [], "total": 0 })
                    }
                    "history" => json!({
                        "type": "history", "id": id, "room": room,
                        "events": [], "position": position, "more": false,
                    }),
                    _ => json!({ "type": "ack", "id": id }),
                }
            }
        })
    }

    fn feed(&mut self, event: Event) {
        let is_tick = event == Event::Tick;
        match &event {
            Event::Ended(_) => self.socket = false,
            Event::Refused { .. } if self.state == State::Connecting => self.socket = false,
            Event::Refused { .. }
            | Event::Connect
            | Event::Stop
            | Event::Token(_)
            | Event::Opened
            | Event::Received(_)
            | Event::Alive
            | Event::Join { .. }
            | Event::Leave { .. }
            | Event::Send { .. }
            | Event::Direct { .. }
            | Event::Request { .. }
            | Event::Ask { .. }
            | Event::Cancel { .. }
            | Event::Reply { .. }
            | Event::Wake
            | Event::Tick => {}
        }
        if let Event::Received(ServerMessage::Delivery(Delivery::Refresh { room, .. })) = &event {
            self.seen.remove(room);
        }
        let twin: Vec<_> = self.twin.handle(self.now, event.clone()).collect();
        let actions: Vec<_> = self.client.handle(self.now, event).collect();
        assert_eq!(actions, twin, "the same events give the same actions");
        let did_something = !actions.is_empty();
        for action in actions {
            self.check(action);
        }
        assert_eq!(self.client.next_deadline(), self.twin.next_deadline());
        let (waiting, in_flight) = self.client.unanswered();
        assert!(waiting <= BUFFER && in_flight <= IN_FLIGHT, "{waiting} wait, {in_flight} fly");
        assert!(self.client.rooms().count() <= MAX_ROOMS);
        if is_tick {
            let due = self.client.next_deadline();
            let progress = did_something || due.is_none_or(|due| due > self.now);
            assert!(progress, "{due:?} is due after a tick that did nothing");
        }
        let same = match (self.state, self.client.state()) {
            (State::Waiting { .. }, State::Waiting { .. }) => true,
            (told, is) => told == is,
        };
        assert!(same, "it was told {:?} and is {:?}", self.state, self.client.state());
    }

    fn check(&mut self, action: Action) {
        match action {
            Action::Drop { .. } => {
                assert!(self.socket, "there is nothing to drop");
                self.socket = false;
            }
            Action::State { state, .. } => {
                self.state = state;
                if state == State::Open {
                    assert!(self.socket, "open without a socket");
                    self.connections += 1;
                }
            }
            Action::Deliver(Delivery::Publication(publication)) => {
                assert_eq!(self.state, State::Open);
                let position = publication.position;
                if let Some(last) = self.seen.insert(publication.room, position) {
                    let beyond = position.epoch != last.epoch || position.offset > last.offset;
                    assert!(beyond, "{position} was delivered after {last}");
                }
            }
            Action::Deliver(Delivery::Gap { room, position, .. }) => {
                if self.seen.get(&room).is_some_and(|last| last.epoch != position.epoch) {
                    self.seen.insert(room, position);
                }
            }
            Action::Deliver(_) | Action::Requested { .. } => assert_eq!(self.state, State::Open),
            Action::Room { room, change } => match change {
                RoomChange::Joined(joined) if joined.recovered == Some(true) => {
                    self.seen
                        .retain(|seen, last| *seen != room || last.epoch == joined.position.epoch);
                }
                RoomChange::Joined(_) | RoomChange::Left(_) => {
                    self.seen.remove(&room);
                }
            },
            Action::Settled { ticket, result } => {
                assert!(self.unsettled.remove(&ticket.0), "{ticket:?} was not waiting");
                if let Ok(Settled::Joined(_) | Settled::Left) = result {
                    // Which room it was is not told.
                    self.seen.clear();
                }
            }
            Action::AskToken => assert!(!self.socket, "there is a socket already"),
            Action::Dial { .. } => {
                assert!(!self.socket, "there is a socket already");
                self.socket = true;
            }
            Action::Transmit(message) => {
                assert_eq!(self.state, State::Open, "{message:?} is transmitted");
                self.transmit(message);
            }
        }
    }

    fn transmit(&mut self, message: Outbound) {
        let (id, is_request) = match &message {
            Outbound::Text(text) => {
                let message: Value = serde_json::from_str(text).expect("JSON");
                let Some(id) = message["id"].as_str() else { return };
                let repeatable = matches!(message["type"].as_str(), Some("chat" | "direct"));
                (id.to_owned(), !repeatable)
            }
            Outbound::Binary(bytes) => {
                let names = usize::from(bytes[2]) + usize::from(bytes[3]);
                let id = &bytes[8 + names..][..usize::from(bytes[4])];
                (String::from_utf8(id.to_vec()).expect("UTF-8"), false)
            }
        };
        if id == "s1" {
            return;
        }
        if let Some((before, _)) = self.transmitted.get(&id) {
            assert_eq!(*before, message, "two messages have one id");
            assert!(!is_request, "{message:?} is transmitted twice");
        }
        self.order.retain(|earlier| *earlier != id);
        self.order.push(id.clone());
        self.transmitted.insert(id, (message, self.connections));
    }

    fn finish(mut self) {
        self.feed(Event::Stop);
        assert!(self.unsettled.is_empty(), "{:?} are never settled", self.unsettled);
        assert_eq!(self.client.next_deadline(), None);
        assert_eq!(self.client.unanswered(), (0, 0));
        assert_eq!(self.client.rooms().count(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_call_is_settled_once(
        seed in any::<u32>(),
        ask_token in any::<bool>(),
        ops in vec(op(), 0..150),
    ) {
        let mut watch = Watch::new(seed, ask_token);
        for op in ops {
            watch.apply(op);
        }
        watch.finish();
    }

    #[test]
    fn no_text_of_a_server_makes_the_machine_panic(texts in vec(server_text(), 1..20)) {
        let mut watch = Watch::new(1, false);
        watch.apply(Op::Feed(Event::Connect));
        watch.apply(connected(&BTreeMap::from([(0, 3)]), None, None));
        for text in texts {
            watch.apply(Op::Join(1, None));
            watch.apply(Op::Feed(Event::Received(ServerMessage::from_text(&text))));
            watch.apply(published(0, 20));
        }
        watch.finish();
    }

    #[test]
    fn no_bytes_of_a_server_make_the_machine_panic(
        header in prop::array::uniform8(any::<u8>()),
        kind in prop::sample::select(vec![128u8, 129, 130, 0]),
        lengths in prop::array::uniform4(0..6u8),
        rest in vec(any::<u8>(), 0..60),
        right in any::<bool>(),
    ) {
        let [room, name, id, from] = lengths;
        let header = if right { [1, kind, room, name, id, from, 0, 0] } else { header };
        let bytes = Bytes::from([&header[..], &rest].concat());
        let mut watch = Watch::new(1, false);
        watch.apply(Op::Feed(Event::Connect));
        watch.apply(connected(&BTreeMap::from([(0, 3)]), None, None));
        watch.apply(Op::Feed(Event::Received(ServerMessage::from_binary(&bytes))));
        watch.finish();
    }
}

/// Anything, and messages with fields that are nearly right.
fn server_text() -> impl Strategy<Value = String> {
    let types = [
        "connected",
        "joined",
        "left",
        "members",
        "history",
        "ack",
        "error",
        "health_ping",
        "health_pong",
        "request",
        "draining",
        "direct",
        "member_joined",
        "gap",
        "refresh",
        "chat",
    ];
    let fields = [
        "id",
        "room",
        "user",
        "from",
        "event_id",
        "timestamp",
        "payload",
        "binary",
        "position",
        "since",
        "recovered",
        "members",
        "total",
        "events",
        "more",
        "code",
        "message",
        "dropped",
        "reason",
        "method",
        "retry_after_ms",
        "session",
        "rooms",
        "heartbeat",
        "limits",
    ];
    let values = prop_oneof![
        Just(json!(null)),
        Just(json!("")),
        Just(json!("lobby")),
        Just(json!("p-1")),
        Just(json!("0000000000000007:5")),
        Just(json!("0000000000000007:18446744073709551615")),
        Just(json!("0000000000000007:18446744073709551616")),
        Just(json!("x".repeat(300))),
        Just(json!(5)),
        Just(json!(u64::MAX)),
        Just(json!(-1.5)),
        Just(json!(true)),
        Just(json!([])),
        Just(json!([{ "room": "lobby", "position": "0000000000000007:5" }, 5])),
        Just(json!({ "stale_after_ms": u64::MAX, "max_message_bytes": 0 })),
        any::<String>().prop_map(Value::String),
    ];
    let fields = vec((prop::sample::select(fields.to_vec()), values), 0..8);
    prop_oneof![
        any::<String>(),
        (prop::sample::select(types.to_vec()), fields).prop_map(|(kind, fields)| {
            let mut message = json!({ "type": kind });
            for (field, value) in fields {
                message[field] = value;
            }
            message.to_string()
        }),
    ]
}
