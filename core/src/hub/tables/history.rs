//! The history of a room.
//!
//! An active room adds one publication and drops another with each message, in memory that has not
//! been touched for a while. So publications are not stored as separate allocations but as
//! consecutive records: adding one is a short copy to the end, dropping one moves the start. They
//! are put together again for the few clients that return.

#[cfg(feature = "recording")]
mod saved;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::hub::class::History;
use crate::protocol::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::{Json, Payload};
use crate::protocol::position::{Position, Session};
use crate::protocol::to_client::Publication;
use crate::time::Timestamp;

/// Larger payloads are shared with their publication, smaller ones copied.
const SHARE_FROM: usize = 1_024;

/// The sizes of a publication, and when it was published. Names have 1 to 128 bytes by their types.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Record {
    at: Timestamp,
    /// The time of day at which it was published. The wall clock may have been set since.
    unix_ms: u64,
    /// Where its text starts, as an offset from the start of all texts ever kept.
    start: u64,
    payload: usize,
    room: u8,
    kind: u8,
    from: u8,
    id: u8,
    key: u8,
    /// The name of the user that must not get it; the number of the session follows.
    except: u8,
    is_json: bool,
}

impl Record {
    /// As [`Publication::cost_bytes`] counts.
    fn cost(&self) -> usize {
        let names = [self.room, self.kind, self.from, self.id];
        names.map(usize::from).iter().sum::<usize>() + self.payload
    }

    /// The bytes of its text.
    fn text_len(&self) -> usize {
        let session = if self.except > 0 { Session::BYTES } else { 0 };
        let payload = if self.is_shared() { 0 } else { self.payload };
        self.names_len() + session + payload
    }

    fn names_len(&self) -> usize {
        let names = [self.kind, self.from, self.id, self.key, self.except];
        names.map(usize::from).iter().sum()
    }

    fn is_shared(&self) -> bool {
        self.payload >= SHARE_FROM
    }
}

/// The newest publications of a room, without gaps.
#[derive(Default, Debug)]
pub(crate) struct Kept {
    records: VecDeque<Record>,
    /// Names, sessions and small payloads, in the order of the records.
    texts: VecDeque<u8>,
    /// Large payloads, by number.
    shared: BTreeMap<u64, Bytes>,
    /// The number of the first record, and where its text starts.
    first: u64,
    begin: u64,
    bytes: usize,
}

/// A publication that is kept.
pub(crate) struct Past<'a> {
    record: &'a Record,
    offset: u64,
    /// Its text; what follows the names is the payload, unless that is shared.
    text: Vec<u8>,
    shared: Option<&'a Bytes>,
}

