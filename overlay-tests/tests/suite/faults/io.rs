//! A disk that fails: `EIO` on writes, on flushes, on reads. The store stays as it was, the error names the object, and all
//! works again when the disk is well.

use std::fs;
use std::path::{Path, PathBuf};

use overlay_tests::block::{Device, Fault, Mounted, Request, make_file_system};
use overlay_tests::fixture::{Entry, Image, Layer, dir, file};
use overlay_tests::harness::{Case, Context, Need, Output};
use overlay_tests::registry::{Bed, Fault::Stall};
use overlay_tests::tree::read_tree;

use super::known::{Known, noise};

pub fn cases() -> Vec<Case> {
    macro_rules! on {
        ($($name:ident = $function:ident, $file_system:literal, $options:literal);* $(;)?) => {
            vec![$(
                Case::new(module_path!(), stringify!($name), |context| {
                    $function(&mut Disk::new(context, $file_system, $options));
                })
                .needs(Need::Fuse)
                .needs(Need::FileSystem($file_system))
            ),*]
        };
    }
    let mut all = on![
        data_that_is_not_written_on_ext4 = data_that_is_not_written, "ext4", "";
        data_that_is_not_written_on_xfs = data_that_is_not_written, "xfs", "";
        data_that_is_not_written_on_btrfs = data_that_is_not_written, "btrfs", "";
        data_of_a_killed_load_that_is_not_written_on_ext4 = data_of_a_killed_load_that_is_not_written, "ext4", "";
        data_of_a_killed_load_that_is_not_written_on_xfs = data_of_a_killed_load_that_is_not_written, "xfs", "";
        data_lost_before_an_unmount_on_ext4 = data_lost_before_an_unmount, "ext4", "";
        data_lost_before_an_unmount_on_xfs = data_lost_before_an_unmount, "xfs", "";
        data_lost_before_an_unmount_on_btrfs = data_lost_before_an_unmount, "btrfs", "";
        a_disk_that_fails_at_some_write_on_ext4 = a_disk_that_fails_at_some_write, "ext4", "data=writeback";
        a_disk_that_fails_at_some_write_on_xfs = a_disk_that_fails_at_some_write, "xfs", "";
        a_disk_that_does_not_flush_on_ext4 = a_disk_that_does_not_flush, "ext4", "";
        a_disk_that_does_not_flush_on_xfs = a_disk_that_does_not_flush, "xfs", "";
        records_that_cannot_be_read = records_that_cannot_be_read, "ext4", "";
        indexes_of_layers_that_cannot_be_read = indexes_of_layers_that_cannot_be_read, "ext4", "";
        content_that_cannot_be_read = content_that_cannot_be_read, "ext4", "";
    ];
    let downloads = on![
        downloads_that_are_not_written_on_ext4 = downloads_that_are_not_written, "ext4", "";
        downloads_that_are_not_written_on_xfs = downloads_that_are_not_written, "xfs", "";
        downloads_that_are_not_written_on_btrfs = downloads_that_are_not_written, "btrfs", "";
    ];
    let tools = ["docker-registry", "skopeo", "openssl"];
    all.extend(downloads.into_iter().map(|case| tools.iter().fold(case, |case, tool| case.needs(Need::Tool(tool)))));
    all
}

/// A state root on a device, with one image.
struct Disk<'c> {
    context: &'c Context,
    file_system: &'static str,
    options: &'static str,
    state: PathBuf,
    device: Device,
    mounted: Option<Mounted>,
    kept: Known,
    new: Known,
}

/// Words that are on the disk in a file of the new image, and in the blob of its layer.
const NEEDLE: &[u8] = b"the words that are only in a file of the new image";
/// The path of that file is in the index of its layer.
const PLACE: &str = "some-directory/some-file";

impl<'c> Disk<'c> {
    fn new(context: &'c Context, file_system: &'static str, options: &'static str) -> Self {
        let image = context.fresh("disk");
        make_file_system(file_system, &image);
        let device = Device::on(context, &image);
        let base = vec![dir("d", 0o755), file("d/shared", noise(1, 50_000))];
        let needle = [&noise(3, 20_000), NEEDLE, &noise(4, 20_000)].concat();
        let middle = vec![dir("some-directory", 0o755), file(PLACE, needle), file("m", "m")];
        let kept = Known::of(context, &[base.clone(), vec![file("kept", "kept")]]);
        let new = Known::of(context, &[base, middle, vec![file("new", noise(5, 9000))]]);
        let state = context.dir().join("state");
        let mut disk = Self { context, file_system, options, state, device, mounted: None, kept, new };
        disk.mount();
        disk.context.rootlay(["load", "--name", "kept:1", &disk.kept.source]).ok();
        disk.remount();
        disk
    }

    fn mount(&mut self) {
        self.mounted = Some(self.device.mount(self.file_system, self.options, &self.state));
    }

    /// Nothing of the file system is in memory any more.
    fn remount(&mut self) {
        self.unmount();
        self.mount();
    }

    fn unmount(&mut self) {
        self.mounted.take().unwrap().unmount();
    }

