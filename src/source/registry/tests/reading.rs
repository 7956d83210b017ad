//! Servers whose answers have no end, or none that helps.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::{Error, ErrorKind};
use crate::oci::{Descriptor, Digest};
use crate::source::Remote;

/// Reads a blob to its end or the first error.
fn read(server: &Server, blob: &Descriptor) -> crate::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let repository = repository(options(), server);
    repository.fetch(blob, 0, 0, PATIENT).read_to_end(&mut bytes).map_err(Error::from)?;
    Ok(bytes)
}

fn blob(content: &[u8]) -> Descriptor {
    Descriptor::new("application/vnd.oci.image.layer.v1.tar", Digest::of(content), content.len() as u64)
}

/// Serves each request so many bytes of a blob, and hangs up.
fn dripping(content: &'static [u8], most: usize) -> Server {
    Server::start("127.0.0.1", move |request, _| {
        let range =
            request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let from: usize = range.unwrap_or_default();
        let rest = &content[from..];
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let mut answer = answer(status, &[], rest);
        answer.truncate(answer.len() - rest.len().saturating_sub(most));
        answer
    })
}

#[test]
fn a_byte_now_and_then_is_no_progress() {
    static CONTENT: [u8; 50_000] = [7; 50_000];
    let enough = dripping(&CONTENT, 5000);
    assert_eq!(read(&enough, &blob(&CONTENT)).unwrap(), CONTENT);
    assert_eq!(enough.requests().iter().filter(|request| request.header("range").is_some()).count(), 9);
    let drop = dripping(&CONTENT, 1);
    let error = read(&drop, &blob(&CONTENT)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert_eq!(drop.requests().len(), 3);
}

/// A byte each 20 ms keeps a connection alive, and would go on for a quarter of an hour.
#[test]
fn a_blob_that_hardly_comes_goes_on_with_another_connection() {
    static CONTENT: [u8; 50_000] = [7; 50_000];
    let trickling = |most: usize| {
        let turn = AtomicUsize::new(0);
        Server::start("127.0.0.1", move |request, connection| {
            let range =
                request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            let rest = &CONTENT[range.unwrap_or_default()..];
            let whole = answer(if range.is_some() { "206 Partial Content" } else { "200 OK" }, &[], rest);
            if turn.fetch_add(1, Ordering::Relaxed) >= most {
                return whole;
            }
            let (head, body) = whole.split_at(whole.len() - rest.len());
            if connection.write_all(head).is_ok() {
                for byte in body.chunks(1) {
                    if connection.write_all(byte).is_err() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            Vec::new()
        })
    };
    let once = trickling(1);
    assert_eq!(read(&once, &blob(&CONTENT)).unwrap(), CONTENT);
    let requests = once.requests();
    assert!(requests.len() == 2 && requests[1].header("range").is_some(), "{requests:?}");
    let always = trickling(usize::MAX);
    let error = read(&always, &blob(&CONTENT)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert_eq!(always.requests().len(), 3);
}

#[test]
fn what_is_shorter_than_it_should_be_is_not_fetched_again_and_again() {
    let server = Server::start("127.0.0.1", |_, _| answer("200 OK", &[], b"shor"));
    let error = read(&server, &blob(b"short")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch, "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn lists_without_end_end() {
    let page = AtomicUsize::new(0);
    let server = Server::start("127.0.0.1", move |_, _| {
        let page = page.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{page}{}", "x".repeat(8 << 20));
        answer("200 OK", &["Link: </v2/app/tags/list>; rel=\"next\""], format!(r#"{{"tags":["{tag}"]}}"#).as_bytes())
    });
    // Pages of this size take their time where much else is done.
    let mut options = options();
    options.retry.patience = Retry::default().patience;
    let error = repository(options, &server).tags().unwrap_err();
    assert!(error.to_string().contains("answer has more than"), "{error}");
    assert_eq!(server.requests().len(), 8);
}

#[test]
fn s05_nearest_tags_are_for_who_named_a_tag() {
    let server = Server::start("127.0.0.1", |request, _| {
        if request.line.contains("/tags/list") {
            return answer("200 OK", &[], br#"{"tags":["2"]}"#);
        }
        answer("404 Not Found", &[], b"")
    });
    let error = repository(options(), &server).root().unwrap_err();
    assert!(error.to_string().ends_with("not found; the nearest of 1 tags: 2"), "{error}");
    let pinned = named(&server, &format!("app:1@{}", Digest::of(b"x")));
    let error = registries(options()).repository(&pinned).unwrap().root().unwrap_err();
    assert!(error.to_string().ends_with("not found"), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotInRegistry);
}

#[test]
fn s47_a_registry_without_head_is_asked_for_the_document() {
    let index = br#"{"schemaVersion":2,"manifests":[]}"#;
    let server = Server::start("127.0.0.1", |request, _| {
        if request.line.starts_with("HEAD") {
            return answer("405 Method Not Allowed", &[], b"");
        }
        answer("200 OK", &[], index)
    });
    assert_eq!(repository(options(), &server).head().unwrap().digest, Digest::of(index));
}