impl Kept {
    /// Adds a publication; its number must be one more than the last one's.
    pub(crate) fn push(
        &mut self,
        publication: &Publication,
        except: Option<(UserName, Session)>,
        at: Timestamp,
    ) {
        let (is_json, payload) = match &publication.payload {
            Payload::Json(json) => (true, json.bytes()),
            Payload::Binary(bytes) => (false, bytes),
        };
        let (from, id) = (publication.from.as_deref(), publication.id.as_deref());
        let (kind, key) = (&*publication.kind, publication.key.as_deref());
        let names = [Some(kind), from, id, key, except.as_ref().map(|(user, _)| &**user)];
        let names = names.map(Option::unwrap_or_default);
        let [kind, from, id, key, except_len] = names.map(|name| name.len() as u8);
        let record = Record {
            at,
            unix_ms: publication.unix_ms,
            start: self.begin + self.texts.len() as u64,
            payload: payload.len(),
            room: publication.room.len() as u8,
            kind,
            from,
            id,
            key,
            except: except_len,
            is_json,
        };
        let offset = publication.position.offset;
        if self.records.is_empty() {
            self.first = offset;
        }
        self.bytes += record.cost();
        self.reserve(names.map(str::len).iter().sum::<usize>() + 8 + payload.len());
        self.records.push_back(record);
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            self.texts.extend(name.as_bytes());
        }
        if let Some((_, session)) = except {
            self.texts.extend(&session.to_bytes());
        }
        if record.is_shared() {
            self.shared.insert(offset, payload.clone());
        } else {
            self.texts.extend(&payload[..]);
        }
    }

    /// Grows by half instead of doubling, because there may be many rooms.
    fn reserve(&mut self, more: usize) {
        let (len, capacity) = (self.texts.len(), self.texts.capacity());
        if capacity - len < more {
            self.texts.reserve_exact(more.max(capacity / 2));
        }
        let (len, capacity) = (self.records.len(), self.records.capacity());
        if len == capacity {
            self.records.reserve_exact((capacity / 2).max(1));
        }
    }

    /// Drops the publications beyond the bounds.
    pub(crate) fn trim(&mut self, bounds: History, now: Timestamp) {
        while let Some(oldest) = self.records.front()
            && (self.records.len() > bounds.events
                || self.bytes > bounds.bytes
                || oldest.at + bounds.age <= now)
        {
            self.pop_oldest();
        }
    }

    /// Drops the oldest publication. Returns whether there was one.
    pub(crate) fn pop_oldest(&mut self) -> bool {
        let Some(oldest) = self.records.pop_front() else { return false };
        self.bytes -= oldest.cost();
        if oldest.is_shared() {
            self.shared.remove(&self.first);
        }
        self.first += 1;
        let text = oldest.text_len();
        self.begin += text as u64;
        self.texts.drain(..text);
        if self.records.is_empty() {
            *self = Self::default();
        } else {
            self.shrink();
        }
        true
    }

    /// Releases memory when a room keeps much less than it did.
    fn shrink(&mut self) {
        if self.texts.capacity() > 4 * self.texts.len().max(256) {
            self.texts.shrink_to(2 * self.texts.len());
        }
        if self.records.capacity() > 4 * self.records.len().max(8) {
            self.records.shrink_to(2 * self.records.len());
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns when the oldest publication expires.
    pub(crate) fn expires(&self, bounds: History) -> Option<Timestamp> {
        self.records.front().map(|oldest| oldest.at + bounds.age)
    }

    /// Returns the number of the oldest publication.
    pub(crate) fn first(&self) -> Option<u64> {
        (!self.records.is_empty()).then_some(self.first)
    }

    /// Returns the number of the newest publication.
    #[cfg(feature = "recording")]
    pub(crate) fn last(&self) -> Option<u64> {
        self.first().map(|first| first + (self.records.len() as u64 - 1))
    }

    /// Returns the publication with this number.
    pub(crate) fn get(&self, offset: u64) -> Option<Past<'_>> {
        let index = usize::try_from(offset.checked_sub(self.first)?).ok()?;
        let record = self.records.get(index)?;
        let start = usize::try_from(record.start - self.begin).ok()?;
        let text = self.texts.range(start..start + record.text_len()).copied().collect();
        Some(Past { record, offset, text, shared: self.shared.get(&offset) })
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }
}

