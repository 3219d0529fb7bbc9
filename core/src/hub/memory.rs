//! Messages that come again, because their answer did not arrive: they are answered again and not handled again.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::hash::{BuildHasher, Hash, Hasher};

use hashbrown::HashMap;

use crate::hub::action::Outcome;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{MessageId, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::Message;
use crate::random::Keyed;
use crate::time::Timestamp;

use super::Hub;
use super::deadlines::Timer;
use super::user::UserKey;

/// An answer that is larger is not kept.
const LARGEST_ANSWER: usize = 4 * 1024;

/// The ids of a user's last messages.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Memory {
    #[cfg_attr(feature = "recording", serde(with = "crate::random::keyed"))]
    by_id: HashMap<MessageId, Remembered, Keyed>,
    /// By when they came, each with its number.
    order: VecDeque<(Timestamp, u64, MessageId)>,
    next: u64,
}

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Remembered {
    at: Timestamp,
    /// The same id may be there twice, with another content; the later one counts.
    number: u64,
    /// A hash of what the message said: another message under the same id is no repetition.
    content: u64,
    fate: Fate,
}

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
enum Fate {
    /// The application has it. This connection asked last.
    Pending(ConnectionId),
    Answered(Message),
    /// It was answered, with something too large to be kept.
    Forgotten,
}

/// What a message with this id is for the user.
pub(super) struct Known {
    id: MessageId,
    content: u64,
}

impl Hub {
    /// A message that is to be handled once.
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

    /// If this message came before, it gets its answer again, or will when there is one. Answers whether that is so.
    pub(super) fn answer_again(&mut self, from: ConnectionId, known: &Known) -> bool {
        let oldest = self.now;
        let window = self.config.limits.remember_for;
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
                    "the message was handled when it came first, and its answer is not known any more",
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

    fn remembered(&mut self, from: ConnectionId, id: &MessageId) -> Option<&mut Remembered> {
        let user = self.connections.get(from)?.user;
        self.users.get_mut(user).memory.as_mut()?.by_id.get_mut(id)
    }

    /// The message was handed to the application.
    pub(super) fn remember_pending(&mut self, from: ConnectionId, known: Known) {
        self.remember(from, known, Fate::Pending(from));
    }

    /// The message was accepted, and this is its answer.
    pub(super) fn remember_answered(&mut self, from: ConnectionId, known: Known, answer: Message) {
        self.remember(from, known, Fate::Answered(answer));
    }

    fn remember(&mut self, from: ConnectionId, Known { id, content }: Known, fate: Fate) {
        let limits = &self.config.limits;
        let Some(user) = self.connections.get(from).map(|connection| connection.user) else {
            return;
        };
        if limits.remembered == 0 || limits.remember_for.is_zero() {
            return;
        }
        if let Some(memory) = &mut self.users.get_mut(user).memory
            && memory.order.len() >= limits.remembered
        {
            memory.forget_oldest();
            self.stats.remembered -= 1;
        }
        if self.stats.remembered >= limits.remembered_in_all {
            return;
        }
        let at = self.now;
        if self.users.get(user).memory.is_none() {
            let by_id = HashMap::with_hasher(self.content.clone());
            let memory = Memory { by_id, order: VecDeque::new(), next: 0 };
            self.users.get_mut(user).memory = Some(Box::new(memory));
            self.users.refer_again(user);
            self.deadlines.arm(at + limits.remember_for, Timer::Memory(user));
        }
        if let Some(memory) = &mut self.users.get_mut(user).memory {
            let number = memory.next;
            memory.next += 1;
            memory.order.push_back((at, number, id.clone()));
            memory.by_id.insert(id, Remembered { at, number, content, fate });
            self.stats.remembered += 1;
        }
    }

    /// Something may have been remembered for long enough.
    pub(super) fn memory_due(&mut self, user: UserKey) {
        let (now, window) = (self.now, self.config.limits.remember_for);
        let Some(memory) = &mut self.users.get_mut(user).memory else { return };
        while memory.order.front().is_some_and(|(at, ..)| *at + window <= now) {
            memory.forget_oldest();
            self.stats.remembered -= 1;
        }
        match memory.order.front() {
            Some((at, ..)) => self.deadlines.arm(*at + window, Timer::Memory(user)),
            None => {
                self.users.get_mut(user).memory = None;
                self.users.release(user);
            }
        }
    }

    /// The application's answer to a message, for whoever asked last.
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
        let memory = self.users.find(user).and_then(|key| self.users.get_mut(key).memory.as_mut());
        if let Some(remembered) = memory.and_then(|memory| memory.by_id.get_mut(&id))
            && let Fate::Pending(asker) = remembered.fate
        {
            to = asker;
            remembered.fate = if message.cost_bytes() > LARGEST_ANSWER {
                Fate::Forgotten
            } else {
                Fate::Answered(message.clone())
            };
        }
        if self.send(to, message) { Ok(Outcome::Sent(1)) } else { Err(self.no_such_connection(to)) }
    }
}

impl Memory {
    #[cfg(feature = "recording")]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    #[cfg(feature = "recording")]
    pub(super) fn is_whole(&self) -> bool {
        self.next < super::check::MOST
    }

    fn forget_oldest(&mut self) {
        if let Some((_, number, id)) = self.order.pop_front()
            && self.by_id.get(&id).is_some_and(|remembered| remembered.number == number)
        {
            self.by_id.remove(&id);
        }
    }
}
