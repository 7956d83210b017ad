use super::*;
use crate::ops::install::{NewImage, Run};
use crate::source;

#[test]
fn an_image_is_loaded_mounted_unmounted_and_removed() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let source =
            bench.image("app", &[&[("etc/", ""), ("etc/a", "1"), ("etc/b", "1")], &[("etc/.wh.b", ""), ("c", "3")]]);
        let loaded = rootlay.load(load(source.clone())).unwrap();
        assert_eq!(loaded[0].references[0].familiar(), "localhost/app:1");
        assert_eq!(rootlay.load(load(source)).unwrap(), loaded);
        let images = rootlay.images().unwrap();
        assert_eq!((images.len(), images[0].size, images[0].broken.as_ref()), (1, 3, None));

        let one = rootlay.mount(mount("localhost/app:1")).unwrap();
        let two = rootlay.mount(mount(loaded[0].id.short())).unwrap();
        assert_eq!((one.name.as_str(), two.name.as_str()), ("app-1", "app-2"));
        assert_eq!(text(&two.target.join("etc/a")), "1");
        assert!(!one.target.join("etc/b").exists());
        assert!(fs::write(one.target.join("c"), "").is_err());
        assert_eq!(rootlay.views().unwrap(), [one.clone(), two.clone()]);

        let error = remove(&rootlay, "localhost/app:1", Force::No).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        assert_eq!(unmount(&rootlay, one.target.as_os_str(), Detach::Normal).unwrap(), ["app-1"]);
        assert_eq!(text(&two.target.join("c")), "3");
        // What has a slash is a directory, even if an image has that name.
        assert_eq!(unmount(&rootlay, "localhost/app:1", Detach::Normal).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(unmount(&rootlay, loaded[0].id.short(), Detach::Normal).unwrap(), ["app-2"]);
        assert!(rootlay.views().unwrap().is_empty());
        assert!(bench.names("views").is_empty());
        assert_eq!(unmount(&rootlay, "app-1", Detach::Normal).unwrap_err().kind(), ErrorKind::NotFound);

        let inspected = rootlay.inspect("localhost/app:1", None).unwrap();
        assert_eq!(inspected["RepoTags"], json!(["localhost/app:1"]));
        assert_eq!(inspected["GraphDriver"]["Data"]["LowerDir"].as_str().unwrap().split(':').count(), 3);

        let (untagged, deleted) = remove(&rootlay, "localhost/app:1", Force::No).unwrap();
        assert_eq!((untagged, deleted), (vec!["localhost/app:1".to_owned()], 3));
        for folder in ["layers/sha256", "corrections/sha256", "images/sha256", "blobs/sha256", "staging"] {
            assert!(bench.names(folder).is_empty(), "{folder}: {:?}", bench.names(folder));
        }
    });
}

#[test]
fn a_refused_image_leaves_the_store_as_it_was() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("good", &[&[("a", "1")]]))).unwrap();
        let folders = ["layers/sha256", "corrections/sha256", "images/sha256", "blobs/sha256", "staging"];
        let before: Vec<_> = folders.iter().map(|folder| bench.names(folder)).collect();
        let tars = [tar(&[("b", "2")]), tar(&[("c", "3")])];
        let right = Digest::of(&tars[0]).to_string();
        let wrong = Digest::of(b"another").to_string();
        let error = rootlay.load(load(bench.image_with_diff_ids("bad", &tars, &[right, wrong]))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().starts_with("layer 2 (sha256:"), "{error}");
        let after: Vec<_> = folders.iter().map(|folder| bench.names(folder)).collect();
        assert_eq!(before, after);
    });
}

#[test]
fn a_blob_that_is_not_what_its_digest_says_is_refused() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let source = bench.image("app", &[&[("a", "1")]]);
        let name = bench.path("layout/blobs/sha256").join(Digest::of(&tar(&[("a", "1")])).hex());
        let other = tar(&[("a", "2")]);
        fs::write(&name, &other).unwrap();
        let error = rootlay.load(load(source)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains(Digest::of(&other).hex()) && why.contains("expected blob"), "{why}");
        assert!(bench.names("blobs/sha256").is_empty());
    });
}

