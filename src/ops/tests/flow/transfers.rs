//! Layers that come over a network which means no good.

use std::io::{self, Read};

use super::*;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, DiffId};
use crate::ops::install::Run;
use crate::ops::unpack;
use crate::source::{Candidate, Kind, Remote, Source, Waiting};

/// What a registry has of each blob.
#[derive(Debug)]
struct Wire(Vec<u8>);

impl Source for Wire {
    fn kind(&self) -> Kind {
        Kind::Registry
    }

    fn images(&self) -> Result<Vec<Candidate>> {
        Ok(Vec::new())
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        Err(Error::refused(descriptor.digest.to_string()))
    }

    fn remote(&self) -> Option<&dyn Remote> {
        Some(self)
    }
}

impl Remote for Wire {
    fn places(&self) -> usize {
        1
    }

    fn fetch<'a>(
        &'a self,
        blob: &'a Descriptor,
        from: u64,
        _skip: usize,
        _waiting: Waiting<'a>,
    ) -> Box<dyn Read + Send + 'a> {
        let (from, size) = (usize::try_from(from).unwrap(), usize::try_from(blob.size).unwrap());
        let rest = self.0.get(from..self.0.len().min(size)).unwrap_or_default();
        if size <= self.0.len() { Box::new(rest) } else { Box::new(rest.chain(Broken)) }
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(Error::new(ErrorKind::Unreachable, "gone").into_io())
    }
}

fn fetch(rootlay: &Rootlay, wire: &Wire, layers: &[(Descriptor, DiffId)]) -> crate::Result<()> {
    let layers: Vec<(&Descriptor, &DiffId)> = layers.iter().map(|(blob, id)| (blob, id)).collect();
    let run = Run::begin(rootlay, Limits::default(), Oddities::Warn).unwrap();
    run.carry_out(|run| unpack::layers(run, wire, &layers))
}

fn layer(digest: &Digest, size: u64, diff_id: &[u8]) -> (Descriptor, DiffId) {
    (Descriptor::new("application/vnd.oci.image.layer.v1.tar", digest.clone(), size), DiffId(Digest::of(diff_id)))
}

#[test]
fn a_wrong_size_of_a_blob_does_not_harm_the_one_that_is_here() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("good", &[&[("a", "a")]]))).unwrap();
        let good = tar(&[("a", "a")]);
        let digest = Digest::of(&good);
        let wire = Wire(vec![0; 10]);
        // What is kept of the first attempt has the size that the second one expects.
        for (size, kind) in [(20, ErrorKind::Unreachable), (10, ErrorKind::DigestMismatch)] {
            let error = fetch(&rootlay, &wire, &[layer(&digest, size, b"another layer")]).unwrap_err();
            assert_eq!(error.kind(), kind, "{error:?}");
        }
        assert_eq!(rootlay.store.content().size_of(&digest).unwrap(), Some(good.len() as u64));
        assert!(bench.names("partial/sha256").is_empty());
    });
}

#[test]
fn one_blob_under_two_diff_ids_leaves_nothing() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let blob = tar(&[("a", "a")]);
        let (digest, size) = (Digest::of(&blob), blob.len() as u64);
        let wire = Wire(blob.clone());
        let error = fetch(&rootlay, &wire, &[layer(&digest, size, &blob), layer(&digest, size, b"other")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        for folder in ["partial/sha256", "blobs/sha256", "layers/sha256", "staging"] {
            assert!(bench.names(folder).is_empty(), "{folder}: {:?}", bench.names(folder));
        }
        fetch(&rootlay, &wire, &[layer(&digest, size, &blob)]).unwrap();
    });
}
