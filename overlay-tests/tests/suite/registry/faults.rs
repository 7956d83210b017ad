//! What can go wrong on the wire, one case for each row of the table in `overlay-tests/README.md`.

use std::time::{Duration, Instant, SystemTime};

use overlay_tests::cases;
use overlay_tests::fixture::{Image, Written, sha256};
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::{Bed, Fault, Proxy, Registry, noise};

use super::{assert_tree, digest, said, saying};

pub fn cases() -> Vec<Case> {
    cases![
        fault_cut_once;
        fault_cut_always;
        fault_wrong_bytes;
        fault_wrong_bytes_once;
        fault_wrong_configuration;
        fault_too_long;
        fault_too_short;
        fault_endless;
        fault_slow;
        fault_busy_for_seconds;
        fault_busy_until_a_date;
        fault_busy_always;
        fault_ill_for_a_while;
        fault_ill_always;
        fault_reset_once;
        fault_reset_always;
        fault_forbidden;
        fault_missing_blob;
        fault_range_ignored;
        fault_range_not_satisfiable;
        fault_wrong_partial_answer;
        fault_manifest_that_changes;
        fault_manifest_with_another_digest;
        fault_wrong_content_digest;
        fault_no_content_digest;
        fault_garbage_manifest;
        fault_huge_manifest;
        fault_refused_connection;
        fault_unknown_host;
        fault_registry_that_went_away;
        fault_not_a_registry
    ]
}

const NAME: &str = "app:1";

/// Three layers, of which the second is the one that things happen to.
fn image() -> Image {
    Image::of([noise(1, 16), noise(2, 128), noise(3, 16)])
}

struct Scene<'c> {
    bed: Bed<'c>,
    registry: Registry,
    proxy: Proxy,
    written: Written,
}

impl<'c> Scene<'c> {
    fn new(context: &'c Context) -> Self {
        let (bed, registry, proxy) = Bed::open(context);
        let written = registry.publish(&image(), NAME);
        Self { bed, registry, proxy, written }
    }

    fn layer(&self) -> &str {
        &self.written.layers[1]
    }

    fn name(&self) -> String {
        self.proxy.name(NAME)
    }

    /// Something happens to the requests with these numbers for the layer.
    fn when_fetched(&self, times: impl std::ops::RangeBounds<usize>, fault: Fault) {
        self.proxy.fault(&format!("GET /blobs/{}", self.layer()), times, fault);
    }

    fn arguments(&self) -> Vec<String> {
        ["pull", "--retry", "3", "--retry-delay", "2ms", &self.name()].map(str::to_owned).to_vec()
    }

    /// The pull ends well all the same.
    #[track_caller]
    fn survives(&self) {
        self.bed.rootlay(self.arguments()).ok();
        assert_tree(self.bed.context(), &self.name(), &image());
    }

    /// The pull ends with this exit code, and one without the fault ends well.
    #[track_caller]
    fn fails(&self, code: i32, says: &[&str]) {
        self.bed.refuses(self.arguments(), code, says);
        self.proxy.heal();
        self.survives();
    }

    /// How often the layer was asked for, and from where on.
    fn offsets(&self) -> Vec<usize> {
        self.proxy.blob_requests(self.layer()).iter().map(overlay_tests::registry::Record::offset).collect()
    }
}

fn fault_cut_once(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(1..=1, Fault::Cut(50_000));
    scene.survives();
    assert_eq!(scene.offsets(), [0, 50_000]);
}

/// As long as something comes, it goes on; when nothing comes any more, it ends.
fn fault_cut_always(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(.., Fault::Cut(10_000));
    scene.survives();
    let offsets = scene.offsets();
    assert!(offsets.iter().enumerate().all(|(n, offset)| *offset == n * 10_000), "{offsets:?}");
    scene.bed.rootlay(["rmi", &scene.name()]).ok();
    scene.proxy.heal();
    scene.when_fetched(.., Fault::Cut(0));
    scene.fails(10, &[]);
}

fn fault_wrong_bytes(context: &Context) {
    let scene = Scene::new(context);
    // In the header of an entry, and in the middle of a file's content, where nothing but the digest tells.
    for at in [5_000, 100_000] {
        scene.when_fetched(.., Fault::Flip(at));
        scene.fails(14, &[&scene.layer()[7..19]]);
        scene.bed.rootlay(["rmi", &scene.name()]).ok();
    }
}

fn fault_wrong_bytes_once(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(1..=1, Fault::Flip(90_000));
    let output = scene.bed.rootlay(scene.arguments());
    assert!(matches!(output.code, 0 | 14), "{} {}", output.code, output.stderr);
    // Nothing of it was kept: the next pull is right.
    scene.survives();
}

fn fault_wrong_configuration(context: &Context) {
    let scene = Scene::new(context);
    scene.proxy.fault(&format!("GET /blobs/{}", scene.written.image_id), .., Fault::Flip(3));
    scene.fails(14, &[]);
}

