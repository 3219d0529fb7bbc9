//! The frames of one connection that its socket has not taken yet.

use alloc::vec::Vec;

use super::frames::Frames;
use crate::protocol::codec::{Frame, Opcode};

/// Pieces handed to the socket in one call.
pub(super) const PARTS: usize = 64;

/// Control frames that wait at once. The hub sends few pings, so that more can only be there because the peer reads
/// nothing.
const CONTROLS_MAX: u8 = 8;

/// Pongs among them. One more replaces the last that waits, which RFC 6455, 5.5.3 allows.
const PONGS_MAX: u8 = 4;

/// A queue of frames, of which the first may be half written. Control frames stand before data, and a close
/// frame is the last.
#[derive(Default, Debug)]
pub(super) struct WriteQueue {
    frames: Frames,
    /// Bytes of the first frame that the socket has taken.
    written: usize,
    bytes: usize,
    /// How many control frames wait before the data.
    controls: u8,
    /// The answer to the upgrade is the first of the frames: nothing goes before it.
    answers: bool,
    closed: bool,
}

impl WriteQueue {
    /// A queue that begins with the answer to the upgrade.
    pub(super) fn answering(answer: Vec<u8>) -> Self {
        let mut queue = Self::default();
        if !answer.is_empty() {
            queue.answers = true;
            queue.push(Frame::answer(answer));
        }
        queue
    }

    /// A queue for what comes while this one is away.
    pub(super) fn continued(&self) -> Self {
        Self { closed: self.closed, ..Self::default() }
    }

    /// This one is back: what has come meanwhile follows.
    pub(super) fn append(&mut self, meanwhile: Self) {
        let controls = usize::from(meanwhile.controls);
        for (at, frame) in meanwhile.frames.iter().cloned().enumerate() {
            if at < controls {
                self.push_control(frame);
            } else {
                self.bytes += frame.len();
                self.frames.push(frame);
            }
        }
        self.closed |= meanwhile.closed;
    }

    /// Adds a message. After the close frame there is none.
    pub(super) fn push(&mut self, frame: Frame) {
        if !self.closed {
            self.bytes += frame.len();
            self.frames.push(frame);
        }
    }

    /// Adds the close frame, behind everything.
    pub(super) fn push_close(&mut self, frame: Frame) {
        self.push(frame);
        self.closed = true;
    }

    /// Adds a ping or pong, before all data but the frame that is half written.
    pub(super) fn push_control(&mut self, frame: Frame) {
        if self.closed {
            return;
        }
        let half_written = usize::from(self.written > 0 || self.answers);
        let first = half_written * usize::from(!self.front_is_control());
        let waiting = first..first + usize::from(self.controls);
        if frame.opcode() == Opcode::Pong {
            let mut pongs = waiting.clone().filter(|&at| {
                let waiting = self.frames.get(at).filter(|_| at >= half_written);
                waiting.is_some_and(|frame| frame.opcode() == Opcode::Pong)
            });
            let replaced = pongs.by_ref().nth(usize::from(PONGS_MAX) - 1);
            if let Some(old) = replaced.and_then(|at| self.frames.get_mut(at)) {
                self.bytes = self.bytes - old.len() + frame.len();
                *old = frame;
                return;
            }
        }
        if self.controls < CONTROLS_MAX {
            self.bytes += frame.len();
            self.frames.insert(waiting.end, frame);
            self.controls += 1;
        }
    }

    /// All that waits, if that is one piece.
    pub(super) fn single(&self) -> Option<&[u8]> {
        let frame = self.frames.first().filter(|_| self.frames.len() == 1)?;
        let [head, body] = frame.parts();
        if body.is_empty() { head.get(self.written..) } else { None }
    }

    /// Puts all that waits into one piece.
    pub(super) fn gather(&self, piece: &mut Vec<u8>) {
        piece.clear();
        let mut skip = self.written;
        for part in self.frames.iter().flat_map(|frame| frame.parts()) {
            let skipped = skip.min(part.len());
            skip -= skipped;
            piece.extend_from_slice(&part[skipped..]);
        }
    }

    /// The pieces to write next, in order. Answers how many there are.
    pub(super) fn fill<'a>(&'a self, parts: &mut [&'a [u8]; PARTS]) -> usize {
        let mut count = 0;
        let mut skip = self.written;
        for piece in self.frames.iter().flat_map(|frame| frame.parts()) {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            let piece = &piece[skipped..];
            if piece.is_empty() {
                continue;
            }
            if count == PARTS {
                break;
            }
            parts[count] = piece;
            count += 1;
        }
        count
    }

