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

/// What a registry leads on with 307 or 308, it wants elsewhere as it is; what proves who we are is not for others.
#[test]
fn an_upload_is_led_on_with_its_body_and_without_its_password() {
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let other = Server::start("127.0.0.2", |request, connection| {
            swallow(request, connection);
            match request.line.split_once(' ').unwrap().0 {
                "POST" => answer("202 Accepted", &["Location: /stored/1"], b""),
                _ => answer("201 Created", &[], b""),
            }
        });
        let elsewhere = format!("http://{}", other.host);
        let server = Server::start("127.0.0.1", move |request, connection| {
            swallow(request, connection);
            if request.header("authorization").is_none() {
                return answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\""], b"");
            }
            let path = request.line.split_once(' ').unwrap().1;
            // First to another path of its own.
            let next = if path.contains("/moved") { format!("{elsewhere}{path}") } else { format!("{path}/moved") };
            answer(status, &[&format!("Location: {next}")], b"")
        });
        let registries = registries(with_password());
        let destination = registries.destination(&named(&server, "app:1")).unwrap();
        let content = tempfile::NamedTempFile::new().unwrap();
        content.as_file().set_len(100_000).unwrap();
        let digest = Digest::of(b"whatever");
        let open = || Ok(File::open(content.path()).unwrap());
        let outgoing =
            Outgoing { digest: &digest, size: 100_000, open: &open, sent: Arc::new(|_| ()), waiting: PATIENT };
        assert_eq!(destination.blob(&outgoing, None).unwrap(), Arrived::Sent);
        destination.manifest("1", "application/vnd.oci.image.manifest.v1+json", b"{\"a\": 1}").unwrap();
        let own: Vec<bool> =
            server.requests().iter().map(|request| request.header("authorization").is_some()).collect();
        assert_eq!(own, [false, true, true, true, true], "{:?}", server.requests());
        let seen: Vec<(String, u64)> = other
            .requests()
            .iter()
            .inspect(|request| assert_eq!(request.header("authorization"), None))
            .map(|request| (request.line.split(['?', '&']).next().unwrap().to_owned(), request.len()))
            .collect();
        let expected = [
            ("POST /v2/app/blobs/uploads//moved", 0),
            ("PUT /stored/1", 100_000),
            ("PUT /v2/app/manifests/1/moved", 8),
        ];
        assert_eq!(seen, expected.map(|(line, len)| (line.to_owned(), len)));
    }
}

/// Others want another request, which has no body: that is no answer to an upload.
#[test]
fn an_upload_is_not_turned_into_another_request() {
    for status in ["301 Moved Permanently", "302 Found", "303 See Other"] {
        let server = Server::start("127.0.0.1", move |request, connection| {
            swallow(request, connection);
            answer(status, &["Location: /elsewhere"], b"")
        });
        upload(&server, 1000, None).unwrap_err();
        assert_eq!(server.requests().len(), 1, "{:?}", server.requests());
    }
}
