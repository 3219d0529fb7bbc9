//! All outlets, and what is done to them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use crate::action::{Action, Outcome};
use crate::close::{Disconnect, Rejection};
use crate::codec::{Codec, Frame};
use crate::event::Event;
use crate::id::ConnectionId;
use crate::message::Message;
use crate::refusal::Refusal;

use super::queue::{PARTS, WriteQueue};
use super::{Outlet, Output, Stall};

#[derive(Debug)]
struct Slot<O> {
    id: ConnectionId,
    codec: Codec,
    outlet: O,
    queue: WriteQueue,
    /// It is in the list of those to be flushed.
    dirty: bool,
    /// The socket was full; nothing is written until it is writable again.
    stalled: bool,
    /// The hub has been told that it is blocked.
    blocked: bool,
    broken: bool,
    /// The close frame is written.
    finished_writing: bool,
    /// Bytes read since the last complete message, and whether there was one in the last piece.
    unfinished: usize,
    finished: bool,
    /// Bytes of control frames in the last piece.
    controlled: usize,
}

/// Outlets by connection, and what they and the hub want from the driver.
#[derive(Debug)]
pub(super) struct Outlets<O> {
    slots: Vec<Option<Slot<O>>>,
    dirty: VecDeque<ConnectionId>,
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
            water,
            admitted: None,
            done: None,
            outputs: VecDeque::new(),
            reports: VecDeque::new(),
            bytes_out: 0,
        }
    }

    pub(super) fn insert(&mut self, id: ConnectionId, codec: Codec, outlet: O) {
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        self.slots[id.index()] = Some(Slot {
            id,
            codec,
            outlet,
            queue: WriteQueue::default(),
            dirty: false,
            stalled: false,
            blocked: false,
            broken: false,
            finished_writing: false,
            unfinished: 0,
            finished: false,
            controlled: 0,
        });
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

    /// A message is complete.
    pub(super) fn finished(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slot(id) {
            slot.finished = true;
        }
    }

    /// So many bytes of a ping or pong belong to no message.
    pub(super) fn controlled(&mut self, id: ConnectionId, bytes: usize) {
        if let Some(slot) = self.slot(id) {
            slot.controlled += bytes;
        }
    }

    /// Counts a piece of what was read. Answers how many bytes the message that is not complete has had so far.
    pub(super) fn unfinished(&mut self, id: ConnectionId, bytes: usize) -> usize {
        let Some(slot) = self.slot(id) else { return 0 };
        let all = slot.unfinished + bytes;
        slot.unfinished = if slot.finished { 0 } else { all.saturating_sub(slot.controlled) };
        slot.controlled = 0;
        slot.finished = false;
        slot.unfinished
    }

    pub(super) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// Does what the hub wants, up to and not including the sockets.
    pub(super) fn perform(&mut self, action: Action<'_>) {
        match action {
            Action::Accept { connection, .. } => self.admitted = Some(Ok(connection)),
            Action::Reject { rejection, .. } => self.admitted = Some(Err(rejection.clone())),
            Action::Send { to, message } => self.send(to, message),
            Action::Ping { connection, nonce } => self.push_control(connection, Frame::ping(nonce)),
            Action::Close { connection, reason } => {
                self.push_close(connection, Frame::close(reason))
            }
            Action::Closed { connection, user, ending, open_for } => {
                self.remove(connection);
                self.outputs.push_back(Output::Closed {
                    connection,
                    user: user.clone(),
                    ending: ending.clone(),
                    open_for,
                });
            }
            Action::Request { connection, user, request } => {
                self.outputs.push_back(Output::Request {
                    connection,
                    user: user.clone(),
                    request: request.clone(),
                })
            }
            Action::Raw { connection, frame } => {
                self.outputs.push_back(Output::Raw { connection, frame: frame.clone() });
            }
            Action::Done { result, .. } => self.done = Some(result.clone()),
            Action::Probed { ticket, answers } => {
                self.outputs.push_back(Output::Probed { ticket, answers: answers.to_vec() });
            }
            Action::Answered { ticket, answer } => {
                self.outputs.push_back(Output::Answered { ticket, answer: answer.clone() });
            }
            Action::StateWanted { ticket, room } => {
                self.outputs.push_back(Output::StateWanted { ticket, room: room.clone() });
            }
            Action::Notice(notice) => self.outputs.push_back(Output::Notice(notice.clone())),
            Action::Drained => self.outputs.push_back(Output::Drained),
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
            slot.queue.push(frame.clone());
            if !slot.dirty {
                slot.dirty = true;
                self.dirty.push_back(id);
            }
            // More than enough waits for this one: it does not wait for its turn.
            if slot.queue.bytes() > high {
                self.write(id);
            }
        }
    }

    pub(super) fn push_control(&mut self, id: ConnectionId, frame: Frame) {
        // A pong is only left out when the peer does not read, and not because several pings came at once.
        if self.slot(id).is_some_and(|slot| slot.queue.is_crowded() && !slot.stalled) {
            self.write(id);
        }
        if let Some(slot) = self.slot(id) {
            slot.queue.push_control(frame);
            self.mark_dirty(id);
        }
    }

    pub(super) fn push_close(&mut self, id: ConnectionId, frame: Frame) {
        if let Some(slot) = self.slot(id)
            && !slot.queue.is_closed()
        {
            slot.queue.push_close(frame);
            self.mark_dirty(id);
        }
    }

    fn mark_dirty(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slot(id)
            && !slot.dirty
        {
            slot.dirty = true;
            self.dirty.push_back(id);
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

    /// The socket takes bytes again.
    pub(super) fn resume(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slot(id) {
            slot.stalled = false;
            self.write(id);
        }
    }

    /// Writes what waits, and reports what came of it to the hub.
    fn write(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id.index()).and_then(Option::as_mut) else { return };
        if slot.id != id || slot.broken {
            return;
        }
        self.bytes_out += slot.pump();
        let waiting = slot.queue.bytes();
        if slot.broken {
            let how = Disconnect::Lost;
            self.reports.push_back(Event::Disconnected { connection: id, how });
        } else if waiting > self.water.end && !slot.blocked {
            slot.blocked = true;
            self.reports.push_back(Event::Blocked { connection: id });
        } else if waiting <= self.water.start && slot.blocked {
            self.reports.push_back(Event::Writable { connection: id });
        }
    }

    /// Forgets a connection. What waits for it goes out as far as its socket takes it now; the hub, which has
    /// forgotten it already, hears nothing of that.
    fn remove(&mut self, id: ConnectionId) {
        let slot = self.slots.get_mut(id.index());
        if let Some(slot) = slot.filter(|slot| slot.as_ref().is_some_and(|slot| slot.id == id))
            && let Some(mut slot) = slot.take()
        {
            self.bytes_out += slot.pump();
            slot.outlet.end();
        }
    }
}

impl<O: Outlet> Slot<O> {
    /// Writes until nothing waits or the socket takes no more. Answers how many bytes it took.
    fn pump(&mut self) -> u64 {
        let mut written = 0;
        while !self.stalled && !self.broken && !self.queue.is_empty() {
            let mut parts: [&[u8]; PARTS] = [&[]; PARTS];
            let count = self.queue.fill(&mut parts);
            match self.outlet.write(&parts[..count]) {
                // A socket that takes nothing and says nothing will not take anything later either.
                Ok(0) | Err(Stall::Broken) => self.broken = true,
                Ok(taken) => {
                    written += taken as u64;
                    self.queue.advance(taken);
                }
                Err(Stall::Full) => {
                    self.stalled = true;
                    self.outlet.watch();
                }
            }
        }
        if self.queue.is_closed() && self.queue.is_empty() && !self.finished_writing {
            self.finished_writing = true;
            self.outlet.finish();
        }
        written
    }
}
