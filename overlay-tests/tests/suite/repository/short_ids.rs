//! Row S72: prefixes of IDs.

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file, sha256};
use overlay_tests::harness::{Case, Context};

use super::{aged, fails, inspected, prints, short, store};

pub fn cases() -> Vec<Case> {
    cases![s72_prefixes; s72_ambiguous_prefixes; s72_a_name_wins]
}

fn s72_prefixes(context: &Context) {
    let id = store(context, &aged("a", 60), &["a:1"]);
    for name in [&id, short(&id), &id[7..], &id[..19], &id[7..11], &id[7..9]] {
        assert_eq!(inspected(context, name)["Id"], id.as_str(), "{name}");
        prints(context, &format!("history {name}"));
    }
    // Long enough that no digest of the image's manifest, which counts as well, begins so by chance.
    let other = if &id[7..15] == "00000000" { "11111111" } else { "00000000" };
    for name in [other, &format!("sha256:{other}"), &"0".repeat(64), &format!("sha256:{}", "0".repeat(64))] {
        fails(context, &["rmi", name], 1, &["No such image"]);
    }
}

/// Images of which two have IDs that begin with the same two digits.
fn twins() -> (Image, Image, String) {
    let image =
        |n: usize| Image::of([vec![file("f", "")]]).config(move |config| config["author"] = n.to_string().into());
    let mut seen: Vec<String> = Vec::new();
    for n in 0.. {
        let diff_ids: Vec<String> = image(n)
            .layers()
            .iter()
            .map(|layer| layer.blob(overlay_tests::fixture::Algorithm::Sha256).diff_id)
            .collect();
        let prefix = sha256(&image(n).config_bytes(&diff_ids))[7..9].to_owned();
        if let Some(first) = seen.iter().position(|other| *other == prefix) {
            return (image(first), image(n), prefix);
        }
        seen.push(prefix);
    }
    unreachable!()
}

fn s72_ambiguous_prefixes(context: &Context) {
    let (one, two, prefix) = twins();
    let ids = [store(context, &one, &["a:1"]), store(context, &two, &["b:1"])];
    for command in [&["rmi"][..], &["rmi", "-f"], &["mount"], &["history"], &["tag"]] {
        let rest: &[&str] = if command == ["tag"] { &[&prefix, "new:1"] } else { &[&prefix] };
        let output = context.rootlay([command, rest].concat()).exits(1);
        for id in &ids {
            assert!(output.stderr.contains(short(id)), "{command:?}: the candidate {id} is not in: {}", output.stderr);
        }
    }
    assert_eq!(prints(context, "images -q").lines().count(), 2);
    // Two names of one image are no second candidate.
    prints(context, "rmi b:1");
    prints(context, "tag a:1 c:1");
    assert_eq!(inspected(context, &prefix)["Id"], ids[0].as_str());
}

fn s72_a_name_wins(context: &Context) {
    let id = store(context, &aged("a", 60), &["a:1"]);
    let name = &id[7..13];
    let other = store(context, &aged("b", 60), &[&format!("{name}:latest")]);
    assert_eq!(inspected(context, name)["Id"], other.as_str());
    assert_eq!(inspected(context, &format!("sha256:{name}"))["Id"], id.as_str());
}
