//! What the use of the server counts against: a user's account, or that of the network of guests.

use alloc::collections::BTreeMap;

use crate::hub::keys::NetworkKey;
use crate::network::Network;
use crate::protocol::name::UserName;
use crate::time::Timestamp;

use super::rate::Bucket;
use super::refilling::{Refilling, Refills};
use super::table::Table;

/// The use of one user, or of the guests of one network, over all connections at once and one after
/// another.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Account {
    pub(crate) messages: Bucket,
    /// Bytes of answers and replays.
    pub(crate) answers: Bucket,
}

impl Account {
    /// Returns whether it is like a new one.
    pub(crate) fn is_settled(&self, now: Timestamp) -> bool {
        self.messages.is_full(now) && self.answers.is_full(now)
    }
}

impl Refills for Account {
    fn full_at(&self) -> Timestamp {
        self.messages.full_at().max(self.answers.full_at())
    }
}

/// The account that a connection uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Payer {
    /// Its user's.
    User,
    /// That of all guests in its network.
    Network(NetworkKey),
    /// None: a guest at an unknown address, or at one that is exempt.
    Nobody,
}

/// The owner of an account whose last connection has ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Owner {
    User(UserName),
    Network(Network),
}

/// Networks with guests.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Networks {
    pub(crate) table: Table<Guests>,
    by_network: BTreeMap<Network, NetworkKey>,
}

/// The guests of one network.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Guests {
    network: Network,
    /// Their connections, in any phase.
    pub(crate) connections: u32,
    account: Account,
}

impl Networks {
    pub(crate) const fn new() -> Self {
        Self { table: Table::new(), by_network: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_network.is_empty()
    }

    /// Returns whether each network is found under its name.
    #[cfg(feature = "recording")]
    pub(crate) fn is_whole(&self) -> bool {
        let found = |(at, guests): (u32, &Guests)| {
            self.by_network.get(&guests.network) == Some(&NetworkKey(at))
        };
        self.table.is_whole()
            && self.table.len() == self.by_network.len()
            && self.table.iter_from(0).all(found)
    }

    pub(crate) fn account_mut(&mut self, key: NetworkKey) -> Option<&mut Account> {
        self.table.get_mut(key.0).map(|guests| &mut guests.account)
    }

    /// Counts a connection of a guest. A network without others has the account that `absent` kept
    /// for it.
    pub(crate) fn refer(&mut self, network: Network, absent: &mut Absent) -> NetworkKey {
        let table = &mut self.table;
        let key = *self.by_network.entry(network).or_insert_with(|| {
            let account = absent.take(|| Owner::Network(network)).unwrap_or_default();
            NetworkKey(table.insert(Guests { network, connections: 0, account }))
        });
        if let Some(guests) = table.get_mut(key.0) {
            guests.connections += 1;
        }
        key
    }

    /// Counts a connection less. The account of the last one is kept until it is settled.
    pub(crate) fn release(&mut self, now: Timestamp, key: NetworkKey, absent: &mut Absent) {
        let Some(guests) = self.table.get_mut(key.0) else { return };
        guests.connections -= 1;
        if guests.connections > 0 {
            return;
        }
        if !guests.account.is_settled(now) {
            absent.keep(Owner::Network(guests.network), guests.account);
        }
        self.by_network.remove(&guests.network);
        self.table.remove(key.0);
    }
}

/// Accounts without a connection, until they are settled: reconnecting does not fill a bucket.
#[derive(Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Absent {
    pub(crate) accounts: Refilling<Owner, Account>,
    /// The entry in [`Deadlines`](super::deadlines::Deadlines).
    pub(crate) armed: Option<Timestamp>,
}

impl Absent {
    /// Keeps the account of an owner that has no connection any more.
    pub(crate) fn keep(&mut self, owner: Owner, account: Account) {
        self.accounts.insert(owner, account);
    }

    pub(crate) fn take(&mut self, owner: impl FnOnce() -> Owner) -> Option<Account> {
        if self.accounts.is_empty() { None } else { self.accounts.remove(&owner()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::config::Rate;

    /// An account whose bucket is full again this many milliseconds after the start.
    fn used(millis: u64) -> Account {
        let mut account = Account::default();
        let rate = Rate { per_second: 1_000, burst: u32::MAX };
        assert!(account.messages.take(Timestamp::ZERO, millis as usize, rate));
        account
    }

    fn owner(n: usize) -> Owner {
        Owner::User(UserName::new(&alloc::format!("user {n}")).expect("a good name"))
    }

    #[test]
    fn an_account_is_settled_when_its_bucket_is_full() {
        let account = used(10);
        assert!(!account.is_settled(Timestamp::from_micros(9_999)));
        assert!(account.is_settled(Timestamp::from_millis(10)));
        let mut absent = Absent::default();
        absent.keep(owner(0), account);
        assert_eq!(absent.accounts.first_full_at(), Some(Timestamp::from_millis(10)));
        assert_eq!(absent.take(|| owner(0)), Some(account));
        assert!(absent.accounts.is_empty() && absent.accounts.first_full_at().is_none());
    }

    #[test]
    fn the_fullest_is_forgotten_first() {
        let mut absent = Absent::default();
        for n in 0..100_000 {
            absent.keep(owner(n), used(2 + n as u64));
        }
        assert_eq!(absent.accounts.first_full_at(), Some(Timestamp::from_millis(2)));
        absent.keep(owner(100_000), used(5_000));
        assert_eq!(absent.accounts.first_full_at(), Some(Timestamp::from_millis(3)));
        assert_eq!(absent.take(|| owner(0)), None);
        assert!(absent.take(|| owner(1)).is_some());
    }
}
