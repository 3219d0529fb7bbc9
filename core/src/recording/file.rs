//! Segments in a file of bounded size.
//!
//! ```text
//!  head       place 0                 place 1                 …
//! ├──────────┼───────────────────────┼───────────────────────┼──
//!            │ block │ block │ …     │
//! ```
//!
//! The file has a head and a number of *places* of equal size. Each place has one segment, cut into
//! *blocks*; when all places are in use, the oldest segment is overwritten. A block is a header
//! (the recording's number, the segment's, the block's within the segment, its length and a
//! checksum) followed by its content. A writer writes the content before the header: a block with a
//! header is complete or damaged. All numbers are little-endian.

use alloc::vec::Vec;
use core::fmt;

use super::running::hash;

/// The bytes that every recording starts with.
const MAGIC: [u8; 16] = *b"switchboard rec\n";

/// The version of this layout. The content of segments has [its own
/// version](super::Trouble::Format).
const VERSION: u32 = 1;

/// Bytes of the head, most of which are zero.
pub const HEAD_BYTES: usize = 4096;

/// Bytes of a block's header.
pub const HEADER_BYTES: usize = 40;

/// The head of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Tells this recording from an earlier one in the same file.
    pub recording: u64,
    /// The number of places.
    pub places: u32,
    /// Bytes of each place.
    pub place_bytes: u64,
}

impl Layout {
    /// The most places that a file can have.
    pub const MAX_PLACES: u32 = 1024;

    /// Returns the head as bytes.
    pub fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head[..16].copy_from_slice(&MAGIC);
        head[16..20].copy_from_slice(&VERSION.to_le_bytes());
        head[20..24].copy_from_slice(&self.places.to_le_bytes());
        head[24..32].copy_from_slice(&self.place_bytes.to_le_bytes());
        head[32..40].copy_from_slice(&self.recording.to_le_bytes());
        let checksum = hash(&head[..40]);
        head[40..48].copy_from_slice(&checksum.to_le_bytes());
        head
    }

    /// Reads a head.
    ///
    /// # Errors
    /// Fails if the file does not start with one.
    pub fn read(file: &[u8]) -> Result<Self, NoRecording> {
        if file.is_empty() {
            return Err(NoRecording::Empty);
        }
        let magic = file.len().min(MAGIC.len());
        if file[..magic] != MAGIC[..magic] {
            return Err(NoRecording::Foreign);
        }
        let head = file.get(..48).ok_or(NoRecording::Damaged)?;
        if number(&head[40..48]) != hash(&head[..40]) {
            return Err(NoRecording::Damaged);
        }
        let version = number(&head[16..20]) as u32;
        if version != VERSION {
            return Err(NoRecording::Version(version));
        }
        let layout = Self {
            places: number(&head[20..24]) as u32,
            place_bytes: number(&head[24..32]),
            recording: number(&head[32..40]),
        };
        if !(1..=Self::MAX_PLACES).contains(&layout.places) || layout.place_bytes > 1 << 40 {
            return Err(NoRecording::Damaged);
        }
        Ok(layout)
    }

    /// Returns the offset in the file of a segment's place.
    pub fn start_of(self, segment: u64) -> u64 {
        HEAD_BYTES as u64 + segment % u64::from(self.places) * self.place_bytes
    }

    /// Returns the header of a block.
    pub fn header(self, segment: u64, block: u32, content: &[u8]) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(&self.recording.to_le_bytes());
        header[8..16].copy_from_slice(&segment.to_le_bytes());
        header[16..20].copy_from_slice(&block.to_le_bytes());
        header[20..24].copy_from_slice(&(content.len() as u32).to_le_bytes());
        header[24..32].copy_from_slice(&hash(content).to_le_bytes());
        let checksum = hash(&header[..32]);
        header[32..].copy_from_slice(&checksum.to_le_bytes());
        header
    }
}

/// The file is not a readable recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoRecording {
    /// The file is empty.
    Empty,
    /// It starts with something else.
    Foreign,
    /// Its layout has this version, which is unknown here.
    Version(u32),
    /// The head is damaged, and with it the positions of everything else.
    Damaged,
}

impl fmt::Display for NoRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the file is empty"),
            Self::Foreign => write!(f, "the file is not a recording"),
            Self::Version(version) => write!(
                f,
                "the recording has the layout {version}, and this version knows {VERSION}: replay it with the version that recorded it"
            ),
            Self::Damaged => write!(f, "the head of the recording is damaged"),
        }
    }
}

impl core::error::Error for NoRecording {}

/// The readable part of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// The number of the segment.
    pub number: u64,
    /// Its bytes, up to the damage if there is any.
    pub bytes: Vec<u8>,
    /// What is wrong after those bytes; `None` if the segment just ends.
    pub flaw: Option<Flaw>,
}

/// What is wrong with a segment after its readable part, and at which byte of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The file ends in the middle of a block.
    CutOff(usize),
    /// A block does not match its checksum.
    Damaged(usize),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff(byte) => {
                write!(f, "the file ends in the middle of the block at byte {byte}")
            }
            Self::Damaged(byte) => write!(f, "the block at byte {byte} is damaged"),
        }
    }
}

