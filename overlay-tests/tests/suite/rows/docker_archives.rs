//! Row 132: what `docker save` wrote, in every age of Docker, and `oci-archive`.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use overlay_tests::cases;
use overlay_tests::fixture::{
    Compression, DockerArchive, Image, Layer, dir, file, gzip, symlink, tar_directory, zstd_frame,
};
use overlay_tests::harness::{Case, Context};
use overlay_tests::tree::names;
use serde_json::{Value, json};

pub fn cases() -> Vec<Case> {
    cases![
        row_132_old_archives;
        row_132_new_archives;
        row_132_several_images;
        row_132_layers_by_symlink;
        row_132_symlinks_that_leave;
        row_132_paths_that_leave;
        row_132_lists_that_disagree;
        row_132_compressed_archives;
        row_132_from_stdin;
        row_132_recognised_by_content;
        oci_archives
    ]
}

fn image() -> Image {
    let empty = Layer::raw(vec![0; 1024]);
    Image::of([Layer::of(&[dir("d", 0o755), file("d/f", "f")]), empty.clone(), Layer::of(&[file("g", "g")]), empty])
}

fn write(context: &Context, archive: &DockerArchive) -> PathBuf {
    let path = context.fresh("archive");
    archive.write(&path);
    path
}

fn load(context: &Context, source: &str) -> String {
    context.rootlay(["load", source]).ok()
}

fn row_132_old_archives(context: &Context) {
    for compression in [Compression::None, Compression::Gzip] {
        let layers: Vec<Layer> = image().layers().iter().map(|layer| layer.clone().compressed(compression)).collect();
        let mut archive = DockerArchive::default();
        let id = archive.add_old(&Image::of(layers), &["example.org/old:1"]);
        let path = write(context, &archive);
        let stdout = load(context, &format!("docker-archive:{}", path.display()));
        assert_eq!(stdout, "Loaded image: example.org/old:1\n");
        assert_eq!(names(&context.tree_of_loaded("example.org/old:1")), ["d/", "d/f", "g"]);
        assert_eq!(names(&context.tree_of_loaded(&id)), ["d/", "d/f", "g"]);
    }
}

