//! Writes JSON objects field by field. Publications are what a server writes most, so the common
//! values are written without the serializer.

use alloc::vec::Vec;
use core::marker::PhantomData;

use serde::Serialize;

use crate::protocol::payload::Json;
use crate::protocol::position::Position;

/// A JSON object under construction. Its fields are those of `F`, in the order of the calls.
pub(super) struct Object<'o, F> {
    out: &'o mut Vec<u8>,
    start: usize,
    fields: PhantomData<F>,
}

impl<'o, F> Object<'o, F> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start, fields: PhantomData }
    }

    /// Writes a field unless its value is absent. `key` includes the comma before the name, the
    /// quotes and the colon.
    pub(super) fn write(self, key: &str, value: impl Value) -> Self {
        if value.is_there() {
            self.out.extend_from_slice(key.as_bytes());
            value.write(self.out);
        }
        self
    }

    pub(super) fn end(self) {
        // The first field was written with a comma in front, which becomes the brace.
        if let Some(first) = self.out.get_mut(self.start) {
            *first = b'{';
        }
        self.out.push(b'}');
    }
}

/// What can be the value of a field.
pub(super) trait Value {
    fn is_there(&self) -> bool {
        true
    }

    fn write(self, out: &mut Vec<u8>);
}

impl<V: Value> Value for Option<V> {
    fn is_there(&self) -> bool {
        self.is_some()
    }

    fn write(self, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.write(out);
        }
    }
}

/// Whether a byte has to be escaped in a string.
static IS_ESCAPED: [bool; 256] = {
    let mut is_escaped = [false; 256];
    is_escaped[b'"' as usize] = true;
    is_escaped[b'\\' as usize] = true;
    let mut control = 0;
    while control < b' ' {
        is_escaped[control as usize] = true;
        control += 1;
    }
    is_escaped
};

impl Value for &str {
    fn write(self, out: &mut Vec<u8>) {
        if self.bytes().any(|byte| IS_ESCAPED[usize::from(byte)]) {
            escaped(self, out);
        } else {
            out.push(b'"');
            out.extend_from_slice(self.as_bytes());
            out.push(b'"');
        }
    }
}

#[cold]
fn escaped(text: &str, out: &mut Vec<u8>) {
    Serialized(text).write(out);
}

impl Value for &Json {
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Value for bool {
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self { b"true" } else { b"false" });
    }
}

impl Value for u64 {
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(self).as_bytes());
    }
}

impl Value for u32 {
    fn write(self, out: &mut Vec<u8>) {
        u64::from(self).write(out);
    }
}

impl Value for usize {
    fn write(self, out: &mut Vec<u8>) {
        (self as u64).write(out);
    }
}

impl Value for Position {
    fn write(self, out: &mut Vec<u8>) {
        let digit = |at: usize| b"0123456789abcdef"[(self.epoch.0 >> (64 - 4 * at)) as usize & 15];
        out.extend_from_slice(&core::array::from_fn::<u8, 18, _>(|at| match at {
            0 => b'"',
            17 => b':',
            at => digit(at),
        }));
        self.offset.write(out);
        out.push(b'"');
    }
}

/// A value that the serializer writes.
pub(super) struct Serialized<T>(pub(super) T);

impl<T: Serialize> Value for Serialized<T> {
    fn write(self, out: &mut Vec<u8>) {
        // Strings and structs of strings and numbers, written to memory, cannot fail.
        let json = serde_json::to_vec(&self.0);
        debug_assert!(json.is_ok(), "{json:?}");
        out.extend_from_slice(&json.unwrap_or_default());
    }
}

/// An array of values.
pub(super) struct List<I>(pub(super) I);

impl<I: IntoIterator<Item: Value>> Value for List<I> {
    fn write(self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, value) in self.0.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            value.write(out);
        }
        out.push(b']');
    }
}

impl<W: FnOnce(&mut Vec<u8>)> Value for W {
    fn write(self, out: &mut Vec<u8>) {
        self(out);
    }
}

/// An object as the value of a field.
pub(super) fn object<F>(
    fields: impl for<'o> FnOnce(Object<'o, F>) -> Object<'o, F>,
) -> impl FnOnce(&mut Vec<u8>) {
    |out| fields(Object::new(out)).end()
}
