//! Names from untrusted sources, checked once on input.

use core::borrow::Borrow;
use core::fmt;
use core::ops::Deref;

use smol_str::SmolStr;

/// Why a text is not a valid name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameError {
    /// The text is empty.
    Empty,
    /// It has more bytes than this bound.
    TooLong(usize),
    /// It has a control character (a line feed, a NUL …), which would reach logs and terminals.
    ControlCharacter,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "must not be empty"),
            Self::TooLong(max) => write!(f, "must be at most {max} bytes"),
            Self::ControlCharacter => write!(f, "must not have control characters"),
        }
    }
}

impl core::error::Error for NameError {}

fn check(text: &str, max: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > max {
        return Err(NameError::TooLong(max));
    }
    let is_plain = |byte: u8| matches!(byte, 0x20..0x7f);
    if !text.bytes().all(is_plain) && text.chars().any(char::is_control) {
        return Err(NameError::ControlCharacter);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:expr) => {
        $(#[$doc])*
        ///
        /// Compared byte by byte. Up to 23 bytes are stored inline; clones of a longer one share
        /// one allocation.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// The largest length, in bytes of UTF-8.
            pub const MAX_BYTES: usize = $max;

            /// Checks the text and stores it.
            ///
            /// # Errors
            /// If it is empty, longer than [`MAX_BYTES`](Self::MAX_BYTES), or has a control
            /// character.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check(text, Self::MAX_BYTES)?;
                Ok(Self(SmolStr::new(text)))
            }

            /// Wraps a text that was checked on input.
            #[allow(dead_code, reason = "some kinds of names are never put together again")]
            pub(crate) fn again(text: &str) -> Self {
                Self(SmolStr::new(text))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;

            fn try_from(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        #[cfg(feature = "recording")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_newtype_struct(stringify!($name), self.as_str())
            }
        }

        #[cfg(feature = "recording")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::text::name(stringify!($name), deserializer)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.0.as_str(), f)
            }
        }
    };
}

name! {
    /// The name of a room. The part before a room class's prefix has no meaning in itself.
    RoomName, 128
}
name! {
    /// An authenticated identity. One user can have several connections.
    UserName, 128
}
name! {
    /// The type of a message, such as `chat`. See [`Kind::is_reserved`] for the types that only the
    /// protocol uses.
    Kind, 64
}
name! {
    /// The sender's own id of a message, repeated in the answer.
    MessageId, 64
}
name! {
    /// In rooms that conflate, a newer publication replaces a waiting one with the same key.
    ConflationKey, 64
}

impl Kind {
    /// Returns whether this type is reserved by the protocol, so that a publication cannot have it:
    /// a client would take it for a message of the server's own.
    pub fn is_reserved(&self) -> bool {
        super::message_type::is_reserved(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn bounds_are_exact() {
        let fits = String::from_iter(core::iter::repeat_n('x', RoomName::MAX_BYTES));
        assert!(RoomName::new(&fits).is_ok());
        assert_eq!(RoomName::new(&(fits + "x")), Err(NameError::TooLong(128)));
        assert_eq!(UserName::new(""), Err(NameError::Empty));
        assert_eq!(UserName::new("a\nb"), Err(NameError::ControlCharacter));
        assert!(UserName::new("Zoë 🦀").is_ok());
    }
}
