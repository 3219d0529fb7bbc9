//! Publishing into rooms, and messages to users.
//!
//! Changes: rooms, stats.

use alloc::sync::Arc;

use crate::protocol::id::ConnectionId;
use crate::protocol::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::position::Session;
use crate::protocol::refusal::Refusal;
use crate::protocol::to_client::{Direct, Message, Publication};

use super::Hub;
use super::action::Outcome;
use super::keys::RoomKey;
use super::lookup::user_offline;

/// A publication that has no number yet.
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) from: Option<UserName>,
    pub(super) id: Option<MessageId>,
    pub(super) key: Option<ConflationKey>,
    pub(super) payload: Payload,
}

impl Hub {
    /// Numbers a publication, keeps it and sends it to the members. This is the only place that
    /// assigns numbers.
    pub(super) fn publish(
        &mut self,
        name: &RoomName,
        found: Option<RoomKey>,
        draft: Draft,
        except: Option<ConnectionId>,
    ) -> Outcome {
        if found.is_none() && !self.keeps_without_anybody(name) {
            return Outcome::Published { position: None, recipients: 0 };
        }
        let key = found.unwrap_or_else(|| self.make_room(name));
        let unix_ms = self.unix_ms();
        let room = self.rooms.get_mut(key);
        room.offset += 1;
        let position = room.position();
        let Draft { kind, from, id, key: conflation, payload } = draft;
        let publication = Arc::new(Publication {
            room: room.name.clone(),
            position,
            kind,
            from,
            id,
            key: conflation,
            unix_ms,
            payload,
        });
        self.stats.published += 1;
        let excluded = except.and_then(|id| self.connections.get(id));
        let excluded = excluded.map(|c| (self.users.name(c.user), c.session));
        // The client may have reconnected by now. Then its new connection is left out.
        let except = excluded.as_ref().and_then(|(user, session)| self.predecessor(user, *session));
        self.keep(key, &publication, excluded);
        let recipients = self.fan_out(key, except, Message::Publication(publication));
        if found.is_none() {
            self.make_idle(key);
        }
        Outcome::Published { position: Some(position), recipients }
    }

    /// Returns whether a publication into a room that does not exist is kept for clients that join
    /// later.
    fn keeps_without_anybody(&self, name: &str) -> bool {
        self.rules_of(name, None).history.is_kept() && self.config.recovery.max_kept_rooms > 0
    }

    /// Keeps a publication for returning clients.
    fn keep(
        &mut self,
        key: RoomKey,
        publication: &Publication,
        except: Option<(UserName, Session)>,
    ) {
        let bounds = self.bounds(key);
        if !bounds.is_kept() {
            return;
        }
        let now = self.now;
        self.change_kept(key, |kept| {
            kept.push(publication, except, now);
            kept.trim(bounds, now);
        });
        let limit = self.config.recovery.history_bytes;
        while self.stats.history_bytes > limit && self.give_up_idle_room(Some(key)) {}
        while self.stats.history_bytes > limit && self.rooms.get(key).kept.len() > 0 {
            self.change_kept(key, |kept| {
                kept.pop_oldest();
            });
        }
        self.rearm_room(key);
    }

    pub(super) fn direct(
        &mut self,
        to: &UserName,
        from: Option<UserName>,
        kind: Option<Kind>,
        id: Option<MessageId>,
        payload: Payload,
    ) -> Result<Outcome, Refusal> {
        let direct = Arc::new(Direct { kind, from, id, unix_ms: self.unix_ms(), payload });
        let mut sent = 0;
        for connection in self.connections_of(to) {
            sent += usize::from(self.send(connection, Message::Direct(direct.clone())));
        }
        if sent == 0 {
            return Err(user_offline(to));
        }
        Ok(Outcome::Sent(sent))
    }
}
