//! An observer of a client's machine, and its checks after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_core::client::{
    ClientConfig, Delivery, Machine, MachineAction, MachineEvent, Outbound, Question, RoomChange,
    ServerMessage, Settled, State,
};
use switchboard_core::{Json, Kind, Payload, Position, RoomName, Ticket, Timestamp, UserName};

use super::ops::{Answer, Op, position, room};

const BUFFER: usize = 3;
const IN_FLIGHT: usize = 2;
const MAX_ROOMS: usize = 3;

/// What is known from outside.
#[derive(Debug)]
pub struct Watch {
    client: Machine,
    twin: Machine,
    now: Timestamp,
    state: State,
    socket: bool,
    calls: u64,
    /// Unanswered calls.
    unsettled: BTreeSet<u64>,
    /// Messages by id, with the connection they were last transmitted on.
    transmitted: BTreeMap<String, (Outbound, u64)>,
    order: Vec<String>,
    connections: u64,
    /// The last publication of each room since its stream last began.
    seen: BTreeMap<RoomName, Position>,
}

impl Watch {
    /// Makes a machine that has not started, and a twin that must behave the same.
    pub fn new(seed: u32, ask_token: bool) -> Self {
        let config = ClientConfig {
            buffer: BUFFER,
            max_in_flight: IN_FLIGHT,
            max_rooms: MAX_ROOMS,
            ask_token,
            ..ClientConfig::default()
        };
        let client = || Machine::new(config.clone(), "p", seed).expect("a prefix");
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

    /// Performs an operation.
    ///
    /// # Panics
    /// When the result breaks a rule.
    pub fn apply(&mut self, op: Op) {
        let payload = |len: u8| Payload::Json(Json::of(&"x".repeat(len.into())).expect("JSON"));
        let kind = || Kind::new("chat").expect("a type");
        let event = match op {
            Op::Feed(event) => event,
            Op::Join(at, since) => MachineEvent::Join {
                ticket: self.ticket(),
                room: room(at),
                since: since.map(position),
            },
            Op::Leave(at) => MachineEvent::Leave { ticket: self.ticket(), room: room(at) },
            Op::Send(at, len) => MachineEvent::Send {
                ticket: self.ticket(),
                room: at.map(room),
                kind: kind(),
                key: None,
                payload: if len % 5 == 0 {
                    Payload::Binary(Bytes::from(vec![0; len.into()]))
                } else {
                    payload(len)
                },
            },
            Op::Direct => {
                let to = UserName::new("bob").expect("a name");
                MachineEvent::Direct { ticket: self.ticket(), to, payload: payload(1) }
            }
            Op::Request(ms) => MachineEvent::Request {
                ticket: self.ticket(),
                room: None,
                kind: Kind::new("move").expect("a type"),
                payload: payload(1),
                timeout: Some(Duration::from_millis(ms.into())),
            },
            Op::Ask(members) => {
                let room = room(0);
                let question = if members {
                    Question::Members { room }
                } else {
                    Question::History { room, since: None, limit: Some(2) }
                };
                MachineEvent::Ask { ticket: self.ticket(), question, timeout: None }
            }
            Op::Cancel(back) => {
                let ticket = self.calls.saturating_sub(back.into());
                self.unsettled.remove(&ticket);
                MachineEvent::Cancel { ticket: Ticket(ticket) }
            }
            Op::Answer(back, answer) => match self.answer(back, &answer) {
                Some(message) => {
                    MachineEvent::Received(ServerMessage::from_text(&message.to_string()))
                }
                None => return,
            },
            Op::Wait(ms) => {
                self.now = self.now + Duration::from_millis(ms.into());
                return;
            }
            Op::Due => {
                let Some(due) = self.client.next_deadline() else { return };
                self.now = self.now.max(due);
                MachineEvent::Tick
            }
        };
        self.feed(event);
    }

    /// Returns the server's answer to the message transmitted `back` messages ago.
    fn answer(&self, back: u8, answer: &Answer) -> Option<Value> {
        let id = self.order.get(self.order.len().checked_sub(usize::from(back) + 1)?)?;
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

    fn feed(&mut self, event: MachineEvent) {
        let is_tick = event == MachineEvent::Tick;
        match &event {
            MachineEvent::Ended(_) => self.socket = false,
            // The machine forgets its positions.
            MachineEvent::Stop => self.seen.clear(),
            MachineEvent::Refused { .. } if self.state == State::Connecting => self.socket = false,
            MachineEvent::Refused { .. }
            | MachineEvent::Connect
            | MachineEvent::Token(_)
            | MachineEvent::Opened
            | MachineEvent::Received(_)
            | MachineEvent::Alive
            | MachineEvent::Join { .. }
            | MachineEvent::Leave { .. }
            | MachineEvent::Send { .. }
            | MachineEvent::Direct { .. }
            | MachineEvent::Request { .. }
            | MachineEvent::Ask { .. }
            | MachineEvent::Cancel { .. }
            | MachineEvent::Reply { .. }
            | MachineEvent::Wake
            | MachineEvent::Tick => {}
        }
        if let MachineEvent::Received(ServerMessage::Delivery(Delivery::Refresh { room, .. })) =
            &event
        {
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

    fn check(&mut self, action: MachineAction) {
        match action {
            MachineAction::Drop { .. } => {
                assert!(self.socket, "there is nothing to drop");
                self.socket = false;
            }
            MachineAction::State { state, .. } => {
                self.state = state;
                if state == State::Open {
                    assert!(self.socket, "open without a socket");
                    self.connections += 1;
                }
            }
            MachineAction::Deliver(Delivery::Publication(publication)) => {
                assert_eq!(self.state, State::Open);
                let position = publication.position;
                if let Some(last) = self.seen.insert(publication.room, position) {
                    let beyond = position.epoch != last.epoch || position.offset > last.offset;
                    assert!(beyond, "{position} was delivered after {last}");
                }
            }
            MachineAction::Deliver(Delivery::Gap { room, position, .. }) => {
                if self.seen.get(&room).is_some_and(|last| last.epoch != position.epoch) {
                    self.seen.insert(room, position);
                }
            }
            MachineAction::Deliver(_) | MachineAction::Requested { .. } => {
                assert_eq!(self.state, State::Open)
            }
            MachineAction::Room { room, change } => match change {
                RoomChange::Joined(joined) if joined.recovered == Some(true) => {
                    self.seen
                        .retain(|seen, last| *seen != room || last.epoch == joined.position.epoch);
                }
                RoomChange::Joined(_) | RoomChange::Left(_) => {
                    self.seen.remove(&room);
                }
            },
            MachineAction::Settled { ticket, result } => {
                assert!(self.unsettled.remove(&ticket.0), "{ticket:?} was not waiting");
                if let Ok(Settled::Joined(_) | Settled::Left) = result {
                    // The event does not say which room it was.
                    self.seen.clear();
                }
            }
            MachineAction::AskToken => assert!(!self.socket, "there is a socket already"),
            MachineAction::Dial { .. } => {
                assert!(!self.socket, "there is a socket already");
                self.socket = true;
            }
            MachineAction::Transmit(message) => {
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

    /// Stops the machine: every call must be settled, and nothing may be left.
    ///
    /// # Panics
    /// When a rule is broken.
    pub fn finish(mut self) {
        self.feed(MachineEvent::Stop);
        assert!(self.unsettled.is_empty(), "{:?} are never settled", self.unsettled);
        assert_eq!(self.client.next_deadline(), None);
        assert_eq!(self.client.unanswered(), (0, 0));
        assert_eq!(self.client.rooms().count(), 0);
    }
}
