//! Disks that fail for a while: what they did not give back is no damage, and nothing is given up for it.

use std::fs;
use std::path::PathBuf;

use overlay_tests::block::{Device, Fault, Mounted, Request, make_file_system};
use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, Written, file};
use overlay_tests::harness::{Case, Context, Need};
use serde_json::json;

use super::{check, findings, text};

pub fn cases() -> Vec<Case> {
    cases![
        a_blob_that_cannot_be_read_stays => Need::Fuse, Need::FileSystem("ext4");
        a_change_that_cannot_be_read_stays => Need::Fuse, Need::FileSystem("ext4");
        a_view_does_not_vouch_for_what_a_disk_may_not_have => Need::Fuse, Need::FileSystem("ext4")
    ]
}

/// A state root on a device of its own, with one image whose layout is gone.
struct Disk<'c> {
    context: &'c Context,
    state: PathBuf,
    device: Device,
    mounted: Option<Mounted>,
    written: Written,
}

/// How the entry of a file begins in a tar: neither the record nor the directory of a layer has it like this.
const IN_THE_ARCHIVE: &[u8] = b"some/file-of-the-archive\0";

fn entries() -> Vec<Entry> {
    vec![file("some/file-of-the-archive", "content")]
}

impl<'c> Disk<'c> {
    fn new(context: &'c Context) -> Self {
        let image = context.fresh("disk");
        make_file_system("ext4", &image);
        let device = Device::on(context, &image);
        let state = context.dir().join("state");
        let mounted = Some(device.mount("ext4", "", &state));
        let written = context.load(&Image::of([entries()]).tag("kept:1"));
        let mut disk = Self { context, state, device, mounted, written };
        disk.forget();
        disk
    }

    /// Nothing of the file system is in memory any more.
    fn forget(&mut self) {
        self.mounted.take().unwrap().unmount();
        self.mounted = Some(self.device.mount("ext4", "", &self.state));
    }

    fn end(&mut self) {
        self.mounted.take().unwrap().unmount();
    }

    fn images(&self) -> String {
        self.context.rootlay(["images", "-q", "--no-trunc"]).exits(0).stdout
    }

    fn record(&self) -> PathBuf {
        self.context.root().join("images").join(format!("{}.json", self.written.image_id.replace(':', "/")))
    }
}

/// It may be whole: only what was read and is something else is removed.
fn a_blob_that_cannot_be_read_stays(context: &Context) {
    let mut disk = Disk::new(context);
    disk.device.fail(&Fault::with(Request::Read, IN_THE_ARCHIVE));
    let found = findings(context, &["--deep", "--repair"], 1);
    assert!(disk.device.failed() > 0, "nothing was read");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((text(&found[0], "Kind"), text(&found[0], "Status")), ("blob", "left"), "{found:?}");
    disk.device.be_well();
    disk.forget();
    assert!(context.root().join("blobs").join(disk.written.layers[0].replace(':', "/")).exists(), "the blob is gone");
    assert_eq!(check(context, &["--deep"]).ok(), "");
    disk.end();
}

/// A change of several records counts as done as long as its file is there.
fn a_change_that_cannot_be_read_stays(context: &Context) {
    let mut disk = Disk::new(context);
    let id = disk.written.image_id.clone();
    let change = json!({ "write": [], "delete": [id], "by": "somebody who was killed meanwhile" });
    let file = context.root().join("images/change.json");
    fs::write(&file, change.to_string()).unwrap();
    disk.forget();
    disk.device.fail(&Fault::with(Request::Read, "somebody who was killed meanwhile"));
    // Whoever opens the state root would finish it.
    let _ = context.rootlay(["images"]);
    let _ = context.rootlay(["tag", "kept:1", "other:1"]);
    assert!(disk.device.failed() > 0, "nothing was read");
    assert!(file.exists(), "the change was thrown away");
    disk.device.be_well();
    disk.forget();
    assert_eq!(disk.images(), "");
    assert!(!file.exists() && !disk.record().exists(), "the change is not finished");
    disk.end();
}

/// What a read-only view of this boot shows was good when it was mounted. Since then a write has failed, and nobody knows
/// which.
fn a_view_does_not_vouch_for_what_a_disk_may_not_have(context: &Context) {
    let mut disk = Disk::new(context);
    let layer = context.root().join("layers").join(disk.written.diff_ids[0].replace(':', "/"));
    let layout = context.fresh("layout");
    Image::of([entries()]).tag("kept:1").write_oci(&layout);
    let load = format!("oci:{}", layout.display());
    context.mount(["--name", "v", "kept:1"]);
    disk.device.fail(&Fault::with(Request::Write, "words that the disk does not take"));
    let (_, output) = context.try_load(&Image::of([vec![file("lost", "words that the disk does not take")]]));
    let _ = output.exits(1);
    assert!(disk.device.failed() > 0, "no write failed");
    disk.device.be_well();
    // With the record of the image only the view names its layer.
    fs::remove_file(disk.record()).unwrap();
    let output = context.rootlay(["load", &load]).exits(2);
    assert!(!output.one_line().is_empty());
    assert_eq!(disk.images(), "", "an image was recorded whose layer may not be on the disk");
    assert!(layer.exists(), "a layer was taken from under a view");
    context.rootlay(["umount", "v"]).ok();
    context.rootlay(["load", &load]).ok();
    disk.forget();
    assert_eq!(check(context, &["--deep"]).ok(), "");
    disk.end();
}