    fn load(&self) -> Output {
        self.context.rootlay(["load", "--name", "new:1", &self.new.source])
    }

    fn images(&self) -> Vec<String> {
        let output = self.context.rootlay(["images", "-q", "--no-trunc"]).exits(0);
        assert_eq!(output.stderr, "", "images");
        output.stdout.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn is_right(&self, known: &Known) {
        known.is_right(self.context).unwrap();
    }

    /// The disk is well again, and everything works; what is said to be there is on the disk.
    fn recovers(&mut self) {
        self.device.be_well();
        self.is_right(&self.kept);
        self.load().ok();
        self.remount();
        assert_eq!(self.images().len(), 2);
        self.is_right(&self.kept);
        self.is_right(&self.new);
        self.context.rootlay(["rmi", "new:1"]).ok();
        self.context.rootlay(["system", "prune", "-f"]).ok();
        self.is_right(&self.kept);
        self.unmount();
    }
}

/// The kernel's word, as one library or the other shows it.
fn says_eio(text: &str) -> bool {
    text.contains("EIO") || text.contains("Input/output error")
}

/// One line that names what was tried on which object, and the kernel's word for it.
#[track_caller]
fn says_why(output: &Output, object: &Path) {
    let line = output.one_line();
    assert!(says_eio(line), "{line}");
    assert!(line.contains(object.to_str().unwrap()), "{line}");
}

/// The write-back of one file fails: no `write` reports that, only `syncfs`. In memory everything looks right until the
/// file system is unmounted; on the disk it is not.
fn data_that_is_not_written(disk: &mut Disk<'_>) {
    disk.device.fail(&Fault::with(Request::Write, NEEDLE));
    let output = disk.load().exits(1);
    assert!(disk.device.failed() > 0, "no write failed");
    says_why(&output, &disk.context.root());
    assert_eq!(disk.images(), [disk.kept.id()]);
    disk.recovers();
}

/// Kills a load when it has put a layer in its place of which a file will not be written.
fn kill_a_load(disk: &mut Disk<'_>) {
    // The largest layer is the first; then there is time to kill it.
    let base = vec![dir("d", 0o755), file("d/shared", noise(1, 50_000))];
    let needle = [NEEDLE, &noise(6, 3_000_000)].concat();
    let many: Vec<Entry> = (0..2000).map(|n| file(format!("many/{}/{n}", n % 20), "")).collect();
    disk.new = Known::of(disk.context, &[base, vec![file("n", needle)], many]);
    disk.device.fail(&Fault::with(Request::Write, NEEDLE));
    let arguments = ["--threads", "1", "load", "--name", "new:1", &disk.new.source];
    let mut child = disk.context.command(arguments).spawn().unwrap();
    let middle = disk.context.root().join("layers").join(disk.new.written.diff_ids[1].replace(':', "/"));
    while !middle.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(middle.exists(), "the layer is not there");
}

/// Somebody else asks whether everything was written, and is the only one who is told that it was not.
fn somebody_asks(disk: &Disk<'_>) {
    let output = disk.context.run("sync", &["-f", disk.state.to_str().unwrap()]);
    assert!(disk.device.failed() > 0, "no write failed");
    assert_ne!(output.code, 0, "`sync` was not told");
}

/// The same, but who wrote it is dead before anybody asks. Another image has the same layer.
fn data_of_a_killed_load_that_is_not_written(disk: &mut Disk<'_>) {
    kill_a_load(disk);
    // It is not on the disk yet.
    let blob = disk.context.root().join("blobs").join(disk.new.written.layers[1].replace(':', "/"));
    assert!(!blob.exists(), "a blob has its name");
    // Whoever asks first is told of it.
    let output = disk.load().exits(1);
    assert!(disk.device.failed() > 0, "no write failed");
    says_why(&output, &disk.context.root());
    assert_eq!(disk.images(), [disk.kept.id()]);
    disk.recovers();
}

/// The same, and the only one who was told was somebody else; then the file system was unmounted and mounted again. The boot is
/// the same, and the layer is there with all its names, but not with its content.
fn data_lost_before_an_unmount(disk: &mut Disk<'_>) {
    kill_a_load(disk);
    somebody_asks(disk);
    disk.remount();
    disk.recovers();
}

/// The first bytes of a download are not on the disk. Who wrote them is dead, and only somebody else was told; in memory they
/// are right. The next pull reads them back from the disk.
fn downloads_that_are_not_written(disk: &mut Disk<'_>) {
    const CAME: usize = 200_000;
    let (bed, registry, proxy) = Bed::open(disk.context);
    let layers = [vec![file("small", "small")], vec![file("n", [NEEDLE, &noise(6, 400_000)].concat())]];
    disk.new = Known::of(disk.context, &layers);
    let written = registry.publish(&Image::of(layers.iter().map(|entries| Layer::of(entries))), "new:1");
    assert_eq!(written.image_id, disk.new.id());
    let (name, blob) = (proxy.name("new:1"), &written.layers[1]);
    proxy.fault(&format!("GET /blobs/{blob}"), .., Stall(CAME));
    disk.device.fail(&Fault::with(Request::Write, NEEDLE));
    let mut child = bed.spawn(["pull", &name]);
    while bed.partial(blob) < CAME && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bed.partial(blob), CAME);
    somebody_asks(disk);
    disk.device.be_well();
    proxy.heal();
    bed.pull(&name);
    disk.remount();
    disk.is_right(&disk.new);
    disk.is_right(&disk.kept);
    disk.unmount();
}

