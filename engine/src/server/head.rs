//! The first bytes of a connection.

use switchboard_core::http::{self, DEFAULT_MAX_HEAD_BYTES, HttpError, HttpRequest, Parsed};

/// The head of a request, as far as it has arrived.
#[derive(Default, Debug)]
pub struct HeadReader(Vec<u8>);

impl HeadReader {
    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes what arrived. When the head is complete, returns the request and the bytes after it.
    ///
    /// # Errors
    /// If these bytes are not a request, or too many for one.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<(HttpRequest, Vec<u8>)>, HttpError> {
        self.0.extend_from_slice(bytes);
        match http::parse(&self.0, DEFAULT_MAX_HEAD_BYTES)? {
            Parsed::Incomplete => Ok(None),
            Parsed::Complete { request, head_len } => {
                Ok(Some((request, self.0.split_off(head_len))))
            }
        }
    }
}
