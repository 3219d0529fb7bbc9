//! The marker in every payload, and how to find it in what a server sends.

use memchr::memmem::Finder;

/// `~sbRRRR.PPPPPPPP.SSSSSSSS.NNNNNNNNNNNNNNNN~`: run, publisher, sequence number, nanoseconds. No
/// envelope has to escape these characters.
pub(crate) const BYTES: usize = 43;

const PREFIX: usize = 8;
const PUBLISHER: usize = PREFIX;
const SEQUENCE: usize = PUBLISHER + 9;
const TIME: usize = SEQUENCE + 9;
const END: usize = TIME + 16;

/// Numbers of runs are below this.
pub(crate) const RUNS: u16 = 10_000;

/// Sequence numbers are below this.
pub(crate) const SEQUENCES: u32 = 100_000_000;

/// The identity of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) publisher: u32,
    pub(crate) sequence: u32,
    /// When it was published, or should have been: nanoseconds since the start of the run.
    pub(crate) at: u64,
}

/// Writes and finds the markers of one run; those of other runs are ignored.
pub(crate) struct Markers {
    prefix: [u8; PREFIX],
    finder: Finder<'static>,
}

impl Markers {
    pub(crate) fn new(run: u16) -> Self {
        let mut prefix = *b"~sb0000.";
        put(&mut prefix[3..7], u64::from(run % RUNS));
        Self { prefix, finder: Finder::new(&prefix).into_owned() }
    }

    /// Fills `out`, which must have [`BYTES`] bytes.
    pub(crate) fn write(&self, out: &mut [u8], mark: Mark) {
        out[..PREFIX].copy_from_slice(&self.prefix);
        put(&mut out[PUBLISHER..PUBLISHER + 8], u64::from(mark.publisher));
        out[SEQUENCE - 1] = b'.';
        put(&mut out[SEQUENCE..SEQUENCE + 8], u64::from(mark.sequence));
        out[TIME - 1] = b'.';
        put(&mut out[TIME..END], mark.at);
        out[END] = b'~';
    }

    /// Finds all markers in a message: a server may put several payloads into one.
    pub(crate) fn find<'m>(&'m self, message: &'m [u8]) -> impl Iterator<Item = Mark> + 'm {
        let mut rest = message;
        std::iter::from_fn(move || {
            loop {
                rest = &rest[self.finder.find(rest)?..];
                let found = rest.get(..BYTES).and_then(read);
                rest = &rest[if found.is_some() { BYTES } else { 1 }..];
                if found.is_some() {
                    return found;
                }
            }
        })
    }
}

/// Writes decimal digits that fill `out`.
pub(crate) fn put(out: &mut [u8], mut value: u64) {
    for byte in out.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn read(bytes: &[u8]) -> Option<Mark> {
    if bytes[SEQUENCE - 1] != b'.' || bytes[TIME - 1] != b'.' || bytes[END] != b'~' {
        return None;
    }
    Some(Mark {
        publisher: u32::try_from(number(&bytes[PUBLISHER..PUBLISHER + 8])?).ok()?,
        sequence: u32::try_from(number(&bytes[SEQUENCE..SEQUENCE + 8])?).ok()?,
        at: number(&bytes[TIME..END])?,
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(run: u16, mark: Mark) -> Vec<u8> {
        let mut bytes = vec![0; BYTES];
        Markers::new(run).write(&mut bytes, mark);
        bytes
    }

    #[test]
    fn what_is_written_is_found_in_any_envelope() {
        let markers = Markers::new(7);
        let largest =
            Mark { publisher: 99_999_999, sequence: SEQUENCES - 1, at: 9_999_999_999_999_999 };
        for mark in [Mark { publisher: 3, sequence: 0, at: 1 }, largest] {
            let bytes = marker(7, mark);
            for (before, behind) in [("", ""), ("42[\"m\",{\"text\":\"~sb~sb0007.", "xxx\"}]")] {
                let message = [before.as_bytes(), &bytes, behind.as_bytes()].concat();
                assert_eq!(markers.find(&message).collect::<Vec<_>>(), [mark], "{before}");
            }
            let both = [bytes.clone(), bytes].concat();
            assert_eq!(markers.find(&both).collect::<Vec<_>>(), [mark, mark]);
        }
        assert_eq!(marker(7, largest), b"~sb0007.99999999.99999999.9999999999999999~");
    }

    #[test]
    fn what_is_broken_or_of_another_run_is_none() {
        let markers = Markers::new(7);
        let mark = Mark { publisher: 3, sequence: 4, at: 5 };
        assert_eq!(markers.find(&marker(8, mark)).next(), None);
        let good = marker(7, mark);
        assert_eq!(markers.find(&good[..BYTES - 1]).next(), None, "cut off");
        for at in 0..BYTES {
            let mut bytes = good.clone();
            bytes[at] = b'x';
            assert_eq!(markers.find(&bytes).next(), None, "{at}");
        }
    }
}
