//! S12–S15: what a pull says, `-q`, `--dry-run`, `--check`, `--progress json`, `--explain`.

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file};
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::{Bed, noise};
use serde_json::Value;

use super::{digest, saying, short};

pub fn cases() -> Vec<Case> {
    cases![
        s12_a_line_for_every_state;
        s13_layers_that_are_here;
        s15_up_to_date;
        s15_quiet;
        s12_progress_for_machines;
        s12_no_escape_sequences_in_pipes;
        dry_run_fetches_nothing;
        check_tells_by_its_exit_code;
        explain_says_why
    ]
}

fn s12_a_line_for_every_state(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&Image::of([noise(1, 64), noise(2, 64)]), "team/app:latest");
    let output = bed.plain(["pull", &proxy.name("team/app")]).exits(0);
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(lines[0], "latest: Pulling from team/app");
    for layer in &written.layers {
        let own: Vec<&str> =
            lines.iter().filter_map(|line| line.strip_prefix(&format!("{}: ", short(layer)))).collect();
        assert_eq!((own[0], own[own.len() - 1]), ("Pulling fs layer", "Pull complete"), "{lines:?}");
        assert!(own.contains(&"Download complete"), "{own:?}");
    }
    let words = ["Pulling", "Waiting", "Downloading", "Verifying", "Download", "Extracting", "Pull"];
    for line in &lines[1..] {
        let (label, word) = line.split_once(": ").unwrap();
        assert!(written.layers.iter().any(|layer| short(layer) == label), "{line}");
        assert!(words.contains(&word.split(' ').next().unwrap()), "{line}");
    }
}

fn s13_layers_that_are_here(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&Image::of([noise(1, 16), noise(2, 16)]), "a:1");
    let written = registry.publish(&Image::of([noise(1, 16), noise(3, 16)]), "b:1");
    bed.pull(&proxy.name("a:1"));
    let stderr = bed.plain(["pull", &proxy.name("b:1")]).exits(0).stderr;
    let [shared, own] = [&written.layers[0], &written.layers[1]].map(|layer| short(layer));
    assert!(stderr.contains(&format!("{shared}: Already exists\n")), "{stderr}");
    assert_eq!(stderr.matches(shared).count(), 1, "{stderr}");
    assert!(stderr.contains(&format!("{own}: Pull complete\n")), "{stderr}");
}

fn s15_up_to_date(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&saying("x"), "app:1");
    let name = proxy.name("app:1");
    for words in ["Downloaded newer image", "Image is up to date"] {
        let expected = format!("Digest: {}\nStatus: {words} for {name}\n{name}\n", digest(&written));
        assert_eq!(bed.pull(&name), expected);
    }
}

fn s15_quiet(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:latest");
    let output = bed.output(&mut bed.command_showing("auto", ["pull", "-q", &proxy.name("app")])).exits(0);
    assert_eq!(output.stdout, format!("{}\n", proxy.name("app:latest")));
    assert_eq!(output.stderr, "");
}

fn s12_progress_for_machines(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&Image::of([noise(1, 64), noise(2, 64)]), "app:1");
    let output = bed.output(&mut bed.command_showing("json", ["pull", &proxy.name("app:1")])).exits(0);
    let lines: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(Value::is_object), "{}", output.stderr);
    for layer in &written.layers {
        assert!(lines.iter().any(|line| line.to_string().contains(short(layer))), "{}", output.stderr);
    }
}

fn s12_no_escape_sequences_in_pipes(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&Image::of([noise(1, 256)]), "app:1");
    let mut command = bed.command_showing("auto", ["pull", &proxy.name("app:1")]);
    let output = bed.output(command.env_remove("NO_COLOR").env("TERM", "xterm")).exits(0);
    assert!(!output.stderr.contains(['\x1b', '\r']) && !output.stdout.contains('\x1b'), "{output:?}");
}

fn dry_run_fetches_nothing(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&Image::of([noise(1, 64), noise(2, 64)]), "app:1");
    registry.publish(&Image::of([noise(1, 64)]), "base:1");
    bed.pull(&proxy.name("base:1"));
    let before = bed.rootlay(["images"]).ok();
    proxy.take_records();
    let output = bed.rootlay(["pull", "--dry-run", &proxy.name("app:1")]).exits(0);
    for layer in &written.layers {
        assert!(output.stdout.contains(short(layer)), "{}", output.stdout);
        assert!(proxy.blob_requests(layer).is_empty());
    }
    assert_eq!(bed.rootlay(["images"]).ok(), before);
    let _ = bed.rootlay(["pull", "--dry-run", &proxy.name("app:2")]).exits(12);
}

fn check_tells_by_its_exit_code(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let name = proxy.name("app:1");
    registry.publish(&saying("old"), "app:1");
    let _ = bed.rootlay(["pull", "--check", &name]).exits(20);
    bed.pull(&name);
    proxy.take_records();
    let _ = bed.rootlay(["pull", "--check", &name]).exits(0);
    let records = proxy.take_records();
    assert!(records.iter().all(|record| record.method == "HEAD" || record.target == "/v2/"), "{records:?}");
    let written = registry.publish(&saying("new"), "app:1");
    let _ = bed.rootlay(["pull", "--check", &name]).exits(20);
    assert!(proxy.blob_requests(&written.layers[0]).is_empty());
    bed.pull(&name);
    let _ = bed.rootlay(["pull", "--check", &name]).exits(0);
    let _ = bed.rootlay(["pull", "--check", &proxy.name("app:2")]).exits(12);
}

fn explain_says_why(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&Image::of([vec![file("f", "")]]), "app:1");
    bed.registries_conf(&format!(
        "[[registry]]\nlocation = \"example.com\"\n\
         [[registry.mirror]]\nlocation = \"127.0.0.1:5999\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        proxy.address()
    ));
    let output = bed.rootlay(["pull", "--explain", "--retry", "0", "example.com/app:1"]).exits(0);
    for text in ["127.0.0.1:5999", "127.0.0.1:5001"] {
        assert!(output.stderr.contains(text), "{}", output.stderr);
    }
    bed.rootlay(["rmi", "example.com/app:1"]).ok();
    let plain = bed.rootlay(["pull", "--retry", "0", "example.com/app:1"]).exits(0);
    assert!(!plain.stderr.contains("127.0.0.1:5001"), "{}", plain.stderr);
}
