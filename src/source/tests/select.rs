//! Which images a specification means.

use super::*;

fn layout(build: impl FnOnce(&mut Tree) -> Vec<Value>) -> (Bench, Tree) {
    let mut tree = Tree::layout();
    let entries = build(&mut tree);
    tree.top(&entries);
    (Bench::new(), tree)
}

fn pick(bench: &Bench, tree: &Tree, tag: Option<&str>) -> Result<Vec<Candidate>> {
    let source = bench.open_dir(tree).unwrap();
    select(&*source, &SourceSpec::Oci { dir: bench.path("layout"), tag: tag.map(str::to_owned) })
}

fn content(bench: &Bench, tree: &Tree, tag: &str) -> String {
    let source = bench.open_dir(tree).unwrap();
    let images = pick(bench, tree, Some(tag)).unwrap();
    assert_eq!(images.len(), 1);
    let resolved = resolve(&*source, &images[0].descriptor, None).unwrap();
    String::from_utf8(read(&*source, &resolved.manifest.layers[0]).unwrap()).unwrap()
}

#[test]
fn row_126_a_tag_is_the_exact_name_a_full_name_or_its_tag() {
    let (bench, tree) = layout(|tree| {
        let image = |tree: &mut Tree, name: &str| named(tree.image("linux/amd64", name), name);
        ["latest", "busybox:latest", "localhost/x:1", "busybox:2"].map(|name| image(tree, name)).to_vec()
    });
    for (tag, expected) in [
        ("latest", "latest"),
        ("busybox:latest", "busybox:latest"),
        ("docker.io/library/busybox", "busybox:latest"),
        ("localhost/x:1", "localhost/x:1"),
        ("1", "localhost/x:1"),
        ("2", "busybox:2"),
    ] {
        assert_eq!(content(&bench, &tree, tag), expected, "{tag}");
    }
    for absent in ["3", "x:1", "LATEST", "busybox:3"] {
        let error = pick(&bench, &tree, Some(absent)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().ends_with("there are: latest, busybox:latest, localhost/x:1, busybox:2"), "{error}");
    }
    let error = pick(&bench, &tree, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("several images: latest, busybox:latest, localhost/x:1"), "{error}");
}

#[test]
fn row_136_an_error_names_only_some_of_very_many_images() {
    let (bench, tree) = layout(|tree| {
        let image = tree.image("linux/amd64", "x");
        (0..20_000).map(|n| named(image.clone(), &format!("tag{n}"))).collect()
    });
    let error = pick(&bench, &tree, Some("absent")).unwrap_err().to_string();
    assert!(error.len() < 2000 && error.ends_with("tag29, and 19970 more"), "{error}");
}

#[test]
fn row_136_very_many_names_of_one_image_are_counted_at_once() {
    let bench = Bench::new();
    let select_of = |count: usize| {
        let mut tree = Tree::layout();
        let image = tree.image("linux/amd64", "x");
        tree.top(&[image]);
        let config = Digest::of(config("linux/amd64", &[b"x"]).to_string().as_bytes());
        let tags: Vec<String> = (0..count).map(|number| format!("app:{number}")).collect();
        let entry = json!({ "Config": format!("blobs/sha256/{}", config.hex()), "RepoTags": tags, "Layers": [] });
        tree.json("manifest.json", &json!([entry]));
        select(&*bench.open_file(&tree.tar()).unwrap(), &SourceSpec::Stdin)
    };
    let images = select_of(5000).unwrap();
    assert_eq!((images.len(), images[0].names.len()), (1, 5000));
    refused(select_of(60_000), "60000 names of images, the limit is 5000");
}

#[test]
fn row_126_one_image_needs_no_name() {
    let (bench, tree) = layout(|tree| vec![tree.image("linux/s390x", "x")]);
    let images = pick(&bench, &tree, None).unwrap();
    assert_eq!((images.len(), images[0].names.len(), images[0].tag.clone()), (1, 0, None));
    let digest = images[0].descriptor.digest.to_string();
    assert_eq!(pick(&bench, &tree, Some(&digest)).unwrap(), images);
    assert_eq!(pick(&bench, &tree, Some("latest")).unwrap_err().kind(), ErrorKind::NotFound);
    let (bench, tree) = layout(|_| vec![]);
    refused(pick(&bench, &tree, None), "no image");
}

