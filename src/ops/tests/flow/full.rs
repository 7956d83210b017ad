//! What frees space works where there is none.

use super::*;
use crate::ops::{PruneRequest, PruneScope};

/// Fills the file system that has this directory.
fn fill(dir: &Path) {
    let mut file = fs::File::create(dir.join("filler")).unwrap();
    let piece = [1; 4096];
    while std::io::Write::write_all(&mut file, &piece).is_ok() {}
}

#[test]
fn images_are_removed_from_a_full_disk() {
    in_own_namespace(|bench| {
        let root = bench.path("root");
        fs::create_dir(&root).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", &root, "tmpfs", flags, Some(c"size=4m,mode=0700")).unwrap();
        let content = "x".repeat(100_000);
        for name in ["one", "two", "three"] {
            bench.open().load(load(bench.image(name, &[&[("name", name), ("content", &content)]]))).unwrap();
        }
        fill(&root);
        let rootlay = bench.open();
        assert_eq!(remove(&rootlay, "localhost/one:1", Force::No).unwrap().1, 2);
        drop(rootlay);
        fill(&bench.path("root"));
        let request = PruneRequest { scope: PruneScope::Unused, ..PruneRequest::default() };
        let pruned = bench.open().prune(&request).unwrap();
        assert_eq!(pruned.deleted.len(), 4);
        fs::remove_file(root.join("filler")).unwrap();
        let rootlay = bench.open();
        assert!(rootlay.images().unwrap().is_empty());
        for folder in ["layers/sha256", "corrections/sha256", "images/sha256", "blobs/sha256", "staging"] {
            assert!(bench.names(folder).is_empty(), "{folder}: {:?}", bench.names(folder));
        }
        assert!(!text(&root.join("index.json")).contains("sha256:"));
        drop(rootlay);
        rustix::mount::unmount(&root, rustix::mount::UnmountFlags::DETACH).unwrap();
    });
}

#[test]
fn s65_s68_images_of_views_are_kept_and_a_mount_counts_as_use() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        for name in ["held", "saved", "free"] {
            rootlay.load(load(bench.image(name, &[&[("name", name)]]))).unwrap();
        }
        let held = rootlay.mount(mount("localhost/held:1")).unwrap();
        rootlay.mount(writable("localhost/saved:1", "work")).unwrap();
        unmount(&rootlay, "work", Detach::Normal).unwrap();
        assert_eq!(bench.names("used/sha256").len(), 2);
        let request = PruneRequest { scope: PruneScope::Unused, ..PruneRequest::default() };
        let pruned = rootlay.prune(&request).unwrap();
        assert_eq!((pruned.untagged, pruned.in_use), (vec!["localhost/free:1".to_owned()], 2));
        assert!(pruned.bytes > 0);
        // The names of a live view's image go by force, and what it shows stays.
        assert_eq!(remove(&rootlay, "localhost/held:1", Force::Yes).unwrap(), (vec!["localhost/held:1".to_owned()], 0));
        let done = rootlay.prune_system(&request).unwrap();
        assert_eq!((done.images.deleted.len(), done.images.in_use, done.unnamed.len()), (0, 2, 0));
        assert_eq!(text(&held.target.join("name")), "held");
    });
}
