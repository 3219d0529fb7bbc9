//! A client is never closed by its own past.

use std::error::Error;
use std::time::Duration;

use switchboard_core::{
    Action, Attempt, Config, ConnectionId, Event, Hub, Inbound, Limit, Limits, Message, Operation,
    Output, Position, Recovery, RoomClass, RoomName, Session, Ticket, Timestamp, UserName,
};

struct Client {
    hub: Hub,
    now: Timestamp,
    room: RoomName,
    session: Option<Session>,
    at: Option<Position>,
    payloads: Vec<String>,
    closed: Vec<ConnectionId>,
}

impl Client {
    fn feed(&mut self, event: Event) -> Option<ConnectionId> {
        let mut accepted = None;
        for action in self.hub.handle(self.now, event) {
            #[allow(clippy::wildcard_enum_match_arm, reason = "others do not matter here")]
            match action {
                Action::Do(&Operation::Accept { connection, .. }) => accepted = Some(connection),
                Action::Do(&Operation::Close { connection, .. })
                | Action::Tell(&Output::Closed { connection, .. }) => {
                    self.closed.push(connection);
                }
                Action::Send { message: Message::Connected(welcome), .. } => {
                    self.session = Some(welcome.session);
                }
                Action::Send { message: Message::Joined { beginning, .. }, .. } => {
                    assert_ne!(beginning.recovered, Some(false), "all that was missed is kept");
                    self.at = Some(beginning.position);
                }
                Action::Send { message: Message::Publication(it), .. } => {
                    self.at = Some(it.position);
                    self.payloads.push(format!("{:?}", it.payload));
                }
                _ => {}
            }
        }
        accepted
    }

    fn publish(&mut self, n: u32) -> Result<(), Box<dyn Error>> {
        let command = switchboard_core::Command::Publish {
            room: self.room.clone(),
            kind: "news".try_into()?,
            from: None,
            id: None,
            key: None,
            payload: switchboard_core::Payload::Binary(n.to_string().into()),
            except: None,
        };
        self.feed(Event::Command { ticket: Ticket(0), command });
        Ok(())
    }
}

/// One seat on the server, one in the room and one of the user's; the old socket is half-open each
/// time, and the last messages sent to it are lost.
#[test]
fn a_thousand_resumes_over_half_open_connections_close_none_of_the_new_ones()
-> Result<(), Box<dyn Error>> {
    for window in [0, 5] {
        let config = Config {
            limits: Limits {
                max_connections: Limit::at_most(1),
                max_per_user: Limit::at_most(1),
                ..Limits::default()
            },
            recovery: Recovery {
                session_window: Duration::from_secs(window),
                ..Recovery::default()
            },
            rooms: vec![(
                String::new(),
                RoomClass { max_members: Limit::at_most(1), ..RoomClass::default() },
            )],
            ..Config::default()
        };
        let (user, room) = (UserName::new("alice")?, RoomName::new("lobby")?);
        let mut client = Client {
            hub: Hub::new(config, 1, Timestamp::ZERO)?,
            now: Timestamp::ZERO,
            room: room.clone(),
            session: None,
            at: None,
            payloads: Vec::new(),
            closed: Vec::new(),
        };
        let mut old = Vec::new();
        for n in 0..1_000 {
            client.now = client.now + Duration::from_millis(700);
            let ticket = Ticket(n.into());
            let (user, session, rooms) = (user.clone(), client.session, Vec::new());
            let event = Event::Connect {
                ticket,
                attempt: Attempt { rooms, session, ..Attempt::new(user) },
            };
            let connection = client.feed(event).ok_or("no seat for one's own self")?;
            client.feed(Event::Opened { connection });
            let inbound = Inbound::Join { id: None, room: room.clone(), since: client.at };
            client.feed(Event::Received { connection, bytes: 50, inbound });
            client.publish(2 * n)?;
            let (at, heard) = (client.at, client.payloads.len());
            client.publish(2 * n + 1)?;
            // The client did not read the last message.
            client.at = at;
            client.payloads.truncate(heard);
            // Late events of old sockets have no effect.
            if let Some(&before) = old.last() {
                let how = switchboard_core::Disconnect::Lost;
                client.feed(Event::Disconnected { connection: before, how });
            }
            client.feed(Event::Tick);
            assert!(!client.closed.contains(&connection), "the {n}th was closed by its past");
            old.push(connection);
        }
        let all: Vec<String> = (0..1_999)
            .map(|n: u32| format!("{:?}", switchboard_core::Payload::Binary(n.to_string().into())))
            .collect();
        assert_eq!(client.payloads, all, "each once and in order");
        assert_eq!(client.hub.stats().connections, 1);
        assert!(client.hub.stats().held == 0 && client.hub.stats().closing <= 1);
    }
    Ok(())
}
