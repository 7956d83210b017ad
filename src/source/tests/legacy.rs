//! Archives of Docker before 1.10.

use super::*;

fn id(digit: &str) -> String {
    digit.repeat(64)
}

fn layer(tree: &mut Tree, digit: &str, parent: Option<&str>, command: &str) {
    let mut json = json!({
        "id": id(digit), "created": "2015-01-01T00:00:00Z", "os": "linux", "architecture": "amd64", "Size": 7,
        "container_config": { "Cmd": ["/bin/sh", "-c", command] }, "config": { "Cmd": ["sh"], "Env": null },
    });
    if let Some(parent) = parent {
        json["parent"] = id(parent).into();
    }
    tree.json(&format!("{}/json", id(digit)), &json);
    tree.put(&format!("{}/VERSION", id(digit)), b"1.0");
    tree.put(&format!("{}/layer.tar", id(digit)), command.as_bytes());
}

#[test]
fn row_132_the_oldest_archives_get_a_configuration() {
    let bench = Bench::new();
    let mut tree = Tree::default();
    layer(&mut tree, "a", None, "base");
    layer(&mut tree, "b", Some("a"), "middle");
    layer(&mut tree, "c", Some("b"), "top");
    layer(&mut tree, "d", Some("a"), "other");
    tree.json("repositories", &json!({ "busybox": { "1": id("c"), "base": id("a") } }));
    let source = bench.open_file(&tree.tar()).unwrap();
    assert_eq!(source.kind(), Kind::DockerArchive);
    let images = source.images().unwrap();
    assert_eq!(names(&images), [vec!["busybox:base"], vec!["busybox:1"], vec![]]);
    let image = resolve(&*source, &images[1].descriptor, Some(&"linux/amd64".parse().unwrap())).unwrap();
    let layers: Vec<_> = image.manifest.layers.iter().map(|layer| read(&*source, layer).unwrap()).collect();
    assert_eq!(layers, [&b"base"[..], b"middle", b"top"]);
    for (layer, diff_id) in image.manifest.layers.iter().zip(&image.config.diff_ids) {
        assert_eq!(layer.digest, diff_id.0);
        layer.verify(&read(&*source, layer).unwrap()).unwrap();
    }
    assert_eq!(image.config.config.cmd, ["sh"]);
    let commands: Vec<_> = image.config.history.iter().map(|step| step.created_by.as_deref().unwrap()).collect();
    assert_eq!(commands, ["/bin/sh -c base", "/bin/sh -c middle", "/bin/sh -c top"]);
    for dropped in ["id", "parent", "Size"] {
        assert!(image.config.raw.get(dropped).is_none());
    }
    assert_eq!(bench.open_file(&tree.tar()).unwrap().images().unwrap(), images);
}

#[test]
fn row_132_broken_chains_are_refused() {
    let bench = Bench::new();
    let mut tree = Tree::default();
    layer(&mut tree, "a", Some("b"), "a");
    refused(bench.open_file(&tree.tar()), &format!("layer {} is missing", id("b")));
    layer(&mut tree, "b", Some("a"), "b");
    tree.json("repositories", &json!({ "x": { "1": id("a") } }));
    refused(bench.open_file(&tree.tar()), "circle");
    layer(&mut tree, "b", None, "b");
    tree.0.remove(&format!("{}/layer.tar", id("b")));
    refused(bench.open_file(&tree.tar()), "layer.tar is missing");
    layer(&mut tree, "b", None, "b");
    tree.json("repositories", &json!({ "x": { "1": id("f") } }));
    refused(bench.open_file(&tree.tar()), &format!("layer {} is missing", id("f")));
    tree.json("repositories", &json!({ "X": { "1": id("a") } }));
    refused(bench.open_file(&tree.tar()), "repositories: invalid reference format");
}
