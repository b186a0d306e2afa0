//! RTSP requests as a server reads them (RFC 2326): bounded, with the client's interleaved packets stepped over.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest request head in bytes; a client's is a few hundred.
const MAX_HEAD: usize = 8 * 1024;
/// Longest body that is stepped over.
const MAX_BODY: usize = 8 * 1024;

/// A request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// For instance `DESCRIBE`.
    pub method: String,
    /// The address asked for, as sent.
    pub url: String,
    headers: Vec<(String, String)>,
}

/// Why a connection cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The peer closed, or the connection broke.
    #[error("the peer closed the connection")]
    Closed,
    /// It is not RTSP, or too long.
    #[error("not an RTSP request: {0}")]
    Malformed(&'static str),
}

impl Request {
    /// A header by name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The first part of the address's path: the camera.
    #[must_use]
    pub fn camera(&self) -> &str {
        let after_scheme = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let path = after_scheme.split_once('/').map_or("", |(_, path)| path);
        path.split(['/', '?']).next().unwrap_or("")
    }

    fn parse(head: &str) -> Result<Self, RequestError> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or("").split(' ');
        let (Some(method), Some(url), Some(version), None) =
            (first.next(), first.next(), first.next(), first.next())
        else {
            return Err(RequestError::Malformed("the first line is not METHOD URL VERSION"));
        };
        if !version.starts_with("RTSP/1.") {
            return Err(RequestError::Malformed("the version is not RTSP/1.0"));
        }
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        let headers = lines.filter(|line| !line.is_empty()).map(header).collect::<Option<Vec<_>>>();
        let headers = headers.ok_or(RequestError::Malformed("a header has no colon"))?;
        Ok(Self { method: method.to_owned(), url: url.to_owned(), headers })
    }
}

/// Reads requests from a connection.
pub struct RequestReader<R> {
    from: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> RequestReader<R> {
    /// A reader at the start of a connection.
    pub fn new(from: R) -> Self {
        Self { from, buffer: BytesMut::with_capacity(1024) }
    }

    /// The next request. May be dropped and called again without losing a byte.
    ///
    /// # Errors
    /// [`RequestError`]; nothing can be read after it.
    pub async fn next(&mut self) -> Result<Request, RequestError> {
        loop {
            if let Some(request) = take_request(&mut self.buffer)? {
                return Ok(request);
            }
            match self.from.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Err(RequestError::Closed),
                Ok(_) => {}
            }
        }
    }
}

fn take_request(buffer: &mut BytesMut) -> Result<Option<Request>, RequestError> {
    while let [b'$', _, high, low, ..] = buffer[..] {
        let packet = 4 + usize::from(u16::from_be_bytes([high, low]));
        if buffer.len() < packet {
            return Ok(None);
        }
        buffer.advance(packet);
    }
    if buffer.first() == Some(&b'$') {
        return Ok(None);
    }
    let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else {
        let too_long = buffer.len() > MAX_HEAD;
        return if too_long { Err(RequestError::Malformed("the head is too long")) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&buffer[..end]);
    let request = Request::parse(head.map_err(|_| RequestError::Malformed("the head is not text"))?)?;
    let body = request.header("content-length").map_or(Ok(0), str::parse::<usize>);
    let body = body.ok().filter(|n| *n <= MAX_BODY).ok_or(RequestError::Malformed("the body is too long"))?;
    if buffer.len() < end + 4 + body {
        return Ok(None);
    }
    buffer.advance(end + 4 + body);
    Ok(Some(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_behind_a_clients_interleaved_packets() {
        let mut buffer = BytesMut::from(&b"$\x01\x00\x02ab"[..]);
        buffer
            .extend_from_slice(b"PLAY rtsp://127.0.0.1:9/gate-1/track0?x=1 RTSP/1.0\r\nCSeq: 4\r\n\r\nOPTI");
        let request = take_request(&mut buffer).unwrap().unwrap();
        assert_eq!((request.method.as_str(), request.camera()), ("PLAY", "gate-1"));
        assert_eq!(request.header("cseq"), Some("4"));
        assert_eq!(&buffer[..], b"OPTI");
        assert_eq!(take_request(&mut buffer).unwrap(), None);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in ["GET / HTTP/1.1\r\n\r\n", "PLAY\r\n\r\n", "PLAY x RTSP/1.0\r\nno colon\r\n\r\n"] {
            assert!(take_request(&mut BytesMut::from(bad.as_bytes())).is_err(), "{bad:?} was accepted");
        }
        let mut endless = BytesMut::from(&vec![b'a'; MAX_HEAD + 1][..]);
        assert!(take_request(&mut endless).is_err());
        let mut large = BytesMut::from(&b"PLAY x RTSP/1.0\r\nContent-Length: 999999\r\n\r\n"[..]);
        assert!(take_request(&mut large).is_err());
    }
}