#[test]
fn row_126_the_same_image_twice_is_one_with_both_names() {
    let (bench, tree) = layout(|tree| {
        let image = tree.image("linux/amd64", "x");
        vec![named(image.clone(), "a:1"), named(image.clone(), "b:1"), image]
    });
    assert_eq!(names(&pick(&bench, &tree, None).unwrap()), [["a:1", "b:1"]]);
    assert_eq!(names(&pick(&bench, &tree, Some("1")).unwrap()), [["a:1", "b:1"]]);
    assert_eq!(names(&pick(&bench, &tree, Some("a:1")).unwrap()), [["a:1"]]);
}

#[test]
fn row_126_several_platforms_of_one_name_are_one_image() {
    let (bench, tree) = layout(|tree| {
        let (amd, arm) = (tree.image("linux/amd64", "amd"), tree.image("linux/arm64", "arm"));
        let other = tree.image("linux/amd64", "other");
        // One says its platform, of the other the configuration does.
        vec![named(for_platform(amd, "linux/amd64"), "x:1"), named(arm, "x:1"), named(other, "y:1")]
    });
    let images = pick(&bench, &tree, Some("x:1")).unwrap();
    assert_eq!(names(&images), [["x:1"]]);
    assert_eq!(images, pick(&bench, &tree, Some("x:1")).unwrap());
    let source = bench.open_dir(&tree).unwrap();
    for (platform, expected) in [("linux/amd64", "amd"), ("linux/arm64", "arm")] {
        let resolved = resolve(&*source, &images[0].descriptor, Some(&platform.parse().unwrap())).unwrap();
        assert_eq!(read(&*source, &resolved.manifest.layers[0]).unwrap(), expected.as_bytes());
    }
    assert_eq!(pick(&bench, &tree, Some("1")).unwrap_err().kind(), ErrorKind::Failed);
}

#[test]
fn row_126_one_name_for_two_images_of_a_platform_is_ambiguous() {
    let (bench, tree) =
        layout(|tree| vec![named(tree.image("linux/amd64", "a"), "1"), named(tree.image("linux/amd64", "b"), "1")]);
    for tag in [None, Some("1")] {
        let error = pick(&bench, &tree, tag).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert!(error.to_string().contains("1, 1 (sha256:"), "{error}");
    }
    // Without any name, only platforms that the index says itself make one image.
    let (bench, tree) = layout(|tree| vec![tree.image("linux/amd64", "a"), tree.image("linux/arm64", "b")]);
    assert_eq!(pick(&bench, &tree, None).unwrap_err().kind(), ErrorKind::Failed);
    let (bench, tree) =
        layout(|tree| ["linux/amd64", "linux/arm64"].map(|name| for_platform(tree.image(name, name), name)).to_vec());
    assert_eq!(pick(&bench, &tree, None).unwrap().len(), 1);
}

#[test]
fn a_bare_archive_gives_all_images_if_all_have_full_names() {
    let (bench, mut tree) = layout(|tree| {
        let (one, two) = (tree.image("linux/amd64", "one"), tree.image("linux/amd64", "two"));
        vec![named(one.clone(), "a:1"), named(two, "b:1"), named(one, "c:1")]
    });
    let file = bench.file("a.tar", &tree.tar());
    let all = |spec: SourceSpec| select(&*bench.open(&spec).unwrap(), &spec);
    assert_eq!(names(&all(SourceSpec::Path(file.clone())).unwrap()), [vec!["a:1", "c:1"], vec!["b:1"]]);
    let archive = |tag: Option<&str>| SourceSpec::OciArchive { file: file.clone(), tag: tag.map(str::to_owned) };
    assert_eq!(all(archive(None)).unwrap_err().kind(), ErrorKind::Failed);
    assert_eq!(names(&all(archive(Some("b:1"))).unwrap()), [["b:1"]]);
    let unnamed = tree.image("linux/amd64", "three");
    let named = named(tree.image("linux/amd64", "one"), "a:1");
    tree.top(&[named, unnamed]);
    bench.file("a.tar", &tree.tar());
    assert_eq!(all(SourceSpec::Path(file.clone())).unwrap_err().kind(), ErrorKind::Failed);
    // Docker's list of images says that all are meant, named or not.
    tree.json("manifest.json", &json!([]));
    bench.file("a.tar", &tree.tar());
    assert_eq!(names(&all(SourceSpec::Path(file)).unwrap()), [vec!["a:1"], vec![]]);
    // A directory is no archive: there a tag chooses.
    tree.write(&bench.path("layout"));
    assert_eq!(all(SourceSpec::Path(bench.path("layout"))).unwrap_err().kind(), ErrorKind::Failed);
}
