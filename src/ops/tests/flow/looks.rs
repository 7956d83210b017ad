use super::*;
use crate::ops::{Changes, ImageFilters};
use std::time::SystemTime;

#[test]
fn layers_are_told_with_what_they_change_and_who_shares_them() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let base: Files<'_> = &[("etc/", ""), ("etc/a", "1"), ("etc/b", "1")];
        rootlay.load(load(bench.image("app", &[base, &[("etc/.wh.b", ""), ("etc/a", "2"), ("c", "333")]]))).unwrap();
        rootlay.load(load(bench.image("other", &[base]))).unwrap();
        let tree = rootlay.image_tree("localhost/app:1", None).unwrap();
        let told: Vec<_> = tree.layers.iter().map(|layer| (layer.step.size, layer.images, layer.changes)).collect();
        let changes = |added, changed, deleted| Some(Changes { added, changed, deleted });
        assert_eq!(told, [(Some(2), 2, changes(3, 0, 0)), (Some(4), 1, changes(1, 1, 1))]);
        assert!(tree.layers.iter().all(|layer| layer.digest.as_ref() == Some(&layer.diff_id.0)));
        let history = rootlay.history("localhost/app:1", None).unwrap();
        assert_eq!(history.iter().map(|step| step.size).collect::<Vec<_>>(), [Some(4), Some(2)]);
        assert_eq!((history[0].image.as_ref(), history[1].image.as_ref()), (Some(&tree.id), None));
        let foreign = "linux/s390x".parse().unwrap();
        let error = rootlay.history("localhost/app:1", Some(&foreign)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("does not match the specified platform: wanted linux/s390x"), "{error}");
    });
}

#[test]
fn a_missing_layer_is_told_and_keeps_nothing_from_being_shown() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let layers: &[Files<'_>] = &[&[("a", "1")], &[("b", "2")], &[("c", "3")]];
        rootlay.load(load(bench.image("app", layers))).unwrap();
        let gone = Digest::of(&tar(layers[1]));
        fs::remove_dir_all(bench.path("root/layers/sha256").join(gone.hex())).unwrap();
        fs::write(bench.path("root/images/sha256").join(format!("{}.json", Digest::of(b"x").hex())), "{").unwrap();
        let images = rootlay.images().unwrap();
        let broken: Vec<_> = images.iter().map(|image| image.broken.as_ref().unwrap().clone()).collect();
        assert!(broken[0].contains(&gone.to_string()), "{broken:?}");
        assert_eq!((images.len(), &images[1].id), (2, &Digest::of(b"x")));
        let tree = rootlay.image_tree("localhost/app:1", None).unwrap();
        let told: Vec<_> = tree.layers.iter().map(|layer| (layer.step.size, layer.changes.is_some())).collect();
        assert_eq!(told, [(Some(1), true), (None, false), (Some(1), false)]);
        let inspected = rootlay.inspect("localhost/app:1", None).unwrap();
        assert_eq!(inspected["GraphDriver"]["Data"]["LowerDir"], json!(""));
    });
}

#[test]
fn a_view_is_inspected_with_the_directories_it_consists_of() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")], &[("b", "2")]]))).unwrap();
        let view = rootlay.mount(writable("localhost/app:1", "work")).unwrap();
        let inspected = rootlay.inspect_view("work").unwrap();
        let data = &inspected["GraphDriver"]["Data"];
        let image = rootlay.inspect("localhost/app:1", None).unwrap();
        assert_eq!(data["LowerDir"], image["GraphDriver"]["Data"]["LowerDir"]);
        assert_eq!(data["MergedDir"], json!(view.target));
        for part in ["UpperDir", "WorkDir"] {
            assert!(Path::new(data[part].as_str().unwrap()).is_dir(), "{part}");
        }
        assert_eq!((&inspected["State"]["Status"], &inspected["Mode"]), (&json!("mounted"), &json!("rw")));
        let error = rootlay.inspect_view("none").unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "no such view: none"));
        rootlay.mount(MountRequest { name: Some("look".to_owned()), ..mount("localhost/app:1") }).unwrap();
        assert_eq!(rootlay.inspect_view("look").unwrap()["GraphDriver"]["Data"].as_object().unwrap().len(), 2);
    });
}

