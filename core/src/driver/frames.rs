//! Frames in a row, of which there is hardly ever more than one.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::protocol::codec::Frame;

/// A row of frames. The first is in the value itself, so that a broadcast to a socket that keeps up touches no other
/// memory. What the others need is given back with the last of them: a burst leaves nothing behind, and least of all small
/// blocks in the midst of what it has used.
#[derive(Default, Debug)]
pub(super) struct Frames {
    first: Option<Frame>,
    /// Never empty, and there is a first.
    #[expect(
        clippy::box_collection,
        reason = "a third of the place while there is no rest, which is nearly always"
    )]
    rest: Option<Box<VecDeque<Frame>>>,
}

impl Frames {
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn first(&self) -> Option<&Frame> {
        self.first.as_ref()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Frame> {
        match at.checked_sub(1) {
            None => self.first.as_ref(),
            Some(at) => self.rest.as_ref()?.get(at),
        }
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Frame> {
        match at.checked_sub(1) {
            None => self.first.as_mut(),
            Some(at) => self.rest.as_mut()?.get_mut(at),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.first.iter().chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }

    pub(super) fn push(&mut self, frame: Frame) {
        if self.first.is_none() {
            self.first = Some(frame);
        } else {
            self.rest.get_or_insert_default().push_back(frame);
        }
    }

    /// Puts it before the frame that is there now, or at the end.
    pub(super) fn insert(&mut self, at: usize, frame: Frame) {
        let Some(at) = at.checked_sub(1).filter(|_| self.first.is_some()) else {
            if let Some(second) = self.first.replace(frame) {
                self.rest.get_or_insert_default().push_front(second);
            }
            return;
        };
        let rest = self.rest.get_or_insert_default();
        rest.insert(at.min(rest.len()), frame);
    }

    /// Takes the first.
    pub(super) fn pop(&mut self) {
        self.first = self.rest.as_mut().and_then(|rest| rest.pop_front());
        self.rest.take_if(|rest| rest.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn nonces(frames: &Frames) -> Vec<Vec<u8>> {
        frames.iter().map(|frame| frame.parts()[0][2..].to_vec()).collect()
    }

    #[test]
    fn a_frame_is_put_where_it_is_wanted() {
        for len in 0..5u64 {
            for at in 0..=usize::try_from(len).unwrap() {
                let (mut frames, mut expected) = (Frames::default(), Vec::new());
                for nonce in 0..len {
                    frames.push(Frame::ping(nonce));
                    expected.push(nonce.to_string().into_bytes());
                }
                frames.insert(at, Frame::ping(9));
                expected.insert(at, b"9".to_vec());
                assert_eq!(nonces(&frames), expected);
                assert_eq!(frames.len(), expected.len());
                while !expected.is_empty() {
                    assert_eq!(
                        frames.first().map(Frame::parts),
                        frames.iter().next().map(Frame::parts)
                    );
                    frames.pop();
                    expected.remove(0);
                    assert_eq!(nonces(&frames), expected);
                }
                assert!(frames.is_empty());
            }
        }
    }

    #[test]
    fn nothing_is_kept_for_a_single_frame() {
        let mut frames = Frames::default();
        for nonce in 0..1_000 {
            frames.push(Frame::ping(nonce));
        }
        for _ in 1..1_000 {
            assert!(frames.rest.is_some());
            frames.pop();
        }
        assert_eq!(nonces(&frames), [b"999"]);
        assert!(frames.rest.is_none());
    }
}
