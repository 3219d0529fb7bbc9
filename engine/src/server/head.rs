//! The first bytes of a connection.

use std::net::IpAddr;

use switchboard_core::http::{self, HttpError, HttpRequest, Parsed};

/// The head of a request, as far as it has arrived.
#[derive(Debug)]
pub struct HeadReader {
    bytes: Vec<u8>,
    max_bytes: usize,
    /// The number of bytes that were parsed last.
    parsed: usize,
    address: Option<IpAddr>,
}

impl HeadReader {
    /// For a peer at this address, if it is known, and a head of at most `max_bytes`. Empty lines
    /// before it do not count.
    pub fn new(address: Option<IpAddr>, max_bytes: usize) -> Self {
        Self { bytes: Vec::new(), max_bytes, parsed: 0, address }
    }

    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes what arrived. When the head is complete, returns the request and the bytes after it.
    ///
    /// Takes time linear in the head, however it is cut: it is parsed up to the end of each line, of
    /// which there are few, and up to 1, 2, 4, 8 and so on bytes.
    ///
    /// # Errors
    /// If these bytes are not a request, or too many for one.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<(HttpRequest, Vec<u8>)>, HttpError> {
        self.bytes.extend_from_slice(bytes);
        self.skip_empty_lines();
        let enough = self.checkpoint(bytes.len());
        if enough <= self.parsed {
            return Ok(None);
        }
        self.parsed = enough;
        match http::parse(&self.bytes[..enough], self.max_bytes)? {
            Parsed::Incomplete => Ok(None),
            Parsed::Complete { request, head_len } => {
                let request = request.with_address(self.address);
                Ok(Some((request, self.bytes.split_off(head_len))))
            }
        }
    }

    /// The number of bytes up to which to parse, of which the last `new` have just arrived. It depends
    /// on the bytes alone, not on how they were cut, and so does the result.
    fn checkpoint(&self, new: usize) -> usize {
        let len = self.bytes.len();
        if len >= self.max_bytes {
            return len;
        }
        let old = len.saturating_sub(new);
        let line_end = self.bytes[old..].iter().rposition(|byte| *byte == b'\n');
        let power_of_two = len.checked_ilog2().map_or(0, |log| 1 << log);
        line_end.map_or(0, |at| old + at + 1).max(power_of_two)
    }

    /// Drops empty lines before the request (RFC 9112, section 2.2), so that a peer that sends
    /// nothing else has sent nothing.
    fn skip_empty_lines(&mut self) {
        let mut at = 0;
        loop {
            match self.bytes[at..] {
                [b'\n', ..] => at += 1,
                [b'\r', b'\n', ..] => at += 2,
                _ => break,
            }
        }
        if at > 0 {
            self.bytes.drain(..at);
            self.parsed = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 16 * 1024;

    fn reader() -> HeadReader {
        HeadReader::new(None, MAX)
    }

    type Read = Result<Option<(HttpRequest, Vec<u8>)>, HttpError>;

    /// What is read of bytes that come one by one, and how often they were parsed.
    fn drip(bytes: &[u8]) -> (Read, usize) {
        let (mut reader, mut parses) = (reader(), 0);
        for byte in bytes {
            let before = reader.parsed;
            let read = reader.read(&[*byte]);
            parses += usize::from(reader.parsed != before);
            if !matches!(read, Ok(None)) {
                return (read, parses);
            }
        }
        (Ok(None), parses)
    }

    #[test]
    fn a_head_of_the_limit_byte_by_byte_is_parsed_a_few_times() {
        let line = "GET / HTTP/1.1\r\nx: ";
        let head = format!("{line}{}\r\n\r\n", "y".repeat(MAX - line.len() - 4));
        assert_eq!(head.len(), MAX);
        let (read, parses) = drip(head.as_bytes());
        assert!(matches!(read, Ok(Some((_, rest))) if rest.is_empty()));
        assert!(parses < 25, "{parses}");
        let (read, _) = drip(head.replace("x:", "xx:").as_bytes());
        assert_eq!(read.map(|_| ()).map_err(|error| error.code), Err("head_too_large"));
    }

    #[test]
    fn a_head_of_many_lines_is_parsed_once_a_line() {
        let head = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(64));
        let (read, parses) = drip(head.as_bytes());
        assert!(matches!(read, Ok(Some(_))));
        assert!(parses < 90, "{parses}");
        let (read, _) = drip(head.replacen("x: y", "x: y\r\nz: y", 1).as_bytes());
        assert_eq!(read.map(|_| ()).map_err(|error| error.code), Err("too_many_headers"));
    }

    #[test]
    fn what_is_not_a_request_is_noticed_before_its_line_ends() {
        let (read, _) = drip(b"\x16\x03\x01");
        assert_eq!(read.map(|_| ()).map_err(|error| error.code), Err("tls"));
        let mut reader = reader();
        assert!(matches!(reader.read(b"GET / HTTP/1.1\r\n"), Ok(None)));
        let error = reader.read(b"bad header\r\n").expect_err("it has no colon");
        assert_eq!(error.code, "bad_request");
    }

    #[test]
    fn empty_lines_are_nothing() {
        let mut reader = reader();
        for piece in ["\r", "\n", "\n\r\n", "\r\n\r"] {
            assert!(matches!(reader.read(piece.as_bytes()), Ok(None)));
        }
        assert_eq!(reader.bytes, b"\r");
        assert!(matches!(reader.read(b"\n"), Ok(None)));
        assert!(reader.is_empty());
        let read = reader.read(b"GET /x HTTP/1.1\r\n\r\nrest").expect("a request");
        let (request, rest) = read.expect("it is complete");
        assert_eq!((request.path(), &rest[..]), ("/x", &b"rest"[..]));
        let (read, _) = drip(b"\r\n\x16");
        assert_eq!(read.map(|_| ()).map_err(|error| error.code), Err("tls"));
    }
}