    /// The socket has taken so many bytes.
    pub(super) fn advance(&mut self, taken: usize) {
        let taken = taken.min(self.bytes);
        self.bytes -= taken;
        self.written += taken;
        while let Some(front) = self.frames.first() {
            let len = front.len();
            if self.written < len {
                break;
            }
            self.written -= len;
            if self.front_is_control() {
                self.controls -= 1;
            }
            self.answers = false;
            self.frames.pop();
        }
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether the next pong could replace another.
    pub(super) fn is_crowded(&self) -> bool {
        self.controls >= PONGS_MAX
    }

    /// Whether the close frame is in it, or was.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn front_is_control(&self) -> bool {
        // A close frame is a control frame that stands behind the data, and is not counted among them.
        self.controls > 0
            && !self.answers
            && self
                .frames
                .first()
                .is_some_and(|frame| matches!(frame.opcode(), Opcode::Ping | Opcode::Pong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::close::CloseReason;
    use bytes::Bytes;

    fn data(text: &'static str) -> Frame {
        Frame::whole(Opcode::Text, &Bytes::from_static(text.as_bytes()))
    }

    /// Takes everything, `step` bytes at a time, and reads the frames back.
    fn drain(queue: &mut WriteQueue, step: usize) -> Vec<(u8, Vec<u8>)> {
        let mut bytes = Vec::new();
        while !queue.is_empty() {
            let mut parts = [&[][..]; PARTS];
            let count = queue.fill(&mut parts);
            let all = parts[..count].concat();
            let taken = step.min(all.len());
            bytes.extend_from_slice(&all[..taken]);
            queue.advance(taken);
        }
        assert_eq!(queue.bytes(), 0);
        let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
        while let [first, len, tail @ ..] = rest {
            let (payload, tail) = tail.split_at(usize::from(*len));
            frames.push((first & 0x0f, payload.to_vec()));
            rest = tail;
        }
        frames
    }

    #[test]
    fn control_frames_pass_data_but_never_cut_a_frame() {
        for step in 1..20 {
            let mut queue = WriteQueue::default();
            queue.push(data("first"));
            queue.push(data("second"));
            queue.advance(3);
            queue.push_control(Frame::ping(1));
            queue.push_control(Frame::pong(b"b"));
            queue.push_close(Frame::close(&CloseReason::Normal));
            queue.push(data("late"));
            queue.push_control(Frame::ping(2));

            let mut parts = [&[][..]; PARTS];
            queue.fill(&mut parts);
            assert_eq!(parts[0], b"irst" as &[u8]);
            queue.advance(4);
            let frames = drain(&mut queue, step);
            let seen: Vec<_> = frames.iter().map(|(op, payload)| (*op, &payload[..])).collect();
            let close = [&1000u16.to_be_bytes()[..], b"normal"].concat();
            assert_eq!(
                seen,
                [(9, &b"1"[..]), (10, b"b"), (1, b"second"), (8, &close)],
                "step {step}"
            );
        }
    }

    #[test]
    fn pongs_wait_in_order_until_there_are_too_many() {
        let mut queue = WriteQueue::default();
        queue.push_control(Frame::pong(b"aa"));
        queue.advance(3);
        for payload in [b"b", b"c", b"d", b"e", b"f", b"g"] {
            queue.push_control(Frame::pong(payload));
        }
        queue.push(data("x"));
        let mut parts = [&[][..]; PARTS];
        let count = queue.fill(&mut parts);
        let pongs = b"a\x8a\x01b\x8a\x01c\x8a\x01d\x8a\x01g";
        assert_eq!(parts[..count].concat(), [&pongs[..], b"\x81\x01x"].concat());
        assert_eq!(queue.bytes(), pongs.len() + 3);
    }

    #[test]
    fn a_ping_flood_does_not_grow_the_queue() {
        let mut queue = WriteQueue::default();
        for nonce in 0..10_000 {
            queue.push_control(Frame::ping(nonce));
            queue.push_control(Frame::pong(b"x"));
        }
        assert!(queue.frames.len() <= usize::from(CONTROLS_MAX));
    }

    #[test]
    fn nothing_goes_before_the_answer_to_the_upgrade() {
        let mut queue = WriteQueue::answering(b"HTTP".to_vec());
        queue.push(data("first"));
        queue.push_control(Frame::ping(1));
        queue.push_control(Frame::pong(b"b"));
        let mut all = Vec::new();
        queue.gather(&mut all);
        assert_eq!(all, b"HTTP\x89\x011\x8a\x01b\x81\x05first");
        queue.advance(5);
        queue.push_control(Frame::ping(2));
        queue.gather(&mut all);
        assert_eq!(all, b"\x011\x8a\x01b\x89\x012\x81\x05first");
    }

    #[test]
    fn what_came_meanwhile_follows_a_queue_that_comes_back() {
        for step in 0..8 {
            let mut queue = WriteQueue::default();
            queue.push(data("first"));
            let mut meanwhile = queue.continued();
            meanwhile.push(data("second"));
            meanwhile.push_control(Frame::ping(1));
            meanwhile.push_close(Frame::close_reply(None));
            queue.advance(step);
            queue.append(meanwhile);
            assert!(queue.is_closed());
            let mut all = Vec::new();
            queue.gather(&mut all);
            let first = &b"\x81\x05first"[step..];
            let second = &b"\x81\x06second\x88\x00"[..];
            let ping = &b"\x89\x011"[..];
            let is_half_written = (1..7).contains(&step);
            let expected =
                if is_half_written { [first, ping, second] } else { [ping, first, second] };
            assert_eq!(all, expected.concat(), "step {step}");
            assert_eq!(all.len(), queue.bytes());
        }
    }
}
