//! All outlets, and what is done to them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use crate::hub::action::{Action, Operation, Outcome, Output};
use crate::hub::event::Event;
use crate::protocol::close::{Disconnect, Rejection};
use crate::protocol::codec::{Codec, Frame};
use crate::protocol::id::ConnectionId;
use crate::protocol::refusal::Refusal;
use crate::protocol::to_client::Message;

use super::Outlet;
use super::queue::WriteQueue;
use super::sink::{LentSocket, Sink, Socket};

#[derive(Debug)]
struct Slot<O> {
    id: ConnectionId,
    codec: Codec,
    sink: Sink<O>,
    /// It is in the list of those to be flushed, or will be when its socket is back.
    dirty: bool,
    /// The socket became writable while it was lent.
    resumed: bool,
    /// The hub has been told that it is blocked.
    blocked: bool,
}

impl<O> Slot<O> {
    fn queue(&mut self) -> &mut WriteQueue {
        match &mut self.sink {
            Sink::Here(socket) => &mut socket.queue,
            Sink::Lent(meanwhile) => meanwhile,
        }
    }

    fn here(&mut self) -> Option<&mut Socket<O>> {
        match &mut self.sink {
            Sink::Here(socket) => Some(socket),
            Sink::Lent(_) => None,
        }
    }
}

/// Outlets by connection, and what they and the hub want from the driver.
#[derive(Debug)]
pub(super) struct Outlets<O> {
    slots: Vec<Option<Slot<O>>>,
    dirty: VecDeque<ConnectionId>,
    /// Connections that ended while their sockets were lent.
    leaving: Vec<Slot<O>>,
    lent: usize,
    scratch: Vec<u8>,
    /// From the low-water mark to the high one, in bytes.
    water: Range<usize>,
    pub(super) admitted: Option<Result<ConnectionId, Rejection>>,
    pub(super) done: Option<Result<Outcome, Refusal>>,
    pub(super) outputs: VecDeque<Output>,
    /// What the hub is to be told when it has been heard.
    pub(super) reports: VecDeque<Event>,
    pub(super) bytes_out: u64,
}

impl<O: Outlet> Outlets<O> {
    pub(super) fn new(water: Range<usize>) -> Self {
        Self {
            slots: Vec::new(),
            dirty: VecDeque::new(),
            leaving: Vec::new(),
            lent: 0,
            scratch: Vec::new(),
            water,
            admitted: None,
            done: None,
            outputs: VecDeque::new(),
            reports: VecDeque::new(),
            bytes_out: 0,
        }
    }

    pub(super) fn insert(&mut self, id: ConnectionId, codec: Codec, outlet: O, answer: Vec<u8>) {
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        let has_answer = !answer.is_empty();
        self.slots[id.index()] = Some(Slot {
            id,
            codec,
            sink: Sink::Here(Socket::new(outlet, WriteQueue::answering(answer))),
            dirty: false,
            resumed: false,
            blocked: false,
        });
        if has_answer {
            self.mark_dirty(id);
        }
    }

    fn slot(&mut self, id: ConnectionId) -> Option<&mut Slot<O>> {
        self.slots.get_mut(id.index())?.as_mut().filter(|slot| slot.id == id)
    }

    pub(super) fn codec(&mut self, id: ConnectionId) -> Option<Codec> {
        self.slot(id).map(|slot| slot.codec)
    }

    /// What the hub made of a report. If messages still wait, it is asked again after the next flush, even if this
    /// time it had nothing that could be said to this connection.
    pub(super) fn set_blocked(&mut self, id: ConnectionId, blocked: bool) {
        if let Some(slot) = self.slot(id) {
            slot.blocked = blocked;
            if blocked {
                self.mark_dirty(id);
            }
        }
    }

    pub(super) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// Does what the hub wants, up to and not including the sockets.
    pub(super) fn perform(&mut self, action: Action<'_>) {
        match action {
            Action::Send { to, message } => self.send(to, message),
            Action::Do(operation) => self.operate(operation),
            Action::Tell(output) => {
                if let Output::Closed { connection, .. } = output {
                    self.remove(*connection);
                }
                self.outputs.push_back(output.clone());
            }
        }
    }

    fn operate(&mut self, operation: &Operation) {
        match operation {
            Operation::Accept { connection, .. } => self.admitted = Some(Ok(*connection)),
            Operation::Reject { rejection, .. } => self.admitted = Some(Err(rejection.clone())),
            Operation::Ping { connection, nonce } => {
                self.push_control(*connection, Frame::ping(*nonce))
            }
            Operation::Close { connection, reason } => {
                self.push_close(*connection, Frame::close(reason))
            }
            Operation::Done { result, .. } => self.done = Some(result.clone()),
        }
    }

    /// One message to many: encoded once for each codec, then only referred to.
    fn send(&mut self, to: &[ConnectionId], message: &Message) {
        let mut frames: [Option<Option<Frame>>; Codec::COUNT] = [const { None }; Codec::COUNT];
        let high = self.water.end;
        for &id in to {
            let slot = self.slots.get_mut(id.index()).and_then(Option::as_mut);
            let Some(slot) = slot.filter(|slot| slot.id == id) else { continue };
            let frame =
                frames[slot.codec.index()].get_or_insert_with(|| slot.codec.encode(message));
            let Some(frame) = frame else { continue };
            let queue = slot.queue();
            queue.push(frame.clone());
            let is_crowded = queue.bytes() > high;
            if !slot.dirty {
                slot.dirty = true;
                if slot.here().is_some() {
                    self.dirty.push_back(id);
                }
            }
            // More than enough waits for this one: it does not wait for its turn.
            if is_crowded {
                self.write(id);
            }
        }
    }

