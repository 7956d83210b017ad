//! `system check`: damage of every kind of file is found, named and repaired, and what is sound is no damage.

mod damage;
mod disk;
mod harmless;
mod origins;
mod records;
mod safety;

use std::path::PathBuf;

use overlay_tests::fixture::{
    Entry, Image, Layer, Written, block, chain_id, char_device, dir, fifo, file, hardlink, opaque, root, symlink,
    whiteout,
};
use overlay_tests::harness::{Case, Context, Output};
use overlay_tests::oracle::apply_stack;
use overlay_tests::tree::{Nlink, differences, names};
use serde_json::Value;

pub fn cases() -> Vec<Case> {
    [damage::cases(), records::cases(), origins::cases(), safety::cases(), disk::cases(), harmless::cases()].concat()
}

/// A stack with every kind of file, marks, content that only the stack shows, and a correction layer that needs it.
fn stack() -> Vec<Vec<Entry>> {
    vec![
        vec![
            root(0o751).mtime(1_500_000_000, 1),
            dir("d", 0o2755).uid(5).gid(6).mtime(1_500_000_001, 999_999_999),
            file("d/f", "some content").mode(0o4755).uid(1000).gid(100).mtime(-5, 0).xattr("user.a", "1"),
            file("d/g", "g".repeat(10_000)).xattr("trusted.x", "y"),
            hardlink("h", "d/g"),
            symlink("l", "d/f").uid(7),
            fifo("p").mode(0o620),
            char_device("c", 1, 3),
            block("b", 7, 0),
            file("empty", ""),
            dir("o", 0o755),
            file("o/hidden", ""),
            dir("e", 0o755),
            symlink("s", "e"),
        ],
        vec![
            whiteout("empty"),
            opaque("o"),
            file("o/shown", "shown"),
            // Over the symlink the first one goes through it; alone, the second replaces it.
            file("s/x", "one"),
            dir("s", 0o700),
            file("s/x", "two"),
        ],
        vec![file("d/last", "last").mtime(1_500_000_002, 5)],
    ]
}

/// A store with two images, one of which is damaged. Its layout stays, so that blobs can be fetched again.
struct Bench<'c> {
    context: &'c Context,
    written: Written,
    layout: PathBuf,
}

impl<'c> Bench<'c> {
    fn new(context: &'c Context) -> Self {
        let layout = context.fresh("layout");
        let written = Image::of(stack()).tag("damaged:1").write_oci(&layout);
        context.rootlay(["load", &format!("oci:{}", layout.display())]).ok();
        context.load(&Image::of([Layer::of(&[file("other", "other")])]).tag("other:1"));
        Self { context, written, layout }
    }

    fn layer(&self, number: usize) -> PathBuf {
        self.context.root().join("layers").join(self.written.diff_ids[number].replace(':', "/"))
    }

    fn correction(&self) -> PathBuf {
        self.context.root().join("corrections").join(chain_id(&self.written.diff_ids).replace(':', "/"))
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.context.root().join("blobs").join(digest.replace(':', "/"))
    }

    /// The digest of the manifest.
    fn manifest(&self) -> String {
        self.written.manifest["digest"].as_str().unwrap().to_owned()
    }

    fn record(&self) -> PathBuf {
        self.context.root().join("images").join(format!("{}.json", self.written.image_id.replace(':', "/")))
    }

    /// Nothing at all is found.
    #[track_caller]
    fn is_sound(&self, what: &str) {
        let output = check(self.context, &["--deep"]);
        assert!(output.code == 0 && output.stdout.is_empty(), "{what}: {}{}", output.stdout, output.stderr);
    }

    /// The damaged image looks as the specification says.
    #[track_caller]
    fn is_as_the_model_says(&self, what: &str) {
        let tree = self.context.tree_of_loaded(&self.written.image_id);
        let lines = differences(&apply_stack(&stack()).unwrap(), &tree, Nlink::Compare);
        assert!(lines.is_empty(), "{what}: {}", lines.join("\n"));
    }

    /// Other images are listed and mounted whatever is damaged.
    #[track_caller]
    fn others_work(&self, what: &str) {
        let listed = self.context.rootlay(["images", "--format", "{{.Repository}}"]);
        assert!(listed.code == 0 && listed.stdout.contains("other"), "{what}: {}{}", listed.stdout, listed.stderr);
        assert_eq!(names(&self.context.tree_of_loaded("other:1")), ["other"], "{what}");
    }
}

fn check(context: &Context, arguments: &[&str]) -> Output {
    context.rootlay([&["system", "check"], arguments].concat())
}

/// The findings of a check that ends with this code.
#[track_caller]
fn findings(context: &Context, arguments: &[&str], code: i32) -> Vec<Value> {
    let output = check(context, &[arguments, &["--format", "json"]].concat()).exits(code);
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'v>(finding: &'v Value, field: &str) -> &'v str {
    finding[field].as_str().unwrap()
}
