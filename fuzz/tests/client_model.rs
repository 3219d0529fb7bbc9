//! The client machine under random events: what must always hold.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use switchboard_core::client::{MachineEvent, ServerMessage};
use switchboard_fuzz::client::ops::{Op, connected, published};
use switchboard_fuzz::client::{play, watch::Watch};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_call_is_settled_once(bytes in vec(any::<u8>(), 0..600)) {
        play(&bytes);
    }

    #[test]
    fn no_text_of_a_server_makes_the_machine_panic(texts in vec(server_text(), 1..20)) {
        let mut watch = Watch::new(1, false);
        watch.apply(Op::Feed(MachineEvent::Connect));
        watch.apply(connected(Some((0, 3)), None, None));
        for text in texts {
            watch.apply(Op::Join(1, None));
            watch.apply(Op::Feed(MachineEvent::Received(ServerMessage::from_text(&text))));
            watch.apply(published(0, 20));
        }
        watch.finish();
    }

    #[test]
    fn no_bytes_of_a_server_make_the_machine_panic(
        header in prop::array::uniform8(any::<u8>()),
        kind in prop::sample::select(vec![128u8, 129, 130, 0]),
        lengths in prop::array::uniform4(0..6u8),
        rest in vec(any::<u8>(), 0..60),
        right in any::<bool>(),
    ) {
        let [room, name, id, from] = lengths;
        let header = if right { [1, kind, room, name, id, from, 0, 0] } else { header };
        let bytes = Bytes::from([&header[..], &rest].concat());
        let mut watch = Watch::new(1, false);
        watch.apply(Op::Feed(MachineEvent::Connect));
        watch.apply(connected(Some((0, 3)), None, None));
        watch.apply(Op::Feed(MachineEvent::Received(ServerMessage::from_binary(&bytes))));
        watch.finish();
    }
}

/// Anything, and messages with nearly valid fields.
fn server_text() -> impl Strategy<Value = String> {
    let types = [
        "connected",
        "joined",
        "left",
        "members",
        "history",
        "ack",
        "error",
        "health_ping",
        "health_pong",
        "request",
        "draining",
        "direct",
        "member_joined",
        "gap",
        "refresh",
        "chat",
    ];
    let fields = [
        "id",
        "room",
        "user",
        "from",
        "event_id",
        "timestamp",
        "payload",
        "binary",
        "position",
        "since",
        "recovered",
        "members",
        "total",
        "events",
        "more",
        "code",
        "message",
        "dropped",
        "reason",
        "method",
        "retry_after_ms",
        "session",
        "rooms",
        "heartbeat",
        "limits",
    ];
    let values = prop_oneof![
        Just(json!(null)),
        Just(json!("")),
        Just(json!("lobby")),
        Just(json!("p-1")),
        Just(json!("0000000000000007:5")),
        Just(json!("0000000000000007:18446744073709551615")),
        Just(json!("0000000000000007:18446744073709551616")),
        Just(json!("x".repeat(300))),
        Just(json!(5)),
        Just(json!(u64::MAX)),
        Just(json!(-1.5)),
        Just(json!(true)),
        Just(json!([])),
        Just(json!([{ "room": "lobby", "position": "0000000000000007:5" }, 5])),
        Just(json!({ "stale_after_ms": u64::MAX, "max_message_bytes": 0 })),
        any::<String>().prop_map(Value::String),
    ];
    let fields = vec((prop::sample::select(fields.to_vec()), values), 0..8);
    prop_oneof![
        any::<String>(),
        (prop::sample::select(types.to_vec()), fields).prop_map(|(kind, fields)| {
            let mut message = json!({ "type": kind });
            for (field, value) in fields {
                message[field] = value;
            }
            message.to_string()
        }),
    ]
}
