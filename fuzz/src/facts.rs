//! What a driver knows of a run, from the hub's input and output: who was admitted, what clients
//! have received and would say next, what was published.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::{
    Action, Answer, Attempt, ConnectionId, Event, Hub, Inbound, Message, Notice, Operation, Output,
    Position, RoomName, Timestamp, UserName,
};

use crate::clients::Clients;
use crate::desk::Desk;
use crate::hear::Heard;
use crate::log::{Draft, Log};
use crate::observers::{Fed, Verdict};
use crate::setup::{Setup, UNIX_MS};
use crate::words;

/// A count for each kind of occurrence.
pub type Tally = BTreeMap<String, u64>;

/// The rooms in a connection's address, and the position claimed in each.
type Rooms = Vec<(RoomName, Option<Position>)>;

/// The output of one step: an operation, and the ticks that were due after it.
#[derive(Default, Debug)]
pub struct Step {
    /// Messages to connections.
    pub heard: Vec<(usize, Heard)>,
    /// Actions for the driver and the application, in the model's words.
    pub said: Vec<String>,
}

/// Everything that is known. Connections are numbered in the order of their admission.
#[derive(Debug)]
pub struct Facts {
    /// The configuration of the run.
    pub setup: Setup,
    /// The driver's clock.
    pub now: Timestamp,
    /// The latest time that the hub was told.
    told: Timestamp,
    /// When the wall clock was set, and to what.
    set: (Timestamp, u64),
    /// The ids of the connections, by number.
    pub made: Vec<ConnectionId>,
    /// The user of each connection.
    pub users: Vec<UserName>,
    /// The rooms in each connection's address.
    came: Vec<Rooms>,
    /// How often each connection was reported as ended.
    pub ended: Vec<u32>,
    /// The last pings sent to each connection: of the protocol, and of the application.
    pub pings: Vec<(Option<u64>, Option<u64>)>,
    numbers: BTreeMap<ConnectionId, usize>,
    /// What clients know.
    pub clients: Clients,
    /// What was published.
    pub log: Log,
    /// What can be answered and repeated.
    pub desk: Desk,
    /// The number of messages that the connection being lost does not receive.
    pub torn: u8,
    /// The output of this step.
    pub step: Step,
    /// The first complaint of a client about the messages of this event.
    pub complaint: Option<String>,
    /// A count for each kind of occurrence.
    pub tally: Tally,
    /// What the current event would publish.
    draft: Draft,
    /// The user and the rooms of the current event, if that is a handshake.
    connecting: Option<(UserName, Rooms)>,
    /// The connections that have ended in this event.
    gone: Vec<usize>,
}

