//! The number of connections of each user in a room.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::random::Keyed;

use crate::hub::keys::UserKey;

/// More users than this are hashed.
const FEW: usize = 16;

/// A count per user. Most rooms have few users, for which a linear search is fastest; up to two
/// need no allocation.
#[derive(Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct UserCounts {
    few: SmallVec<[(UserKey, u32); 2]>,
    /// All of them, once there were more than a few; then the list above is empty.
    #[cfg_attr(feature = "recording", serde(with = "crate::random::keyed::maybe"))]
    many: Option<Box<HashMap<UserKey, u32, Keyed>>>,
}

impl UserCounts {
    /// Counts one connection. Returns whether it is the user's first.
    pub(crate) fn add(&mut self, user: UserKey, keyed: &Keyed) -> bool {
        if let Some(many) = self.many.as_mut() {
            let count = many.entry(user).or_insert(0);
            *count += 1;
            return *count == 1;
        }
        if let Some((_, count)) = self.few.iter_mut().find(|(key, _)| *key == user) {
            *count += 1;
            return false;
        }
        self.few.push((user, 1));
        if self.few.len() > FEW {
            let mut many = HashMap::with_capacity_and_hasher(FEW * 2, keyed.clone());
            many.extend(core::mem::take(&mut self.few));
            self.many = Some(Box::new(many));
        }
        true
    }

    /// Removes one connection. Returns whether it was the user's last.
    pub(crate) fn remove(&mut self, user: UserKey) -> bool {
        if let Some(many) = self.many.as_mut() {
            let Some(count) = many.get_mut(&user) else { return false };
            *count -= 1;
            let is_last = *count == 0;
            if is_last {
                many.remove(&user);
            }
            if many.is_empty() {
                self.many = None;
            }
            return is_last;
        }
        let Some(at) = self.few.iter().position(|(key, _)| *key == user) else { return false };
        self.few[at].1 -= 1;
        let is_last = self.few[at].1 == 0;
        if is_last {
            self.few.swap_remove(at);
        }
        is_last
    }

    /// Returns the number of users.
    pub(crate) fn len(&self) -> usize {
        self.few.len() + self.many.as_ref().map_or(0, |many| many.len())
    }

    /// Returns whether each user appears exactly once, with a positive count.
    #[cfg(feature = "recording")]
    pub(crate) fn is_whole(&self) -> bool {
        let users: alloc::collections::BTreeMap<UserKey, u32> = self.iter().collect();
        users.len() == self.len()
            && users.values().all(|count| *count > 0)
            && (self.few.is_empty() || self.many.is_none())
    }

    #[cfg(feature = "recording")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (UserKey, u32)> {
        let many = self.many.iter().flat_map(|many| many.iter());
        self.few.iter().copied().chain(many.map(|(user, count)| (*user, *count)))
    }

    /// Adds all users to a list, in no particular order: the caller sorts it.
    pub(crate) fn add_to(&self, list: &mut Vec<UserKey>) {
        list.extend(self.few.iter().map(|(user, _)| *user));
        list.extend(self.many.iter().flat_map(|many| many.keys()).copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn few_and_many_count_alike() {
        let keyed = Keyed::new(&mut Random::new(1));
        let mut counts = UserCounts::default();
        let users = FEW as u32 * 3;
        for user in 0..users {
            assert!(counts.add(UserKey(user), &keyed));
            assert!(!counts.add(UserKey(user), &keyed));
            assert_eq!(counts.len(), user as usize + 1);
        }
        let mut list = Vec::new();
        counts.add_to(&mut list);
        list.sort_unstable();
        assert_eq!(list, Vec::from_iter((0..users).map(UserKey)));
        for user in 0..users {
            assert!(!counts.remove(UserKey(user)));
            assert!(counts.remove(UserKey(user)));
            assert!(!counts.remove(UserKey(user)));
        }
        assert_eq!((counts.len(), counts.many.is_none()), (0, true));
    }
}
