//! A hub, or a driver, with any number of connections, and operations on it.

use std::time::Duration;

use switchboard_core::{
    Action, Attempt, Codec, Command, Config, ConnectionId, Disconnect, Driver, Event, Heartbeat,
    History, Hub, Json, Kind, Limit, Limits, Operation, Outlet, Payload, Rate, RoomClass, RoomName,
    Stall, Ticket, Timestamp, UserName,
};

/// No limits but memory, so that the limits are not what is measured.
pub(crate) fn config(history: bool) -> Config {
    let class = RoomClass {
        max_members: Limit::NONE,
        history: if history { History::default() } else { History::NONE },
        ..RoomClass::default()
    };
    Config {
        limits: Limits {
            max_connections: Limit::NONE,
            messages: Rate::NONE,
            work_per_tick: usize::MAX,
            ..Limits::default()
        },
        heartbeat: Heartbeat::default(),
        rooms: vec![(String::new(), class)],
        ..Config::default()
    }
}

/// The same, in rooms without notices of members that join and leave.
pub(crate) fn without_presence(mut config: Config) -> Config {
    config.rooms[0].1.presence = false;
    config
}

/// Pseudo-random numbers, the same in each run.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) const fn new() -> Self {
        Self(7)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(self.0) * bound as u128) >> 64) as usize
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// A hub whose connections are spread evenly over rooms.
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) now: Timestamp,
    pub(crate) ids: Vec<ConnectionId>,
}

pub(crate) fn room(number: usize) -> RoomName {
    RoomName::new(&format!("room-{number}")).expect("a name")
}

pub(crate) fn user(number: usize) -> UserName {
    UserName::new(&format!("user-{number}")).expect("a name")
}

impl World {
    pub(crate) fn new(connections: usize, rooms: usize, config: Config) -> Self {
        let hub = Hub::new(config, 7, Timestamp::ZERO).expect("a sound configuration");
        let mut world =
            Self { hub, now: Timestamp::from_millis(1_000), ids: Vec::with_capacity(connections) };
        for number in 0..connections {
            world.connect(user(number), room(number % rooms));
        }
        world
    }

    /// Runs a handshake from the request to the first message.
    pub(crate) fn connect(&mut self, user: UserName, room: RoomName) {
        let event = Event::Connect {
            ticket: Ticket(0),
            attempt: Attempt { rooms: vec![(room, None)], ..Attempt::new(user) },
        };
        let Some(Action::Do(&Operation::Accept { connection, .. })) =
            self.hub.handle(self.now, event).next()
        else {
            panic!("there is a seat");
        };
        self.ids.push(connection);
        self.feed(Event::Opened { connection });
    }

    /// Feeds one event and looks at all resulting actions.
    pub(crate) fn feed(&mut self, event: Event) -> usize {
        let mut recipients = 0;
        for action in self.hub.handle(self.now, event) {
            if let Action::Send { to, .. } = action {
                recipients += to.len();
            }
        }
        recipients
    }
}

pub(crate) fn join(connection: ConnectionId, room: RoomName) -> Event {
    Event::Command { ticket: Ticket(0), command: Command::Join { connection, room } }
}

pub(crate) fn leave(connection: ConnectionId, room: RoomName) -> Event {
    Event::Command { ticket: Ticket(0), command: Command::Leave { connection, room } }
}

pub(crate) fn lost(connection: ConnectionId) -> Event {
    Event::Disconnected { connection, how: Disconnect::Lost }
}

pub(crate) fn publish(room: RoomName) -> Event {
    let command = Command::Publish {
        room,
        kind: Kind::new("chat").expect("a type"),
        from: None,
        id: None,
        key: None,
        payload: Payload::Json(Json::parse("\"0123456789\"").expect("JSON")),
        except: None,
    };
    Event::Command { ticket: Ticket(0), command }
}

/// A socket that accepts everything.
#[derive(Debug)]
pub(crate) struct Sink(pub(crate) u64);

impl Outlet for Sink {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        let taken = parts.iter().map(|part| part.len()).sum();
        self.0 += taken as u64;
        Ok(taken)
    }

    fn watch(&mut self) {}
}

/// A driver with one room for each connection: input is echoed.
pub(crate) struct Echo {
    pub(crate) driver: Driver<Sink>,
    pub(crate) now: Timestamp,
    pub(crate) ids: Vec<ConnectionId>,
    texts: Vec<String>,
}

impl Echo {
    /// `members` in each room.
    pub(crate) fn new(connections: usize, members: usize, config: Config) -> Self {
        let driver = Driver::new(config, 7, Timestamp::ZERO).expect("a sound configuration");
        let now = Timestamp::from_millis(1_000);
        let mut echo =
            Self { driver, now, ids: Vec::with_capacity(connections), texts: Vec::new() };
        for number in 0..connections {
            let rooms = vec![(room(number / members), None)];
            let id = echo
                .driver
                .connect(now, Attempt { rooms, ..Attempt::new(user(number)) })
                .expect("a seat");
            assert!(echo.driver.open(now, id, Codec::Json, Sink(0)));
            echo.ids.push(id);
            echo.settle();
        }
        let padding = "x".repeat(100);
        for number in 0..256 {
            echo.texts
                .push(format!(r#"{{"type":"echo","payload":{{"n":{number},"p":"{padding}"}}}}"#));
        }
        echo
    }

    fn settle(&mut self) {
        while self.driver.flush(self.now, usize::MAX) {}
        while self.driver.take_output().is_some() {}
    }

    /// Handles one message from this connection to its only room, up to the frames to the members.
    pub(crate) fn message(&mut self, at: usize) {
        self.now = self.now + Duration::from_micros(100);
        let text = &self.texts[at % self.texts.len()];
        self.driver.text(self.now, self.ids[at], text);
        self.settle();
    }
}
