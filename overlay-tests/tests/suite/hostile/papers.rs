//! Documents and archives that are huge, deep, many, or full of odd text.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{
    DockerArchive, END_OF_ARCHIVE, Format, Image, Layer, Layout, dir, encode_entry, file, media, pax_entry, pax_record,
    sha256,
};
use overlay_tests::harness::{Case, Context};
use overlay_tests::tree::names;
use serde_json::json;

use super::{MEMORY, load_bounded, write};

pub fn cases() -> Vec<Case> {
    cases![
        papers_with_many_layers;
        papers_with_more_layers_than_a_document_holds;
        papers_with_a_huge_history;
        papers_with_deep_json;
        papers_with_deep_and_wide_indexes;
        papers_with_control_characters;
        papers_with_many_names;
        papers_with_many_images;
        papers_with_many_members;
        papers_with_long_members;
        papers_that_name_files_of_the_host;
        papers_whose_ids_are_paths
    ]
}

fn image() -> Image {
    Image::of([vec![file("f", "")]])
}

/// Tens of thousands of layers that are one: the document is as large as it may be.
fn papers_with_many_layers(context: &Context) {
    const LAYERS: usize = 20_000;
    let image = image()
        .config(|config| {
            let diff_id = config["rootfs"]["diff_ids"][0].clone();
            config["rootfs"]["diff_ids"] = vec![diff_id; LAYERS].into();
        })
        .manifest(|manifest| {
            let layer = manifest["layers"][0].clone();
            manifest["layers"] = vec![layer; LAYERS].into();
        });
    let source = write(context, &image);
    let output = load_bounded(context, &[&source], MEMORY + 4096 * LAYERS as u64);
    if output.code == 0 {
        let id = output.ok();
        let id = id.trim_end().rsplit(' ').next().unwrap();
        assert_eq!(names(&context.tree_of_loaded(id)), ["f"]);
        context.rootlay(["history", id]).ok();
        context.rootlay(["rmi", id]).ok();
    } else {
        output.exits(3).one_line();
    }
}

/// 100,000 descriptors are more than 8 MiB.
fn papers_with_more_layers_than_a_document_holds(context: &Context) {
    let image = image().manifest(|manifest| {
        let layer = manifest["layers"][0].clone();
        manifest["layers"] = vec![layer; 100_000].into();
    });
    let source = write(context, &image);
    let output = load_bounded(context, &[&source], MEMORY).exits(3);
    assert!(output.one_line().contains("the limit is 8388608"), "{}", output.stderr);
}

fn papers_with_a_huge_history(context: &Context) {
    let image = image().config(|config| {
        let line = json!({"created_by": "/bin/sh -c #(nop) \u{1b}[31m\n", "empty_layer": true});
        config["history"] = vec![line; 80_000].into();
        config["config"]["Labels"] = json!({"a\nb": "\u{7}"});
    });
    let source = write(context, &image);
    let id = load_bounded(context, &[&source], 4 * MEMORY).ok();
    let id = id.trim_end().rsplit(' ').next().unwrap();
    for arguments in [&["history", id][..], &["inspect", id], &["images"], &["rmi", id]] {
        let (output, used) = context.measured(arguments);
        let stdout = output.ok();
        assert!(!stdout.contains('\u{1b}') && !stdout.contains('\u{7}'), "{arguments:?} prints control characters");
        assert!(used < 4 * MEMORY, "{arguments:?} took {used} bytes");
    }
}

/// In every document that is read.
fn papers_with_deep_json(context: &Context) {
    let deep = format!("{}1{}", "[".repeat(500_000), "]".repeat(500_000));
    for name in ["index.json", "oci-layout"] {
        let layout = context.fresh("layout");
        image().write_oci(&layout);
        let path = layout.join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen('{', &format!("{{\"x\":{deep},"), 1)).unwrap();
        let source = format!("oci:{}", layout.display());
        context.refuse_load(&[], || load_bounded(context, &[&source], MEMORY));
    }
    for name in ["manifest.json", "repositories"] {
        let mut bytes = encode_entry(&file(name, &deep), Format::Pax);
        bytes.extend([0; 1024]);
        let path = context.fresh("archive");
        fs::write(&path, bytes).unwrap();
        let source = format!("docker-archive:{}", path.display());
        context.refuse_load(&[], || load_bounded(context, &[&source], MEMORY));
    }
}

