//! Rows 120 to 124, 127 to 131, 133 and 135: manifests, configs and what they may not say.

use overlay_tests::cases;
use overlay_tests::fixture::{Algorithm, Image, Layout, file, media, sha256, sha256_hex};
use overlay_tests::harness::{Case, Context, Output};
use overlay_tests::tree::names;
use serde_json::{Value, json};

pub fn cases() -> Vec<Case> {
    cases![
        row_120_digests_are_no_paths;
        row_121_diff_ids_and_layers;
        row_122_rootfs_type;
        row_123_index_or_manifest;
        row_124_duplicate_keys;
        row_124_large_documents;
        row_124_deep_documents;
        row_127_embedded_data;
        row_128_sizes;
        row_129_layers_elsewhere;
        row_130_artifacts;
        row_131_encrypted_layers;
        row_133_schema_versions;
        row_135_annotations
    ]
}

fn image() -> Image {
    Image::of([vec![file("a", "a")], vec![file("b", "b")]])
}

/// Loads a layout made by hand.
fn load(context: &Context, layout: &Layout) -> Output {
    context.rootlay(["load", &format!("oci:{}", layout.dir().display())])
}

fn layout(context: &Context) -> Layout {
    Layout::create(&context.fresh("layout"), Algorithm::Sha256)
}

/// CVE-2024-3727, CVE-2014-9358.
fn row_120_digests_are_no_paths(context: &Context) {
    let hex = sha256_hex(b"x");
    let digests = [
        "sha256:../../../../../../etc/passwd".to_owned(),
        "sha256:".to_owned(),
        hex.clone(),
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha256:{}", &hex[1..]),
        format!("sha256:{hex}0"),
        format!("sha256:{}/", &hex[1..]),
        format!("sha512:{hex}"),
        format!("md5:{}", &hex[..32]),
        format!("../sha256:{hex}"),
        format!("sha256:{hex}\0"),
    ];
    for digest in digests {
        for place in ["/layers/0/digest", "/config/digest"] {
            let digest = digest.clone();
            let lying = image().manifest(move |manifest| *manifest.pointer_mut(place).unwrap() = digest.clone().into());
            context.refuse(&lying, &[]);
        }
        let claimed = digest.clone();
        context.refuse(&image().config(move |config| config["rootfs"]["diff_ids"][0] = claimed.clone().into()), &[]);
        let mut layout = layout(context);
        let written = image().write_into(&layout);
        let mut descriptor = written.manifest;
        descriptor["digest"] = digest.into();
        layout.add(descriptor, None);
        context.refuse_load(&[], || load(context, &layout));
    }
}

fn row_121_diff_ids_and_layers(context: &Context) {
    let fewer = |config: &mut Value| {
        config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
    };
    let more = |config: &mut Value| config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(sha256(b"x").into());
    let none = |config: &mut Value| config["rootfs"]["diff_ids"] = json!([]);
    let missing = |config: &mut Value| {
        config["rootfs"].as_object_mut().unwrap().remove("diff_ids");
    };
    let swapped = |config: &mut Value| config["rootfs"]["diff_ids"].as_array_mut().unwrap().reverse();
    context.refuse(&image().config(fewer), &[]);
    context.refuse(&image().config(more), &[]);
    context.refuse(&image().config(none), &[]);
    context.refuse(&image().config(missing), &[]);
    context.refuse(&image().config(swapped), &[]);
}

fn row_122_rootfs_type(context: &Context) {
    for kind in [json!("layers+base"), json!(""), json!("LAYERS"), json!(1), Value::Null] {
        context.refuse(&image().config(move |config| config["rootfs"]["type"] = kind.clone()), &[]);
    }
    context.refuse(&image().config(|config| drop(config.as_object_mut().unwrap().remove("rootfs"))), &[]);
}

