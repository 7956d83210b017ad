use super::tag::with_records;
use crate::error::{ErrorKind, Result};
use crate::oci::{Digest, Platform, Reference};
use crate::ops::remove::{self, Decision, Force, Names, Rules};
use crate::ops::uses::Use;
use crate::ops::{RemoveRequest, Selected};
use crate::store::{Catalog, ImageRecord, ManifestRecord, Name, Unreadable};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(super) fn image(text: &str, names: &[&str]) -> ImageRecord {
    let manifest = digest(&format!("manifest of {text}"));
    let names = names.iter().map(|name| Name {
        reference: name.replace("DIGEST", &manifest.to_string()).parse::<Reference>().unwrap().with_default_tag(),
        manifest: manifest.clone(),
        generation: 1,
        tagged: String::new(),
        former: Vec::new(),
    });
    ImageRecord {
        id: digest(text),
        platform: Platform::host(),
        diff_ids: Vec::new(),
        created: None,
        size: 0,
        names: names.collect(),
        pinned: false,
        manifests: vec![ManifestRecord {
            media_type: String::new(),
            digest: manifest.clone(),
            size: 0,
            indexes: Vec::new(),
            layers: Vec::new(),
            origin: String::new(),
            added: String::new(),
        }],
    }
}

fn catalog(names: &[&str]) -> Catalog {
    Catalog { images: vec![image("x", names)], unreadable: Vec::new() }
}

fn decide(catalog: &Catalog, text: &str, uses: &[Use], force: Force) -> Result<Decision> {
    remove::decide(catalog, text, &Rules { uses, force, platform: None, names: Names::OneTag })
}

fn user(running: bool) -> [Use; 1] {
    [Use { view: "v-1".to_owned(), image: digest("x"), running }]
}

/// What goes: names, and whether the image does.
type Outcome = std::result::Result<(Vec<String>, bool), (ErrorKind, String)>;

