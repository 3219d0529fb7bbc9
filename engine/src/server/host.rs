//! A server as its handles see it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use switchboard_core::{
    Answer, Attempt, Command, ConnectionId, Driver, Hub, Kind, Outcome, Outlet, Payload, Refusal,
    Rejection, Stats, Ticket, Timestamp, UserName,
};

use super::door::{Door, Place};
use super::entrance::Entrance;
use crate::slots::Slots;

/// What a probe has found: each connection that was asked, with the time that its answer took, or
/// `None` if there was no answer in time.
pub type Probed = Vec<(ConnectionId, Option<Duration>)>;

/// A server that a runtime keeps for its [handles](super::Handle): the driver behind a lock.
pub trait Host: Send + Sync + 'static {
    /// The runtime's sockets.
    type Outlet: Outlet;

    /// Changes something, and does what follows from it.
    fn drive<T>(&self, change: impl FnOnce(&mut Driver<Self::Outlet>, Timestamp) -> T) -> T;

    /// Looks without changing anything.
    fn look<T>(&self, look: impl FnOnce(&Driver<Self::Outlet>) -> T) -> T;

    /// Has the hub do something.
    ///
    /// # Errors
    /// If the hub refuses.
    fn command(&self, command: Command) -> Result<Outcome, Refusal> {
        self.drive(|driver, now| driver.command(now, command))
    }

    /// What decides about upgrades.
    fn entrance(&self) -> &Entrance;

    /// What names a socket to the runtime.
    type Peer: Clone;

    /// Has the door do something.
    fn door<T>(&self, change: impl FnOnce(&mut Door<Self::Peer>, Timestamp) -> T) -> T;

    /// The calls that wait for clients.
    fn pending(&self) -> &Pending;

    /// Is ready when the server has been drained. Where the application blocks, this may block
    /// too, when it is polled.
    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Calls of the application that wait for an answer from a client.
#[derive(Default, Debug)]
pub struct Pending {
    probes: Mutex<Slots<Probed>>,
    requests: Mutex<Slots<Answer>>,
}

impl Pending {
    /// Passes on [`Output::Probed`](switchboard_core::Output::Probed).
    pub fn probed(&self, ticket: Ticket, answers: Probed) {
        let waker = lock(&self.probes).answer(ticket, answers);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Passes on [`Output::Answered`](switchboard_core::Output::Answered).
    pub fn answered(&self, ticket: Ticket, answer: Answer) {
        let waker = lock(&self.requests).answer(ticket, answer);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The server has ended: nothing will be answered any more.
    pub fn end(&self) {
        let mut wakers = lock(&self.probes).clear();
        wakers.extend(lock(&self.requests).clear());
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn probe(&self, ticket: Ticket) -> Waiting<'_, Probed> {
        Waiting { slots: &self.probes, ticket }
    }

    pub(super) fn request(&self, ticket: Ticket) -> Waiting<'_, Answer> {
        Waiting { slots: &self.requests, ticket }
    }
}

/// An answer that has not come yet.
pub(super) struct Waiting<'p, T> {
    slots: &'p Mutex<Slots<T>>,
    ticket: Ticket,
}

impl<T> Future for Waiting<'_, T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        lock(self.slots).poll(self.ticket, cx)
    }
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        lock(self.slots).close(self.ticket);
    }
}

fn lock<T>(slots: &Mutex<T>) -> MutexGuard<'_, T> {
    slots.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A [`Host`], whatever its sockets are.
pub(super) trait AnyHost: Send + Sync {
    fn command(&self, command: Command) -> Result<Outcome, Refusal>;

    fn connect(&self, attempt: Attempt) -> Result<ConnectionId, Rejection>;

    fn abandon(&self, connection: ConnectionId);

    fn give_back(&self, place: Place);

    fn probe(
        &self,
        user: UserName,
        timeout: Option<Duration>,
    ) -> Result<Waiting<'_, Probed>, Refusal>;

    fn request(
        &self,
        to: ConnectionId,
        method: Kind,
        payload: Payload,
        timeout: Duration,
    ) -> Result<Waiting<'_, Answer>, Refusal>;

    fn drain(
        &self,
        timeout: Duration,
        spread: Duration,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    fn see(&self, see: &mut dyn FnMut(&Hub));

    fn stats(&self) -> Stats;

    fn refused_requests(&self) -> Vec<(&'static str, u64)>;
}

impl<H: Host> AnyHost for H {
    fn command(&self, command: Command) -> Result<Outcome, Refusal> {
        Host::command(self, command)
    }

    fn connect(&self, attempt: Attempt) -> Result<ConnectionId, Rejection> {
        self.drive(|driver, now| driver.connect(now, attempt))
    }

    fn abandon(&self, connection: ConnectionId) {
        self.drive(|driver, now| driver.abandon(now, connection));
    }

    fn give_back(&self, place: Place) {
        self.door(|door, _| door.left(place));
    }

    fn probe(
        &self,
        user: UserName,
        timeout: Option<Duration>,
    ) -> Result<Waiting<'_, Probed>, Refusal> {
        self.drive(|driver, now| {
            let ticket = driver.probe(now, user, timeout)?;
            // Still under the driver's lock, so the answer cannot come first.
            lock(&self.pending().probes).open(ticket);
            Ok(self.pending().probe(ticket))
        })
    }

    fn request(
        &self,
        to: ConnectionId,
        method: Kind,
        payload: Payload,
        timeout: Duration,
    ) -> Result<Waiting<'_, Answer>, Refusal> {
        self.drive(|driver, now| {
            let ticket = driver.request(now, to, method, payload, timeout)?;
            // Still under the driver's lock, so the answer cannot come first.
            lock(&self.pending().requests).open(ticket);
            Ok(self.pending().request(ticket))
        })
    }

    fn drain(
        &self,
        timeout: Duration,
        spread: Duration,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.drive(|driver, now| driver.drain(now, timeout, spread));
        self.drained()
    }

    fn see(&self, see: &mut dyn FnMut(&Hub)) {
        self.look(|driver| see(driver.hub()));
    }

    fn stats(&self) -> Stats {
        self.look(|driver| driver.stats())
    }

    fn refused_requests(&self) -> Vec<(&'static str, u64)> {
        self.entrance().refused_requests()
    }
}