/// CVE-2021-41190: one document that two readers take for two things.
fn row_123_index_or_manifest(context: &Context) {
    context.refuse(&image().manifest(|manifest| manifest["manifests"] = json!([])), &[]);
    for kind in [media::MANIFEST, media::INDEX, media::DOCKER_MANIFEST] {
        // The document says one thing, its descriptor another.
        let mut layout = layout(context);
        let written = image().manifest(move |manifest| manifest["mediaType"] = kind.into()).write_into(&layout);
        let mut descriptor = written.manifest;
        descriptor["mediaType"] = if kind == media::MANIFEST { media::INDEX } else { media::MANIFEST }.into();
        layout.add(descriptor, None);
        context.refuse_load(&[], || load(context, &layout));
    }
    // An index with layers.
    let mut layout = layout(context);
    let manifest = image().write_into(&layout).manifest;
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": [manifest], "layers": []});
    let descriptor = layout.document(media::INDEX, &index);
    layout.add(descriptor, None);
    context.refuse_load(&[], || load(context, &layout));
}

/// Replaces the text of a document; the digests follow.
fn with_text(context: &Context, edit: impl Fn(&str) -> String, which: &str) -> Layout {
    let mut layout = layout(context);
    let written = image().write_into(&layout);
    let text = |digest: &str| std::fs::read_to_string(layout.blob_path(digest)).unwrap();
    let mut manifest: Value = serde_json::from_str(&text(written.manifest["digest"].as_str().unwrap())).unwrap();
    let bytes = if which == "config" {
        let config = layout.blob(media::CONFIG, edit(&text(&written.image_id)).as_bytes());
        manifest["config"] = config;
        serde_json::to_string(&manifest).unwrap()
    } else {
        edit(&serde_json::to_string(&manifest).unwrap())
    };
    let descriptor = layout.blob(media::MANIFEST, bytes.as_bytes());
    layout.add(descriptor, None);
    layout
}

fn row_124_duplicate_keys(context: &Context) {
    let twice = |text: &str, key: &str| text.replacen('{', &format!("{{\"{key}\":null,"), 1);
    for (which, key) in [("manifest", "layers"), ("manifest", "config"), ("config", "rootfs"), ("config", "os")] {
        let layout = with_text(context, |text| twice(text, key), which);
        context.refuse_load(&[], || load(context, &layout));
    }
    // Further down as well, and with another spelling of the same key.
    let layout = with_text(context, |text| text.replacen("\"rootfs\":{", "\"rootfs\":{\"type\":\"x\",", 1), "config");
    context.refuse_load(&[], || load(context, &layout));
    let layout =
        with_text(context, |text| text.replacen("\"rootfs\":{", "\"rootfs\":{\"\\u0074ype\":\"x\",", 1), "config");
    context.refuse_load(&[], || load(context, &layout));
}

fn row_124_large_documents(context: &Context) {
    let padding = " ".repeat(8 << 20);
    for which in ["manifest", "config"] {
        let layout = with_text(context, |text| format!("{text}{padding}"), which);
        context.refuse_load(&[], || load(context, &layout));
    }
    let layout = with_text(context, |text| format!("{text}{}", " ".repeat(1 << 20)), "config");
    load(context, &layout).ok();
}

fn row_124_deep_documents(context: &Context) {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
    for value in [deep("[", "]"), deep("{\"a\":", "}")] {
        for which in ["manifest", "config"] {
            let layout = with_text(context, |text| text.replacen('{', &format!("{{\"x\":{value},"), 1), which);
            context.refuse_load(&[], || load(context, &layout));
        }
    }
    for text in ["", "null", "[]", "{", "\u{feff}{}", "{}garbage"] {
        let layout = with_text(context, |_| text.to_owned(), "config");
        context.refuse_load(&[], || load(context, &layout));
    }
}

