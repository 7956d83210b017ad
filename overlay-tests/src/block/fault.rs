//! What a device shall fail at.

use std::fmt;
use std::str::FromStr;

use crate::fixture::hex;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Bytes are wanted.
    Read,
    /// Bytes come, or are zeroed.
    Write,
    /// Everything that came has to be durable.
    Flush,
}

/// Requests that are answered with `EIO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Of this kind,
    pub request: Request,
    /// after so many that do not fail,
    pub after: u64,
    /// so many,
    pub times: u64,
    /// which touch these bytes of the device,
    pub range: (u64, u64),
    /// and have these bytes in them.
    pub content: Vec<u8>,
}

impl Fault {
    /// All requests of a kind, from now on.
    pub fn all(request: Request) -> Self {
        Self { request, after: 0, times: u64::MAX, range: (0, u64::MAX), content: Vec::new() }
    }

    /// All requests of a kind whose content has these bytes.
    pub fn with(request: Request, content: impl AsRef<[u8]>) -> Self {
        Self { content: content.as_ref().to_vec(), ..Self::all(request) }
    }

    /// Only after so many that do not fail.
    #[must_use]
    pub fn after(self, after: u64) -> Self {
        Self { after, ..self }
    }

    /// Only so many.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// Only those that touch these bytes of the device.
    #[must_use]
    pub fn range(self, from: u64, to: u64) -> Self {
        Self { range: (from, to), ..self }
    }

    /// Whether this request fails; counts it.
    pub(super) fn hits(&mut self, request: Request, offset: u64, length: u64, data: &[u8]) -> bool {
        let touches = offset < self.range.1 && offset.saturating_add(length) > self.range.0;
        let says = self.content.is_empty() || data.windows(self.content.len()).any(|bytes| bytes == self.content);
        if request != self.request || (request != Request::Flush && !touches) || !says {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        let hit = self.times > 0;
        self.times = self.times.saturating_sub(1);
        hit
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = match self.request {
            Request::Read => "read",
            Request::Write => "write",
            Request::Flush => "flush",
        };
        let Self { after, times, range: (from, to), content, .. } = self;
        write!(f, "{request} {after} {times} {from} {to} {}", hex(content))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("not a fault: {text}");
        let words: Vec<&str> = text.split(' ').collect();
        let [request, after, times, from, to, content] = words[..] else { return Err(bad()) };
        let request = match request {
            "read" => Request::Read,
            "write" => Request::Write,
            "flush" => Request::Flush,
            _ => return Err(bad()),
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| bad());
        let digits = content.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
        let content = digits.map(|pair| u8::from_str_radix(pair, 16)).collect::<Result<Vec<u8>, _>>();
        Ok(Self {
            request,
            after: number(after)?,
            times: number(times)?,
            range: (number(from)?, number(to)?),
            content: content.map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_was_written() {
        let fault = Fault::with(Request::Read, b"\x00ab").after(3).times(2).range(5, 9);
        assert_eq!(fault.to_string().parse(), Ok(fault));
        assert_eq!(Fault::all(Request::Flush).to_string().parse(), Ok(Fault::all(Request::Flush)));
        assert!("write".parse::<Fault>().is_err());
    }

    #[test]
    fn only_what_is_meant_fails() {
        let mut fault = Fault::with(Request::Write, b"x").after(1).times(2).range(10, 20);
        for (request, offset, data, expected) in [
            (Request::Write, 12, b"x", false),
            (Request::Read, 12, b"x", false),
            (Request::Write, 12, b"y", false),
            (Request::Write, 20, b"x", false),
            (Request::Write, 9, b"x", false),
            (Request::Write, 12, b"x", true),
            (Request::Write, 19, b"x", true),
            (Request::Write, 12, b"x", false),
        ] {
            assert_eq!(fault.hits(request, offset, 1, data), expected, "{request:?} {offset} {data:?}");
        }
    }
}
