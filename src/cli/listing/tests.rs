use rootlay::oci::{Platform, Reference};

use super::*;

const SHORT: Columns = Columns { digests: false, whole: false };
const DIGESTS: Columns = Columns { digests: true, whole: false };

fn digest(letter: &str) -> Digest {
    format!("sha256:{}", letter.repeat(64)).parse().unwrap()
}

fn image(id: &str, created: &str, references: &[&str]) -> ImageInfo {
    ImageInfo {
        id: digest(id),
        references: references.iter().map(|text| text.parse::<Reference>().unwrap()).collect(),
        digest: Some(digest("f")),
        platform: Platform::new("linux", "amd64", ""),
        created: Some(created.to_owned()),
        size: 5_610_000,
        broken: None,
    }
}

fn lines(images: &[ImageInfo], columns: Columns) -> Vec<String> {
    let now = Moment::parse("2021-03-04T00:00:00Z").unwrap();
    table(&rows(images, columns.digests), columns, now).lines().collect()
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
fn s26_an_argument_chooses_names() {
    let images = [image("a", "", &["alpine:3", "alpine:4", "nigelpoulton/tu-demo:latest"]), image("b", "", &[])];
    let rows = rows(&images, false);
    let chosen = |pattern: &str| rows.iter().filter(|row| selects(pattern, row)).count();
    assert_eq!(chosen("alpine"), 2);
    assert_eq!(chosen("alpine:3"), 1);
    assert_eq!(chosen("docker.io/library/alpine"), 2);
    assert_eq!(chosen("alp*"), 2);
    assert_eq!(chosen("*:latest"), 0);
    assert_eq!(chosen("*/*:latest"), 1);
    assert_eq!(chosen("none"), 0);
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
    let row = &rows(&[image("a", "2021-03-01T00:00:00Z", &["alpine:3"])], false)[0];
    assert_eq!(
        json(row, SHORT, now),
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
