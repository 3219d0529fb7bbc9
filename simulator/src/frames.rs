//! Cuts a server's bytes into frames, as a client does.

/// A frame, as a client sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(u16, String),
}

/// Cuts a stream of bytes into frames (RFC 6455, 5.2; a server's frames are whole and not masked).
#[derive(Default, Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    closed: bool,
}

impl FrameReader {
    /// Takes more bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns whether all bytes so far belonged to whole frames, and have been taken.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the next complete frame.
    ///
    /// # Errors
    /// When the server broke the protocol.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, String> {
        let [first, second, ..] = self.bytes[..] else { return Ok(None) };
        if self.closed {
            return Err("a frame after the close frame".into());
        }
        let big = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
        let (header, len) = match (second, self.bytes.len()) {
            (126, ..4) | (127, ..10) => return Ok(None),
            (126, _) => (4, big(&self.bytes[2..4])),
            (127, _) => (10, big(&self.bytes[2..10])),
            (len @ ..126, _) => (2, usize::from(len)),
            (128.., _) => return Err("a masked frame from a server".into()),
        };
        if self.bytes.len() < header + len {
            return Ok(None);
        }
        let frame: Vec<u8> = self.bytes.drain(..header + len).collect();
        let payload = &frame[header..];
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string());
        match first {
            0x81 => Ok(Some(Frame::Text(text(payload)?))),
            0x82 => Ok(Some(Frame::Binary(payload.to_vec()))),
            0x88 => {
                self.closed = true;
                let (code, reason) = payload.split_at_checked(2).unwrap_or((&[0x03, 0xed], &[]));
                Ok(Some(Frame::Close(big(code) as u16, text(reason)?)))
            }
            0x89 => Ok(Some(Frame::Ping(payload.to_vec()))),
            0x8a => Ok(Some(Frame::Pong)),
            other => Err(format!("a frame that begins with {other:#x}")),
        }
    }
}
