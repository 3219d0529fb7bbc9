//! A client in the hands of the application.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_core::client::{Accepted, ClientStats, MachineEvent, State};
use switchboard_core::{Kind, Payload, Position, RoomName, Ticket, UserName};

use super::address::Address;
use super::call::{Call, CallError, name};
use super::room::{Room, accepted};
use super::setup::{BuildClient, Setup, StartError};
use super::shell::Shell;

/// A client of a Switchboard server. It connects, reconnects when the connection is lost, and goes
/// on where it was: rooms are joined again with what was missed, and messages without an answer are
/// sent again, and published once.
///
/// It is a handle, cheap to clone and usable from any thread. When the last one is dropped, rooms
/// included, the client closes its connection and ends. What happens is told by its events.
///
/// `K` says how the application waits ([`Async`](crate::Async) or [`Blocking`](crate::Blocking)),
/// `B` is the builder of its runtime.
pub struct Client<K, B> {
    caller: Caller,
    kind: PhantomData<fn() -> (K, B)>,
}

/// Keeps a client going. When the last one is dropped, the client closes its connection and ends.
#[derive(Clone)]
pub(super) struct Caller(Arc<Guard>);

struct Guard(Arc<Shell>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Caller {
    pub(super) fn shell(&self) -> &Arc<Shell> {
        &self.0.0
    }

    pub(super) fn direct(&self, user: &str, payload: Result<Payload, CallError>) -> Call<Accepted> {
        let event = name::<UserName>("user", user).and_then(|to| {
            let payload = payload?;
            Ok(move |ticket: Ticket| MachineEvent::Direct { ticket, to, payload })
        });
        Call::begin(self.shell(), event, accepted)
    }

    pub(super) fn request(
        &self,
        room: Option<RoomName>,
        kind: &str,
        payload: Result<Payload, CallError>,
        timeout: Option<Duration>,
    ) -> Call<Accepted> {
        let event = name::<Kind>("type", kind).and_then(|kind| {
            let payload = payload?;
            Ok(move |ticket: Ticket| MachineEvent::Request { ticket, room, kind, payload, timeout })
        });
        Call::begin(self.shell(), event, accepted)
    }

    pub(super) fn position(&self, room: &str) -> Option<Position> {
        self.shell().look(|machine| machine.position(room))
    }

    pub(super) fn stop(&self) -> Stopping {
        self.shell().feed(MachineEvent::Stop);
        Stopping(self.shell().clone())
    }
}

impl<K, B: BuildClient> Client<K, B> {
    /// Settings for a client of this address: `ws://HOST[:PORT][/PATH]`, or `wss` with the feature
    /// `tls`. Without a path it is `/ws`; with the path `/ws/ROOM`, the server puts the client into
    /// that room.
    ///
    /// # Errors
    /// If it is not such an address.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{BuildClient, Client, StartError}};
    /// # fn example<ClientBuilder: BuildClient>() -> Result<(), StartError> {
    /// let builder = Client::<Async, ClientBuilder>::builder("ws://localhost:8080/ws")?;
    /// # Ok(()) }
    /// ```
    pub fn builder(address: &str) -> Result<B, StartError> {
        Setup::new(address).map(B::new)
    }
}

impl<K, B> Client<K, B> {
    /// The first handle of a client.
    pub fn new(shell: Arc<Shell>) -> Self {
        Self { caller: Caller(Arc::new(Guard(shell))), kind: PhantomData }
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    fn shell(&self) -> &Arc<Shell> {
        self.caller.shell()
    }

    /// A room, whether the client is in it or not.
    ///
    /// # Errors
    /// If the name is invalid.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// let lobby = client.room("lobby")?;
    /// # Ok(()) }
    /// ```
    pub fn room(&self, room: &str) -> Result<Room<K>, CallError> {
        Ok(Room::new(self.caller.clone(), name("room", room)?))
    }

    /// The address of the server.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// println!("connected to {}", client.address());
    /// # Ok(()) }
    /// ```
    pub fn address(&self) -> &Address {
        &self.shell().setup().address
    }

    /// The state of the connection.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// use switchboard_core::client::State;
    ///
    /// let is_open = client.state() == State::Open;
    /// # Ok(()) }
    /// ```
    pub fn state(&self) -> State {
        self.shell().state()
    }

    /// The user that the server takes the client for, once there has been a connection.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// if let Some(user) = client.user() {
    ///     println!("I am {user}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn user(&self) -> Option<UserName> {
        self.shell().look(|machine| machine.user().cloned())
    }

    /// The server's id of the last connection.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// println!("connection {:?}", client.client_id());
    /// # Ok(()) }
    /// ```
    pub fn client_id(&self) -> Option<String> {
        self.shell().look(|machine| machine.client_id().map(ToString::to_string))
    }

    /// What the server has beyond the first version of the protocol, by its last `connected`: one
    /// word for each addition. It is empty before the first connection, and for a server that lists
    /// nothing.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// println!("the server has {}", client.features().join(", "));
    /// # Ok(()) }
    /// ```
    pub fn features(&self) -> Vec<Arc<str>> {
        self.shell().look(|machine| machine.features().to_vec())
    }

    /// Whether the server listed this word in its last `connected`. Do not use what it did not list:
    /// an older server would publish it as a message.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// let has_history_pages = client.supports("history_pages");
    /// # Ok(()) }
    /// ```
    pub fn supports(&self, feature: &str) -> bool {
        self.shell().look(|machine| machine.supports(feature))
    }

    /// The rooms that the client is in, or will be in again.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// for room in client.rooms() {
    ///     println!("in {room}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn rooms(&self) -> Vec<RoomName> {
        self.shell().look(|machine| machine.rooms().map(|(room, _)| room.clone()).collect())
    }

    /// The position of the last publication that was received in a room. A client that is started
    /// later can go on from there, with the room's `join_since`.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// let last_seen = client.position("lobby");
    /// # Ok(()) }
    /// ```
    pub fn position(&self, room: &str) -> Option<Position> {
        self.caller.position(room)
    }

    /// The number of messages that wait to be sent, and of those that were sent and have no answer
    /// yet.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// let (waiting, sent) = client.unanswered();
    /// # Ok(()) }
    /// ```
    pub fn unanswered(&self) -> (usize, usize) {
        self.shell().look(|machine| machine.unanswered())
    }

    /// Counters of what was sent and received.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// println!("{:?}", client.stats());
    /// # Ok(()) }
    /// ```
    pub fn stats(&self) -> ClientStats {
        self.shell().look(|machine| machine.stats())
    }

    /// Tries again now, or checks whether the server still answers: for when the network is back or
    /// the machine has woken up.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// client.wake();
    /// # Ok(()) }
    /// ```
    pub fn wake(&self) {
        self.shell().feed(MachineEvent::Wake);
    }

    /// Starts again after the client was stopped or closed for good; if it waits to try again, it
    /// does so now.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// client.connect();
    /// # Ok(()) }
    /// ```
    pub fn connect(&self) {
        self.shell().feed(MachineEvent::Connect);
    }
}

impl<K, B> Clone for Client<K, B> {
    fn clone(&self) -> Self {
        Self { caller: self.caller.clone(), kind: PhantomData }
    }
}

impl<K, B> fmt::Debug for Client<K, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// A client that is closing its socket. Await it to know when that is closed; the client stops
/// whether it is awaited or not.
#[derive(Debug)]
pub struct Stopping(Arc<Shell>);

impl Future for Stopping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_closed(cx)
    }
}
