//! What the server of the last connection can do beyond the first version of the protocol.

use switchboard_core::Timestamp;
use switchboard_core::client::{ClientConfig, Machine, MachineEvent, ServerMessage};

/// A machine whose server has sent this.
fn greeted(machine: &mut Machine, text: &str) {
    let message = ServerMessage::from_text(text);
    assert!(matches!(message, ServerMessage::Connected(_)), "{text}: {message:?}");
    for event in [
        MachineEvent::Connect,
        MachineEvent::Opened,
        MachineEvent::Received(message),
        MachineEvent::Stop,
    ] {
        machine.handle(Timestamp::ZERO, event).for_each(drop);
    }
}

#[test]
fn a_feature_is_there_while_the_last_server_lists_it() {
    let mut machine = Machine::new(ClientConfig::default(), "p", 1).expect("a prefix");
    assert!(!machine.supports("echo_id"));
    greeted(
        &mut machine,
        r#"{"type":"connected","protocol":1,"features":["echo_id","caf\u00e9","x"]}"#,
    );
    for (word, is_listed) in [("echo_id", true), ("café", true), ("echo", false), ("", false)] {
        assert_eq!(machine.supports(word), is_listed, "{word}");
    }
    let words: Vec<_> = machine.features().iter().map(|word| &**word).collect();
    assert_eq!(words, ["echo_id", "café", "x"]);
    for older in [r#"{"type":"connected"}"#, r#"{"type":"connected","features":null}"#] {
        greeted(&mut machine, older);
        assert!(!machine.supports("echo_id") && machine.features().is_empty(), "{older}");
        greeted(&mut machine, r#"{"type":"connected","features":["echo_id"]}"#);
        assert!(machine.supports("echo_id"));
    }
}

#[test]
fn the_version_is_read() {
    let version = |text: &str| {
        let message = ServerMessage::from_text(text);
        let ServerMessage::Connected(greeting) = message else { panic!("{message:?}") };
        greeting.protocol
    };
    assert_eq!(version(r#"{"type":"connected","protocol":1}"#), Some(1));
    assert_eq!(version(r#"{"type":"connected","protocol":4294967295}"#), Some(u32::MAX));
    assert_eq!(version(r#"{"type":"connected"}"#), None);
}
