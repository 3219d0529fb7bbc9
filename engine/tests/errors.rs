//! What an application is told, word by word.

use bytes::Bytes;
use switchboard_core::{ConfigError, ErrorCode, Kind, NameError, Payload, Refusal};
use switchboard_engine::server::{BuildError, RequestError, read};

#[test]
fn a_builder_says_what_it_cannot_build() {
    let error = ConfigError::DuplicatePrefix("a".into());
    let text = "two room classes have the prefix \"a\"";
    assert_eq!(BuildError::Config(error).to_string(), text);
    let kind = Kind::new("join").expect("a good name");
    let reserved = BuildError::ReservedKind(kind).to_string();
    assert_eq!(reserved, "the type \"join\" belongs to the protocol");
    let bad = BuildError::Kind(String::new(), NameError::Empty).to_string();
    assert_eq!(bad, "the type \"\" of a handler must not be empty");
}

#[test]
fn a_binary_payload_does_not_fit_a_handler_of_json() {
    let binary = Payload::Binary(Bytes::from_static(b"x"));
    let refusal = read::<u32>(&binary).expect_err("it is binary");
    assert_eq!(refusal.code, ErrorCode::InvalidPayload);
}

#[test]
fn an_application_hears_why_its_request_had_no_answer() {
    let refused = RequestError::Refused { code: "busy".into(), message: "later".into() };
    for (error, text) in [
        (
            RequestError::NotAsked(Refusal::new(ErrorCode::Internal, "no")),
            "not asked: internal: no",
        ),
        (refused, "refused: busy: later"),
        (RequestError::TimedOut, "no answer in time"),
        (RequestError::Gone, "the connection ended"),
        (RequestError::Unexpected("here".into()), "an unexpected answer: here"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
