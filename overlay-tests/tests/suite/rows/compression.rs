//! Rows 110 to 119: compressed forms, digests and sizes.

use overlay_tests::cases;
use overlay_tests::fixture::{
    Algorithm, Compression, Entry, Image, Layer, dir, file, gzip, gzip_member, gzip_members, media, sha256, zstd_frame,
    zstd_frames, zstd_skippable,
};
use overlay_tests::harness::{Case, Context, Need, StoreListing};
use overlay_tests::tree::names;
use std::io::Write as _;

pub fn cases() -> Vec<Case> {
    cases![
        row_110_several_gzip_members;
        row_111_bytes_after_gzip;
        row_111_padding_is_warned_about;
        row_112_gzip_headers;
        row_112_corrupt_gzip;
        row_113_truncated_streams;
        row_114_zstd_frames;
        row_114_zstd_windows;
        row_114_zstd_dictionaries;
        row_115_zstd_chunked_annotations;
        row_116_media_types_are_hints;
        row_116_legacy_compression => Need::Tool("xz"), Need::Tool("bzip2");
        row_117_diff_ids_are_verified;
        row_117_known_blob_with_another_diff_id;
        row_118_sizes_and_digests_of_blobs;
        row_119_sha512
    ]
}

fn entries() -> Vec<Entry> {
    vec![dir("d", 0o755), file("d/f", "content".repeat(1000)), file("g", "")]
}

fn shows(context: &Context, media_type: &'static str, function: fn(&[u8]) -> Vec<u8>) {
    let layer = Layer::of(&entries()).compressed(Compression::Custom(media_type, function));
    assert_eq!(names(&context.tree_of(&Image::of([layer]))), ["d/", "d/f", "g"]);
    // A second run must not profit from the layer of the first one.
    std::fs::remove_dir_all(context.root()).unwrap();
}

fn refused(context: &Context, media_type: &'static str, function: fn(&[u8]) -> Vec<u8>) {
    let layer = Layer::of(&entries()).compressed(Compression::Custom(media_type, function));
    context.refuse(&Image::of([layer]), &[]);
}

/// estargz and bgzip make one member for every file or block.
fn row_110_several_gzip_members(context: &Context) {
    shows(context, media::LAYER_GZIP, |tar| gzip_members(tar, 100));
    shows(context, media::LAYER_GZIP, |tar| gzip_members(tar, 512));
    shows(context, media::LAYER_GZIP, |tar| [gzip(&tar[..700]), gzip(&tar[700..])].concat());
}

fn row_111_bytes_after_gzip(context: &Context) {
    shows(context, media::LAYER_GZIP, |tar| [gzip(tar), vec![0; 1]].concat());
    shows(context, media::LAYER_GZIP, |tar| [gzip(tar), vec![0; 5000]].concat());
    refused(context, media::LAYER_GZIP, |tar| [gzip(tar), b"garbage".to_vec()].concat());
    refused(context, media::LAYER_GZIP, |tar| [gzip(tar), vec![0; 100], b"garbage".to_vec()].concat());
    refused(context, media::LAYER_GZIP, |tar| [gzip(tar), vec![0x1f]].concat());
    refused(context, media::LAYER_GZIP, |tar| [gzip(tar), vec![0x1f, 0x8b]].concat());
}

fn row_111_padding_is_warned_about(context: &Context) {
    let load = |function: fn(&[u8]) -> Vec<u8>| {
        let layer = Layer::of(&[file("f", "content")]).compressed(Compression::Custom(media::LAYER_GZIP, function));
        context.try_load(&Image::of([layer])).1.exits(0).stderr
    };
    assert_eq!(load(gzip), "");
    std::fs::remove_dir_all(context.root()).unwrap();
    let padded = load(|tar| [gzip(tar), vec![0; 3]].concat());
    assert!(padded.starts_with("Warning: ") && padded.contains("zeros after the end of the gzip stream"), "{padded}");
}

fn row_112_gzip_headers(context: &Context) {
    shows(context, media::LAYER_GZIP, gzip_member);
    shows(context, media::LAYER_GZIP, |tar| [gzip_member(&tar[..512]), gzip(b""), gzip_member(&tar[512..])].concat());
    // FHCRC (RFC 1952, 2.3.1): the lower half of the CRC-32 of the header.
    shows(context, media::LAYER_GZIP, |tar| {
        let mut bytes = gzip(tar);
        bytes[3] |= 2;
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[..10]);
        let half = u16::try_from(crc.sum() & 0xffff).unwrap();
        bytes.splice(10..10, half.to_le_bytes());
        bytes
    });
}

