//! Images of which the model knows the tree.

use std::fs;
use std::path::Path;

use overlay_tests::fixture::{Entry, Image, Layer, Written, sha256};
use overlay_tests::harness::Context;
use overlay_tests::oracle::apply_stack;
use overlay_tests::random::Rng;
use overlay_tests::tree::{Nlink, Tree, differences, read_tree};

/// An image, where it can be loaded from, and what has to be seen of it.
pub struct Known {
    pub written: Written,
    pub source: String,
    pub tree: Tree,
}

impl Known {
    /// Writes an image of these layers, base first, as a layout.
    pub fn of(context: &Context, layers: &[Vec<Entry>]) -> Self {
        let layout = context.fresh("layout");
        let written = Image::of(layers.iter().map(|entries| Layer::of(entries))).write_oci(&layout);
        Self { written, source: format!("oci:{}", layout.display()), tree: apply_stack(layers).unwrap() }
    }

    /// The image ID.
    pub fn id(&self) -> &str {
        &self.written.image_id
    }

    /// Mounts the image, which has to look as the model says, and reads its blobs, which have to be what they say.
    pub fn is_right(&self, context: &Context) -> Result<(), String> {
        let merged = runs(context, &format!("mount --pull never {}", self.id()))?;
        let actual = read_tree(Path::new(merged.trim_end()));
        runs(context, &format!("umount {}", merged.trim_end()))?;
        let actual = actual.map_err(|error| format!("{}: {error}", self.id()))?;
        let lines = differences(&self.tree, &actual, Nlink::Compare);
        if !lines.is_empty() {
            return Err(format!("{}:\n{}", self.id(), lines.join("\n")));
        }
        let manifest = self.written.manifest["digest"].as_str().unwrap();
        for digest in self.written.layers.iter().map(String::as_str).chain([manifest, self.id()]) {
            let path = context.root().join("blobs").join(digest.replace(':', "/"));
            let content = fs::read(&path).map_err(|error| format!("blob {digest}: {error}"))?;
            if sha256(&content) != digest {
                return Err(format!("blob {digest} is damaged, {} bytes", content.len()));
            }
        }
        Ok(())
    }
}

/// What a command prints that has nothing to complain about.
pub fn runs(context: &Context, line: &str) -> Result<String, String> {
    let output = context.rootlay(line.split(' '));
    if output.code != 0 || !output.stderr.is_empty() {
        return Err(format!("`{line}`: exit code {}: {}", output.code, output.stderr));
    }
    Ok(output.stdout)
}

/// Bytes that no file system makes smaller.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    (0..length.div_ceil(8)).flat_map(|_| rng.next_u64().to_le_bytes()).take(length).collect()
}