/// From some write on nothing is written any more. The file system gives up; the image is there as a whole or not at all.
fn a_disk_that_fails_at_some_write(disk: &mut Disk<'_>) {
    for after in [0, 3, 10, 25, 60] {
        gives_up(disk, &Fault::all(Request::Write).after(after));
    }
}

fn a_disk_that_does_not_flush(disk: &mut Disk<'_>) {
    for after in [0, 1, 3] {
        gives_up(disk, &Fault::all(Request::Flush).after(after));
    }
}

/// A load while this fails, and what is left in the same boot when the disk is well.
fn gives_up(disk: &mut Disk<'_>, fault: &Fault) {
    disk.device.fail(fault);
    let output = disk.load();
    let failed = disk.device.failed();
    assert!(matches!(output.code, 0 | 1), "{fault}: exit code {}: {}", output.code, output.stderr);
    if output.code == 1 {
        let line = output.one_line();
        let others = ["EROFS", "Read-only file system", "EUCLEAN", "Structure needs cleaning"];
        assert!(says_eio(line) || others.iter().any(|word| line.contains(word)), "{fault}: {line}");
        assert!(failed > 0, "{fault}: {line}");
    }
    disk.unmount();
    disk.device.be_well();
    disk.mount();
    let images = disk.images();
    assert!(images.iter().any(|id| id == disk.kept.id()), "{fault}: {images:?}");
    disk.is_right(&disk.kept);
    if images.len() > 1 {
        disk.is_right(&disk.new);
    } else {
        assert_eq!(output.code, 1, "{fault}: the image that was loaded is not there");
    }
    disk.load().ok();
    disk.remount();
    disk.is_right(&disk.new);
    disk.context.rootlay(["rmi", "new:1"]).ok();
    disk.context.rootlay(["system", "prune", "-f"]).ok();
    disk.remount();
}

/// The record of one image cannot be read: the others are listed and work.
fn records_that_cannot_be_read(disk: &mut Disk<'_>) {
    disk.load().ok();
    disk.remount();
    disk.device.fail(&Fault::with(Request::Read, disk.new.source.as_bytes()));
    let output = disk.context.rootlay(["images", "-q", "--no-trunc"]);
    assert!(disk.device.failed() > 0, "nothing was read");
    assert!(output.code == 0 && output.stdout.contains(disk.kept.id()), "{}", output.stderr);
    let record = format!("images/sha256/{}.json", &disk.new.id()["sha256:".len()..]);
    assert!(output.stderr.contains(&record) && says_eio(&output.stderr), "{}", output.stderr);
    disk.is_right(&disk.kept);
    let line = disk.context.rootlay(["mount", disk.new.id()]).exits(1);
    assert!(!line.one_line().is_empty());
    // Nobody knows what it names, so nothing goes.
    disk.context.rootlay(["system", "prune", "-f"]);
    disk.device.be_well();
    disk.remount();
    disk.is_right(&disk.new);
    disk.recovers();
}

/// What a mount has to know stands elsewhere too; who needs the index itself fails.
fn indexes_of_layers_that_cannot_be_read(disk: &mut Disk<'_>) {
    disk.load().ok();
    disk.remount();
    disk.device.fail(&Fault::with(Request::Read, format!("\"{PLACE}\"")));
    disk.is_right(&disk.kept);
    disk.is_right(&disk.new);
    let output = disk.load().exits(1);
    assert!(disk.device.failed() > 0, "nothing was read");
    let line = output.one_line();
    assert!(line.contains(&disk.new.written.diff_ids[1]) && says_eio(line), "{line}");
    disk.is_right(&disk.kept);
    disk.recovers();
}

/// A file of a layer, and the blob, cannot be read: the mount shows what can be, and who needs the blob fails.
fn content_that_cannot_be_read(disk: &mut Disk<'_>) {
    disk.load().ok();
    disk.remount();
    disk.device.fail(&Fault::with(Request::Read, NEEDLE));
    let merged = disk.context.mount([disk.new.id()]);
    let error = fs::read(merged.join(PLACE)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::EIO as i32));
    assert_eq!(read_tree(&merged.join("d")).unwrap().len(), 2);
    disk.context.umount(&merged);
    let archive = disk.context.fresh("archive");
    let output = disk.context.rootlay(["save", "-o", archive.to_str().unwrap(), "new:1"]).exits(1);
    let line = output.one_line();
    assert!(line.contains(&disk.new.written.layers[1]["sha256:".len()..]) && says_eio(line), "{line}");
    assert!(!archive.exists(), "half an archive");
    disk.is_right(&disk.kept);
    disk.recovers();
}
