//! What a room keeps of its publications.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use crate::class::History;
use crate::message::Publication;
use crate::name::UserName;
use crate::position::Session;
use crate::time::Timestamp;

/// A publication that is kept.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Past {
    pub(crate) publication: Arc<Publication>,
    /// Who is not to get it, whatever connection they have now.
    pub(crate) except: Option<(UserName, Session)>,
    at: Timestamp,
}

impl Past {
    /// A session is worth something only to its own user: another one that came with it is somebody else.
    pub(crate) fn is_not_for(&self, user: &UserName, session: Session) -> bool {
        self.except.as_ref().is_some_and(|(whose, which)| whose == user && *which == session)
    }
}

/// The newest publications of a room, without holes.
#[derive(Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Kept {
    past: VecDeque<Past>,
    bytes: usize,
}

impl Kept {
    /// Keeps one more; its number is one more than the last one's.
    pub(crate) fn push(
        &mut self,
        publication: Arc<Publication>,
        except: Option<(UserName, Session)>,
        at: Timestamp,
    ) {
        self.bytes += publication.cost_bytes();
        self.past.push_back(Past { publication, except, at });
    }

    /// Forgets what is beyond the bounds.
    pub(crate) fn trim(&mut self, bounds: History, now: Timestamp) {
        while let Some(oldest) = self.past.front()
            && (self.past.len() > bounds.events
                || self.bytes > bounds.bytes
                || oldest.at + bounds.age <= now)
        {
            self.pop_oldest();
        }
    }

    /// Forgets the oldest. Answers whether there was one.
    pub(crate) fn pop_oldest(&mut self) -> bool {
        let Some(oldest) = self.past.pop_front() else { return false };
        self.bytes -= oldest.publication.cost_bytes();
        if self.past.is_empty() {
            self.past = VecDeque::new();
        }
        true
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the oldest will be too old.
    pub(crate) fn expires(&self, bounds: History) -> Option<Timestamp> {
        self.past.front().map(|oldest| oldest.at + bounds.age)
    }

    /// The number of the oldest.
    pub(crate) fn first(&self) -> Option<u64> {
        self.past.front().map(|oldest| oldest.publication.position.offset)
    }

    /// The publication with this number.
    pub(crate) fn get(&self, offset: u64) -> Option<&Past> {
        let index = offset.checked_sub(self.first()?)?;
        self.past.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn len(&self) -> usize {
        self.past.len()
    }
}