fn outcome(decision: Result<Decision>) -> Outcome {
    let short = digest("manifest of x").to_string();
    decision
        .map(|decision| {
            let untagged = decision.untagged.iter().map(|name| name.replace(&short, "DIGEST")).collect();
            assert_eq!(decision.deleted.len(), decision.change.delete.len());
            assert_eq!(decision.change.delete.is_empty(), !decision.change.write.is_empty());
            (untagged, !decision.deleted.is_empty())
        })
        .map_err(|error| (error.kind(), error.to_string()))
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with results")]
fn removed(names: &[&str], deleted: bool) -> Outcome {
    Ok((names.iter().map(|name| (*name).to_owned()).collect(), deleted))
}

#[test]
fn s61_s63_by_name_only_the_name_goes_unless_it_was_the_last() {
    let by_name = |names: &[&str], text: &str| outcome(decide(&catalog(names), text, &[], Force::No));
    assert_eq!(by_name(&["app", "app:1"], "app"), removed(&["app:latest"], false));
    assert_eq!(by_name(&["app", "other"], "other:latest"), removed(&["other:latest"], false));
    assert_eq!(by_name(&["app"], "docker.io/library/app"), removed(&["app:latest"], true));
}

#[test]
fn s64_digests_go_with_the_last_tag_of_their_repository() {
    let by_name = |names: &[&str], text: &str| {
        let text = text.replace("DIGEST", &digest("manifest of x").to_string());
        outcome(decide(&catalog(names), &text, &[], Force::No))
    };
    assert_eq!(by_name(&["app", "app@DIGEST"], "app"), removed(&["app:latest", "app@DIGEST"], true));
    assert_eq!(by_name(&["app", "app:1", "app@DIGEST"], "app"), removed(&["app:latest"], false));
    assert_eq!(by_name(&["app", "app@DIGEST", "b@DIGEST"], "app"), removed(&["app:latest", "app@DIGEST"], false));
    assert_eq!(by_name(&["app", "app@DIGEST"], "app@DIGEST"), removed(&["app@DIGEST"], false));
    assert_eq!(by_name(&["app@DIGEST"], "app@DIGEST"), removed(&["app@DIGEST"], true));
}

#[test]
fn s63_by_id_all_names_go_if_they_are_one() {
    let id = digest("x");
    let by_id = |names: &[&str], force| outcome(decide(&catalog(names), id.short(), &[], force));
    assert_eq!(by_id(&[], Force::No), removed(&[], true));
    assert_eq!(by_id(&["app"], Force::No), removed(&["app:latest"], true));
    assert_eq!(by_id(&["app", "app@DIGEST"], Force::No), removed(&["app:latest", "app@DIGEST"], true));
    let message = format!(
        "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
        id.short()
    );
    for names in [&["app", "other"][..], &["app", "app:1"], &["app", "other@DIGEST"]] {
        assert_eq!(by_id(names, Force::No), Err((ErrorKind::Conflict, message.clone())), "{names:?}");
    }
    assert_eq!(by_id(&["app", "other"], Force::Yes), removed(&["app:latest", "other:latest"], true));
}

#[test]
fn s65_a_view_keeps_its_image() {
    let short = digest("x").short().to_owned();
    let by_name = format!(
        "conflict: unable to remove repository reference \"app:latest\" (must force) - view v-1 is using its \
         referenced image {short}"
    );
    for running in [true, false] {
        let result = outcome(decide(&catalog(&["app"]), "app", &user(running), Force::No));
        assert_eq!(result, Err((ErrorKind::InUse, by_name.clone())));
        // Another name is left: nothing that matters to the view.
        let result = outcome(decide(&catalog(&["app", "app:1"]), "app:1", &user(running), Force::No));
        assert_eq!(result, removed(&["app:1"], false));
    }
    let by_id = |running, force| outcome(decide(&catalog(&["app"]), &short, &user(running), force));
    let conflict = |how: &str, view: &str| {
        Err((ErrorKind::InUse, format!("conflict: unable to delete {short} ({how}) - image is being used by {view}")))
    };
    assert_eq!(by_id(true, Force::No), conflict("cannot be forced", "running view v-1"));
    assert_eq!(by_id(true, Force::Yes), conflict("cannot be forced", "running view v-1"));
    assert_eq!(by_id(false, Force::No), conflict("must be forced", "stopped view v-1"));
    assert_eq!(by_id(false, Force::Yes), removed(&["app:latest"], true));
}

#[test]
fn s66_forced_by_name_an_image_in_use_is_left_without_a_name() {
    let by_name = |running| outcome(decide(&catalog(&["app"]), "app", &user(running), Force::Yes));
    assert_eq!(by_name(true), removed(&["app:latest"], false));
    assert_eq!(by_name(false), removed(&["app:latest"], true));
}

#[test]
fn both_platforms_of_a_tag_go_together_or_not_at_all() {
    let mut catalog = catalog(&["app"]);
    let mut other = image("y", &["app"]);
    other.platform = Platform::new("linux", "s390x", "");
    catalog.images.push(other);
    let decision = decide(&catalog, "app", &[], Force::No).unwrap();
    assert_eq!(decision.untagged, ["app:latest"]);
    assert_eq!(decision.deleted.len(), 2);
    let error = decide(&catalog, "app", &user(true), Force::No).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
}

#[test]
fn s58_what_is_gone_is_not_found_and_what_is_unreadable_can_go() {
    let error = decide(&catalog(&[]), "app", &[], Force::Yes).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "No such image: app:latest"));
    let bad = digest("bad");
    let unreadable = Unreadable { id: Some(bad.clone()), file: String::new(), why: String::new() };
    let catalog = Catalog { images: Vec::new(), unreadable: vec![unreadable] };
    let decision = decide(&catalog, bad.short(), &[], Force::No).unwrap();
    assert_eq!(decision.change.delete, [bad]);
}