fn row_112_corrupt_gzip(context: &Context) {
    // The CRC-32, the size, the method, and a bit of the data.
    refused(context, media::LAYER_GZIP, |tar| flip(gzip(tar), 8));
    refused(context, media::LAYER_GZIP, |tar| flip(gzip(tar), 4));
    refused(context, media::LAYER_GZIP, |tar| {
        let mut bytes = gzip(tar);
        bytes[2] = 7;
        bytes
    });
    refused(context, media::LAYER_GZIP, |tar| flip(gzip(tar), 40));
    refused(context, media::LAYER_GZIP, |tar| flip(gzip_members(tar, 512), 8));
}

/// Flips a bit that many bytes before the end.
fn flip(mut bytes: Vec<u8>, from_end: usize) -> Vec<u8> {
    let at = bytes.len() - from_end;
    bytes[at] ^= 0x10;
    bytes
}

/// Nothing of it is visible, wherever it ends.
fn row_113_truncated_streams(context: &Context) {
    // Content that does not compress, so that the blob has some length.
    let mut rng = overlay_tests::random::Rng::new(1);
    let noise: Vec<u8> = (0..40_000).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
    let tar = Layer::of(&[file("noise", noise)]).tar().to_vec();
    for compress in [gzip, zstd_frame] {
        let whole = compress(&tar);
        for length in (1..whole.len()).step_by(4096).chain([whole.len() - 1, whole.len() - 5]) {
            let layer = Layer::raw(&whole[..length]).claiming(sha256(&tar));
            context.refuse(&Image::of([layer]), &[]);
        }
    }
}

fn row_114_zstd_frames(context: &Context) {
    shows(context, media::LAYER_ZSTD, zstd_frame);
    shows(context, media::LAYER_ZSTD, |tar| zstd_frames(tar, 512));
    shows(context, media::LAYER_ZSTD, |tar| [zstd_frame(tar), zstd_skippable(&[])].concat());
    shows(context, media::LAYER_ZSTD, |tar| [zstd_skippable(&vec![0; 70_000]), zstd_frame(tar)].concat());
    refused(context, media::LAYER_ZSTD, |tar| [zstd_frame(tar), b"garbage".to_vec()].concat());
    refused(context, media::LAYER_ZSTD, |tar| flip(zstd_frame(tar), 2));
    refused(context, media::LAYER_ZSTD, |_| zstd_skippable(b"only this"));
}

fn with_window(tar: &[u8], log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(log).unwrap();
    encoder.include_contentsize(false).unwrap();
    // In two writes, so that the encoder cannot know the size and choose a smaller window.
    encoder.write_all(&tar[..512]).unwrap();
    encoder.flush().unwrap();
    encoder.write_all(&tar[512..]).unwrap();
    encoder.finish().unwrap()
}

/// 128 MiB is the limit that the tools share.
fn row_114_zstd_windows(context: &Context) {
    shows(context, media::LAYER_ZSTD, |tar| with_window(tar, 24));
    shows(context, media::LAYER_ZSTD, |tar| with_window(tar, 27));
    refused(context, media::LAYER_ZSTD, |tar| with_window(tar, 28));
    refused(context, media::LAYER_ZSTD, |tar| with_window(tar, 31));
}

fn row_114_zstd_dictionaries(context: &Context) {
    refused(context, media::LAYER_ZSTD, |tar| {
        // A frame header that names dictionary 7 (RFC 8878, 3.1.1.1), before the blocks of a good frame.
        let frame = zstd_frame(tar);
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(tar).unwrap();
        let plain = encoder.finish().unwrap();
        assert!(frame.len() >= plain.len());
        // Magic, descriptor with a one-byte dictionary ID, window, ID, blocks.
        [&plain[..4], &[plain[4] | 1], &plain[5..6], &[7], &plain[6..]].concat()
    });
}

/// The table of contents is not looked at: the diff ID decides.
fn row_115_zstd_chunked_annotations(context: &Context) {
    let layer = Layer::of(&entries()).compressed(Compression::Custom(media::LAYER_ZSTD, |tar| zstd_frames(tar, 512)));
    let image = Image::of([layer]).manifest(|manifest| {
        manifest["layers"][0]["annotations"] = serde_json::json!({
            "io.github.containers.zstd-chunked.manifest-checksum": sha256(b"another"),
            "io.github.containers.zstd-chunked.manifest-position": "1:2:3:1",
        });
    });
    assert_eq!(names(&context.tree_of(&image)), ["d/", "d/f", "g"]);
}

fn row_116_media_types_are_hints(context: &Context) {
    let types = [media::LAYER, media::LAYER_GZIP, media::LAYER_ZSTD, media::DOCKER_LAYER_GZIP];
    for media_type in types {
        shows(context, media_type, <[u8]>::to_vec);
        shows(context, media_type, gzip);
        shows(context, media_type, zstd_frame);
    }
    let lying = Layer::of(&entries()).compressed(Compression::Custom(media::LAYER_GZIP, zstd_frame));
    let (_, output) = context.try_load(&Image::of([lying]));
    assert!(!output.clone().exits(0).stderr.is_empty(), "no warning");
}

