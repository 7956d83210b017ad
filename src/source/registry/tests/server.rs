//! A server of plain HTTP that says what it is told to say, one answer for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and path.
    pub line: String,
    /// Headers, their names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How many bytes follow it.
    pub fn len(&self) -> u64 {
        self.header("content-length").map_or(0, |len| len.parse().unwrap())
    }
}

/// It listens until the tests end.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host and port.
    pub host: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// On any port of an address of this machine. `answer` gets each request, and the connection with the rest of it.
    pub fn start(address: &str, answer: impl Fn(&Request, &mut TcpStream) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = Self { host, requests: Arc::default() };
        let (requests, answer) = (Arc::clone(&server.requests), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                thread::spawn(move || serve(connection.unwrap(), &requests, &*answer));
            }
        });
        server
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut connection: TcpStream,
    requests: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request, &mut TcpStream) -> Vec<u8>,
) {
    let mut first = [0];
    // Whoever begins with TLS is hung up on.
    if connection.peek(&mut first).is_err() || !first[0].is_ascii_uppercase() {
        return;
    }
    let mut head = Unbuffered(&mut connection);
    let Some(line) = head.line() else { return };
    let mut headers = Vec::new();
    while let Some((name, value)) = head.line().as_deref().and_then(|line| line.split_once(": ")) {
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    let request = Request { line, headers };
    requests.lock().unwrap().push(request.clone());
    let answer = answer(&request, &mut connection);
    // The other side may be gone.
    let _ = connection.write_all(&answer);
}

/// Reads no byte too many.
struct Unbuffered<'c>(&'c mut TcpStream);

impl Unbuffered<'_> {
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        BufReader::with_capacity(1, &mut *self.0).read_line(&mut line).ok()?;
        (!line.is_empty()).then(|| line.trim_end().to_owned())
    }
}

/// An answer with a body of known length.
pub fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Reads the body of a request.
pub fn swallow(request: &Request, connection: &mut TcpStream) {
    std::io::copy(&mut connection.take(request.len()), &mut std::io::sink()).unwrap();
}