#[test]
fn an_interrupted_load_stops_and_leaves_no_debris() {
    in_own_namespace(|bench| {
        let source = bench.image("app", &[&[("a", "1")]]);
        let cancel = Cancel::new();
        let rootlay = bench.open_with(&cancel);
        cancel.raise(15);
        assert_eq!(rootlay.load(load(source)).unwrap_err().kind(), ErrorKind::Interrupted(15));
        assert!(bench.names("staging").is_empty() && bench.names("images").is_empty());
    });
}

#[test]
fn row_182_parallel_loads_of_one_image_agree() {
    in_own_namespace(|bench| {
        let source = bench.image("app", &[&[("a", "1")], &[("b", "2")], &[("a", "1")]]);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| bench.open().load(load(source.clone())).unwrap());
            }
        });
        assert_eq!(bench.names("layers/sha256").len(), 2);
        assert_eq!(bench.names("corrections/sha256").len(), 1);
        assert!(bench.names("staging").is_empty());
        assert_eq!(bench.names("locks"), ["era", "store", "sync"]);
    });
}

#[test]
fn a_tar_is_imported_as_docker_does() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let file = bench.path("rootfs.tar");
        fs::write(&file, tar(&[("bin/", ""), ("bin/sh", "#!")])).unwrap();
        let request = ImportRequest {
            input: Input::File(file.clone()),
            name: Some("tiny".parse().unwrap()),
            changes: vec!["CMD [\"/bin/sh\"]".to_owned(), "ENV A=1".to_owned()],
            message: None,
            platform: None,
        };
        let id = rootlay.import(request).unwrap();
        let inspected = rootlay.inspect("tiny", None).unwrap();
        assert_eq!(inspected["Id"], json!(id));
        assert_eq!(inspected["Config"]["Cmd"], json!(["/bin/sh"]));
        assert_eq!(inspected["Config"]["Env"], json!(["A=1"]));
        assert_eq!(inspected["Config"]["Labels"], json!(null));
        assert_eq!(inspected["Comment"], json!(format!("Imported from {}", file.display())));
        assert_eq!(text(&rootlay.mount(mount("tiny")).unwrap().target.join("bin/sh")), "#!");
        assert_eq!(rootlay.info().unwrap().mounted, 1);
        fs::write(&file, "no tar at all, but long enough to be refused").unwrap();
        let request =
            ImportRequest { input: Input::File(file), name: None, changes: Vec::new(), message: None, platform: None };
        assert_eq!(rootlay.import(request).unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(bench.names("blobs/sha256").len(), 3);
    });
}

/// An archive of `docker save` with so many images of one layer.
fn archive(bench: &Bench, images: usize) -> SourceSpec {
    let layer = tar(&[("a", "1")]);
    let config = |number: usize| {
        let diff_ids = [Digest::of(&layer).to_string()];
        json!({
            "architecture": "amd64", "os": "linux", "config": { "Labels": { "number": number.to_string() } },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        })
    };
    let entry = |number: usize| {
        let tags = [format!("localhost/many:{number}")];
        json!({ "Config": format!("{number}.json"), "RepoTags": tags, "Layers": ["layer.tar"] })
    };
    let configs = (0..images).map(|number| (format!("{number}.json"), config(number).to_string().into_bytes()));
    let list = serde_json::to_vec(&(0..images).map(entry).collect::<Vec<_>>()).unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in configs.chain([("layer.tar".to_owned(), layer.clone()), ("manifest.json".to_owned(), list)])
    {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    let file = bench.path(&format!("{images}.tar"));
    fs::write(&file, archive.into_inner().unwrap()).unwrap();
    SourceSpec::DockerArchive { file, reference: None }
}

/// How often this thread has read from files (`proc_pid_io(5)`).
fn reads() -> u64 {
    let text = text(Path::new("/proc/thread-self/io"));
    text.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap().parse().unwrap()
}

#[test]
fn twice_the_images_of_an_archive_cost_twice_as_much() {
    in_own_namespace(|bench| {
        let cost = |images: usize| {
            let _ = fs::remove_dir_all(bench.path("root"));
            let source = archive(bench, images);
            let rootlay = bench.open();
            let before = reads();
            assert_eq!(rootlay.load(load(source)).unwrap().len(), images);
            let after = reads();
            assert_eq!(rootlay.images().unwrap().len(), images);
            after - before
        };
        let (few, many) = (cost(20), cost(40));
        assert!(many * 10 < few * 23, "{few} reads, {many} of twice as many images");
    });
}

#[test]
fn what_was_loaded_before_a_bad_image_stays_with_its_names() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        // The name of the first one moves to the second, the third has no layer.
        let layer = tar(&[("a", "1")]);
        let config = |label: &str, layer: &[u8]| {
            let diff_ids = [Digest::of(layer).to_string()];
            let config = json!({ "Labels": { "label": label } });
            let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
            json!({ "architecture": "amd64", "os": "linux", "config": config, "rootfs": rootfs }).to_string()
        };
        let list = json!([
            { "Config": "1.json", "RepoTags": ["localhost/app:1", "localhost/app:first"], "Layers": ["layer.tar"] },
            { "Config": "2.json", "RepoTags": ["localhost/app:1"], "Layers": ["layer.tar"] },
            { "Config": "3.json", "RepoTags": ["localhost/app:1"], "Layers": ["wrong.tar"] },
        ]);
        let (one, two, three) = (config("1", &layer), config("2", &layer), config("3", b"another"));
        let (layer, list) = (String::from_utf8(layer).unwrap(), list.to_string());
        let archive = tar(&[
            ("1.json", &one),
            ("2.json", &two),
            ("3.json", &three),
            ("layer.tar", &layer),
            ("wrong.tar", &layer),
            ("manifest.json", &list),
        ]);
        let file = bench.path("archive.tar");
        fs::write(&file, archive).unwrap();
        let error = rootlay.load(load(SourceSpec::DockerArchive { file, reference: None })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        let ids: Vec<String> = ["localhost/app:first", "localhost/app:1", "localhost/app:1@{1}"]
            .map(|name| rootlay.inspect(name, None).unwrap()["Id"].as_str().unwrap().to_owned())
            .to_vec();
        let [first, second] = [&one, &two].map(|config| Digest::of(config.as_bytes()).to_string());
        assert_eq!(ids, [first.clone(), second, first]);
        assert_eq!((bench.names("images/sha256").len(), bench.names("layers/sha256").len()), (2, 1));
    });
}

