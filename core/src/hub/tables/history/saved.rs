//! The history of a room in a checkpoint: every record next to its text, and payloads separately.

use alloc::string::String;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::*;

#[derive(Serialize, Deserialize)]
struct Saved {
    record: Record,
    names: String,
    session: [u8; Session::BYTES],
    payload: Bytes,
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let past = (self.first..).map_while(|offset| self.get(offset));
        let begin = self.records.front().map_or(0, |first| first.start);
        let saved = past.map(|past| {
            let (names, session, payload) = past.parts();
            Saved {
                record: Record { start: past.record.start - begin, ..*past.record },
                names: names.concat(),
                session: session.try_into().unwrap_or_default(),
                payload: past.shared.cloned().unwrap_or_else(|| Bytes::copy_from_slice(payload)),
            }
        });
        (self.first, saved.collect::<Vec<Saved>>()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (first, saved) = <(u64, Vec<Saved>)>::deserialize(deserializer)?;
        let mut kept = Self { first, ..Self::default() };
        if first >= crate::hub::stats::MOST {
            return Err(D::Error::custom("the number of a publication is too large"));
        }
        for (offset, Saved { mut record, names, session, payload }) in (first..).zip(saved) {
            if record.names_len() != names.len() || record.payload != payload.len() {
                return Err(D::Error::custom("the length of a publication is wrong"));
            }
            record.start = kept.texts.len() as u64;
            kept.bytes += record.cost();
            kept.records.push_back(record);
            kept.texts.extend(names.as_bytes());
            if record.except > 0 {
                kept.texts.extend(&session);
            }
            if record.is_shared() {
                kept.shared.insert(offset, payload);
            } else {
                kept.texts.extend(&payload[..]);
            }
        }
        Ok(kept)
    }
}
