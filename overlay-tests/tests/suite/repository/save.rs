//! `save`: archives for other tools, byte-identical manifests, and archives that leave out what the other side has.

use std::fs;
use std::path::{Path, PathBuf};

use overlay_tests::cases;
use overlay_tests::fixture::{Algorithm, Compression, Image, Layer, file};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::tree::{Nlink, differences, read_tree};
use serde_json::{Value, json};

use super::{DAY, aged, fails, prints, run, store};

pub fn cases() -> Vec<Case> {
    cases![
        save_and_load_again;
        save_to_standard_output;
        save_refuses_a_terminal => Need::Tool("script");
        save_errors;
        save_leaves_no_half_file;
        save_as_docker_reads_it => Need::Tool("skopeo");
        save_as_oci_archive => Need::Tool("skopeo");
        save_several_images;
        save_without_a_base;
        save_twice_is_the_same
    ]
}

/// Two compressed layers, of which the first is the base of others.
fn base() -> Layer {
    Layer::of(&[file("base", "b".repeat(3000))]).compressed(Compression::Gzip)
}

fn image(name: &str) -> Image {
    let created = super::ago(DAY);
    Image::of([base(), Layer::of(&[file(name, name)]).compressed(Compression::Gzip)])
        .config(move |config| config["created"] = created.clone().into())
}

/// The program on another, empty store.
struct Elsewhere<'c>(&'c Context, PathBuf);

impl<'c> Elsewhere<'c> {
    fn new(context: &'c Context) -> Self {
        Self(context, context.fresh("elsewhere"))
    }

    fn run(&self, arguments: &[&str]) -> overlay_tests::harness::Output {
        self.0.output(&mut self.0.command_on(&self.1, arguments))
    }