#[test]
fn filters_ask_configs_and_views_where_they_have_to() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        for name in ["one", "two"] {
            rootlay.load(load(bench.image(name, &[&[(name, "1")]]))).unwrap();
        }
        rootlay.mount(mount("localhost/two:1")).unwrap();
        let listed = |key: &str, value: &str| -> Vec<String> {
            let filters = ImageFilters::new(&[(key.to_owned(), value.to_owned())], SystemTime::now()).unwrap();
            let images = rootlay.images_where(&filters).unwrap();
            images.iter().map(|image| image.names[0].reference.familiar()).collect()
        };
        assert_eq!(listed("label", "name=one"), ["localhost/one:1"]);
        assert_eq!(listed("label!", "name=one"), ["localhost/two:1"]);
        assert_eq!(listed("mounted", "true"), ["localhost/two:1"]);
        assert_eq!(listed("reference", "localhost/*:1").len(), 2);
    });
}

/// What `du -x` says, in bytes.
fn du(path: &Path) -> u64 {
    let out = std::process::Command::new("du").args(["-x", "-s", "-B1"]).arg(path).output().unwrap();
    String::from_utf8(out.stdout).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_shares_of_the_disk_add_up_to_what_du_says() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let large = "x".repeat(100_000);
        let base: Files<'_> = &[("etc/", ""), ("etc/a", &large)];
        rootlay.load(load(bench.image("app", &[base, &[("b", &large), (".wh.etc", "")]]))).unwrap();
        rootlay.load(load(bench.image("other", &[base]))).unwrap();
        rootlay.load(load(bench.image("third", &[&[("c", &large)]]))).unwrap();
        let view = rootlay.mount(writable("localhost/app:1", "work")).unwrap();
        fs::write(view.target.join("file"), &large).unwrap();
        fs::hard_link(view.target.join("file"), view.target.join("again")).unwrap();
        fs::write(bench.path("root/partial/sha256").join("ab"), &large).unwrap();
        rustix::fs::syncfs(fs::File::open(bench.path("root")).unwrap()).unwrap();
        let usage = rootlay.disk_usage().unwrap();
        assert_eq!(usage.shares.iter().map(|share| share.bytes).sum::<u64>(), du(&bench.path("root")));
        let counts: Vec<_> = usage.shares.iter().map(|share| (share.kind, share.count, share.active)).collect();
        assert_eq!(counts, [("Images", 3, 1), ("Layers", 3, 2), ("Blobs", 9, 4), ("Views", 1, 1), ("Other", 0, 0)]);
        assert!(usage.shares[1].reclaimable > 100_000 && usage.shares[1].reclaimable < 200_000, "{:?}", usage.shares);
        assert!(usage.shares[4].reclaimable > 100_000);
        // The file has two names and is there once.
        assert!((100_000..200_000).contains(&usage.views[0].bytes), "{:?}", usage.views);
        let shared = usage.layers.iter().filter(|layer| layer.images == 2).count();
        assert_eq!((usage.layers.len(), shared), (3, 1));
        assert_eq!(usage.images.iter().filter(|image| image.shared > 200_000).count(), 2);
        // What goes with an image is what removing it frees.
        let third = usage.images.iter().find(|image| image.names[0].reference.repository() == "third").unwrap();
        let before = du(&bench.path("root"));
        remove(&rootlay, "localhost/third:1", Force::No).unwrap();
        let freed = before - du(&bench.path("root"));
        assert!(freed.abs_diff(third.unique) <= 16_384, "{freed} {}", third.unique);
    });
}
