//! HTTP/1.1 as far as registries use it: whole messages, read and written over any stream.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// More than any message of the suite has.
const LARGEST_BODY: u64 = 256 << 20;
const LARGEST_HEAD: u64 = 64 << 10;

/// Header fields in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a field, also those that a comma separates.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.flat_map(|(_, value)| value.split(',').map(str::trim)).collect()
    }

    /// Replaces a field.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// Removes a field.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    fn write(&self, head: &mut String) {
        use std::fmt::Write as _;
        for (name, value) in &self.0 {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Headers {
    fn from(fields: [(&str, &str); N]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET` and the like.
    pub method: String,
    /// Path and query; before a proxy the whole URL.
    pub target: String,
    /// Fields.
    pub headers: Headers,
    /// Body, without chunks.
    pub body: Vec<u8>,
}

impl Request {
    /// Without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), ..Self::default() }
    }

    /// With a field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The values of a parameter of the query.
    pub fn query(&self, name: &str) -> Vec<String> {
        parameters(self.target.split_once('?').map_or("", |(_, query)| query), name)
    }

    /// The values of a field of a form in the body.
    pub fn form(&self, name: &str) -> Vec<String> {
        parameters(&String::from_utf8_lossy(&self.body), name)
    }

    /// Reads the next request of a connection; `None` at its end. The stream is written to where the client waits for
    /// leave to send its body.
    pub fn read<S: Read + Write>(stream: &mut io::BufReader<S>) -> io::Result<Option<Self>> {
        let Some((start, headers)) = read_head(stream)? else {
            return Ok(None);
        };
        let mut words = start.split(' ');
        let (Some(method), Some(target), Some(_)) = (words.next(), words.next(), words.next()) else {
            return Err(io::Error::other("not a request"));
        };
        let mut request = Self { method: method.to_owned(), target: target.to_owned(), headers, body: Vec::new() };
        if request.headers.get("Expect").is_some() {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = request.headers.get("Content-Length").and_then(|length| length.parse().ok());
        request.body = match length {
            Some(length) => read_exactly(stream, length)?,
            None if is_chunked(&request.headers) => read_chunks(stream)?,
            None => Vec::new(),
        };
        Ok(Some(request))
    }

    /// Sends it over a connection of its own and reads the answer.
    pub fn send(&self, to: SocketAddr) -> io::Result<Response> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut headers = self.headers.clone();
        headers.set("Connection", "close");
        headers.remove("Transfer-Encoding");
        headers.remove("Expect");
        if !self.body.is_empty() || matches!(self.method.as_str(), "PUT" | "POST" | "PATCH") {
            headers.set("Content-Length", self.body.len().to_string());
        }
        if headers.get("Host").is_none() {
            headers.set("Host", to.to_string());
        }
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        headers.write(&mut head);
        let mut stream = io::BufReader::new(stream);
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().write_all(&self.body)?;
        Response::read(&mut stream, self.method == "HEAD")
    }
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Fields.
    pub headers: Headers,
    /// Body, without chunks.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with this body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Headers::default(), body: body.into() }
    }

    /// A JSON document.
    pub fn json(status: u16, document: &serde_json::Value) -> Self {
        Self::new(status, document.to_string()).header("Content-Type", "application/json")
    }

    /// With a field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.set(name, value);
        self
    }

    fn read(stream: &mut impl BufRead, bodiless: bool) -> io::Result<Self> {
        let (start, headers) = read_head(stream)?.ok_or_else(|| io::Error::other("no answer"))?;
        let status = start.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("not an answer"))?;
        let length = headers.get("Content-Length").and_then(|length| length.parse().ok());
        let body = match length {
            _ if bodiless || status == 204 || status == 304 => Vec::new(),
            Some(length) => read_exactly(stream, length)?,
            None if is_chunked(&headers) => read_chunks(stream)?,
            None => {
                let mut body = Vec::new();
                stream.take(LARGEST_BODY).read_to_end(&mut body)?;
                body
            }
        };
        Ok(Self { status, headers, body })
    }

    /// The head as it goes over the wire; what its fields say about the body is the caller's business.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        self.headers.write(&mut head);
        head.into_bytes()
    }
}

fn parameters(text: &str, name: &str) -> Vec<String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| percent_decoded(value)).collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|digit| char::from(digit.unwrap_or(b'?')));
                u8::from_str_radix(&digits.iter().collect::<String>(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(decoded).unwrap()
}

fn is_chunked(headers: &Headers) -> bool {
    headers.get("Transfer-Encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked"))
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    stream.take(LARGEST_HEAD).read_until(b'\n', &mut line)?;
    while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        line.pop();
    }
    String::from_utf8(line).map_err(io::Error::other)
}

fn read_head(stream: &mut impl BufRead) -> io::Result<Option<(String, Headers)>> {
    let start = read_line(stream)?;
    if start.is_empty() {
        return Ok(None);
    }
    let mut headers = Headers::default();
    for _ in 0..200 {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(':') else {
            return if line.is_empty() { Ok(Some((start, headers))) } else { Err(io::Error::other("not a field")) };
        };
        headers.0.push((name.to_owned(), value.trim().to_owned()));
    }
    Err(io::Error::other("too many fields"))
}

fn read_exactly(stream: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    stream.take(length.min(LARGEST_BODY)).read_to_end(&mut body)?;
    if u64::try_from(body.len()).unwrap() == length { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(stream)?;
        let size = u64::from_str_radix(size.split(';').next().unwrap().trim(), 16).map_err(io::Error::other)?;
        body.extend(read_exactly(stream, size)?);
        read_line(stream)?;
        if size == 0 {
            return Ok(body);
        }
        if u64::try_from(body.len()).unwrap() > LARGEST_BODY {
            return Err(io::Error::other("too long"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined() {
        let body = read_chunks(&mut &b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"[..]).unwrap();
        assert_eq!(body, b"abcde");
    }

    #[test]
    fn parameters_are_decoded() {
        let request = Request::new("GET", "/token?scope=repository%3Aa%2Fb:pull&scope=x+y&service=bed");
        assert_eq!(request.query("scope"), ["repository:a/b:pull", "x y"]);
        assert_eq!(request.path(), "/token");
    }
}
