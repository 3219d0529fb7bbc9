//! Text that is no UTF-8 is to be refused as soon as that can be known (RFC 6455, 8.1), and not only when its frame is
//! complete, which is when a parser sees it.

/// Follows the frames of a connection, to check the text of those that come in pieces.
#[derive(Default, Debug)]
pub(super) struct EarlyText {
    header: [u8; 14],
    header_len: usize,
    /// Of the payload that is being read; `None` between two frames.
    payload: Option<Payload>,
    /// The message that has begun is text.
    is_text: bool,
    /// The beginning of a character, of which the rest is still to come.
    cut: [u8; 4],
    cut_len: usize,
}

#[derive(Debug)]
struct Payload {
    left: u64,
    mask: [u8; 4],
    mask_at: usize,
    is_checked: bool,
}

impl EarlyText {
    /// Answers whether what has come so far can be the beginning of valid text.
    pub(super) fn is_valid_after(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let Some(payload) = &mut self.payload else {
                bytes = self.read_header(bytes);
                continue;
            };
            let len = bytes.len().min(usize::try_from(payload.left).unwrap_or(usize::MAX));
            let (piece, rest) = bytes.split_at(len);
            bytes = rest;
            payload.left -= len as u64;
            let (is_checked, mask) = (payload.is_checked, payload.mask);
            let mask_at = payload.mask_at;
            payload.mask_at = (mask_at + len) % 4;
            if payload.left == 0 {
                self.payload = None;
            }
            if is_checked && !self.is_valid_text(piece, mask, mask_at) {
                return false;
            }
        }
        true
    }

    /// Takes what belongs to the header, and answers the rest.
    fn read_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let missing = |header: &[u8]| match header {
            [] | [_] => 2 - header.len(),
            [_, second, ..] => {
                let length = [0, 2, 8][usize::from((second & 0x7f).saturating_sub(125))];
                let mask = if second & 0x80 == 0 { 0 } else { 4 };
                2 + length + mask - header.len()
            }
        };
        let mut rest = bytes;
        loop {
            let needed = missing(&self.header[..self.header_len]);
            if needed == 0 {
                break;
            }
            let (taken, after) = rest.split_at(rest.len().min(needed));
            self.header[self.header_len..][..taken.len()].copy_from_slice(taken);
            self.header_len += taken.len();
            rest = after;
            if taken.len() < needed {
                return rest;
            }
        }
        self.begin(rest.len());
        rest
    }

    /// A header is complete, and so many bytes of what follows are here.
    fn begin(&mut self, here: usize) {
        let header = &self.header[..self.header_len];
        self.header_len = 0;
        let (opcode, is_last) = (header[0] & 0x0f, header[0] & 0x80 != 0);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let (left, mask) = match header[1] & 0x7f {
            126 => (number(&header[2..4]), &header[4..]),
            127 => (number(&header[2..10]), &header[10..]),
            short => (u64::from(short), &header[2..]),
        };
        let is_control = opcode >= 8;
        if !is_control && opcode != 0 {
            self.is_text = opcode == 1;
            self.cut_len = 0;
        }
        // A message that is here as a whole is checked by the parser.
        let is_whole = opcode == 1 && is_last && left <= here as u64;
        if left > 0 {
            let is_checked = self.is_text && !is_control && !is_whole;
            let mask = mask.try_into().unwrap_or_default();
            self.payload = Some(Payload { left, mask, mask_at: 0, is_checked });
        }
    }

    fn is_valid_text(&mut self, masked: &[u8], mask: [u8; 4], mask_at: usize) -> bool {
        let mut masks = mask.into_iter().cycle().skip(mask_at);
        for piece in masked.chunks(1_024) {
            let mut text = [0; 1_024 + 4];
            let start = self.cut_len;
            text[..start].copy_from_slice(&self.cut[..start]);
            let text = &mut text[..start + piece.len()];
            for ((plain, masked), mask) in text[start..].iter_mut().zip(piece).zip(&mut masks) {
                *plain = masked ^ mask;
            }
            let cut = match core::str::from_utf8(text) {
                Ok(_) => &[],
                Err(error) if error.error_len().is_none() => &text[error.valid_up_to()..],
                Err(_) => return false,
            };
            self.cut_len = cut.len();
            self.cut[..cut.len()].copy_from_slice(cut);
        }
        true
    }
}