/// Returns all segments that are still in the file, the oldest first.
///
/// # Errors
/// Fails if the file is not a recording.
pub fn segments(file: &[u8]) -> Result<Vec<Segment>, NoRecording> {
    let layout = Layout::read(file)?;
    let places = (0..u64::from(layout.places)).filter_map(|place| read_place(layout, file, place));
    let mut segments: Vec<Segment> = places.collect();
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

fn read_place(layout: Layout, file: &[u8], place: u64) -> Option<Segment> {
    let start = usize::try_from(layout.start_of(place)).ok()?;
    let end = start.saturating_add(layout.place_bytes as usize).min(file.len());
    let mut rest = file.get(start..end)?;
    let at = |rest: &[u8]| end - rest.len();
    let first = Header::read(layout, rest)?;
    let mut segment = Segment { number: first.segment, bytes: Vec::new(), flaw: None };
    for block in 0.. {
        // A missing header ends the segment; so does one of an older segment.
        let header = Header::read(layout, rest)
            .filter(|header| header.segment == segment.number && header.block == block);
        let Some(header) = header else {
            // Half a header at the end of the file is one whose write was interrupted.
            if rest.len() >= HEADER_BYTES
                && number(&rest[..8]) == layout.recording
                && Header::read(layout, rest).is_none()
            {
                segment.flaw = Some(Flaw::Damaged(at(rest)));
            }
            break;
        };
        match rest.get(HEADER_BYTES..HEADER_BYTES + header.len) {
            None => {
                segment.flaw = Some(Flaw::CutOff(at(rest)));
                break;
            }
            Some(content) if hash(content) != header.checksum => {
                segment.flaw = Some(Flaw::Damaged(at(rest)));
                break;
            }
            Some(content) => {
                segment.bytes.extend_from_slice(content);
                rest = &rest[HEADER_BYTES + header.len..];
            }
        }
    }
    Some(segment)
}

struct Header {
    segment: u64,
    block: u32,
    len: usize,
    checksum: u64,
}

impl Header {
    fn read(layout: Layout, bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let is_ours = number(&header[..8]) == layout.recording;
        let is_whole = number(&header[32..]) == hash(&header[..32]);
        (is_ours && is_whole).then(|| Self {
            segment: number(&header[8..16]),
            block: number(&header[16..20]) as u32,
            len: number(&header[20..24]) as usize,
            checksum: number(&header[24..32]),
        })
    }
}

/// Reads a little-endian number of at most eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const LAYOUT: Layout = Layout { recording: 7, places: 3, place_bytes: 1_000 };

    /// Writes these segments to a file, each in blocks of 100 bytes.
    fn file(contents: &[&[u8]]) -> Vec<u8> {
        let mut file = LAYOUT.to_bytes().to_vec();
        for (segment, content) in (0..).zip(contents) {
            let mut at = LAYOUT.start_of(segment) as usize;
            for (block, content) in (0..).zip(content.chunks(100)) {
                let header = LAYOUT.header(segment, block, content);
                let end = at + HEADER_BYTES + content.len();
                file.resize(file.len().max(end), 0);
                file[at..at + HEADER_BYTES].copy_from_slice(&header);
                file[at + HEADER_BYTES..end].copy_from_slice(content);
                at = end;
            }
        }
        file
    }

    #[test]
    fn the_newest_segments_are_there_in_order() {
        let contents = [&[1; 300][..], &[2; 500], &[3; 10], &[4; 250], &[5; 120]];
        let read = segments(&file(&contents)).expect("a recording");
        let numbers: Vec<u64> = read.iter().map(|segment| segment.number).collect();
        assert_eq!(numbers, [2, 3, 4]);
        for segment in read {
            assert_eq!(segment.bytes, contents[segment.number as usize]);
            assert_eq!(segment.flaw, None, "what is left of an older one is no damage");
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_and_all_before_it_is_there() {
        let whole = file(&[&[1; 300]]);
        for at in HEAD_BYTES..whole.len() {
            let mut file = whole.clone();
            file[at] ^= 0x40;
            let read = segments(&file).expect("a recording");
            let block = (at - HEAD_BYTES) / (HEADER_BYTES + 100);
            match read.first() {
                Some(segment) => {
                    assert_eq!(segment.bytes, vec![1; block * 100], "byte {at}");
                    // A header of another recording does not count.
                    let is_noticed = matches!(segment.flaw, Some(Flaw::Damaged(_)));
                    let in_number = (at - HEAD_BYTES) % (HEADER_BYTES + 100) < 8;
                    assert!(is_noticed || in_number, "byte {at}");
                }
                None => assert!(block == 0 && at < HEAD_BYTES + HEADER_BYTES, "byte {at}"),
            }
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_whole_up_to_there() {
        let whole = file(&[&[1; 300]]);
        for length in HEAD_BYTES..whole.len() {
            let read = segments(&whole[..length]).expect("a recording");
            let blocks = (length - HEAD_BYTES) / (HEADER_BYTES + 100);
            let in_block = (length - HEAD_BYTES) % (HEADER_BYTES + 100);
            let Some(segment) = read.first() else {
                assert!(blocks == 0 && in_block < HEADER_BYTES);
                continue;
            };
            assert_eq!(segment.bytes.len(), blocks * 100);
            assert_eq!(segment.flaw.is_some(), in_block >= HEADER_BYTES, "{length}");
            assert!(!matches!(segment.flaw, Some(Flaw::Damaged(_))));
        }
    }

    #[test]
    fn what_is_no_recording_is_told_apart() {
        let head = LAYOUT.to_bytes();
        assert_eq!(Layout::read(&head), Ok(LAYOUT));
        assert_eq!(Layout::read(b""), Err(NoRecording::Empty));
        assert_eq!(Layout::read(b"Dear Sir or Madam, I write to you"), Err(NoRecording::Foreign));
        assert_eq!(Layout::read(&head[..40]), Err(NoRecording::Damaged));
        let mut other = head;
        other[16] = 9;
        assert_eq!(Layout::read(&other), Err(NoRecording::Damaged));
        let checksum = hash(&other[..40]);
        other[40..48].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Layout::read(&other), Err(NoRecording::Version(9)));
    }
}