/// Brings the first image of a source in, without recording it.
fn bring(run: &mut Run<'_>, spec: &SourceSpec) {
    let (_, scratch) = run.staging.new_dir("scratch", 0o700).unwrap();
    let source = source::open(spec, &scratch, run.cancel).unwrap();
    let candidate = source::select(&*source, spec).unwrap().remove(0);
    let resolved = source::resolve(&*source, &candidate.descriptor, None).unwrap();
    run.bring(Some(&*source), &NewImage::of(&resolved, candidate.names, String::new())).unwrap();
}

/// Its blobs never got their names.
#[test]
fn an_image_is_not_recorded_after_a_sync_that_failed() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let mut run = Run::begin(&rootlay, Limits::default(), Oddities::Warn).unwrap();
        bring(&mut run, &bench.image("app", &[&[("a", "1")]]));
        let in_the_way = bench.path("root/locks/next-era");
        fs::create_dir(&in_the_way).unwrap();
        run.record().unwrap_err();
        fs::remove_dir(&in_the_way).unwrap();
        run.record().unwrap_err();
        assert!(rootlay.images().unwrap().is_empty());
    });
}

/// Who is interrupted or killed loses little.
#[test]
fn a_large_image_is_recorded_at_once() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let mut run = Run::begin(&rootlay, Limits::default(), Oddities::Warn).unwrap();
        bring(&mut run, &bench.image("small", &[&[("a", "1")]]));
        assert!(rootlay.images().unwrap().is_empty());
        let content = "x".repeat(64 << 20);
        bring(&mut run, &bench.image("large", &[&[("b", &content)]]));
        assert_eq!(rootlay.images().unwrap().len(), 2);
        bring(&mut run, &bench.image("another", &[&[("c", "1")]]));
        assert_eq!(rootlay.images().unwrap().len(), 2);
    });
}

/// As older versions may have left it when the power failed.
#[test]
fn a_blob_that_no_record_names_is_believed_for_its_content_alone() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let source = bench.image("app", &[&[("a", "1")]]);
        let id = rootlay.load(load(source.clone())).unwrap().remove(0).id;
        fs::remove_file(bench.path("root/images/sha256").join(format!("{}.json", id.hex()))).unwrap();
        let layer = tar(&[("a", "1")]);
        let blob = bench.path("root/blobs/sha256").join(Digest::of(&layer).hex());
        fs::write(&blob, vec![0; layer.len()]).unwrap();
        rootlay.load(load(source)).unwrap();
        assert!(fs::read(&blob).unwrap() == layer);
    });
}