fn row_116_legacy_compression(context: &Context) {
    for compression in [Compression::Xz, Compression::Bzip2] {
        let mut archive = overlay_tests::fixture::DockerArchive::default();
        let id = archive.add_old(&Image::of([Layer::of(&entries()).compressed(compression)]), &[]);
        let path = context.fresh("legacy");
        archive.write(&path);
        context.rootlay(["load", &format!("docker-archive:{}", path.display())]).ok();
        assert_eq!(names(&context.tree_of_loaded(&id)), ["d/", "d/f", "g"]);
        std::fs::remove_dir_all(context.root()).unwrap();
    }
}

fn row_117_diff_ids_are_verified(context: &Context) {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut tar = Layer::of(&entries()).tar().to_vec();
        let honest = sha256(&tar);
        tar[1100] ^= 1;
        let layer = Layer::raw(tar).compressed(compression).claiming(&honest);
        context.refuse(&Image::of([layer]), &[&honest[7..19]]);
        // Bytes behind the end of the archive count too.
        let layer = Layer::raw([Layer::of(&entries()).tar(), b"tail"].concat());
        context.refuse(&Image::of([layer.compressed(compression).claiming(&honest)]), &[]);
    }
    // One wrong layer of several refuses them all.
    let good = Layer::of(&[file("good", "")]);
    let bad = Layer::of(&entries()).claiming(sha256(b"something else"));
    context.refuse(&Image::of([good.clone(), bad.clone(), good.clone()]), &[]);
    context.refuse(&Image::of([bad, good]), &[]);
}

/// A blob that is here already proves nothing about what this config says of it.
fn row_117_known_blob_with_another_diff_id(context: &Context) {
    let layer = Layer::of(&entries()).compressed(Compression::Gzip);
    let other = Layer::of(&[file("other", "")]);
    context.load(&Image::of([layer.clone()]));
    context.load(&Image::of([other.clone()]));
    context.refuse(&Image::of([layer.clone().claiming(sha256(b"unknown"))]), &[]);
    // Even where the diff ID that it claims is here as well: with two of three tools the other layer would be shown.
    let (written, output) = context.try_load(&Image::of([layer.claiming(sha256(other.tar()))]));
    if output.code == 0 {
        assert_eq!(names(&context.tree_of_loaded(&written.image_id)), ["other"]);
    } else {
        let _ = output.exits(3);
    }
}

fn row_118_sizes_and_digests_of_blobs(context: &Context) {
    let image = || Image::of([Layer::of(&entries()).compressed(Compression::Gzip)]);
    for by in [-1, 1, 1000, -10_000_000] {
        let lying = image().manifest(move |manifest| {
            let size = manifest["layers"][0]["size"].as_i64().unwrap();
            manifest["layers"][0]["size"] = (size + by).max(0).into();
        });
        context.refuse(&lying, &[]);
        let lying = image().manifest(move |manifest| {
            let size = manifest["config"]["size"].as_i64().unwrap();
            manifest["config"]["size"] = (size + by).max(0).into();
        });
        context.refuse(&lying, &[]);
    }
    // The right size, other bytes.
    for what in ["layer", "config", "manifest"] {
        let layout = context.fresh("layout");
        let written = image().write_oci(&layout);
        let digest = match what {
            "layer" => written.layers[0].clone(),
            "config" => written.image_id.clone(),
            _ => written.manifest["digest"].as_str().unwrap().to_owned(),
        };
        let path = layout.join("blobs/sha256").join(&digest[7..]);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let source = format!("oci:{}", layout.display());
        context.refuse_load(&[&digest[7..19]], || context.rootlay(["load", &source]));
    }
}

fn row_119_sha512(context: &Context) {
    let written = {
        let image = Image::of([entries(), vec![file("h", "")]]).algorithm(Algorithm::Sha512);
        let written = context.load(&image);
        assert_eq!(names(&context.tree_of_loaded(&written.image_id)), ["d/", "d/f", "g", "h"]);
        written
    };
    assert!(written.diff_ids[0].starts_with("sha512:"));
    let layers = StoreListing::read(&context.root()).layers();
    assert!(layers.iter().all(|layer| layer.starts_with("sha512/")), "{layers:?}");
    // A wrong one is refused as well.
    let zeros = format!("sha512:{}", "0".repeat(128));
    context.refuse(&Image::of([Layer::of(&[file("x", "")]).claiming(zeros)]), &[]);
}