    pub(super) fn push_control(&mut self, id: ConnectionId, frame: Frame) {
        // A pong is only left out when the peer does not read, and not because several pings came at once.
        let is_crowded = |socket: &mut Socket<O>| socket.queue.is_crowded() && !socket.stalled;
        if self.slot(id).and_then(Slot::here).is_some_and(is_crowded) {
            self.write(id);
        }
        if let Some(slot) = self.slot(id) {
            slot.queue().push_control(frame);
            self.mark_dirty(id);
        }
    }

    pub(super) fn push_close(&mut self, id: ConnectionId, frame: Frame) {
        if let Some(slot) = self.slot(id)
            && !slot.queue().is_closed()
        {
            slot.queue().push_close(frame);
            self.mark_dirty(id);
        }
    }

    fn mark_dirty(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slot(id)
            && !slot.dirty
        {
            slot.dirty = true;
            if slot.here().is_some() {
                self.dirty.push_back(id);
            }
        }
    }

    /// Writes to the next socket in the list. Answers whether there was one.
    pub(super) fn flush_next(&mut self) -> bool {
        let Some(id) = self.dirty.pop_front() else { return false };
        if let Some(slot) = self.slot(id) {
            slot.dirty = false;
            self.write(id);
        }
        true
    }

    /// Lends the next socket in the list that has something to be written.
    pub(super) fn lend(&mut self) -> Option<LentSocket<O>> {
        loop {
            let id = self.dirty.pop_front()?;
            let Some(slot) = self.slot(id) else { continue };
            slot.dirty = false;
            let Some(socket) = slot.here().filter(|socket| socket.has_work()) else {
                // Nothing can be written now, but the hub may want to know how much waits.
                self.report(id);
                continue;
            };
            let meanwhile = Sink::Lent(Box::new(socket.queue.continued()));
            if let Sink::Here(socket) = core::mem::replace(&mut slot.sink, meanwhile) {
                self.lent += 1;
                return Some(LentSocket::new(id, socket));
            }
        }
    }

    pub(super) fn take_back(&mut self, lent: LentSocket<O>) {
        let (id, mut socket, written) = lent.into_parts();
        self.lent -= 1;
        self.bytes_out += written;
        if let Some(at) = self.leaving.iter().position(|slot| slot.id == id) {
            let slot = self.leaving.swap_remove(at);
            socket.catch_up(slot.sink, slot.resumed);
            return self.let_go(socket);
        }
        let Some(slot) = self.slot(id) else { return self.let_go(socket) };
        let resumed = core::mem::take(&mut slot.resumed);
        let meanwhile = core::mem::replace(&mut slot.sink, Sink::Here(socket));
        slot.dirty = false;
        if let Sink::Here(socket) = &mut slot.sink {
            socket.catch_up(meanwhile, resumed);
            if socket.has_work() {
                self.mark_dirty(id);
            }
        }
        self.report(id);
    }

    pub(super) fn lent(&self) -> usize {
        self.lent
    }

    /// The socket takes bytes again.
    pub(super) fn resume(&mut self, id: ConnectionId) {
        let Some(slot) = self.slot(id) else { return };
        match &mut slot.sink {
            Sink::Here(socket) if socket.stalled => {
                socket.stalled = false;
                self.write(id);
            }
            Sink::Here(_) => {}
            Sink::Lent(_) => slot.resumed = true,
        }
    }

    /// Writes what waits, and reports what came of it to the hub.
    fn write(&mut self, id: ConnectionId) {
        let slot = self.slots.get_mut(id.index()).and_then(Option::as_mut);
        let Some(slot) = slot.filter(|slot| slot.id == id) else { return };
        if let Some(socket) = slot.here() {
            if socket.broken {
                return;
            }
            self.bytes_out += socket.pump(&mut self.scratch);
        }
        self.report(id);
    }

    /// Lets the hub know when a socket has failed, has become full, or is full no more.
    fn report(&mut self, id: ConnectionId) {
        let water = self.water.clone();
        let Some(slot) = self.slot(id) else { return };
        let is_broken = slot.here().is_some_and(|socket| socket.broken);
        let waiting = slot.queue().bytes();
        if is_broken {
            let how = Disconnect::Lost;
            self.reports.push_back(Event::Disconnected { connection: id, how });
        } else if waiting > water.end && !slot.blocked {
            slot.blocked = true;
            self.reports.push_back(Event::Blocked { connection: id });
        } else if waiting <= water.start && slot.blocked && slot.here().is_some() {
            self.reports.push_back(Event::Writable { connection: id });
        }
    }

    /// Forgets a connection. What waits for it goes out as far as its socket takes it now; the hub, which has
    /// forgotten it already, hears nothing of that.
    fn remove(&mut self, id: ConnectionId) {
        let slot = self.slots.get_mut(id.index());
        let slot = slot.filter(|slot| slot.as_ref().is_some_and(|slot| slot.id == id));
        match slot.and_then(Option::take) {
            Some(Slot { sink: Sink::Here(socket), .. }) => self.let_go(socket),
            Some(slot) => self.leaving.push(slot),
            None => {}
        }
    }

    /// Writes what the socket takes now, and drops it.
    fn let_go(&mut self, mut socket: Socket<O>) {
        self.bytes_out += socket.pump(&mut self.scratch);
    }
}