/// Indexes in indexes; each lists the next one many times over, so that a naive search never ends.
fn papers_with_deep_and_wide_indexes(context: &Context) {
    for (depth, code) in [(6, 0), (12, 3)] {
        let path = context.fresh("layout");
        let mut layout = Layout::create(&path, overlay_tests::fixture::Algorithm::Sha256);
        let mut inner = image().write_into(&layout).manifest;
        for level in 0..depth {
            let copies: Vec<_> = (0..200)
                .map(|n| {
                    let mut copy = inner.clone();
                    copy["annotations"] = json!({"copy": format!("{level} {n}")});
                    copy
                })
                .collect();
            inner = layout
                .document(media::INDEX, &json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": copies}));
        }
        layout.add(inner, None);
        assert_eq!(load_bounded(context, &[&format!("oci:{}", path.display())], MEMORY).code, code);
    }
    // Wide: more manifests without a platform than anyone would read.
    let path = context.fresh("layout");
    let mut layout = Layout::create(&path, overlay_tests::fixture::Algorithm::Sha256);
    let manifests: Vec<_> = (0..3000)
        .map(|n| {
            let config = layout.blob(media::CONFIG, format!("{{\"os\":\"plan9\",\"n\":{n}}}").as_bytes());
            layout.document(
                media::MANIFEST,
                &json!({"schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": []}),
            )
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests});
    let index = layout.document(media::INDEX, &index);
    layout.add(index, None);
    load_bounded(context, &[&format!("oci:{}", path.display())], MEMORY).exits(3).one_line();
}

/// Whatever a document says is printed without control characters, and errors stay one line.
fn papers_with_control_characters(context: &Context) {
    let odd = "a\u{1b}[31m\n\r\u{7}\u{202e}b";
    let quiet = |text: &str| {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "control characters: {text:?}");
    };
    let (_, output) = context.try_load(&image().tag(odd));
    quiet(&output.stdout);
    quiet(&output.stderr);
    assert!(matches!(output.code, 0 | 3), "{output:?}");
    let mut archive = DockerArchive::default();
    archive.add_old(&image(), &[odd]);
    let path = context.fresh("archive");
    archive.write(&path);
    let source = format!("docker-archive:{}", path.display());
    let output = context.refuse_load(&[], || context.rootlay(["load", &source]));
    quiet(&output.stderr);
    for edit in ["config", "mediaType", "os"] {
        let image = image().config(move |config| config["os"] = if edit == "os" { odd.into() } else { "linux".into() });
        let image = image.manifest(move |manifest| match edit {
            "config" => manifest["config"]["mediaType"] = odd.into(),
            "mediaType" => manifest["layers"][0]["mediaType"] = odd.into(),
            _ => {}
        });
        let (_, output) = context.try_load(&image);
        quiet(&output.stdout);
        quiet(&output.stderr);
        if output.code != 0 {
            output.one_line();
        }
    }
    let layer = vec![dir("d", 0o755), file(format!("d/{odd}"), ""), file(format!("d/{odd}/x"), "")];
    quiet(&context.refuse(&Image::of([layer]), &["layer "]).stderr);
}

