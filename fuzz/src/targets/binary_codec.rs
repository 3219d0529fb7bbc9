//! Binary messages, decoded by both ends.
//!
//! The input is the message.
//!
//! **Oracle.** The server reads the fields at the places that PROTOCOL.md names, or none; written
//! again at those places they are the same bytes. What it makes of the message is encoded, and a
//! client understands exactly that; and what a client understands of the bytes as a server's
//! message, the server encodes as the same bytes: decode, encode, decode is the same. Nothing
//! panics.

use bytes::Bytes;
use switchboard_core::client::{Delivery, ServerMessage};
use switchboard_core::{Codec, Epoch, Inbound, Payload, Position};

use crate::wire;

/// Runs one input.
///
/// # Panics
/// When the oracle is violated.
pub fn run(bytes: &[u8]) {
    let message = Bytes::copy_from_slice(bytes);
    let inbound = Codec::Json.decode_binary(message.clone());
    if let Some(written) = written(&inbound) {
        assert!(same_but_for_the_name(bytes, &written), "{inbound:?} is {written:?}");
        assert_eq!(Codec::Json.decode_binary(written.into()), inbound);
    }
    wire::holds_as_passed_on(&inbound, Position { epoch: Epoch(1), offset: u64::MAX });
    let understood = ServerMessage::from_binary(&message);
    wire::holds_as_sent(&understood);
    if let Some(frame) = wire::as_sent(&understood).and_then(|it| Codec::Json.encode(&it)) {
        let again = frame.payload().concat();
        if let ServerMessage::Delivery(Delivery::Publication(_)) = understood {
            assert!(same_but_for_the_name(bytes, &again), "{understood:?} is sent as {again:?}");
        }
    }
}

/// Returns the bytes of a client's message, by the table in PROTOCOL.md; `None` if it is malformed.
fn written(inbound: &Inbound) -> Option<Vec<u8>> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "others are never binary")]
    let (kind, target, name, id, payload) = match inbound {
        Inbound::Application(it) => (0, it.room.as_deref(), Some(&*it.kind), &it.id, &it.payload),
        Inbound::Direct { id, to, kind, payload } => (1, Some(&**to), kind.as_deref(), id, payload),
        Inbound::Malformed { .. } => return None,
        other => panic!("a binary message is read as {other:?}"),
    };
    let Payload::Binary(payload) = payload else { panic!("it has the payload {payload:?}") };
    let names = [target, name, id.as_deref()].map(Option::unwrap_or_default);
    let [target_len, name_len, id_len] = names.map(|name| u8::try_from(name.len()).unwrap_or(0));
    let header = [1, kind, target_len, name_len, id_len, 0, 0, 0];
    Some([&header[..], names.concat().as_bytes(), payload].concat())
}

/// A message without a type has the type `binary`.
fn same_but_for_the_name(left: &[u8], right: &[u8]) -> bool {
    let [_, _, target, 0, ..] = *left else { return left == right };
    let name = b"binary";
    let numbers = if left[1] & 0x80 == 0 { 0 } else { 24 };
    let at = 8 + numbers + usize::from(target);
    left == right
        || left.len() >= at
            && right.len() == left.len() + name.len()
            && right[..3] == left[..3]
            && right[3] == name.len() as u8
            && right[4..at] == left[4..at]
            && &right[at..at + name.len()] == name
            && right[at + name.len()..] == left[at..]
}