    #[track_caller]
    fn assert_same_tree(&self, name: &str) {
        let [here, there] = [self.0.mount([name]), self.run(&["mount", name]).ok().trim_end().into()];
        let lines = differences(&read_tree(&here).unwrap(), &read_tree(&there).unwrap(), Nlink::Compare);
        assert!(lines.is_empty(), "{}", lines.join("\n"));
        self.0.umount(&here);
        self.run(&["umount", "-a"]).ok();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn save_and_load_again(context: &Context) {
    let written = context.load(&image("a").tag("a:1"));
    prints(context, "tag a:1 quay.io/org/a:2");
    for format in [None, Some("docker-archive"), Some("oci-archive")] {
        let path = context.fresh("saved");
        let mut arguments = vec!["save", "-o", text(&path), "a:1", "quay.io/org/a:2"];
        arguments.extend(format.iter().flat_map(|format| ["--format", *format]));
        assert_eq!(context.rootlay(arguments).ok(), "");
        let there = Elsewhere::new(context);
        let output = there.run(&["load", "-i", text(&path)]).exits(0);
        assert!(output.stdout.contains("Loaded image"), "{format:?}: {}", output.stdout);
        assert!(there.run(&["images", "-q", "--no-trunc"]).ok().starts_with(&written.image_id), "{format:?}");
        there.assert_same_tree("a:1");
    }
    // By its ID it has no name.
    let path = context.fresh("saved");
    context.rootlay(["image", "save", "--output", text(&path), &written.image_id]).ok();
    let there = Elsewhere::new(context);
    let loaded = there.run(&["load", "-i", text(&path)]).ok();
    assert_eq!(loaded, format!("Loaded image ID: {}\n", written.image_id));
}

fn save_to_standard_output(context: &Context) {
    context.load(&image("a").tag("a:1"));
    let other = context.fresh("other");
    let line = format!("rootlay save a:1 | tee saved.tar | rootlay --root {} load", other.display());
    assert_eq!(context.shell(&line).ok(), "Loaded image: a:1\n");
    assert!(context.shell("tar tf saved.tar").ok().contains("manifest.json"));
    // Compressed on the way, as people do.
    let third = context.fresh("third");
    let line = format!("rootlay save a:1 | gzip | rootlay --root {} load", third.display());
    assert_eq!(context.shell(&line).ok(), "Loaded image: a:1\n");
}

fn save_refuses_a_terminal(context: &Context) {
    context.load(&image("a").tag("a:1"));
    let output = context.shell("script -qec 'rootlay save a:1' /dev/null </dev/null");
    assert_eq!(output.code, 1, "{output:?}");
    let text = "cowardly refusing to save to a terminal. Use the -o flag or redirect";
    assert!(output.stdout.contains(text), "{}", output.stdout);
}

fn save_errors(context: &Context) {
    context.load(&image("a").tag("a:1"));
    let _ = run(context, "save").exits(125);
    let _ = run(context, "save -o x --format nonsense a:1").exits(125);
    let path = context.fresh("saved");
    fails(context, &["save", "-o", text(&path), "a:1", "gone:1"], 1, &["No such image: gone"]);
    assert!(!path.exists());
    fails(context, &["save", "-o", "/nowhere/at/all", "a:1"], 1, &["/nowhere/at"]);
}

fn save_leaves_no_half_file(context: &Context) {
    let big = Image::of([vec![file("f", vec![7; 3 << 20])]]);
    store(context, &big, &["a:1"]);
    let small = context.fresh_dir("small");
    nix::mount::mount(Some("tmpfs"), &small, Some("tmpfs"), nix::mount::MsFlags::empty(), Some("size=1m")).unwrap();
    let path = small.join("saved");
    fails(context, &["save", "-o", text(&path), "a:1"], 1, &["no space left"]);
    assert_eq!(fs::read_dir(&small).unwrap().count(), 0);
}

fn save_as_docker_reads_it(context: &Context) {
    let written = context.load(&image("a").tag("a:1"));
    let path = context.fresh("saved");
    context.rootlay(["save", "-o", text(&path), "a:1"]).ok();
    let source = format!("docker-archive:{}:a:1", path.display());
    let config = context.run("skopeo", &["inspect", "--config", "--raw", &source]).ok();
    assert_eq!(config.as_bytes(), written.config);
    let copied = context.fresh("copied");
    context.run("skopeo", &["--insecure-policy", "copy", "-q", &source, &format!("oci:{}:a", copied.display())]).ok();
    let there = Elsewhere::new(context);
    there.run(&["load", "--name", "a:1", &format!("oci:{}", copied.display())]).ok();
    there.assert_same_tree("a:1");
}

/// The manifest is the one that came in, byte by byte, and so are the compressed layers.
fn save_as_oci_archive(context: &Context) {
    let manifest = |value: &mut Value| value["annotations"] = json!({"org.example": "x  y"});
    let written = context.load(&image("a").manifest(manifest).tag("a:1"));
    let path = context.fresh("saved");
    context.rootlay(["save", "--format", "oci-archive", "-o", text(&path), "a:1"]).ok();
    let source = format!("oci-archive:{}", path.display());
    let raw = context.run("skopeo", &["inspect", "--raw", &source]).ok();
    assert_eq!(overlay_tests::fixture::sha256(raw.as_bytes()), written.manifest["digest"].as_str().unwrap());
    let dir = context.fresh_dir("unpacked");
    context.run("tar", &["xf", text(&path), "-C", text(&dir)]).ok();
    for digest in &written.layers {
        let bytes = fs::read(dir.join("blobs").join(digest.replace(':', "/"))).unwrap();
        assert_eq!(&overlay_tests::fixture::sha256(&bytes), digest);
    }
}

/// What images share is in the archive once.
fn save_several_images(context: &Context) {
    for name in ["a", "b"] {
        context.load(&image(name).tag(&format!("{name}:1")));
    }
    for format in ["docker-archive", "oci-archive"] {
        let path = context.fresh("saved");
        context.rootlay(["save", "--format", format, "-o", text(&path), "a:1", "b:1"]).ok();
        let there = Elsewhere::new(context);
        there.run(&["load", "-i", text(&path)]).ok();
        for name in ["a:1", "b:1"] {
            there.assert_same_tree(name);
        }
        let listed = context.run("tar", &["tvf", text(&path)]).ok();
        let layers = listed.lines().filter(|line| line.starts_with('-')).filter(|line| {
            let size: u64 = line.split_whitespace().nth(2).unwrap().parse().unwrap();
            // The tar of the base, or what is left of it when it is compressed.
            size > 4000 || size == base().blob(Algorithm::Sha256).bytes.len() as u64
        });
        assert_eq!(layers.count(), 1, "{format}: {listed}");
    }
}

fn save_without_a_base(context: &Context) {
    let noise = overlay_tests::registry::noise(5, 200);
    let top = |name: &str| Layer::of(&[file(name, name)]).compressed(Compression::Gzip);
    let base = Image::of([noise.clone()]).tag("base:1");
    context.load(&base);
    let written = context.load(&Image::of([noise, top("a")]).tag("a:1"));
    let path = context.fresh("saved");
    context.rootlay(["save", "--without", "base:1", "-o", text(&path), "a:1"]).ok();
    assert!(fs::metadata(&path).unwrap().len() < 100_000);
    // Where the base is, all is well.
    let there = Elsewhere::new(context);
    let layout = context.fresh("layout");
    base.write_oci(&layout);
    there.run(&["load", &format!("oci:{}", layout.display())]).ok();
    there.run(&["load", "-i", text(&path)]).ok();
    there.assert_same_tree("a:1");
    // Where it is not, the layers that are missing are named.
    let there = Elsewhere::new(context);
    let output = there.run(&["load", "-i", text(&path)]);
    assert_ne!(output.code, 0);
    let line = output.one_line();
    assert!(
        line.contains(&written.layers[0]) || line.contains(&written.diff_ids[0]),
        "the missing layer {} ({}) is not named: {line}",
        written.layers[0],
        written.diff_ids[0]
    );
    assert_eq!(there.run(&["images", "-q"]).ok(), "");
    fails(context, &["save", "--without", "gone:1", "-o", text(&path), "a:1"], 1, &["No such image: gone"]);
}

/// For caches and for proofs: nothing of the moment is in the archive.
fn save_twice_is_the_same(context: &Context) {
    store(context, &aged("a", DAY), &["a:1"]);
    for format in ["docker-archive", "oci-archive"] {
        let [one, two] = [context.fresh("saved"), context.fresh("saved")];
        context.rootlay(["save", "--format", format, "-o", text(&one), "a:1"]).ok();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        context.rootlay(["save", "--format", format, "-o", text(&two), "a:1"]).ok();
        assert!(fs::read(one).unwrap() == fs::read(two).unwrap(), "{format}");
    }
}