impl Past<'_> {
    /// Splits the text into the names, the session and the rest.
    fn parts(&self) -> ([&str; 5], &[u8], &[u8]) {
        let Record { kind, from, id, key, except, .. } = *self.record;
        let mut rest = &self.text[..];
        let names = [kind, from, id, key, except].map(|len| {
            let (name, tail) = rest.split_at(usize::from(len));
            rest = tail;
            // It was valid UTF-8 when it was added.
            core::str::from_utf8(name).unwrap_or_default()
        });
        let (session, payload) = rest.split_at(if except > 0 { Session::BYTES } else { 0 });
        (names, session, payload)
    }

    /// Returns whether this connection must not get the publication. A session identifies a client
    /// only together with its user: the same session of another user is a different client.
    pub(crate) fn is_not_for(&self, user: &UserName, session: Session) -> bool {
        let ([.., except], whose, _) = self.parts();
        self.record.except > 0 && except == &**user && whose == session.to_bytes()
    }

    /// As [`Publication::cost_bytes`] counts.
    pub(crate) fn cost_bytes(&self) -> usize {
        self.record.cost()
    }

    /// Restores the publication. `epoch` and `room` are those of the room.
    pub(crate) fn publication(&self, room: &RoomName, position: Position) -> Arc<Publication> {
        let ([kind, from, id, key, _], _, payload) = self.parts();
        let payload = self.shared.map_or_else(|| Bytes::copy_from_slice(payload), Bytes::clone);
        Arc::new(Publication {
            room: room.clone(),
            position: Position { offset: self.offset, ..position },
            kind: Kind::again(kind),
            from: (!from.is_empty()).then(|| UserName::again(from)),
            id: (!id.is_empty()).then(|| MessageId::again(id)),
            key: (!key.is_empty()).then(|| ConflationKey::again(key)),
            unix_ms: self.record.unix_ms,
            payload: if self.record.is_json {
                Payload::Json(Json::again(payload))
            } else {
                Payload::Binary(payload)
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::position::Epoch;
    use crate::random::Random;
    use alloc::string::String;
    use alloc::vec;
    use core::time::Duration;

    const EPOCH: Epoch = Epoch(5);

    /// What is kept, who is not to get it, and since when.
    type Whole = (Publication, Option<(UserName, Session)>, Timestamp);

    fn publication(random: &mut Random, offset: u64) -> Publication {
        let mut name = |most: u64| "é".repeat(1 + (random.next() % most) as usize);
        let (kind, from, id, key) = (name(32), name(64), name(32), name(32));
        let mut some = |name: String| Some(name).filter(|_| random.next().is_multiple_of(2));
        let (from, id, key) = (some(from), some(id), some(key));
        let edge = [0, 1, 100, SHARE_FROM - 1, SHARE_FROM, SHARE_FROM + 1];
        let size = edge[random.next() as usize % edge.len()];
        let payload = Bytes::from(vec![b'7'; size]);
        let is_json = random.next().is_multiple_of(2) && size > 0;
        Publication {
            room: RoomName::new("room").unwrap(),
            position: Position { epoch: EPOCH, offset },
            kind: Kind::new(&kind).unwrap(),
            from: from.map(|name| UserName::new(&name).unwrap()),
            id: id.map(|name| MessageId::new(&name).unwrap()),
            key: key.map(|name| ConflationKey::new(&name).unwrap()),
            unix_ms: random.next(),
            payload: if is_json {
                Payload::Json(Json::again(payload))
            } else {
                Payload::Binary(payload)
            },
        }
    }

    /// Publications are restored unchanged, however the records lie in memory.
    #[test]
    fn the_past_is_what_it_was() {
        let mut random = Random::new(3);
        let room = RoomName::new("room").unwrap();
        let whose = |number: u64| {
            (UserName::new(&alloc::format!("user-{number}")).unwrap(), Session::new(number + 1))
        };
        let mut kept = Kept::default();
        let mut model: VecDeque<Whole> = VecDeque::new();
        for step in 0..3_000 {
            let at = Timestamp::from_millis(step);
            // Now and then everything is forgotten, and the numbers go on.
            let new = publication(&mut random, step + 1);
            let except = random.next().is_multiple_of(3).then(|| whose(random.next() % 3));
            kept.push(&new, except.clone(), at);
            model.push_back((new, except, at));
            let bounds = History {
                events: [0, 1, 3, 40, 1_000][random.next() as usize % 5],
                age: Duration::from_millis([1, 60, 10_000][random.next() as usize % 3]),
                bytes: [0, 2_000, 1 << 20][random.next() as usize % 3],
            };
            if random.next().is_multiple_of(4) {
                kept.trim(bounds, at);
                let bytes = |model: &VecDeque<Whole>| {
                    model.iter().map(|(it, ..)| it.cost_bytes()).sum::<usize>()
                };
                while model.front().is_some_and(|(_, _, then)| {
                    model.len() > bounds.events
                        || bytes(&model) > bounds.bytes
                        || *then + bounds.age <= at
                }) {
                    model.pop_front();
                }
                assert_eq!(kept.bytes(), bytes(&model));
            }
            assert_eq!(kept.len(), model.len());
            assert_eq!(kept.first(), model.front().map(|(it, ..)| it.position.offset));
            let all = |kept: &Kept| {
                let shared = kept.records.iter().filter(|record| record.is_shared()).count();
                assert_eq!(kept.shared.len(), shared);
            };
            all(&kept);
            for (it, except, _) in model.iter().take(3).chain(model.iter().rev().take(3)) {
                let past = kept.get(it.position.offset).expect("it is kept");
                let position = Position { epoch: EPOCH, offset: step };
                assert_eq!(*past.publication(&room, position), *it);
                assert_eq!(past.cost_bytes(), it.cost_bytes());
                for (user, session) in (0..3).map(whose) {
                    assert_eq!(
                        past.is_not_for(&user, session),
                        *except == Some((user.clone(), session))
                    );
                    assert!(!past.is_not_for(&user, Session::new(99)));
                }
            }
            assert!(kept.get(step + 2).is_none());
            let before = kept.first().and_then(|first| kept.get(first.checked_sub(1)?));
            assert!(before.is_none());
        }
    }

    #[test]
    fn it_takes_about_as_much_memory_as_it_keeps() {
        let mut random = Random::new(4);
        let mut kept = Kept::default();
        let bounds = History { events: 100, ..History::default() };
        let at = Timestamp::ZERO;
        let mut one = publication(&mut random, 1);
        one.payload = Payload::Binary(Bytes::from_static(&[0; 100]));
        kept.push(&one, None, at);
        assert!(kept.texts.capacity() < 100 + 5 * 128 + 8, "{}", kept.texts.capacity());
        for offset in 2..1_000 {
            one.position.offset = offset;
            kept.push(&one, None, at);
            kept.trim(bounds, at);
        }
        assert!(kept.texts.capacity() < 2 * kept.texts.len());
        while kept.len() > 1 {
            kept.pop_oldest();
        }
        assert!(kept.texts.capacity() <= 1_024 && kept.records.capacity() <= 32);
        kept.pop_oldest();
        assert_eq!((kept.texts.capacity(), kept.records.capacity()), (0, 0));
    }
}
