//! Messages over a pipe: their length in bytes, then the bytes.

use std::error::Error;
use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

pub(crate) fn send(message: &impl Serialize, pipe: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let bytes = postcard::to_stdvec(message)?;
    pipe.write_all(&(bytes.len() as u64).to_le_bytes())?;
    pipe.write_all(&bytes)?;
    Ok(pipe.flush()?)
}

/// The next message; `None` where the other side has closed the pipe between two messages.
pub(crate) fn receive<T: DeserializeOwned>(pipe: &mut impl Read) -> Result<Option<T>, Box<dyn Error>> {
    let mut length = [0; 8];
    match pipe.read_exact(&mut length) {
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let (length, mut bytes) = (u64::from_le_bytes(length), Vec::new());
    if pipe.take(length).read_to_end(&mut bytes)? as u64 != length {
        return Err("the pipe was closed within a message".into());
    }
    Ok(Some(postcard::from_bytes(&bytes)?))
}