/// `data` of a descriptor counts as the blob, if it is what the digest says.
fn row_127_embedded_data(context: &Context) {
    let config = {
        let layout = layout(context);
        image().write_into(&layout).config
    };
    for (data, good) in [(base64(&config), true), (base64(b"{}"), false), ("!".to_owned(), false)] {
        let mut layout = layout(context);
        let written =
            image().manifest(move |manifest| manifest["config"]["data"] = data.clone().into()).write_into(&layout);
        std::fs::remove_file(layout.blob_path(&written.image_id)).unwrap();
        layout.add(written.manifest, None);
        if good {
            load(context, &layout).ok();
            assert_eq!(names(&context.tree_of_loaded(&written.image_id)), ["a", "b"]);
            context.rootlay(["rmi", &written.image_id]).ok();
        } else {
            context.refuse_load(&[], || load(context, &layout));
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| -> String {
        let number = (0..3).fold(0, |number, at| number << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        let letter = |at: usize| char::from(ALPHABET[(number >> (18 - 6 * at) & 63) as usize]);
        let digit = |at: usize| if at <= chunk.len() { letter(at) } else { '=' };
        (0..4).map(digit).collect()
    };
    bytes.chunks(3).map(group).collect()
}

fn row_128_sizes(context: &Context) {
    for size in [json!(-1), json!(u64::MAX), json!(1_u64 << 63), json!("12"), json!(1.5), Value::Null] {
        for place in ["/layers/0/size", "/config/size"] {
            let size = size.clone();
            context
                .refuse(&image().manifest(move |manifest| *manifest.pointer_mut(place).unwrap() = size.clone()), &[]);
        }
    }
}

/// Never fetched (CVE-2020-15157): a blob that is here is used, one that is not is named.
fn row_129_layers_elsewhere(context: &Context) {
    let foreign = |manifest: &mut Value| {
        manifest["layers"][0]["urls"] = json!(["http://127.0.0.1:1/layer"]);
        manifest["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
    };
    let written = context.load(&image().manifest(foreign));
    assert_eq!(names(&context.tree_of_loaded(&written.image_id)), ["a", "b"]);
    let mut layout = layout(context);
    let written = Image::of([vec![file("elsewhere", "")]]).manifest(foreign).write_into(&layout);
    std::fs::remove_file(layout.blob_path(&written.layers[0])).unwrap();
    layout.add(written.manifest, None);
    let output = load(context, &layout);
    assert!(matches!(output.code, 1 | 3), "{output:?}");
    assert!(output.stderr.contains(&written.layers[0][7..19]), "{}", output.stderr);
}

fn row_130_artifacts(context: &Context) {
    for kind in ["application/vnd.oci.empty.v1+json", "application/vnd.cncf.helm.config.v1+json", "text/plain"] {
        context.refuse(&image().manifest(move |manifest| manifest["config"]["mediaType"] = kind.into()), &[]);
    }
    let artifact = |manifest: &mut Value| manifest["artifactType"] = "application/vnd.example".into();
    let layer =
        |manifest: &mut Value| manifest["layers"][0]["mediaType"] = "application/vnd.wasm.content.layer.v1+wasm".into();
    context.refuse(&image().manifest(layer), &[]);
    context.refuse(
        &image().manifest(artifact).manifest(|manifest| {
            manifest["config"] =
                json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2});
        }),
        &[],
    );
}

fn row_131_encrypted_layers(context: &Context) {
    for kind in [media::LAYER, media::LAYER_GZIP, media::LAYER_ZSTD] {
        let encrypted =
            move |manifest: &mut Value| manifest["layers"][1]["mediaType"] = format!("{kind}+encrypted").into();
        context.refuse(&image().manifest(encrypted), &["encrypted"]);
    }
}

fn row_133_schema_versions(context: &Context) {
    for version in [json!(1), json!(3), json!("2"), Value::Null] {
        context.refuse(&image().manifest(move |manifest| manifest["schemaVersion"] = version.clone()), &[]);
    }
    let mut layout = layout(context);
    let schema1 =
        json!({"schemaVersion": 1, "name": "x", "tag": "y", "architecture": "amd64", "fsLayers": [], "history": []});
    let descriptor = layout.document("application/vnd.docker.distribution.manifest.v1+prettyjws", &schema1);
    layout.add(descriptor, None);
    context.refuse_load(&[], || load(context, &layout));
}

fn row_135_annotations(context: &Context) {
    let annotated = image().manifest(|manifest| {
        manifest["annotations"] = json!({"a.b": "c", "": "", "org.opencontainers.image.ref.name": "../../x"});
        manifest["subject"] = json!({"mediaType": media::MANIFEST, "digest": sha256(b"absent"), "size": 6});
        manifest["unknown"] = json!([1, 2, {}]);
    });
    let written = context.load(&annotated.config(|config| config["unknown"] = json!({"a": null})));
    assert_eq!(names(&context.tree_of_loaded(&written.image_id)), ["a", "b"]);
}
