//! Accounts: what a user, or the guests of one network, may use over all their connections. They
//! outlive the connections until their buckets are full again.
//!
//! Changes: absent, deadlines, networks, users.

use crate::hub::config::{Loopback, Rate};
use crate::hub::event::Attempt;
use crate::network::Network;
use crate::protocol::id::ConnectionId;
use crate::time::Timestamp;

use super::Hub;
use super::keys::UserKey;
use super::tables::account::Payer;
use super::tables::connection::Connection;
use super::tables::deadlines::Timer;

impl Hub {
    /// Finds or adds the user and counts a reference, and finds out who pays.
    #[inline]
    pub(super) fn refer(&mut self, attempt: &Attempt) -> (UserKey, Payer) {
        let user = self.users.refer(&attempt.user, &mut self.absent);
        let exempts = self.config.limits.loopback == Loopback::Exempt;
        let payer = match attempt.address.map(Network::from) {
            _ if !attempt.is_guest => Payer::User,
            Some(network) if !(exempts && network.is_loopback()) => {
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
        let first = self.absent.first_end();
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
        self.absent.drop_first();
        self.rearm_absent();
    }

    /// Takes messages from the rate of a connection's payer. Returns whether they are within it.
    pub(super) fn account_takes(&mut self, id: ConnectionId, messages: usize) -> bool {
        let now = self.now;
        let Some(connection) = self.connections.get(id) else { return false };
        let limits = &self.config.limits;
        let (account, rate) = match connection.payer {
            Payer::User => {
                (&mut self.users.get_mut(connection.user).account, limits.user_messages())
            }
            Payer::Network(key) => {
                let rate = Rate::per_second(limits.address_messages_per_second);
                let Some(account) = self.networks.account_mut(key) else { return true };
                (account, rate)
            }
            Payer::Nobody => return true,
        };
        account.messages.take(now, rate.within_burst(messages), rate)
    }
}
