//! A broadcast server that loses, repeats and reorders some messages on purpose, and counts them.

use std::collections::HashMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use tungstenite::{Message, accept};

/// The faults that it has caused.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    pub(crate) swapped: u64,
    pub(crate) strange: u64,
}

#[derive(Default)]
struct Room {
    clients: Vec<TcpStream>,
    /// Held back for one client until after the publisher's next message.
    held: HashMap<(usize, String), Vec<u8>>,
    faults: Faults,
    messages: u64,
}

pub(crate) struct Faulty {
    pub(crate) address: SocketAddr,
    room: Arc<(Mutex<Room>, Condvar)>,
}

impl Faulty {
    /// An honest server causes no faults.
    pub(crate) fn start(is_honest: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let room = Arc::<(Mutex<Room>, Condvar)>::default();
        let shared = room.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || serve(client, &shared, is_honest));
            }
        });
        Self { address, room }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Returns all its faults. What is still held back counts as lost.
    pub(crate) fn faults(&self) -> Faults {
        let room = self.room.0.lock().unwrap();
        let held = room.held.len() as u64;
        Faults { lost: room.faults.lost + held, ..room.faults }
    }

    /// Waits for this many messages.
    pub(crate) fn wait_for(&self, messages: u64, patience: Duration) {
        let (room, changed) = &*self.room;
        let room = room.lock().unwrap();
        let missing = |room: &mut Room| room.messages < messages;
        let (room, waited) = changed.wait_timeout_while(room, patience, missing).unwrap();
        drop(room);
        assert!(!waited.timed_out(), "there are fewer than {messages} messages");
    }
}

fn serve(client: TcpStream, shared: &(Mutex<Room>, Condvar), is_honest: bool) {
    client.set_nodelay(true).unwrap();
    // Under the lock, so that every client that was let in receives what others send.
    let mut room = shared.0.lock().unwrap();
    // A connection that only checks for a listener sends nothing.
    let Ok(mut socket) = accept(client.try_clone().unwrap()) else { return };
    room.clients.push(client);
    drop(room);
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                let mut room = shared.0.lock().unwrap();
                room.messages += 1;
                room.pass_on(text.as_str(), is_honest);
                shared.1.notify_all();
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

impl Room {
    fn pass_on(&mut self, text: &str, is_honest: bool) {
        // ~sbRRRR.PPPPPPPP.SSSSSSSS.
        let publisher = text[8..16].to_owned();
        let sequence: usize = text[17..25].parse().unwrap();
        let frame = frame(text);
        for client in 0..self.clients.len() {
            let whose = (client, publisher.clone());
            // Spares the first messages, which the generator starts with.
            match (sequence + client) % 10 {
                _ if is_honest || sequence == 0 => self.send(client, &frame),
                3 => self.faults.lost += 1,
                5 => {
                    self.send(client, &frame);
                    self.send(client, &frame);
                    self.faults.repeated += 1;
                }
                7 => drop(self.held.insert(whose, frame.clone())),
                8 => {
                    self.send(client, &frame);
                    if let Some(earlier) = self.held.remove(&whose) {
                        self.send(client, &earlier);
                        self.faults.swapped += 1;
                    }
                }
                9 if client == 0 && sequence % 50 == 9 => {
                    self.send(client, &frame);
                    // From an unknown publisher.
                    self.send(client, &frame_of_nobody(text));
                    self.faults.strange += 1;
                }
                _ => self.send(client, &frame),
            }
        }
    }

    fn send(&mut self, client: usize, frame: &[u8]) {
        // Closed clients stay in the list, so that the others keep their index.
        let _ = self.clients[client].write_all(frame);
    }
}

fn frame_of_nobody(text: &str) -> Vec<u8> {
    frame(&format!("{}99999999{}", &text[..8], &text[16..]))
}

fn frame(text: &str) -> Vec<u8> {
    assert!(text.len() < 126, "a short frame");
    [&[0x81, text.len() as u8], text.as_bytes()].concat()
}
