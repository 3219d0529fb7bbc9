//! What the servers of all runtimes share, where the system or the application does not do as it should.
#![cfg(test)]

use std::io::{self, ErrorKind};
use std::time::Duration;

use switchboard_core::{
    Codec, Config, ErrorCode, Heartbeat, Kind, Outlet, Rate, Stall, Timestamp, UserName,
};
use switchboard_engine::server::{
    AcceptFailure, BuildError, Claims, Engine, SHORTAGE, ServerSettings, write,
};

/// A socket that has no peer.
#[derive(Clone)]
struct Nobody;

impl Outlet for Nobody {
    fn write(&mut self, _: &[&[u8]]) -> Result<usize, Stall> {
        Err(Stall::Broken)
    }

    fn watch(&mut self) {}
}

fn engine(settings: ServerSettings, handled: Vec<Kind>) -> Result<Engine<Nobody>, BuildError> {
    Engine::new(settings, handled, 1)
}

#[test]
fn what_fails_one_socket_fails_no_other() {
    let mut engine = engine(ServerSettings::default(), Vec::new()).expect("good settings");
    for kind in [
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionRefused,
        ErrorKind::Interrupted,
    ] {
        engine.not_accepted(Timestamp::ZERO, kind.into()).expect("it concerns one socket");
        assert!(engine.has_room(Timestamp::ZERO));
    }
}

#[test]
fn what_is_due_is_done_once_everything_has_been_read() {
    const SECOND: Duration = Duration::from_secs(1);
    let due = Timestamp::ZERO + SHORTAGE;
    let noticed = || {
        let mut engine = engine(ServerSettings::default(), Vec::new()).expect("good settings");
        let shortage = io::Error::from_raw_os_error(24);
        engine.not_accepted(Timestamp::ZERO, shortage).expect("it passes");
        engine.tick_when_read(due, true);
        assert!(!engine.has_room(Timestamp::ZERO), "the turn that notices it does nothing");
        assert_eq!(engine.idle_for(due), Some(Duration::ZERO));
        engine
    };
    let mut engine = noticed();
    engine.tick_when_read(due, true);
    assert!(engine.has_room(Timestamp::ZERO), "everything was read");
    let mut engine = noticed();
    engine.tick_when_read(due + (SECOND - Duration::from_micros(1)), false);
    assert!(!engine.has_room(Timestamp::ZERO), "there is more to read");
    engine.tick_when_read(due + SECOND, false);
    assert!(engine.has_room(Timestamp::ZERO), "it has waited for a second");
}

#[test]
fn without_files_there_is_no_room_for_a_while_and_without_a_listener_it_is_over() {
    let mut engine = engine(ServerSettings::default(), Vec::new()).expect("good settings");
    // EMFILE: too many open files.
    let shortage = io::Error::from_raw_os_error(24);
    assert!(matches!(AcceptFailure::of(&shortage), AcceptFailure::ForNow));
    engine.not_accepted(Timestamp::ZERO, shortage).expect("it passes");
    assert!(!engine.has_room(Timestamp::ZERO));
    engine.tick(Timestamp::ZERO + SHORTAGE);
    assert!(engine.has_room(Timestamp::ZERO));
    // EBADF, EINVAL, ENOTSOCK: what is listened to is no listener.
    for number in [9, 22, 88] {
        let error = io::Error::from_raw_os_error(number);
        let error = engine.not_accepted(Timestamp::ZERO, error).expect_err("it is over");
        assert_eq!(error.raw_os_error(), Some(number));
    }
    assert_eq!(format!("{engine:?}"), "Engine { sockets: 0, .. }");
}

#[test]
fn settings_that_cannot_be_are_refused_in_words() {
    let mut settings = ServerSettings::default();
    settings.config.limits.messages = Rate { per_second: 1, burst: 0 };
    let error = engine(settings, Vec::new()).expect_err("no burst");
    assert_eq!(error.to_string(), "the burst of messages must be at least 1");

    let kind = Kind::new("join").expect("a good name");
    let error = engine(ServerSettings::default(), vec![kind.clone()]).expect_err("the protocol's");
    assert_eq!(error, BuildError::ReservedKind(kind));
    assert_eq!(error.to_string(), "the type \"join\" belongs to the protocol");

    let none = Kind::new("").expect_err("no name");
    let error = BuildError::Kind(String::new(), none);
    assert_eq!(error.to_string(), "the type \"\" of a handler must not be empty");
    let error = BuildError::System("no more threads".into());
    assert_eq!(error.to_string(), "the system refuses what a server needs: no more threads");
}

#[test]
fn an_answer_that_is_no_json_is_the_servers_fault() {
    let unwritable = std::collections::BTreeMap::from([((1, 2), 3)]);
    let refusal = write(&unwritable).expect_err("keys are no strings");
    assert_eq!(refusal.code, ErrorCode::Internal);
    assert_eq!(write(&()), Ok(None));
}

#[test]
fn what_is_printed_tells_no_secrets() {
    let claims = Claims::new(UserName::new("a secret").expect("a good name"));
    assert_eq!(format!("{claims:?} {:?}", Claims::default()), "Claims(..) Claims");
    assert!(claims.get::<UserName>().is_some() && claims.get::<u8>().is_none());
    let settings = ServerSettings::echo();
    assert!(format!("{settings:?}").starts_with("ServerSettings { config: Config {"));
    assert_eq!(settings.codec(), Codec::Raw);
    let quiet = Heartbeat { interval: std::time::Duration::ZERO, ..Heartbeat::default() };
    assert_eq!(settings.config.heartbeat, quiet);
    assert_ne!(settings.config.limits, Config::default().limits);
}
