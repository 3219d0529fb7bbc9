//! Deduplication: a message that is sent again because its answer was lost is answered again, but
//! not handled again.
//!
//! Changes: deadlines, stats, users.

use alloc::boxed::Box;
use core::hash::{BuildHasher, Hash, Hasher};

use crate::hub::action::Outcome;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{MessageId, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::Message;

use super::Hub;
use super::keys::UserKey;
use super::tables::deadlines::Timer;
use super::tables::remembered::{Entry, Fate, Remembered};

/// The largest answer that is kept, in bytes.
const LARGEST_ANSWER: usize = 4 * 1024;

/// The id of a message, to recognise it when its user sends it again.
pub(super) struct Known {
    id: MessageId,
    content: u64,
}

impl Hub {
    /// Returns the identity of a message that must be handled only once.
    pub(super) fn known(&self, id: &MessageId, parts: impl Hash, payload: &Payload) -> Known {
        let mut hasher = self.content.build_hasher();
        parts.hash(&mut hasher);
        let (kind, bytes) = match payload {
            Payload::Json(json) => (0, json.as_bytes()),
            Payload::Binary(bytes) => (1, &bytes[..]),
        };
        hasher.write_u8(kind);
        hasher.write_u64(bytes.len() as u64);
        hasher.write_u64(self.payloads.of(bytes));
        Known { id: id.clone(), content: hasher.finish() }
    }

    /// If this message is a repetition, answers it again, now or once there is an answer. Returns
    /// whether it is.
    pub(super) fn answer_again(&mut self, from: ConnectionId, known: &Known) -> bool {
        let oldest = self.now;
        let window = self.config.recovery.remember_for;
        let remembered = self.remembered(from, &known.id);
        let remembered =
            remembered.filter(|r| r.content == known.content && r.at + window > oldest);
        let Some(remembered) = remembered else { return false };
        let answer = match &mut remembered.fate {
            Fate::Pending(asker) => {
                *asker = from;
                None
            }
            Fate::Answered(message) => Some(message.clone()),
            Fate::Forgotten => {
                let refusal = Refusal::new(
                    ErrorCode::Repeated,
                    "the message was handled when it came first, and its answer is no longer known",
                );
                Some(Message::Error { id: Some(known.id.clone()), room: None, refusal })
            }
        };
        self.stats.repeated += 1;
        if let Some(answer) = answer {
            self.send(from, answer);
        }
        true
    }

    fn remembered(&mut self, from: ConnectionId, id: &MessageId) -> Option<&mut Entry> {
        let user = self.connections.get(from)?.user;
        self.users.get_mut(user).remembered.as_mut()?.get_mut(id)
    }

    /// Records that the application is handling the message.
    pub(super) fn remember_pending(&mut self, from: ConnectionId, known: Known) {
        self.remember(from, known, Fate::Pending(from));
    }

    /// Records the answer to a message that was accepted.
    pub(super) fn remember_answered(&mut self, from: ConnectionId, known: Known, answer: Message) {
        self.remember(from, known, Fate::Answered(answer));
    }

    fn remember(&mut self, from: ConnectionId, Known { id, content }: Known, fate: Fate) {
        let recovery = &self.config.recovery;
        let Some(user) = self.connections.get(from).map(|connection| connection.user) else {
            return;
        };
        if recovery.remembered_ids == 0 || recovery.remember_for.is_zero() {
            return;
        }
        if let Some(remembered) = &mut self.users.get_mut(user).remembered
            && remembered.len() >= recovery.remembered_ids
        {
            remembered.forget_oldest();
            self.stats.remembered -= 1;
        }
        if self.stats.remembered >= recovery.remembered_in_all {
            return;
        }
        let at = self.now;
        if self.users.get(user).remembered.is_none() {
            let remembered = Remembered::new(self.content.clone());
            self.users.get_mut(user).remembered = Some(Box::new(remembered));
            self.users.refer_again(user);
            self.deadlines.arm(at + recovery.remember_for, Timer::Remembered(user));
        }
        if let Some(remembered) = &mut self.users.get_mut(user).remembered {
            remembered.insert(at, id, content, fate);
            self.stats.remembered += 1;
        }
    }

    /// Forgets a user's ids that are older than the time they are kept.
    pub(super) fn remembered_due(&mut self, user: UserKey) {
        let (now, window) = (self.now, self.config.recovery.remember_for);
        let Some(remembered) = &mut self.users.get_mut(user).remembered else { return };
        while remembered.oldest().is_some_and(|at| at + window <= now) {
            remembered.forget_oldest();
            self.stats.remembered -= 1;
        }
        match remembered.oldest() {
            Some(at) => self.deadlines.arm(at + window, Timer::Remembered(user)),
            None => {
                self.users.get_mut(user).remembered = None;
                self.release_user(user);
            }
        }
    }

    /// Sends the application's answer to a message over the connection that asked last.
    pub(super) fn answer(
        &mut self,
        connection: ConnectionId,
        user: &UserName,
        id: MessageId,
        result: Result<Option<Payload>, Refusal>,
    ) -> Result<Outcome, Refusal> {
        let message = match result {
            Ok(Some(payload)) => Message::Reply { id: id.clone(), payload },
            Ok(None) => Message::Ack { id: id.clone(), position: None },
            Err(refusal) => Message::Error { id: Some(id.clone()), room: None, refusal },
        };
        let mut to = connection;
        let key = self.users.find(user);
        let remembered = key.and_then(|key| self.users.get_mut(key).remembered.as_mut());
        if let Some(entry) = remembered.and_then(|remembered| remembered.get_mut(&id))
            && let Fate::Pending(asker) = entry.fate
        {
            to = asker;
            entry.fate = if message.cost_bytes() > LARGEST_ANSWER {
                Fate::Forgotten
            } else {
                Fate::Answered(message.clone())
            };
        }
        if self.send(to, message) { Ok(Outcome::Sent(1)) } else { Err(self.no_such_connection(to)) }
    }
}