fn row_132_new_archives(context: &Context) {
    let mut archive = DockerArchive::default();
    let id = archive.add_new(&image(), &["new:1", "new:2"]);
    // Docker 25 and later add an OCI layout of the same image.
    archive.member(file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#));
    let path = write(context, &archive);
    let stdout = load(context, &format!("docker-archive:{}", path.display()));
    assert!(stdout.contains("new:1") && stdout.contains("new:2"), "{stdout}");
    assert_eq!(names(&context.tree_of_loaded(&id)), ["d/", "d/f", "g"]);
}

fn row_132_several_images(context: &Context) {
    let mut archive = DockerArchive::default();
    let one = archive.add_old(&image(), &["one:1"]);
    let two = archive.add_old(&Image::of([Layer::of(&[file("two", "")])]), &["two:2"]);
    let three = archive.add_old(&Image::of([Layer::of(&[file("three", "")])]), &[]);
    let path = write(context, &archive);
    let only = load(context, &format!("docker-archive:{}:two:2", path.display()));
    assert_eq!(only, "Loaded image: two:2\n");
    assert_eq!(names(&context.tree_of_loaded("two:2")), ["two"]);
    let _ = context.rootlay(["mount", &one]).exits(1);
    let all = load(context, &format!("docker-archive:{}", path.display()));
    assert_eq!(all, format!("Loaded image: one:1\nLoaded image: two:2\nLoaded image ID: {three}\n"));
    assert_eq!(names(&context.tree_of_loaded(&three)), ["three"]);
    assert_eq!(names(&context.tree_of_loaded(&two)), ["two"]);
    let _ = context.rootlay(["load", &format!("docker-archive:{}:absent:1", path.display())]).exits(1);
}

/// Docker before 25 stores a layer once and links to it.
fn row_132_layers_by_symlink(context: &Context) {
    let mut archive = DockerArchive::default();
    let layer = Layer::of(&[file("shared", "x")]);
    archive.add_old(&Image::of([layer.clone(), Layer::of(&[file("a", "")]), layer.clone()]), &["a:1"]);
    archive.add_old(&Image::of([layer, Layer::of(&[file("b", "")])]), &["b:1"]);
    let path = write(context, &archive);
    load(context, &format!("docker-archive:{}", path.display()));
    assert_eq!(names(&context.tree_of_loaded("a:1")), ["a", "shared"]);
    assert_eq!(names(&context.tree_of_loaded("b:1")), ["b", "shared"]);
}

fn refuse(context: &Context, archive: &DockerArchive) {
    let path = write(context, archive);
    context.refuse_load(&[], || context.rootlay(["load", &format!("docker-archive:{}", path.display())]));
}

/// A layer by a symlink to a file of the host.
fn row_132_symlinks_that_leave(context: &Context) {
    let layer = Layer::of(&[file("secret", "x")]);
    let host = context.fresh("secret.tar");
    fs::write(&host, layer.tar()).unwrap();
    let up = format!("../../../../../../../..{}", host.display());
    for target in [host.to_str().unwrap(), up.as_str(), "loop/layer.tar", "missing"] {
        let mut archive = DockerArchive::default();
        archive.add_old(&Image::of([layer.clone()]), &["x:1"]);
        archive.member(symlink("loop/layer.tar", target));
        archive.edit(|manifest| manifest[0]["Layers"][0] = "loop/layer.tar".into());
        refuse(context, &archive);
    }
}

fn row_132_paths_that_leave(context: &Context) {
    let mut archive = DockerArchive::default();
    let id = archive.add_old(&image(), &["x:1"]);
    let config = context.dir().join("config.json");
    fs::write(&config, image().config_bytes(&[])).unwrap();
    for path in
        [format!("../{}.json", &id[7..]), config.display().to_string(), "../config.json".to_owned(), String::new()]
    {
        let mut archive = DockerArchive::default();
        archive.add_old(&image(), &["x:1"]);
        archive.edit(|manifest| manifest[0]["Config"] = path.clone().into());
        refuse(context, &archive);
        let mut archive = DockerArchive::default();
        archive.add_old(&image(), &["x:1"]);
        archive.edit(|manifest| manifest[0]["Layers"][0] = path.clone().into());
        refuse(context, &archive);
    }
}

fn row_132_lists_that_disagree(context: &Context) {
    let edits: [fn(&mut Vec<Value>); 7] = [
        |manifest| drop(manifest[0]["Layers"].as_array_mut().unwrap().pop()),
        |manifest| manifest[0]["Layers"].as_array_mut().unwrap().push("x/layer.tar".into()),
        |manifest| manifest[0]["Layers"].as_array_mut().unwrap().reverse(),
        |manifest| manifest[0]["Layers"] = Value::Null,
        |manifest| manifest[0]["Config"] = Value::Null,
        |manifest| manifest[0]["RepoTags"] = json!(["NOT A REFERENCE"]),
        |manifest| manifest[0] = json!("x"),
    ];
    for edit in edits {
        let layers = [vec![file("a", "")], vec![file("b", "")]];
        let mut archive = DockerArchive::default();
        archive.add_old(&Image::of(layers), &["x:1"]);
        archive.edit(edit);
        refuse(context, &archive);
    }
}

fn row_132_compressed_archives(context: &Context) {
    let mut archive = DockerArchive::default();
    let id = archive.add_old(&image(), &["x:1"]);
    for bytes in [gzip(&archive.bytes()), zstd_frame(&archive.bytes())] {
        let path = context.fresh("compressed");
        fs::write(&path, bytes).unwrap();
        load(context, &format!("docker-archive:{}", path.display()));
        assert_eq!(names(&context.tree_of_loaded(&id)), ["d/", "d/f", "g"]);
        fs::remove_dir_all(context.root()).unwrap();
    }
}

fn row_132_from_stdin(context: &Context) {
    let mut archive = DockerArchive::default();
    archive.add_old(&image(), &["x:1"]);
    for bytes in [archive.bytes(), gzip(&archive.bytes())] {
        let path = context.fresh("stdin");
        fs::write(&path, bytes).unwrap();
        let mut command = context.command(["load"]);
        let output = command.stdin(fs::File::open(&path).unwrap()).stderr(Stdio::inherit()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "Loaded image: x:1\n");
        assert_eq!(names(&context.tree_of_loaded("x:1")), ["d/", "d/f", "g"]);
        fs::remove_dir_all(context.root()).unwrap();
        assert_eq!(context.rootlay(["load", "-i", path.to_str().unwrap()]).ok(), "Loaded image: x:1\n");
        fs::remove_dir_all(context.root()).unwrap();
    }
}

fn row_132_recognised_by_content(context: &Context) {
    let mut archive = DockerArchive::default();
    archive.add_new(&image(), &["archive:1"]);
    let docker = write(context, &archive);
    let layout = context.fresh("layout");
    let written = image().tag("latest").write_oci(&layout);
    let oci = context.fresh("oci-archive");
    fs::write(&oci, tar_directory(&layout)).unwrap();
    for path in [docker, layout, oci] {
        load(context, path.to_str().unwrap());
        assert_eq!(names(&context.tree_of_loaded(&written.image_id)), ["d/", "d/f", "g"], "{}", path.display());
        fs::remove_dir_all(context.root()).unwrap();
    }
    let garbage = context.fresh("garbage");
    fs::write(&garbage, "not an image").unwrap();
    let output = context.rootlay(["load", garbage.to_str().unwrap()]);
    assert!(matches!(output.code, 1 | 3), "{output:?}");
    let _ = context.rootlay(["load", "/does/not/exist"]).exits(1);
}

fn oci_archives(context: &Context) {
    let layout = context.fresh("layout");
    let written = image().tag("v1").write_oci(&layout);
    let bytes = tar_directory(&layout);
    for bytes in [bytes.clone(), gzip(&bytes)] {
        let path = context.fresh("oci.tar");
        fs::write(&path, bytes).unwrap();
        for tag in ["", ":v1"] {
            load(context, &format!("oci-archive:{}{tag}", path.display()));
            assert_eq!(names(&context.tree_of_loaded(&written.image_id)), ["d/", "d/f", "g"]);
        }
        let _ = context.rootlay(["load", &format!("oci-archive:{}:v2", path.display())]).exits(1);
    }
}
