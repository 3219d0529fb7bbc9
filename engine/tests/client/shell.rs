//! An application that is slow, or takes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use switchboard_core::Timestamp;
use switchboard_core::client::{Outbound, ServerMessage, State};
use switchboard_engine::Async;
use switchboard_engine::client::{
    Arrived, Client, ClientEvent, Delivery, Events, Orders, Outside, Over, RoomChange,
    ServerRequest, Setup, Shell,
};

/// Time stands still.
#[derive(Default)]
struct Still {
    rung: AtomicUsize,
}

impl Outside for Still {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO
    }

    fn ring(&self) {
        self.rung.fetch_add(1, Ordering::Relaxed);
    }
}

struct Connected {
    shell: Arc<Shell>,
    events: Events<Async>,
    client: Client<Async, ()>,
}

/// A client that is connected and keeps so many events.
fn connected(max_events: usize) -> Connected {
    let mut setup = Setup::new("ws://localhost/ws").expect("an address");
    setup.settings.max_events = max_events;
    let (shell, events) = Shell::new(Arc::new(setup), 1, Arc::new(Still::default()));
    let client = Client::new(shell.clone());
    client.connect();
    assert!(shell.orders().dial.is_some());
    shell.arrived(Arrived::Opened);
    hear(&shell, r#"{"type":"connected","session":"5be0cd19137e2179"}"#);
    assert_eq!(client.state(), State::Open);
    Connected { shell, events, client }
}

fn hear(shell: &Shell, text: &str) {
    shell.arrived(Arrived::Message(ServerMessage::from_text(text)));
}

fn joined(shell: &Shell, room: &str) {
    hear(shell, &format!(r#"{{"type":"joined","room":"{room}","position":"00c9f1b2a4d07e35:1"}}"#));
}

#[test]
fn a_client_knows_what_its_server_lists() {
    let client = connected(10);
    assert!(client.client.features().is_empty() && !client.client.supports("x"));
    client.shell.over(Over::Failed("cut".into()));
    client.client.connect();
    client.shell.arrived(Arrived::Opened);
    hear(&client.shell, r#"{"type":"connected","protocol":1,"features":["x","y"]}"#);
    assert_eq!(client.client.features().join(" "), "x y");
    assert!(client.client.supports("x") && !client.client.supports("z"));
}

fn next(events: &mut Events<Async>) -> Poll<Option<ClientEvent>> {
    events.poll_event(&mut Context::from_waker(Waker::noop()))
}

fn take(events: &mut Events<Async>) -> Vec<ClientEvent> {
    std::iter::from_fn(|| match next(events) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    })
    .collect()
}

fn texts(orders: Orders) -> Vec<String> {
    let text = |message| match message {
        Outbound::Text(text) => text.to_string(),
        Outbound::Binary(bytes) => panic!("{bytes:?}"),
    };
    orders.outbound.into_iter().map(text).collect()
}

const REQUEST: &str = r#"{"type":"request","id":"s1","method":"confirm","payload":1}"#;

fn is_busy(texts: &[String]) -> bool {
    matches!(texts, [one] if one.contains(r#""id":"s1""#) && one.contains(r#""code":"busy""#))
}

#[test]
fn a_request_that_there_is_no_room_for_is_answered_busy() {
    let client = connected(1);
    hear(&client.shell, REQUEST);
    assert!(is_busy(&texts(client.shell.orders())));
}

#[test]
fn requests_that_nobody_takes_any_more_are_answered_busy() {
    let mut client = connected(10);
    take(&mut client.events);
    hear(&client.shell, REQUEST);
    assert!(texts(client.shell.orders()).is_empty());
    drop(client.events);
    assert!(is_busy(&texts(client.shell.orders())), "what waited");
    hear(&client.shell, REQUEST);
    assert!(is_busy(&texts(client.shell.orders())), "what comes later");
    // Nothing else is kept for nobody.
    joined(&client.shell, "lobby");
    hear(&client.shell, r#"{"type":"direct","from":"bob","timestamp":1,"payload":1}"#);
    client.shell.over(Over::Failed("cut".into()));
    assert!(matches!(client.client.state(), State::Waiting { .. }));
}

fn request(events: &mut Events<Async>) -> ServerRequest {
    let mut all = take(events);
    let Some(ClientEvent::Request(request)) = all.pop() else { panic!("{all:?}") };
    request
}

#[test]
fn a_request_is_answered_once_whatever_becomes_of_it() {
    let mut client = connected(10);
    for (answer, expected) in [
        (0, r#""payload":7"#),
        (1, r#""code":"no""#),
        (2, r#""code":"unanswered""#),
        // What cannot be written is no answer.
        (3, r#""code":"unanswered""#),
    ] {
        hear(&client.shell, REQUEST);
        let request = request(&mut client.events);
        assert_eq!((request.id(), &*request.method), ("s1", "confirm"));
        assert!(format!("{request:?}").starts_with("ServerRequest { method: \"confirm\""));
        match answer {
            0 => request.reply(&7).expect("a number is JSON"),
            1 => request.refuse("no", "not now"),
            2 => drop(request),
            _ => {
                let unwritable = std::collections::BTreeMap::from([((1, 2), 3)]);
                let error = request.reply(&unwritable).expect_err("keys are no strings");
                assert_eq!(error.code(), "invalid_payload");
            }
        }
        let texts = texts(client.shell.orders());
        assert!(matches!(&texts[..], [one] if one.contains(expected)), "{texts:?}");
    }
}

#[test]
fn a_slow_application_hears_what_it_missed_and_how_things_stand() {
    let mut client = connected(3);
    take(&mut client.events);
    let say = |text: &str| hear(&client.shell, text);
    joined(&client.shell, "lobby");
    say(r#"{"type":"member_joined","room":"lobby","user":"bob"}"#);
    say(r#"{"type":"member_left","room":"lobby","user":"bob"}"#);
    // From here on there is no room.
    say(r#"{"type":"direct","from":"bob","timestamp":1,"payload":1}"#);
    say(r#"{"type":"member_joined","room":"lobby","user":"bob"}"#);
    joined(&client.shell, "hall");
    say(
        r#"{"type":"chat","room":"lobby","event_id":"00c9f1b2a4d07e35:2","timestamp":1,"payload":1}"#,
    );
    say(
        r#"{"type":"gap","room":"lobby","since":"00c9f1b2a4d07e35:2","position":"00c9f1b2a4d07e35:5","dropped":3}"#,
    );
    say(r#"{"type":"refresh","room":"hall","reason":"too_old","position":"00c9f1b2a4d07e35:9"}"#);
    client.shell.over(Over::Failed("cut".into()));
    client.shell.over(Over::Failed("cut".into()));

    let all = take(&mut client.events);
    let [
        ClientEvent::Room { change: RoomChange::Joined(_), .. },
        ClientEvent::Delivery(Delivery::MemberJoined { .. }),
        ClientEvent::Delivery(Delivery::MemberLeft { .. }),
        ClientEvent::Lagged(lagged),
        ClientEvent::State { state: State::Waiting { .. }, detail, .. },
    ] = &all[..]
    else {
        panic!("{all:?}")
    };
    assert_eq!(detail.as_deref(), Some("cut"));
    assert_eq!(lagged.others, 3);
    let [hall, lobby] = &lagged.rooms[..] else { panic!("{lagged:?}") };
    assert!(hall.refreshed && hall.dropped == 0 && &*hall.room == "hall");
    assert_eq!((lobby.since.offset, lobby.position.offset, lobby.dropped), (1, 5, 4));
    // All has been told, and new events are kept again.
    client.client.connect();
    assert!(matches!(
        &take(&mut client.events)[..],
        [ClientEvent::State { state: State::Connecting, .. }]
    ));
    assert_eq!(format!("{:?}", client.events), "Events");
}

#[test]
fn only_a_state_that_was_left_out_is_told_by_itself() {
    let mut client = connected(1);
    let all = take(&mut client.events);
    let [
        ClientEvent::State { state: State::Connecting, .. },
        ClientEvent::State { state: State::Open, .. },
    ] = &all[..]
    else {
        panic!("{all:?}")
    };
}

#[test]
fn what_comes_while_the_socket_is_to_be_closed_is_not_heard() {
    let mut client = connected(10);
    take(&mut client.events);
    let _stopping = client.client.stop();
    hear(&client.shell, REQUEST);
    client.shell.over(Over::Failed("cut".into()));
    let orders = client.shell.orders();
    assert_eq!(orders.drop, Some(Some(1000)));
    assert!(texts(orders).is_empty());
    client.shell.closed();
    let all = take(&mut client.events);
    assert!(matches!(&all[..], [ClientEvent::State { state: State::Idle, .. }]), "{all:?}");
    client.shell.ended();
    assert!(matches!(next(&mut client.events), Poll::Ready(None)));
    assert!(format!("{:?}", client.shell).contains("ws://localhost/ws"));
}