fn fault_too_long(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(.., Fault::Longer(1000));
    scene.fails(14, &[]);
}

fn fault_too_short(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(.., Fault::Shorter(1000));
    let output = scene.bed.rootlay(scene.arguments());
    assert!(matches!(output.code, 10 | 14), "{} {}", output.code, output.stderr);
    output.one_line();
    scene.proxy.heal();
    scene.survives();
}

/// Nobody waits for the end: what is more than was promised is not read, and what was promised may be right.
fn fault_endless(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(.., Fault::Endless);
    let output = scene.bed.rootlay(scene.arguments());
    assert!(matches!(output.code, 0 | 14), "{} {}", output.code, output.stderr);
    scene.proxy.heal();
    scene.survives();
    // The same for a document, whose length nobody knows.
    scene.bed.rootlay(["rmi", &scene.name()]).ok();
    scene.proxy.fault("GET /manifests/", .., Fault::Endless);
    let output = scene.bed.rootlay(scene.arguments());
    assert!(matches!(output.code, 3 | 14), "{} {}", output.code, output.stderr);
}

fn fault_slow(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(.., Fault::Slow(2_000, Duration::from_millis(10)));
    scene.survives();
    assert_eq!(scene.offsets(), [0]);
}

fn fault_busy_for_seconds(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(1..=2, Fault::busy("1"));
    scene.proxy.fault("GET /manifests/", 1..=1, Fault::busy("0"));
    let start = Instant::now();
    scene.survives();
    // Not before it was told to; how much later is nobody's promise.
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert_eq!(scene.offsets().len(), 3);
}

fn fault_busy_until_a_date(context: &Context) {
    let scene = Scene::new(context);
    let date = context.run("date", &["-u", "-d", "+2 seconds", "+%a, %d %b %Y %H:%M:%S GMT"]).ok();
    let until = SystemTime::now() + Duration::from_millis(900);
    scene.when_fetched(1..=1, Fault::busy(date.trim()));
    scene.survives();
    assert!(SystemTime::now() >= until);
}

fn fault_busy_always(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(.., Fault::busy("0"));
    scene.fails(13, &[]);
    assert!(scene.offsets().len() < 20, "{:?}", scene.offsets());
    scene.bed.rootlay(["rmi", &scene.name()]).ok();
    scene.proxy.fault("/manifests/", .., Fault::busy("0"));
    scene.bed.refuses(scene.arguments(), 13, &[]);
}

fn fault_ill_for_a_while(context: &Context) {
    let scene = Scene::new(context);
    scene.proxy.fault("/manifests/", 1..=1, Fault::status(503));
    scene.when_fetched(1..=1, Fault::status(500));
    scene.when_fetched(2..=2, Fault::status(502));
    scene.when_fetched(3..=3, Fault::status(504));
    scene.survives();
    assert_eq!(scene.offsets().len(), 4);
}

fn fault_ill_always(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(.., Fault::status(503));
    scene.fails(10, &["503"]);
    assert!(scene.offsets().len() < 20, "{:?}", scene.offsets());
}

fn fault_reset_once(context: &Context) {
    let scene = Scene::new(context);
    scene.proxy.fault("/manifests/", 1..=1, Fault::Reset);
    scene.when_fetched(1..=2, Fault::Reset);
    scene.survives();
}

fn fault_reset_always(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(.., Fault::Reset);
    scene.fails(10, &[]);
}

fn fault_forbidden(context: &Context) {
    let scene = Scene::new(context);
    scene.proxy.fault("/manifests/", .., Fault::status(403));
    scene.fails(11, &[]);
    scene.bed.rootlay(["rmi", &scene.name()]).ok();
    scene.when_fetched(.., Fault::status(403));
    scene.proxy.take_records();
    scene.bed.refuses(scene.arguments(), 11, &[]);
    assert_eq!(scene.offsets(), [0]);
}

fn fault_missing_blob(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(.., Fault::status(404));
    scene.fails(12, &[&scene.layer()[..19]]);
}

fn fault_range_ignored(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(1..=1, Fault::Cut(50_000));
    scene.when_fetched(2.., Fault::IgnoreRange);
    scene.survives();
    assert_eq!(scene.offsets(), [0, 50_000]);
}

fn fault_range_not_satisfiable(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(1..=1, Fault::Cut(50_000));
    scene.when_fetched(2..=2, Fault::status(416));
    scene.survives();
    assert_eq!(scene.offsets(), [0, 50_000, 0]);
}

/// 206 with bytes from another place than it was asked for.
fn fault_wrong_partial_answer(context: &Context) {
    let scene = Scene::new(context);
    scene.when_fetched(1..=1, Fault::Cut(50_000));
    let size = std::fs::metadata(scene.registry.blob_path(scene.layer())).unwrap().len();
    let lie = format!("bytes 0-{}/{size}", size - 1);
    scene.when_fetched(2..=2, Fault::Header("Content-Range", Some(lie)));
    let output = scene.bed.rootlay(scene.arguments());
    assert!(matches!(output.code, 0 | 10 | 14), "{} {}", output.code, output.stderr);
    scene.survives();
}

