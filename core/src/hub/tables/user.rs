//! Users and their connections.

use smallvec::SmallVec;

use alloc::boxed::Box;

use crate::hub::keys::UserKey;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::UserName;
use crate::random::Keyed;
use crate::time::Timestamp;

use super::account::{Absent, Account, Owner};
use super::names::Names;
use super::remembered::Remembered;
use super::table::Table;

/// A user, kept as long as anything refers to it.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct User {
    pub(crate) name: UserName,
    /// Connections that count against the user's limit: reserved, open and held ones, in no
    /// particular order.
    pub(crate) connections: SmallVec<[ConnectionId; 2]>,
    /// What it uses, unless it is a guest.
    pub(crate) account: Account,
    /// The ids of its last messages.
    pub(crate) remembered: Option<Box<Remembered>>,
    /// The number of references: connections in any phase, absences in rooms, and `remembered`.
    pub(crate) references: u32,
}

/// Users by key and by name.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Users {
    pub(crate) table: Table<User>,
    names: Names,
}

impl Users {
    pub(crate) fn new(keyed: Keyed) -> Self {
        Self { table: Table::new(), names: Names::new(keyed) }
    }

    pub(crate) fn find(&self, name: &str) -> Option<UserKey> {
        let has_name = |at| self.table.get(at).is_some_and(|user| &*user.name == name);
        self.names.find(name, has_name).map(UserKey)
    }

    pub(crate) fn get(&self, key: UserKey) -> &User {
        &self.table[key.0]
    }

    pub(crate) fn get_mut(&mut self, key: UserKey) -> &mut User {
        &mut self.table[key.0]
    }

    pub(crate) fn name(&self, key: UserKey) -> UserName {
        self.get(key).name.clone()
    }

    #[cfg(feature = "recording")]
    pub(crate) fn revive(&mut self) {
        for (at, user) in self.table.iter_from(0) {
            self.names.insert(&user.name, at);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Finds or adds the user, and counts one reference. A user that is added has the account that
    /// `absent` kept for it.
    pub(crate) fn refer(&mut self, name: &UserName, absent: &mut Absent) -> UserKey {
        let key = match self.find(name) {
            Some(key) => key,
            None => {
                let connections = SmallVec::new();
                let account = absent.take(|| Owner::User(name.clone())).unwrap_or_default();
                let name = name.clone();
                let user = User { name, connections, account, remembered: None, references: 0 };
                let at = self.table.insert(user);
                self.names.insert(&self.table[at].name, at);
                UserKey(at)
            }
        };
        self.refer_again(key);
        key
    }

    pub(crate) fn refer_again(&mut self, key: UserKey) {
        self.get_mut(key).references += 1;
    }

    /// Releases one reference. The user is removed with its last one, and its account kept until it
    /// is settled.
    pub(crate) fn release(&mut self, now: Timestamp, key: UserKey, absent: &mut Absent) {
        let user = self.get_mut(key);
        user.references -= 1;
        if user.references > 0 {
            return;
        }
        if !user.account.is_settled(now) {
            absent.keep(Owner::User(user.name.clone()), user.account);
        }
        if let Some(user) = self.table.remove(key.0) {
            self.names.remove(&user.name, key.0);
        }
    }
}
