//! A server over threads: one for each connection, all of them bounded, all gone with the case.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::http::Request;

/// More connections, or requests of one connection, than any case makes.
const MANY: usize = 20_000;

/// A connection to a client.
#[derive(Debug)]
pub struct Connection(Transport);

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Connection {
    /// The connection below any encryption.
    pub fn socket(&self) -> &TcpStream {
        match &self.0 {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.get_ref(),
        }
    }

    /// Makes the end of the connection a reset.
    pub fn reset(&self) -> io::Result<()> {
        rustix::net::sockopt::set_socket_linger(self.socket(), Some(Duration::ZERO))?;
        Ok(())
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Transport::Plain(socket) => socket.read(buffer),
            Transport::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Transport::Plain(socket) => socket.write(bytes),
            Transport::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Transport::Plain(socket) => socket.flush(),
            Transport::Tls(stream) => stream.flush(),
        }
    }
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// More requests may come.
    Keep,
    /// It is closed.
    Close,
}

/// Answers one request.
pub type Answer = dyn Fn(Request, &mut Connection) -> io::Result<Next> + Send + Sync;

/// Listens from now until the case ends.
pub fn serve(address: SocketAddr, tls: Option<Arc<ServerConfig>>, answer: Arc<Answer>) {
    let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    thread::spawn(move || {
        for socket in listener.incoming().take(MANY).flatten() {
            let (tls, answer) = (tls.clone(), Arc::clone(&answer));
            // Clients hang up and speak TLS to those that do not: nothing that a case has to hear about.
            thread::spawn(move || converse(socket, tls, &*answer));
        }
    });
}

fn converse(socket: TcpStream, tls: Option<Arc<ServerConfig>>, answer: &Answer) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    socket.set_nodelay(true)?;
    let transport = match tls {
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            Transport::Tls(Box::new(StreamOwned::new(connection, socket)))
        }
        None => Transport::Plain(socket),
    };
    let mut stream = BufReader::new(Connection(transport));
    for _ in 0..MANY {
        let request = match Request::read(&mut stream) {
            Ok(Some(request)) => request,
            Ok(None) => break,
            Err(error) => {
                // What servers say to those who speak TLS to them.
                stream.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")?;
                return Err(error);
            }
        };
        if answer(request, stream.get_mut())? == Next::Close {
            break;
        }
    }
    if let Connection(Transport::Tls(stream)) = stream.get_mut() {
        stream.conn.send_close_notify();
        stream.flush()?;
    }
    Ok(())
}
