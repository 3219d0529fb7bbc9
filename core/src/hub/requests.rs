//! What the application asks clients.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::hub::action::{Answer, Outcome, Queued};
use crate::hub::event::Ticket;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{Kind, MessageId};
use crate::protocol::payload::Payload;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::Message;
use crate::time::Timestamp;

use super::Hub;
use super::deadlines::Timer;

/// The number of a request; on the wire `s` and the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct RequestKey(u64);

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Asked {
    ticket: Ticket,
    connection: ConnectionId,
    deadline: Timestamp,
}

/// Requests under way.
#[derive(Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Requests {
    asked: BTreeMap<RequestKey, Asked>,
    pub(super) next: u64,
}

impl Requests {
    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    #[cfg(feature = "recording")]
    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    #[cfg(feature = "recording")]
    pub(super) fn deadline(&self, key: RequestKey) -> Option<Timestamp> {
        self.asked.get(&key).map(|asked| asked.deadline)
    }

    /// Counts what each connection is asked.
    #[cfg(feature = "recording")]
    pub(super) fn add_to(&self, counts: &mut BTreeMap<ConnectionId, u32>) {
        for asked in self.asked.values() {
            *counts.entry(asked.connection).or_default() += 1;
        }
    }
}

impl Hub {
    pub(super) fn ask(
        &mut self,
        ticket: Ticket,
        to: ConnectionId,
        method: Kind,
        payload: Payload,
        timeout: Duration,
    ) -> Result<Outcome, Refusal> {
        if self.connections.get(to).is_none_or(|connection| !connection.is_open()) {
            return Err(self.no_such_connection(to));
        }
        if self.requests.asked.len() >= self.config.limits.max_requests {
            return Err(Refusal::new(ErrorCode::RateLimited, "too many requests are under way"));
        }
        let key = RequestKey(self.requests.next);
        self.requests.next += 1;
        let id = MessageId::new(&alloc::format!("s{}", key.0));
        let id = id.map_err(|error| Refusal::field("id", error))?;
        let deadline = self.now + timeout;
        self.requests.asked.insert(key, Asked { ticket, connection: to, deadline });
        self.deadlines.arm(deadline, Timer::Request(key));
        if let Some(connection) = self.connections.get_mut(to) {
            connection.asked += 1;
        }
        self.send(to, Message::Request { id, method, payload });
        Ok(Outcome::Asked)
    }

    /// A client's answer counts once, and only for what it was asked itself.
    pub(super) fn replied(
        &mut self,
        from: ConnectionId,
        id: MessageId,
        result: Result<Payload, (String, String)>,
    ) {
        let key = id.strip_prefix('s').and_then(|digits| digits.parse().ok()).map(RequestKey);
        let asked = key.filter(|key| {
            self.requests.asked.get(key).is_some_and(|asked| asked.connection == from)
        });
        let Some(key) = asked else {
            let refusal = Refusal::new(ErrorCode::NoSuchRequest, "nothing was asked under this id");
            return self.refuse(from, Some(id), refusal);
        };
        let answer = match result {
            Ok(payload) => Answer::Ok(payload),
            Err((code, message)) => Answer::Refused { code, message },
        };
        self.settle_request(key, answer);
    }

    pub(super) fn request_overdue(&mut self, key: RequestKey) {
        self.settle_request(key, Answer::TimedOut);
    }

    /// The connection ends, and with it what it was asked.
    pub(super) fn forget_requests(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_none_or(|connection| connection.asked == 0) {
            return;
        }
        let asked = self.requests.asked.iter().filter(|(_, asked)| asked.connection == id);
        let keys: Vec<RequestKey> = asked.map(|(key, _)| *key).collect();
        for key in keys {
            self.settle_request(key, Answer::Gone);
        }
    }

    fn settle_request(&mut self, key: RequestKey, answer: Answer) {
        let Some(asked) = self.requests.asked.remove(&key) else { return };
        self.deadlines.disarm(asked.deadline, Timer::Request(key));
        if let Some(connection) = self.connections.get_mut(asked.connection) {
            connection.asked -= 1;
        }
        self.queue.push(Queued::Answered { ticket: asked.ticket, answer });
    }
}
