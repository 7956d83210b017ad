use super::*;
use crate::ErrorKind;

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";

/// The image whose ID begins with `first` digit.
fn with_id(first: char, names: &[&str]) -> ImageRecord {
    let Installed { platform, diff_ids, created, size, manifest, .. } = image(&first.to_string(), &[], &[]);
    let names = names
        .iter()
        .map(|name| Name {
            reference: reference(name),
            manifest: manifest.digest.clone(),
            generation: 1,
            tagged: String::new(),
            former: Vec::new(),
        })
        .collect();
    let id = format!("sha256:{first}{HEX}").parse().unwrap();
    ImageRecord { id, platform, diff_ids, created, size, manifests: vec![manifest], names, pinned: false }
}

fn resolve(catalog: &Catalog, text: &str) -> Result<(Vec<char>, bool)> {
    let resolved = catalog.resolve(text, &Platform::new("linux", "amd64", ""))?;
    let found = resolved.images.iter().filter_map(|image| image.id.hex().chars().next()).collect();
    Ok((found, resolved.by == ResolvedBy::Id))
}

#[test]
fn s60_a_whole_id_then_a_name_then_a_prefix() {
    let mut a = with_id('a', &["busybox", "quay.io/x/y:1"]);
    a.manifests[0].indexes = vec![digest("index")];
    let manifest = a.manifests[0].digest.clone();
    // A name that looks like the beginning of an ID.
    let b = with_id('b', &["a012"]);
    let catalog = Catalog { images: vec![a, b], unreadable: Vec::new() };
    let found = |text: &str| resolve(&catalog, text).unwrap();
    for (text, image, by_id) in [
        (&*format!("sha256:a{HEX}"), 'a', true),
        (&format!("a{HEX}"), 'a', true),
        ("busybox", 'a', false),
        ("docker.io/library/busybox:latest", 'a', false),
        ("quay.io/x/y:1", 'a', false),
        ("a012", 'b', false),
        ("a0123", 'a', true),
        ("sha256:a012", 'a', true),
        ("b0", 'b', true),
        (&manifest.to_string(), 'a', true),
        (&digest("index").to_string(), 'a', true),
        (manifest.short(), 'a', true),
        (&format!("busybox@{manifest}"), 'a', true),
        (&format!("busybox:other@{}", digest("index")), 'a', true),
    ] {
        assert_eq!(found(text), (vec![image], by_id), "{text}");
    }
    for text in
        ["b", "c", "busybox:1", "y:1", "BUSY BOX", "", "sha256:", &format!("other@{manifest}"), &format!("c{HEX}")]
    {
        let error = resolve(&catalog, text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{text}");
        assert!(error.to_string().starts_with("No such image: "), "{text}");
    }
    assert_eq!(resolve(&catalog, "none").unwrap_err().to_string(), "No such image: none:latest");
}

#[test]
fn s72_an_ambiguous_prefix_names_its_candidates() {
    let mut other = with_id('a', &[]);
    other.id = format!("sha256:a{}", HEX.replacen("01", "02", 1)).parse().unwrap();
    let catalog = Catalog { images: vec![with_id('a', &[]), other.clone()], unreadable: Vec::new() };
    let error = resolve(&catalog, "a0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains(&format!("sha256:a{HEX}, {}", other.id)), "{error}");
    assert!(resolve(&catalog, "a02").is_ok());
}

#[test]
fn s72_an_ambiguous_prefix_of_manifests_means_no_image_either() {
    let manifest = |first: &str| -> Digest { format!("sha256:{first}{}", "0".repeat(61)).parse().unwrap() };
    let (mut one, mut other) = (with_id('a', &["app:1"]), with_id('b', &["app:2"]));
    one.manifests[0].digest = manifest("cca");
    other.manifests[0].digest = manifest("ccb");
    let catalog = Catalog { images: vec![one.clone(), other.clone()], unreadable: Vec::new() };
    let error = resolve(&catalog, "cc").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains(&format!("{}, {}", manifest("cca"), manifest("ccb"))), "{error}");
    assert_eq!(resolve(&catalog, "cca").unwrap().0, ['a']);
    // The platforms of one index are meant together.
    one.manifests[0].indexes = vec![manifest("ddd")];
    other.manifests[0].indexes = vec![manifest("ddd")];
    let catalog = Catalog { images: vec![one, other], unreadable: Vec::new() };
    assert_eq!(resolve(&catalog, "dd").unwrap().0.len(), 2);
}

#[test]
fn of_two_platforms_the_wanted_one_comes_first() {
    let (mut arm, host) = (with_id('a', &["app"]), with_id('b', &["app"]));
    arm.platform = Platform::new("linux", "arm64", "");
    let catalog = Catalog { images: vec![arm, host], unreadable: Vec::new() };
    assert_eq!(resolve(&catalog, "app").unwrap().0, ['b', 'a']);
    let wanted = Platform::new("linux", "arm64", "v8");
    let found = catalog.resolve("app", &wanted).unwrap();
    assert_eq!(found.images[0].platform.architecture, "arm64");
    assert_eq!(found.name(found.images[0]).unwrap().reference, reference("app"));
}

#[test]
fn decision_12_a_digest_is_a_name_only_if_it_was_named() {
    let manifest = digest("manifest of x");
    let text = format!("app:1@{manifest}");
    let root = Root::new();
    let store = root.open();
    install(&store, image("x", &[], &[&text]));
    assert_eq!(names(&store), BTreeSet::from([format!("app@{manifest} {}", digest("x").short())]));
    let catalog = store.catalog().unwrap();
    assert!(!resolve(&catalog, &format!("app@{manifest}")).unwrap().1);
    assert!(resolve(&catalog, "app:1").is_err());
}