impl Facts {
    /// Makes the facts of a run that has not started.
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            now: Timestamp::ZERO,
            told: Timestamp::ZERO,
            set: (Timestamp::ZERO, UNIX_MS),
            made: Vec::new(),
            users: Vec::new(),
            came: Vec::new(),
            ended: Vec::new(),
            pings: Vec::new(),
            numbers: BTreeMap::new(),
            clients: Clients::default(),
            log: Log::default(),
            desk: Desk::default(),
            torn: 0,
            step: Step::default(),
            complaint: None,
            tally: Tally::new(),
            draft: Draft::default(),
            connecting: None,
            gone: Vec::new(),
        }
    }

    /// Returns the number of an admitted connection.
    pub fn number(&self, id: &ConnectionId) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    fn admitted(&self, id: &ConnectionId) -> Result<usize, String> {
        self.number(id).ok_or_else(|| format!("{id} was never admitted"))
    }

    /// Returns what connections have received because of an event.
    pub fn heard_since(&self, fed: &Fed<'_>) -> &[(usize, Heard)] {
        &self.step.heard[fed.heard_before..]
    }

    /// Adds to the tally.
    pub fn count(&mut self, what: &str, times: u64) {
        *self.tally.entry(what.to_owned()).or_default() += times;
    }

    /// Prepares for an event, before the hub handles it.
    pub(crate) fn before(
        &mut self,
        hub: &Hub,
        now: Timestamp,
        event: &Event,
        target: Option<usize>,
    ) {
        self.told = self.told.max(now);
        if let Event::WallClock { unix_ms } = event {
            self.set = (self.told, *unix_ms);
        }
        let (at, unix_ms) = self.set;
        let unix_ms = unix_ms + (self.told - at).as_millis() as u64;
        self.draft = Draft::of(event, hub, unix_ms);
        self.gone.clear();
        self.connecting = if let Event::Connect { attempt: Attempt { user, rooms, .. }, .. } = event
        {
            Some((user.clone(), rooms.clone()))
        } else {
            None
        };
        self.listen(hub, event, target);
    }

    /// Records the position that a connection claims.
    fn listen(&mut self, hub: &Hub, event: &Event, target: Option<usize>) {
        let Some((c, view)) = target.and_then(|c| Some((c, hub.connection(self.made[c])?))) else {
            return;
        };
        if view.is_open() {
            self.desk.sends(self.users.get(c), event);
        }
        let says = |room: &RoomName, since: Option<Position>| since.map(|at| (room.clone(), at));
        #[allow(clippy::wildcard_enum_match_arm, reason = "others say nothing about positions")]
        let said: Vec<(RoomName, Position)> = match event {
            Event::Received { inbound: Inbound::Join { room, since, .. }, .. } => {
                says(room, *since).into_iter().collect()
            }
            Event::Received { inbound: Inbound::Resume { rooms, .. }, .. } => {
                rooms.iter().filter_map(|(room, since)| says(room, *since)).collect()
            }
            Event::Opened { .. } => {
                self.came[c].iter().filter_map(|(room, since)| says(room, *since)).collect()
            }
            _ => return,
        };
        // If something is already waiting, the next message received is not the answer to this one.
        let is_late = view.waiting().0 > 0;
        for (room, since) in said {
            self.clients.asks(c, &room, since, hub, is_late);
        }
    }

    /// Records an action.
    pub(crate) fn take(&mut self, action: &Action<'_>) -> Verdict {
        self.desk.hears(action);
        #[allow(clippy::wildcard_enum_match_arm, reason = "others are words and counts")]
        match action {
            Action::Do(Operation::Accept { connection, .. }) => {
                let who = self.connecting.take().ok_or("accepted, and nobody had asked")?;
                self.numbers.insert(*connection, self.made.len());
                self.made.push(*connection);
                self.users.push(who.0);
                self.came.push(who.1);
                self.ended.push(0);
                self.pings.push((None, None));
            }
            Action::Send { to, message } => {
                if to.iter().collect::<BTreeSet<_>>().len() != to.len() {
                    return Err(format!("twice to the same one: {to:?}"));
                }
                for id in *to {
                    let c = self.admitted(id)?;
                    if let Message::HealthPing { timestamp } = message {
                        self.pings[c].1 = Some(*timestamp);
                    }
                    self.step.heard.push((c, Heard::Message((*message).clone())));
                }
            }
            Action::Do(Operation::Ping { connection, nonce }) => {
                let c = self.admitted(connection)?;
                self.pings[c].0 = Some(*nonce);
                self.step.heard.push((c, Heard::Ping(*nonce)));
            }
            Action::Do(Operation::Close { connection, reason }) => {
                let c = self.admitted(connection)?;
                self.step.heard.push((c, Heard::Close(reason.as_str())));
            }
            Action::Tell(Output::Closed { connection, .. }) => {
                let c = self.admitted(connection)?;
                self.ended[c] += 1;
                self.gone.push(c);
            }
            _ => {}
        }
        let said = words::said(action, |id| self.admitted(id))?;
        self.step.said.extend(said);
        self.count_action(action);
        Ok(())
    }

    fn count_action(&mut self, action: &Action<'_>) {
        let mut count = |what: &str| self.count(what, 1);
        #[allow(clippy::wildcard_enum_match_arm, reason = "others are frequent")]
        match action {
            Action::Do(Operation::Reject { rejection, .. }) => {
                count(&format!("reject {}", rejection.as_str()))
            }
            Action::Send { message, .. } => match message {
                Message::Error { refusal, .. } => {
                    count(&format!("error {}", refusal.code.as_str()));
                }
                Message::Gap { .. } => count("gap"),
                Message::MemberLeft { .. } => count("member left"),
                Message::Refresh { reason, payload, .. } => {
                    count(&format!("refresh {}", reason.as_str()));
                    if payload.is_some() {
                        count("refresh with the state");
                    }
                }
                Message::Joined { beginning, .. } if beginning.recovered == Some(true) => {
                    count("recovered");
                }
                Message::Connected(welcome) if !welcome.held.is_empty() => count("held"),
                Message::History { events, .. } if !events.is_empty() => count("history"),
                _ => {}
            },
            Action::Do(Operation::Close { reason, .. }) => {
                count(&format!("close {}", reason.as_str()))
            }
            Action::Tell(Output::Closed { ending, .. }) => {
                count(&format!("closed {}", ending.as_str()))
            }
            Action::Tell(Output::Request { .. }) => count("request"),
            Action::Tell(Output::Probed { .. }) => count("probed"),
            Action::Tell(Output::Answered { answer, .. }) => count(match answer {
                Answer::Ok(_) | Answer::Refused { .. } => "answered",
                Answer::TimedOut => "not answered in time",
                Answer::Gone => "not answered before the end",
            }),
            Action::Tell(Output::StateWanted { .. }) => count("state wanted"),
            Action::Tell(Output::Notice(Notice::Expired { .. })) => count("hold expired"),
            Action::Tell(Output::Notice(Notice::Blocked { .. })) => count("blocked"),
            Action::Tell(Output::Drained) => count("drained"),
            _ => {}
        }
    }

    /// Records, after the hub has handled an event, what was published, and lets clients check what
    /// they have received.
    pub(crate) fn after(&mut self, hub: &Hub, heard_before: usize) -> Verdict {
        self.log.record(&self.draft, hub, &self.setup)?;
        self.complaint = None;
        for (c, heard) in &self.step.heard[heard_before..] {
            match heard {
                Heard::Message(message) => {
                    if let Err(why) = self.clients.hear(*c, message, &self.log) {
                        self.complaint.get_or_insert_with(|| format!("c{c} {why}"));
                    }
                }
                Heard::Close(_) => self.clients.ends(*c, 0),
                Heard::Ping(_) => {}
            }
        }
        self.gone.iter().for_each(|c| self.clients.ends(*c, self.torn));
        self.clients.answered();
        Ok(())
    }
}