/// The tag moves between two requests: whatever comes is one image, and what is said about it is true.
fn fault_manifest_that_changes(context: &Context) {
    let scene = Scene::new(context);
    let others = ["old", "new"].map(|text| scene.registry.publish(&saying(text), &format!("app:{text}")));
    for turn in 2..=4 {
        scene.proxy.heal();
        scene.proxy.fault("/manifests/moving", ..turn, Fault::Path("/moving".into(), "/old".into()));
        scene.proxy.fault("/manifests/moving", turn.., Fault::Path("/moving".into(), "/new".into()));
        let name = scene.proxy.name("app:moving");
        let stdout = scene.bed.pull(&name);
        let text = said(context, &name);
        let expected = digest(&others[usize::from(text == "new")]);
        assert!(stdout.contains(&format!("Digest: {expected}\n")), "{text}: {stdout}");
        scene.bed.rootlay(["rmi", &name]).ok();
    }
}

fn fault_manifest_with_another_digest(context: &Context) {
    let scene = Scene::new(context);
    scene.registry.publish(&saying("evil"), "app:evil");
    let wanted = digest(&scene.written).to_owned();
    scene.proxy.fault("/manifests/sha256:", .., Fault::Path(wanted.clone(), "evil".into()));
    let name = format!("{}@{wanted}", scene.proxy.name("app"));
    scene.bed.refuses(["pull", "--retry-delay", "1ms", &name], 14, &[&wanted[..19]]);
}

fn fault_wrong_content_digest(context: &Context) {
    let scene = Scene::new(context);
    let lie = sha256(b"something else");
    scene.proxy.fault("/manifests/", .., Fault::Header("Docker-Content-Digest", Some(lie)));
    scene.fails(14, &[]);
}

fn fault_no_content_digest(context: &Context) {
    let scene = Scene::new(context);
    scene.proxy.fault("/manifests/", .., Fault::Header("Docker-Content-Digest", None));
    scene.survives();
    assert_eq!(scene.bed.rootlay(["digest", &scene.name()]).ok(), format!("{}\n", digest(&scene.written)));
}

fn fault_garbage_manifest(context: &Context) {
    let scene = Scene::new(context);
    for body in ["{\"schemaVersion\": 2, ", "", "null", "[]", "{}", "<html></html>", "{\"schemaVersion\": 1}"] {
        scene.proxy.heal();
        scene.proxy.fault("/manifests/", .., Fault::Body(body.into()));
        scene.proxy.fault("/manifests/", .., Fault::Header("Docker-Content-Digest", Some(sha256(body.as_bytes()))));
        scene.bed.refuses(scene.arguments(), 3, &[]);
    }
    scene.proxy.heal();
    scene.survives();
}

fn fault_huge_manifest(context: &Context) {
    let scene = Scene::new(context);
    let mut body = scene.registry.raw_manifest(NAME);
    body.extend(vec![b' '; 32 << 20]);
    scene.proxy.fault("/manifests/", .., Fault::Header("Docker-Content-Digest", Some(sha256(&body))));
    scene.proxy.fault("/manifests/", .., Fault::Body(body));
    scene.fails(3, &[]);
}

/// The contract has a number here: ten seconds. Twice that, for a machine that is busy.
fn fault_refused_connection(context: &Context) {
    let bed = Bed::new(context);
    let start = Instant::now();
    bed.refuses(["pull", "127.0.0.1:5999/app:1"], 10, &["127.0.0.1:5999"]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// It was there a moment ago: what is here stays, and is of use.
fn fault_registry_that_went_away(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    registry.publish(&image(), NAME);
    let name = registry.name(NAME);
    bed.pull(&name);
    registry.stop();
    bed.refuses(["pull", "--retry", "1", "--retry-delay", "1ms", &name], 10, &["127.0.0.1:5000"]);
    assert_tree(context, &name, &image());
}

fn fault_unknown_host(context: &Context) {
    let bed = Bed::new(context);
    bed.refuses(["pull", "--retry", "1", "--retry-delay", "1ms", "nowhere.example/app:1"], 10, &["nowhere.example"]);
}

fn fault_not_a_registry(context: &Context) {
    let scene = Scene::new(context);
    scene.proxy.fault(
        "/v2/",
        ..,
        Fault::Answer(
            overlay_tests::registry::http::Response::new(200, "<html>hello</html>").header("Content-Type", "text/html"),
        ),
    );
    let output = scene.bed.rootlay(scene.arguments());
    assert!(matches!(output.code, 3 | 10 | 12), "{} {}", output.code, output.stderr);
    output.one_line();
    scene.proxy.heal();
    scene.survives();
}