#[test]
fn a_pinned_image_goes_only_by_force_but_its_names_do_not_matter() {
    let pinned = |names: &[&str]| Catalog {
        images: vec![ImageRecord { pinned: true, ..image("x", names) }],
        unreadable: Vec::new(),
    };
    let short = digest("x").short().to_owned();
    let by = |names: &[&str], text: &str, force| outcome(decide(&pinned(names), text, &[], force));
    assert_eq!(by(&["app", "app:1"], "app", Force::No), removed(&["app:latest"], false));
    let name = format!(
        "conflict: unable to remove repository reference \"app:latest\" (must force) - its referenced image {short} \
         is pinned"
    );
    assert_eq!(by(&["app"], "app", Force::No), Err((ErrorKind::Conflict, name)));
    let id = format!("conflict: unable to delete {short} (must be forced) - image is pinned");
    assert_eq!(by(&["app"], &short, Force::No), Err((ErrorKind::Conflict, id)));
    assert_eq!(by(&["app"], "app", Force::Yes), removed(&["app:latest"], true));
    assert_eq!(by(&["app", "b"], &short, Force::Yes), removed(&["app:latest", "b:latest"], true));
}

#[test]
fn s59_one_platform_of_a_tag_goes_by_force() {
    let mut catalog = catalog(&["app"]);
    catalog.images.push(ImageRecord { platform: Platform::new("linux", "s390x", ""), ..image("y", &["app"]) });
    let wanted = Platform::new("linux", "s390x", "");
    let decide = |force, platform| {
        remove::decide(&catalog, "app", &Rules { uses: &[], force, platform: Some(platform), names: Names::OneTag })
    };
    let error = decide(Force::No, &wanted).unwrap_err();
    assert_eq!(
        error.to_string(),
        "content will be removed from all images referencing this variant. Use --force to force delete."
    );
    let decision = decide(Force::Yes, &wanted).unwrap();
    assert_eq!((decision.change.delete, decision.untagged), (vec![digest("y")], vec!["app:latest".to_owned()]));
    let error = decide(Force::Yes, &Platform::new("linux", "riscv64", "")).unwrap_err();
    assert_eq!(error.to_string(), "No such image: app for linux/riscv64");
}

#[test]
fn all_images_go_with_all_their_names() {
    let records =
        vec![image("x", &["app", "b:1"]), ImageRecord { pinned: true, ..image("y", &["c"]) }, image("z", &[])];
    let (_temp, rootlay) = with_records(records);
    let request = |force| RemoveRequest { images: Selected::All, force, platform: None };
    let plan = rootlay.plan_removal(&request(Force::Yes)).unwrap();
    assert!(plan.results.iter().all(Result::is_ok) && plan.bytes == 0);
    assert_eq!(rootlay.store.catalog().unwrap().images.len(), 3);
    let results = rootlay.remove_images(request(Force::No)).unwrap();
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    let left = rootlay.store.catalog().unwrap().images;
    assert_eq!((left.len(), left[0].pinned), (1, true));
}

#[test]
fn s58_a_plan_is_for_all_arguments_together() {
    let (_temp, rootlay) = with_records(vec![image("x", &["app", "b:1"])]);
    let id = digest("x").short().to_owned();
    let texts = ["app", "b:1", &id].map(str::to_owned).to_vec();
    let request = RemoveRequest { images: Selected::Named(texts), force: Force::No, platform: None };
    let plan = rootlay.plan_removal(&request).unwrap().results;
    let untagged: Vec<_> = plan.iter().flatten().map(|removed| removed.untagged.join(" ")).collect();
    assert_eq!(untagged, ["app:latest", "b:1"]);
    assert_eq!(plan[1].as_ref().unwrap().deleted, [digest("x")]);
    assert_eq!(plan[2].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(rootlay.store.catalog().unwrap().images[0].names.len(), 2);
}
