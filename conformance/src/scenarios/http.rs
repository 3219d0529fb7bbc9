//! Requests that are not upgrades, and the checks on those that are.

use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{Client, request};
use crate::harness::{Server, plain};

scenarios![
    there_is_nothing_but_sockets,
    the_path_of_upgrades_can_be_another,
    everybody_is_believed_and_guests_differ,
];

fn there_is_nothing_but_sockets(start: Start) {
    let server = Server::start(start, plain());
    for (method, path, status) in
        [("GET", "/", 404), ("GET", "/wsx", 404), ("GET", "/ws", 426), ("HEAD", "/ws", 405)]
    {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let (got, text) = Client::ask(server.address, request);
        assert_eq!(got, status, "{text}");
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.is_empty(), method == "HEAD", "{text}");
    }
}

fn the_path_of_upgrades_can_be_another(start: Start) {
    let mut settings = ServerSettings { ..plain() };
    settings.path = "/socket".into();
    let server = Server::start(start, settings);
    server.connect("/socket").bye();
    let mut client = Client::open(server.address, "/socket/a%20room");
    assert_eq!(client.expect("connected")["rooms"][0]["room"], "a room");
    client.bye();
    let (status, _) = Client::ask(server.address, request("/ws", ""));
    assert_eq!(status, 404);
}

fn everybody_is_believed_and_guests_differ(start: Start) {
    let server = Server::start(start, plain());
    let name = |target: &str| {
        let mut client = Client::open(server.address, target);
        client.expect("connected")["user"].as_str().unwrap().to_owned()
    };
    assert_eq!(name("/ws?user=Zo%C3%AB"), "Zoë");
    let (one, two) = (name("/ws"), name("/ws"));
    assert!(one.starts_with("guest-") && one != two, "{one} {two}");
    let (status, text) = Client::ask(server.address, request("/ws?user=a%00b", ""));
    assert_eq!(status, 400, "{text}");
}
