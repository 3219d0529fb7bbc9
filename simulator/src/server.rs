//! One life of a server: the real driver, and what its application does.

use std::collections::BTreeMap;

use switchboard_core::{Config, ConnectionId, Driver, Position, RoomName, Ticket, Timestamp};

use crate::checks::{Entry, Ledger, Verdict, Who, rule};
use crate::link::{LinkId, Socket};
use crate::plan::Plan;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// The number of this life, across all nodes.
    pub(crate) life: u64,
    /// When it started, on its node's clock.
    pub(crate) born: Timestamp,
    /// The latest time that it has read on that clock.
    pub(crate) read: Timestamp,
    /// What its node's wall clock says, in milliseconds since the Unix epoch.
    pub(crate) wall_ms: u64,
    pub(crate) driver: Driver<Socket>,
    /// The links of all connections that it has accepted and not closed.
    pub(crate) connections: BTreeMap<ConnectionId, LinkId>,
    /// Unanswered questions, with the connection that was asked.
    pub(crate) asked: BTreeMap<Ticket, ConnectionId>,
    /// When the world next ticks it.
    pub(crate) tick_at: Timestamp,
    /// How long the node stays down, if the server is being replaced.
    pub(crate) down: Option<std::time::Duration>,
}

/// The parts of a message that the world needs.
#[derive(serde::Deserialize, Debug)]
pub(crate) struct Heading {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    room: Option<String>,
    payload: Option<Box<serde_json::value::RawValue>>,
}

impl Heading {
    pub(crate) fn of(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl Server {
    /// Starts a new process, without memory of earlier ones.
    pub(crate) fn new(plan: &Plan, life: u64, born: Timestamp, wall_ms: u64) -> Self {
        let seed = crate::chance::Chance::of(plan.seed, &[5, life]).draw();
        let config = Config { unix_ms_at_start: wall_ms, ..plan.config.clone() };
        let driver = Driver::new(config, seed, Timestamp::ZERO)
            .unwrap_or_else(|error| unreachable!("plans have sound rules: {error}"));
        Self {
            life,
            born,
            read: born,
            wall_ms,
            driver,
            connections: BTreeMap::new(),
            asked: BTreeMap::new(),
            tick_at: Timestamp::MAX,
            down: None,
        }
    }

    /// Receives a text message, at this time on its clock. What it publishes is added to the
    /// ledger.
    ///
    /// # Errors
    /// When a rule is broken.
    pub(crate) fn text(
        &mut self,
        clock: Timestamp,
        id: ConnectionId,
        text: &str,
        from: Who,
        ledger: &mut Ledger,
        plan: &Plan,
    ) -> Verdict {
        let heading = Heading::of(text).filter(|heading| heading.kind == "chat");
        let room = heading.as_ref().and_then(|h| RoomName::new(h.room.as_deref()?).ok());
        let before = room.as_ref().and_then(|room| self.position(room));
        let published = self.driver.stats().published;
        self.driver.text(clock, id, text);
        let (Some(heading), Some(room)) = (heading, room) else { return Ok(()) };
        if self.driver.stats().published == published {
            return Ok(());
        }
        // A publication can end a room without history, if all its members were too slow for it.
        let after = self.position(&room);
        let next = |before: Position| Position { offset: before.offset + 1, ..before };
        let payload = heading.payload.map(|raw| raw.get().to_owned()).unwrap_or_default();
        let Some(position) = after.or_else(|| before.map(next)) else {
            ledger.give_up(&payload);
            return Ok(());
        };
        let index = plan.rooms.iter().position(|name| *name == room);
        let echo = index.is_none_or(|index| plan.class(index).echo);
        let excluded = (!echo).then_some(from);
        let entry =
            Entry { id: heading.id, payload, excluded, at: self.read, wall_ms: self.wall_ms };
        ledger.publish(self.life, &room, position, entry)
    }

    /// Returns a room's position.
    pub(crate) fn position(&self, room: &str) -> Option<Position> {
        self.driver.hub().room(room).map(|room| room.position())
    }

    /// Checks what must hold after each step.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn check(&self, plan: &Plan, touched: Option<ConnectionId>) -> Verdict {
        let hub = self.driver.hub();
        crate::checks::hub(hub, plan)?;
        if let Some(connection) = touched.and_then(|id| hub.connection(id)) {
            let (messages, bytes) = connection.waiting();
            let limits = &plan.config.limits;
            // The last message of a drain may exceed the limit by one.
            let bounded = messages <= limits.outbox_messages + 1
                && bytes <= limits.outbox_bytes + limits.max_message_bytes;
            rule("every queue is bounded", bounded, || {
                format!("{messages} messages of {bytes} bytes wait for {touched:?}")
            })?;
            let of_user = hub.user(connection.user()).map_or(0, |user| user.connections().len());
            rule("capacity", !limits.max_per_user.is_exceeded_by(of_user), || {
                format!("{} has {of_user} connections", connection.user().as_str())
            })?;
        }
        Ok(())
    }
}

/// Returns the rooms of a `join` or `resume`, each with its position.
pub(crate) fn asked_for(text: &str) -> Vec<(String, Option<String>)> {
    #[derive(serde::Deserialize)]
    struct Asked {
        room: String,
        last_event_id: Option<String>,
    }
    #[derive(serde::Deserialize)]
    struct Resume {
        rooms: Vec<Asked>,
    }
    let asked = if text.starts_with(r#"{"type":"resume""#) {
        serde_json::from_str(text).map(|resume: Resume| resume.rooms)
    } else if text.starts_with(r#"{"type":"join""#) {
        serde_json::from_str(text).map(|join| vec![join])
    } else {
        Ok(Vec::new())
    };
    let asked = asked.unwrap_or_default().into_iter();
    asked.map(|asked| (asked.room, asked.last_event_id)).collect()
}
