//! Between the words of the vectors (docs/client-machine.md) and those of the machine.

mod read;
mod write;

pub(crate) use read::{config, event};
pub(crate) use write::{action, deadline};

use switchboard_core::Position;

/// `00c9f1b2a4d07e35:42`
pub(crate) fn position(text: &str) -> Position {
    let (epoch, offset) = text.split_once(':').expect("a position");
    let epoch = switchboard_core::Epoch(u64::from_str_radix(epoch, 16).expect("an epoch"));
    Position { epoch, offset: offset.parse().expect("an offset") }
}