/// An archive whose list gives one image tens of thousands of names.
fn papers_with_many_names(context: &Context) {
    const NAMES: usize = 60_000;
    let tags: Vec<String> = (0..NAMES).map(|n| format!("a:{n}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mut archive = DockerArchive::default();
    archive.add_old(&image(), &tags);
    let path = context.fresh("archive");
    archive.write(&path);
    let source = format!("docker-archive:{}", path.display());
    let output = load_bounded(context, &["-q", &source], 2 * MEMORY).exits(3);
    assert!(output.one_line().contains("60000 names"), "{}", output.stderr);
}

/// An archive of hundreds of images: each is loaded, and the last costs no more than the first.
fn papers_with_many_images(context: &Context) {
    const IMAGES: usize = 120;
    let mut archive = DockerArchive::default();
    let base = || vec![file("base", "")];
    for n in 0..IMAGES {
        archive.add_new(&Image::of([base(), vec![file(format!("f{n}"), "")]]), &[&format!("many:{n}")]);
    }
    let path = context.fresh("archive");
    archive.write(&path);
    let source = format!("docker-archive:{}", path.display());
    load_bounded(context, &[&source], MEMORY).ok();
    assert_eq!(context.rootlay(["images", "-q", "many"]).ok().lines().count(), IMAGES);
    assert_eq!(names(&context.tree_of_loaded("many:119")), ["base", "f119"]);
}

/// Hundreds of thousands of members that nobody asks for.
fn papers_with_many_members(context: &Context) {
    const MEMBERS: usize = 50_000;
    let mut archive = DockerArchive::default();
    archive.add_old(&image(), &["x:1"]);
    let mut bytes: Vec<u8> =
        (0..MEMBERS).flat_map(|n| encode_entry(&file(format!("m{n}"), ""), Format::Ustar)).collect();
    bytes.extend(archive.bytes());
    let path = context.fresh("archive");
    fs::write(&path, bytes).unwrap();
    load_bounded(context, &[&format!("docker-archive:{}", path.display())], MEMORY + 200 * MEMBERS as u64).ok();
}

/// Names of members that no path can have, of almost a mebibyte each.
fn papers_with_long_members(context: &Context) {
    let load = |archive: &[u8]| {
        let path = context.fresh("archive");
        fs::write(&path, archive).unwrap();
        let output = load_bounded(context, &[&format!("docker-archive:{}", path.display())], MEMORY);
        fs::remove_file(path).unwrap();
        output
    };
    let name = |length: usize, n: usize| {
        let name = format!("{n}/{}", "n/".repeat(length / 2));
        [pax_entry(&pax_record("path", name)), encode_entry(&file("x", ""), Format::Ustar)].concat()
    };
    let mut archive = DockerArchive::default();
    archive.add_old(&image(), &["x:1"]);
    let mut bytes = (0..100).map(|n| name(900_000, n)).collect::<Vec<_>>().concat();
    bytes.extend(archive.bytes());
    load(&bytes).ok();
}

/// CVE-2014-9358, CVE-2024-3727, CVE-2014-9357: paths and digests in documents lead nowhere but into the archive.
fn papers_that_name_files_of_the_host(context: &Context) {
    let canary = super::Canary::over_etc(context);
    for path in ["/etc/passwd", "../../../../../../etc/passwd", "x/../../../../../../../etc/passwd"] {
        for which in ["Config", "Layers"] {
            let mut archive = DockerArchive::default();
            archive.add_old(&image(), &["x:1"]);
            archive.edit(|manifest| match which {
                "Config" => manifest[0]["Config"] = path.into(),
                _ => manifest[0]["Layers"][0] = path.into(),
            });
            let place = context.fresh("archive");
            archive.write(&place);
            let source = format!("docker-archive:{}", place.display());
            context.refuse_load(&[], || context.rootlay(["load", &source]));
        }
        let digest = format!("sha256:{path}");
        let edited = image().manifest(move |manifest| manifest["layers"][0]["digest"] = digest.clone().into());
        context.refuse(&edited, &[]);
        let diff_id = format!("sha256:{path}");
        let edited = image().config(move |config| config["rootfs"]["diff_ids"][0] = diff_id.clone().into());
        context.refuse(&edited, &[]);
    }
    // A layout whose blobs are symlinks to files of the host.
    let layout = context.fresh("layout");
    let written = Image::of([Layer::raw(fs::read("/etc/passwd").unwrap())]).write_oci(&layout);
    let blob = layout.join("blobs").join(written.layers[0].replace(':', "/"));
    fs::remove_file(&blob).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &blob).unwrap();
    assert_eq!(written.layers[0], sha256(&fs::read("/etc/passwd").unwrap()));
    let source = format!("oci:{}", layout.display());
    context.refuse_load(&["symlink"], || context.rootlay(["load", &source]));
    canary.is_untouched();
}

/// CVE-2014-9358: archives of Docker before 1.10, whose IDs it once took for paths.
fn papers_whose_ids_are_paths(context: &Context) {
    let canary = super::Canary::over_etc(context);
    let good = "a".repeat(64);
    let layer = Layer::of(&[file("passwd", "pwned")]);
    let load = |place: &str, json: serde_json::Value, named: &str| {
        let members = [
            file(format!("{place}/json"), json.to_string()),
            file(format!("{place}/layer.tar"), layer.tar()),
            file("repositories", json!({"x": {"1": named}}).to_string()),
        ];
        let mut bytes: Vec<u8> = members.iter().flat_map(|member| encode_entry(member, Format::Pax)).collect();
        bytes.extend(END_OF_ARCHIVE);
        let path = context.fresh("archive");
        fs::write(&path, bytes).unwrap();
        context.rootlay(["load", &format!("docker-archive:{}", path.display())])
    };
    for path in ["/etc", "../../../../../../../../etc", "./../../../etc/", ".", ""] {
        context.refuse_load(&[], || load(path, json!({"id": path}), path));
        context.refuse_load(&[], || load(&good, json!({"id": good}), path));
        if !path.is_empty() {
            context.refuse_load(&[], || load(&good, json!({"id": good, "parent": path}), &good));
        }
        // What a layer calls itself is not used at all.
        load(&good, json!({"id": path}), &good).ok();
        assert_eq!(names(&context.tree_of_loaded("x:1")), ["passwd"]);
        context.rootlay(["rmi", "x:1"]).ok();
    }
    canary.is_untouched();
}
