//! Blobs on their way to a registry.

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::thread::sleep;

use super::server::{Request, swallow};
use super::*;
use crate::error::{ErrorKind, Result};
use crate::oci::Digest;
use crate::source::registry::{Arrived, Outgoing};

/// Writes a blob of so many bytes that are zero.
fn upload(server: &Server, size: u64, from: Option<&str>) -> Result<Arrived> {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(size).unwrap();
    let digest = Digest::of(b"whatever");
    let open = || Ok(File::open(file.path()).unwrap());
    let outgoing = Outgoing { digest: &digest, size, open: &open, sent: Arc::new(|_| ()), waiting: PATIENT };
    registries(options()).destination(&named(server, "app:1")).unwrap().blob(&outgoing, from)
}

fn begun() -> Vec<u8> {
    answer("202 Accepted", &["Location: /v2/app/blobs/uploads/1?_state=x"], b"")
}

/// Takes a body in pieces, with a pause behind each.
fn slowly(request: &Request, connection: &mut TcpStream, pause: Duration) {
    let mut left = request.len();
    let mut piece = vec![0; 2 << 20];
    while left > 0 {
        let most = piece.len().min(usize::try_from(left).unwrap());
        let Ok(count @ 1..) = connection.read(&mut piece[..most]) else { return };
        left -= count as u64;
        if left % (4 << 20) < count as u64 {
            sleep(pause);
        }
    }
}

#[test]
fn an_upload_may_take_longer_than_a_server_may_be_silent() {
    let server = Server::start("127.0.0.1", |request, connection| {
        if request.line.starts_with("POST") {
            return begun();
        }
        slowly(request, connection, Duration::from_millis(100));
        // It looks at what it has.
        sleep(Duration::from_millis(1200));
        answer("201 Created", &[], b"")
    });
    assert_eq!(upload(&server, 64 << 20, None).unwrap(), Arrived::Sent);
    let lines: Vec<String> = server.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with("PUT /v2/app/blobs/uploads/1?_state=x&digest=sha256%3A"), "{lines:?}");
}

#[test]
fn an_upload_that_stands_still_is_given_up() {
    let server = Server::start("127.0.0.1", |request, _| {
        if request.line.starts_with("POST") {
            return begun();
        }
        sleep(Duration::from_secs(60));
        Vec::new()
    });
    let error = upload(&server, 64 << 20, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert_eq!(server.requests().iter().filter(|request| request.line.starts_with("PUT")).count(), 3);
}

#[test]
fn who_may_not_read_the_other_repository_sends_the_blob() {
    let server = Server::start("127.0.0.1", |request, connection| {
        swallow(request, connection);
        match request.line.split_once(' ').unwrap() {
            ("POST", path) if path.contains("from=other") => answer("403 Forbidden", &[], b""),
            ("POST", _) => begun(),
            _ => answer("201 Created", &[], b""),
        }
    });
    assert_eq!(upload(&server, 1000, Some("other")).unwrap(), Arrived::Sent);
    assert_eq!(server.requests().len(), 3);
}
