//! Accounts: what a user, or the guests of one network, may use over all their connections. They
//! outlive the connections until their buckets are full again.
//!
//! Changes: absent, connections, deadlines, networks, users.

use crate::hub::config::Rate;
use crate::hub::event::Attempt;
use crate::network::Network;
use crate::protocol::id::ConnectionId;
use crate::time::Timestamp;

use super::Hub;
use super::keys::UserKey;
use super::tables::account::{Account, Payer};
use super::tables::connection::Connection;
use super::tables::deadlines::Timer;
use super::tables::rate::Bucket;

impl Hub {
    /// Finds or adds the user and counts a reference, and finds out which account its use counts against.
    #[inline]
    pub(super) fn refer(&mut self, attempt: &Attempt) -> (UserKey, Payer) {
        let user = self.users.refer(&attempt.user, &mut self.absent);
        let loopback = self.config.limits.loopback;
        let payer = match attempt.address.map(Network::from) {
            _ if !attempt.is_guest => Payer::User,
            Some(network) if loopback.limits(network) => {
                Payer::Network(self.networks.refer(network, &mut self.absent))
            }
            Some(_) | None => Payer::Nobody,
        };
        self.rearm_absent();
        (user, payer)
    }

    /// Releases what a connection that was removed referred to.
    #[inline]
    pub(super) fn release_connection(&mut self, connection: &Connection) {
        if let Payer::Network(key) = connection.payer {
            self.networks.release(self.now, key, &mut self.absent);
        }
        self.release_user(connection.user);
    }

    /// Releases one reference to a user.
    #[inline]
    pub(super) fn release_user(&mut self, key: UserKey) {
        self.users.release(self.now, key, &mut self.absent);
        self.rearm_absent();
    }

    #[inline]
    fn rearm_absent(&mut self) {
        let first = self.absent.accounts.first_full_at();
        if self.absent.armed != first {
            self.arm_absent(first);
        }
    }

    fn arm_absent(&mut self, first: Option<Timestamp>) {
        if let Some(at) = self.absent.armed.take() {
            self.deadlines.disarm(at, Timer::Absent);
        }
        self.absent.armed = first;
        if let Some(at) = first {
            self.deadlines.arm(at, Timer::Absent);
        }
    }

    /// Forgets the account that is settled first.
    pub(super) fn absent_due(&mut self) {
        self.absent.armed = None;
        self.absent.accounts.drop_fullest();
        self.rearm_absent();
    }

    /// Takes messages from the rate of a connection's payer. Returns whether they are within it.
    pub(super) fn account_takes(&mut self, id: ConnectionId, messages: usize) -> bool {
        let now = self.now;
        let Some((account, rate)) = self.account_of(id) else { return true };
        account.messages.take(now, rate.within_burst(messages), rate)
    }

    /// Charges messages to a connection and its payer, for an answer that is more work than its
    /// request shows.
    pub(super) fn charge(&mut self, id: ConnectionId, messages: usize) {
        let (now, rate) = (self.now, self.config.limits.messages);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.messages.charge(now, messages, rate);
        }
        if let Some((account, rate)) = self.account_of(id) {
            account.messages.charge(now, messages, rate);
        }
    }

    /// Returns the account that pays for a connection, and the rate of its messages.
    fn account_of(&mut self, id: ConnectionId) -> Option<(&mut Account, Rate)> {
        let connection = self.connections.get(id)?;
        let limits = &self.config.limits;
        match connection.payer {
            Payer::User => {
                let account = &mut self.users.get_mut(connection.user).account;
                Some((account, limits.user_messages()))
            }
            Payer::Network(key) => {
                let rate = Rate::per_second(limits.address_messages_per_second);
                Some((self.networks.account_mut(key)?, rate))
            }
            Payer::Nobody => None,
        }
    }

    /// Returns what the bytes of answers to a connection are taken from.
    fn answers_of(&mut self, id: ConnectionId) -> Option<&mut Bucket> {
        if self.connections.get(id)?.payer == Payer::Nobody {
            return self.connections.get_mut(id).map(|connection| &mut connection.answers);
        }
        self.account_of(id).map(|(account, _)| &mut account.answers)
    }

    /// Takes the bytes of an answer from what its receiver may get. Returns whether it may get them.
    pub(super) fn may_get(&mut self, id: ConnectionId, bytes: usize) -> bool {
        let (now, rate) = (self.now, self.config.limits.answer_bytes());
        let within_burst = rate.within_burst(bytes);
        self.answers_of(id).is_none_or(|answers| answers.take(now, within_burst, rate))
    }

    /// Charges the bytes of a replay, which is never refused.
    pub(super) fn charge_bytes(&mut self, id: ConnectionId, bytes: usize) {
        let (now, rate) = (self.now, self.config.limits.answer_bytes());
        if let Some(answers) = self.answers_of(id) {
            answers.charge(now, bytes, rate);
        }
    }

    /// Returns since or until when the bytes that a connection got are within its rate.
    pub(super) fn may_get_more_at(&mut self, id: ConnectionId) -> Timestamp {
        let rate = self.config.limits.answer_bytes();
        self.answers_of(id).map_or(Timestamp::ZERO, |answers| answers.ready_at(rate))
    }
}
