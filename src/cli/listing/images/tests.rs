use rootlay::oci::{Platform, Reference, Timestamp};
use rootlay::ops::ImageName;

use super::*;

const SHORT: Columns = Columns { digests: false, whole: false };
const DIGESTS: Columns = Columns { digests: true, whole: false };

fn digest(letter: &str) -> Digest {
    format!("sha256:{}", letter.repeat(64)).parse().unwrap()
}

/// A tag has the digest f, unless another letter follows it.
fn name(text: &str) -> ImageName {
    let (text, letter) = text.split_once(' ').unwrap_or((text, "f"));
    let reference: Reference = text.parse().unwrap();
    let digest = reference.digest().cloned().or_else(|| Some(digest(letter)));
    ImageName { reference, digest }
}

fn image(id: &str, created: &str, references: &[&str]) -> ImageInfo {
    ImageInfo {
        id: digest(id),
        names: references.iter().map(|text| name(text)).collect(),
        digest: Some(digest("f")),
        platform: Platform::new("linux", "amd64", ""),
        created: Timestamp::parse(created),
        size: 5_610_000,
        broken: None,
    }
}

fn lines(images: &[ImageInfo], columns: Columns) -> Vec<String> {
    let now = Moment::parse("2021-03-04T00:00:00Z").unwrap();
    listing(&rows(images, columns.digests), columns, now).table(default_fields(columns.digests)).lines().collect()
}

#[test]
fn s22_s23_one_row_for_each_tag_newest_first_then_by_name() {
    let images = [
        image("a", "2021-03-01T00:00:00Z", &["alpine:3.1", "alpine:latest", "quay.io/x/alpine:1"]),
        image("b", "2021-03-02T12:00:00Z", &["busybox:latest"]),
    ];
    assert_eq!(
        lines(&images, SHORT),
        [
            "REPOSITORY         TAG       IMAGE ID       CREATED        SIZE",
            "busybox            latest    bbbbbbbbbbbb   36 hours ago   5.61MB",
            "alpine             3.1       aaaaaaaaaaaa   3 days ago     5.61MB",
            "alpine             latest    aaaaaaaaaaaa   3 days ago     5.61MB",
            "quay.io/x/alpine   1         aaaaaaaaaaaa   3 days ago     5.61MB",
        ]
    );
}

#[test]
fn s24_images_without_names_or_tags_are_none() {
    let pinned = format!("alpine@{}", digest("c"));
    let images = [image("a", "", &[]), image("b", "", &[&pinned])];
    assert_eq!(
        lines(&images, SHORT),
        [
            "REPOSITORY   TAG       IMAGE ID       CREATED   SIZE",
            "<none>       <none>    aaaaaaaaaaaa   N/A       5.61MB",
            "alpine       <none>    bbbbbbbbbbbb   N/A       5.61MB",
        ]
    );
}

#[test]
fn s24_a_repository_with_a_tag_has_no_row_for_its_digest() {
    let pinned = format!("alpine@{}", digest("c"));
    let images = [image("a", "", &[&pinned, "alpine:3"])];
    assert_eq!(rows(&images, false).len(), 1);
}

#[test]
fn s25_digests_are_whole_and_stand_after_the_tag() {
    let pinned = format!("alpine@{}", digest("c"));
    let images = [image("a", "", &[&pinned, "alpine:3"])];
    let shown = lines(&images, DIGESTS);
    assert!(shown[0].starts_with("REPOSITORY   TAG       DIGEST "), "{}", shown[0]);
    let expected = format!("alpine       3         {}   aaaaaaaaaaaa   N/A       5.61MB", digest("f"));
    assert!(shown.contains(&expected), "{shown:?}");
    assert!(shown.iter().any(|line| line.contains(&digest("c").to_string())), "{shown:?}");
}

#[test]
fn s25_each_tag_has_its_own_digest() {
    let images = [image("a", "", &["alpine:3 d", "alpine:4 e", "quay.io/alpine:4 d"])];
    let digests: Vec<String> =
        rows(&images, true).iter().filter_map(|row| Some(row.digest.as_ref()?.to_string())).collect();
    assert_eq!(digests, ["d", "e", "d"].map(|letter| digest(letter).to_string()));
}

