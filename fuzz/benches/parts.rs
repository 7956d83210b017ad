//! How long the inner parts of unpacking a layer take, each alone and in memory.
//!
//! `RUSTFLAGS="--cfg fuzzing" cargo bench --no-default-features --features benches [-- FILTER]`

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("the private modules are open with RUSTFLAGS=\"--cfg fuzzing\" alone");
}

#[cfg(fuzzing)]
use measured::parts;

#[cfg(fuzzing)]
criterion::criterion_main!(parts);

#[cfg(fuzzing)]
mod measured {
    use std::hint::black_box;
    use std::io::Write;

    use criterion::{BatchSize, Criterion, Throughput, criterion_group};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use rootlay::fuzzing::{Index, count_entries, decompress, name, sha256};

    const BUFFER: usize = 256 * 1024;
    const FILES: usize = 10_000;
    const MAX_HEADER: u64 = 1 << 20;
    const BLOCK: usize = 512;

    /// A tar of small files, a hundred in a directory, whose text compresses about as that of programs does.
    fn archive() -> Vec<u8> {
        let mut tar = Vec::new();
        let mut random = 1_u64;
        for file in 0..FILES {
            let directory = format!("usr/lib/node_modules/package-{}/", file / 100);
            if file % 100 == 0 {
                header(&mut tar, &directory, b'5', 0);
            }
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let content = text(random, usize::try_from(random >> 52).unwrap_or(0));
            header(&mut tar, &format!("{directory}file-{file}.js"), b'0', content.len());
            tar.extend_from_slice(&content);
            tar.resize(tar.len().next_multiple_of(BLOCK), 0);
        }
        tar.resize(tar.len() + 2 * BLOCK, 0);
        tar
    }

    fn text(seed: u64, length: usize) -> Vec<u8> {
        const WORDS: [&str; 8] = ["return ", "function(", "const ", "this.", "module", "= require('", ");\n", "  "];
        let mut state = seed;
        let mut text = Vec::new();
        while text.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.extend_from_slice(WORDS[usize::try_from(state % 8).unwrap_or(0)].as_bytes());
            if state.is_multiple_of(5) {
                text.extend_from_slice(format!("{:x}", state >> 40).as_bytes());
            }
        }
        text.truncate(length);
        text
    }

    fn header(tar: &mut Vec<u8>, name: &str, kind: u8, size: usize) {
        let mut block = [0_u8; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        for (at, field) in [(100, format!("{:07o}", 0o644)), (108, "0000000".into()), (116, "0000000".into())] {
            block[at..at + field.len()].copy_from_slice(field.as_bytes());
        }
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[136..147].copy_from_slice(format!("{:011o}", 1_700_000_000).as_bytes());
        block[148..156].fill(b' ');
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&block);
    }

    fn unpacking(bench: &mut Criterion) {
        let tar = archive();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(&tar).expect("memory takes it");
        let gzip = encoder.finish().expect("memory takes it");

        let mut streams = bench.benchmark_group("stream");
        streams.throughput(Throughput::Bytes(tar.len() as u64));
        let mut buffer = vec![0; BUFFER];
        streams.bench_function("gzip", |bench| {
            bench.iter(|| decompress(black_box(&gzip), &mut buffer).expect("it is gzip"));
        });
        streams.bench_function("sha256", |bench| bench.iter(|| sha256(black_box(&tar))));
        streams.finish();

        let place = tempfile::tempdir().expect("a directory");
        let [diff, aside] = ["diff", "aside"].map(|name| place.path().join(name));
        for directory in [&diff, &aside] {
            std::fs::create_dir(directory).expect("it is new");
        }
        let written = Index::of(&gzip, &diff, &aside).and_then(|index| index.write()).expect("the layer is honest");
        let read = || Index::read(black_box(&written)).expect("it was just written");

        let mut entries = bench.benchmark_group("entries");
        entries.throughput(Throughput::Elements((FILES + FILES / 100) as u64));
        entries.bench_function("tar", |bench| {
            bench.iter(|| count_entries(black_box(&tar), MAX_HEADER).expect("it is a tar"));
        });
        entries.bench_function("name", |bench| {
            let path = b"usr/lib/node_modules/package-17/file-1712.js";
            bench.iter(|| (0..FILES + FILES / 100).map(|_| name(black_box(path)).is_ok()).filter(|&good| good).count());
        });
        let index = read();
        entries.bench_function("index write", |bench| bench.iter(|| index.write().expect("memory takes it")));
        entries.bench_function("index read", |bench| bench.iter(read));
        entries.bench_function("diff tree", |bench| {
            bench.iter_batched(read, |index| index.shape().expect("it is whole"), BatchSize::LargeInput);
        });
        entries.finish();
    }

    criterion_group! {
        name = parts;
        config = Criterion::default().sample_size(30);
        targets = unpacking
    }
}
