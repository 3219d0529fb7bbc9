//! The first bytes of a connection.

use std::net::IpAddr;

use switchboard_core::http::{self, DEFAULT_MAX_HEAD_BYTES, HttpError, HttpRequest, Parsed};

/// The head of a request, as far as it has arrived.
#[derive(Default, Debug)]
pub struct HeadReader {
    bytes: Vec<u8>,
    address: Option<IpAddr>,
}

impl HeadReader {
    /// For a peer at this address, if it is known.
    pub fn new(address: Option<IpAddr>) -> Self {
        Self { bytes: Vec::new(), address }
    }

    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes what arrived. When the head is complete, returns the request and the bytes after it.
    ///
    /// # Errors
    /// If these bytes are not a request, or too many for one.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<(HttpRequest, Vec<u8>)>, HttpError> {
        self.bytes.extend_from_slice(bytes);
        match http::parse(&self.bytes, DEFAULT_MAX_HEAD_BYTES)? {
            Parsed::Incomplete => Ok(None),
            Parsed::Complete { request, head_len } => {
                let request = request.with_address(self.address);
                Ok(Some((request, self.bytes.split_off(head_len))))
            }
        }
    }
}