#[test]
fn rows_are_sorted_by_what_is_asked_for() {
    let images = [
        ImageInfo { size: 3, ..image("a", "2021-03-01T00:00:00Z", &["b:1"]) },
        ImageInfo { size: 1, ..image("c", "2021-03-03T00:00:00Z", &["a:3"]) },
        ImageInfo { size: 2, ..image("b", "2021-03-02T00:00:00Z", &["c:2"]) },
    ];
    for (by, expected) in
        [(Sort::Created, "cba"), (Sort::Id, "abc"), (Sort::Size, "cba"), (Sort::Repository, "cab"), (Sort::Tag, "abc")]
    {
        let mut rows = rows(&images, false);
        sort(&mut rows, by);
        let shown: String = rows.iter().filter_map(|row| row.id.hex().chars().next()).collect();
        assert_eq!(shown, expected, "{by:?}");
    }
}

#[test]
fn a_tree_has_platforms_below_names() {
    let now = Moment::parse("2021-03-04T00:00:00Z").unwrap();
    let mut foreign = image("a", "2021-03-01T00:00:00Z", &["alpine:3"]);
    foreign.platform = Platform::new("linux", "zz", "v8");
    let mut broken = image("c", "", &[]);
    broken.broken = Some("layer x is missing".to_owned());
    broken.platform = Platform::default();
    let images = [foreign, image("b", "2021-03-02T00:00:00Z", &["alpine:3", "busybox:1"]), broken];
    assert_eq!(
        tree(&rows(&images, false), SHORT, now),
        [
            "IMAGE            IMAGE ID       CREATED      SIZE",
            "alpine:3",
            "├─ linux/amd64   bbbbbbbbbbbb   2 days ago   5.61MB",
            "└─ linux/zz/v8   aaaaaaaaaaaa   3 days ago   5.61MB",
            "busybox:1",
            "└─ linux/amd64   bbbbbbbbbbbb   2 days ago   5.61MB",
            "<none>:<none>",
            "└─ <none>        cccccccccccc   N/A          broken",
        ]
    );
}

#[test]
fn s27_ids_are_cut_unless_asked() {
    let row = &rows(&[image("a", "", &[])], false)[0];
    assert_eq!(row.shown_id(SHORT), "aaaaaaaaaaaa");
    assert_eq!(row.shown_id(Columns { whole: true, ..SHORT }), digest("a").to_string());
}

#[test]
fn s71_json_is_dockers() {
    let now = Moment::parse("2021-03-04T00:00:00Z").unwrap();
    let listing = listing(&rows(&[image("a", "2021-03-01T00:00:00Z", &["alpine:3"])], false), SHORT, now);
    assert_eq!(
        listing.text("json").unwrap().trim_end(),
        r#"{"Containers":"N/A","CreatedAt":"2021-03-01 00:00:00 +0000 UTC","CreatedSince":"3 days ago","Digest":"\u003cnone\u003e","ID":"aaaaaaaaaaaa","Repository":"alpine","SharedSize":"N/A","Size":"5.61MB","Tag":"3","UniqueSize":"N/A"}"#
    );
}

#[test]
fn of_two_platforms_of_one_tag_the_hosts_is_first() {
    let host = Platform::host();
    let other = if host.architecture == "s390x" { "amd64" } else { "s390x" };
    let mut foreign = image("a", "2021-03-03T00:00:00Z", &["busybox:1"]);
    foreign.platform = Platform::new("linux", other, "");
    let mut own = image("b", "2021-03-01T00:00:00Z", &["busybox:1"]);
    own.platform = host;
    let between = image("c", "2021-03-02T00:00:00Z", &["alpine:1"]);
    let shown: Vec<char> =
        rows(&[foreign, own, between], false).iter().filter_map(|row| row.id.hex().chars().next()).collect();
    assert_eq!(shown, ['b', 'a', 'c']);
}
