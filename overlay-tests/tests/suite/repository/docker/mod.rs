//! Docker itself beside the program: the same images in both, the same command lines, and what they print compared.
//!
//! What the documents settle otherwise is not compared here: Docker's names for its own parts in messages (`Error response
//! from daemon`), exit codes of wrong usage, digests of images that were loaded, and children of images.

mod changes;

use overlay_tests::cases;
use overlay_tests::docker::Docker;
use overlay_tests::fixture::{Image, Layer, file};
use overlay_tests::harness::{Case, Context, Need, Output};
use overlay_tests::registry::Bed;
use serde_json::json;

use changes::{
    beside_docker_prune, beside_docker_pulled_images, beside_docker_removal, beside_docker_save_and_load,
    beside_docker_stopped_containers,
};

use super::{DAY, HOUR, aged, ago, archive, labelled};

pub fn cases() -> Vec<Case> {
    let all = cases![
        beside_docker_listings;
        beside_docker_templates;
        beside_docker_filters;
        beside_docker_inspect;
        beside_docker_history;
        beside_docker_removal;
        beside_docker_stopped_containers;
        beside_docker_prune;
        beside_docker_pulled_images => Need::Tool("docker-registry"), Need::Tool("skopeo");
        beside_docker_save_and_load
    ];
    all.into_iter().map(|case| case.needs(Need::Docker)).collect()
}

/// Both, with the same images.
struct Both<'c> {
    context: &'c Context,
    _bed: Bed<'c>,
    docker: Docker,
}

impl<'c> Both<'c> {
    fn start(context: &'c Context) -> Self {
        let (bed, docker) = Docker::start(context);
        Self { context, _bed: bed, docker }
    }

    /// Loads the same archive into both.
    #[track_caller]
    fn load(&self, images: &[(&Image, &[&str])]) -> Vec<String> {
        let (path, ids) = archive(self.context, images);
        for output in self.run(&format!("docker load -q -i {}", path.display())) {
            output.ok();
        }
        ids
    }

    /// What Docker makes of a line, and what the program makes of it.
    fn run(&self, line: &str) -> [Output; 2] {
        [self.docker.shell(self.context, line), self.context.shell(line)]
    }

    /// Fails with everything that differs: exit codes, standard output, and whether there was something to complain about.
    #[track_caller]
    fn agree(&self, lines: &[&str]) {
        let mut differences = String::new();
        for line in lines {
            let [docker, own] = self.run(line);
            let told = |output: &Output| errors(&output.stderr);
            if docker.code != own.code || docker.stdout != own.stdout || told(&docker) != told(&own) {
                let shown = |name: &str, output: &Output| {
                    format!("--- {name}, exit code {}\n{}{}", output.code, output.stdout, output.stderr)
                };
                differences.extend([line, "\n", &shown("docker", &docker), &shown("rootlay", &own), "\n"]);
            }
        }
        assert!(differences.is_empty(), "{differences}");
    }
}

/// The errors without who says them, in small letters. `latest` may be said or not.
fn errors(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().filter(|line| !line.starts_with("hint: ") && !line.is_empty());
    let bare = |line: &str| {
        let line = ["Error response from daemon: ", "Error: "]
            .iter()
            .fold(line, |line, head| line.strip_prefix(head).unwrap_or(line));
        line.to_lowercase().trim_end_matches(":latest").to_owned()
    };
    lines.map(bare).collect()
}

/// Images of many kinds: several names, ages, labels, shared layers, steps without a layer, none without a name.
fn shelf(both: &Both<'_>) -> Vec<String> {
    let base = || Layer::of(&[file("base", "b".repeat(12_345))]);
    let created = ago(3 * DAY + HOUR);
    let steps = Image::of([base(), Layer::of(&[file("top", "t".repeat(999))])]).config(move |config| {
        config["created"] = created.clone().into();
        config["author"] = "Ann".into();
        config["history"] = json!([
            {"created": created, "created_by": "ADD rootfs.tar / # and a text that is long enough to be cut off"},
            {"created": created, "created_by": "ENV A=<b>", "empty_layer": true, "comment": "a comment"},
            {"created": created, "created_by": "RUN\tthings"},
        ]);
        config["config"] = json!({
            "Env": ["PATH=/bin", "A=<b>"], "Cmd": ["sh", "-c", "x"], "Entrypoint": ["/init"], "WorkingDir": "/w", "User": "1:2",
            "Labels": {"env": "prod", "a.b": "c"}, "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}}, "StopSignal": "SIGINT",
        });
    });
    let huge = Image::of([vec![file("f", vec![7_u8; 1_234_567])]]);
    let years = ago(800 * DAY);
    let huge = huge.config(move |config| config["created"] = years.clone().into());
    let [first, second] = [aged("old", 40 * DAY), aged("new", 30 * DAY)];
    let mut ids = both.load(&[(&steps, &["alpine:latest"]), (&huge, &["nigelpoulton/tu-demo:v2"])]);
    ids.extend(
        both.load(&[(&labelled(aged("test", 10 * DAY), &[("env", "test")]), &["registry.example:5000/team/app:1"])]),
    );
    ids.extend(both.load(&[(&first, &["moved:1"])]));
    ids.extend(both.load(&[(&second, &["moved:1"])]));
    ids
}

fn beside_docker_listings(context: &Context) {
    let both = Both::start(context);
    both.agree(&[
        "docker images",
        "docker images -q",
        "docker image ls -a",
        "docker images --digests",
        "docker images nothing",
    ]);
    shelf(&both);
    both.agree(&[
        "docker images",
        "docker image list",
        "docker images -a",
        "docker images -q",
        "docker images -aq --no-trunc",
        "docker images --no-trunc",
        "docker images alpine",
        "docker images alpine:latest",
        "docker images alpine:gone",
        "docker images ''",
        "docker images 'al*'",
        "docker images '*/*'",
        "docker images registry.example:5000/team/app",
        "docker images nigelpoulton/tu-demo:v2 -q",
        "docker images -q --format table",
        "docker images -q --format '{{.Repository}}'",
    ]);
    // More than one name for an image: Docker's order is that of a map.
    for output in both.run("docker tag alpine other:1 && docker tag alpine:latest other:2") {
        output.ok();
    }
    both.agree(&[
        "docker images | sort",
        "docker images -q | sort",
        "docker images --format '{{.Repository}}:{{.Tag}}' | sort",
    ]);
}

fn beside_docker_templates(context: &Context) {
    let both = Both::start(context);
    both.agree(&[
        "docker images --format '{{.ID}}'",
        "docker images --format 'table {{.ID}}\\t{{.Tag}}'",
        "docker images --format table",
    ]);
    shelf(&both);
    let templates = [
        "{{.ID}} {{.Repository}}:{{.Tag}} {{.Size}} {{.CreatedSince}} {{.CreatedAt}}",
        "{{.Containers}} {{.SharedSize}} {{.UniqueSize}}",
        "{{json .Repository}}",
        "{{json .}}",
        "table",
        "table {{.ID}}\\t{{.Repository}}\\t{{.Size}}",
        "table {{.Repository}}:{{.Tag}}",
        "table {{.CreatedAt}}\\t{{.CreatedSince}}\\t{{.Containers}}",
        "table {{upper .Repository}} {{.Tag | printf \"%s\"}}",
        "raw",
        "{{if eq .Tag \"latest\"}}{{.Repository}}{{else}}-{{end}}",
        "{{range $i, $p := split .Repository \"/\"}}{{$i}}={{$p}} {{end}}",
        "{{printf \"%-30s|%5s|%q|%x|%v\" .Repository .Tag .Tag .Tag .Size}}",
        "{{len .Repository}} {{index (split .Repository \"/\") 0}} {{slice .ID 0 4}}",
        "{{upper .Tag}} {{lower .Repository}} {{title .Tag}} {{truncate .Repository 3}} [{{pad .Tag 1 2}}] [{{pad \"\" 1 2}}]",
        "{{join (split .Repository \"/\") \"-\"}}",
        "{{and .Tag .ID}} {{or \"\" .Tag}} {{not .Tag}} {{eq .Tag \"1\" \"v2\"}} {{lt 1 2}} {{ge \"a\" \"b\"}}",
        "{{with .Tag}}{{.}}{{end}} {{$x := .Tag}}{{$x}} {{$.Tag}}",
        "{{println .Tag .ID}}",
        "{{html .Repository}} {{urlquery .Repository}} {{js .Repository}}",
        "{{print 1 2 \"x\" 3.5 true}}",
        "{{printf \"%d|%5.2f|%+d|%08.3f|%t|%c|%U|%e\" 42 3.14159 7 2.5 true 65 0x263a 1234.5}}",
        "{{printf \"%s %d\" 1 \"x\"}} {{printf \"%z\" 1}} {{printf \"%d\"}} {{printf \"x\" 1}}",
        "{{.Foo}}",
        "{{",
        "{{if .Tag}}",
        "{{nonsense}}",
        "{{index .Tag}}",
        "{{template \"x\"}}",
        "a{{- 1 -}} b",
        "{{define \"x\"}}<{{.}}>{{end}}{{template \"x\" .Tag}}",
        "{{range split \"a,b,c\" \",\"}}{{if eq . \"b\"}}{{else}}{{.}}{{end}}{{end}}",
    ];
    // `VirtualSize` went away in newer versions, and images that were loaded have no digest there.
    let lines: Vec<String> = templates
        .iter()
        .map(|template| {
            let line = format!("docker images --format '{template}'");
            if *template == "{{json .}}" {
                format!("{line} | sed 's/,\"VirtualSize\":\"[^\"]*\"//; s/\"Digest\":\"[^\"]*\"//'")
            } else {
                line
            }
        })
        .collect();
    both.agree(&lines.iter().map(String::as_str).collect::<Vec<_>>());
}

fn beside_docker_filters(context: &Context) {
    let both = Both::start(context);
    let ids = shelf(&both);
    let prefix = &ids[2][7..13];
    let filters = [
        "dangling=true",
        "dangling=false",
        "dangling=x",
        "label=env",
        "label=env=prod",
        "label=env=nothing",
        "label=env --filter label=a.b",
        "label=env=prod --filter label=env=test",
        "before=alpine",
        "since=alpine",
        "before=moved:1",
        "since=moved:1",
        "before=alpine --filter since=moved:1",
        "before=gone",
        "since=gone:1",
        &format!("before={prefix}"),
        &format!("since={}", ids[2]),
        "reference=alpine",
        "reference=alpine:latest",
        "'reference=*:latest'",
        "'reference=*/*'",
        "'reference=*/*:v?'",
        "'reference=[a-m]*'",
        "reference=alpine --filter reference=moved",
        "reference=alpine --filter label=env=test",
        "nonsense=1",
        "DANGLING=true",
        "' dangling = true'",
    ];
    let lines: Vec<String> = filters.iter().map(|filter| format!("docker images --filter {filter}")).collect();
    both.agree(&lines.iter().map(String::as_str).collect::<Vec<_>>());
}

fn beside_docker_inspect(context: &Context) {
    let both = Both::start(context);
    let ids = shelf(&both);
    let mut lines: Vec<String> = Vec::new();
    for template in [
        "{{.Id}} {{.Os}} {{.Architecture}} {{.Size}} {{.Created}} {{.Author}} {{.Comment}}",
        "{{.RepoTags}} {{json .RepoTags}} {{len .RepoTags}}",
        "{{json .RootFS}} {{.RootFS.Type}} {{range .RootFS.Layers}}{{println .}}{{end}}",
        "{{json .Config.Env}} {{.Config.Env}} {{json .Config.Cmd}} {{json .Config.Entrypoint}} {{.Config.WorkingDir}}",
        "{{json .Config.Labels}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}} {{.Config.StopSignal}} {{.Config.User}}",
        "{{.Config.Labels}} {{.Config.ExposedPorts}}",
        "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}",
        "{{index .Config.Labels \"env\"}} {{index .Config.Labels \"none\"}}",
        "{{.Config.Labels.none}}{{if .Config.Labels.none}}x{{end}}",
        "{{.GraphDriver.Data.None}}",
        "{{join .Config.Cmd \" \"}}",
        "{{if .Config.Entrypoint}}yes{{else}}no{{end}}",
        "{{",
        "{{nonsense}}",
    ] {
        lines.push(format!("docker inspect --format '{template}' alpine"));
        lines.push(format!("docker image inspect --format '{template}' {} moved:1", &ids[1][7..17]));
    }
    for line in [
        "docker inspect gone",
        "docker image inspect gone",
        "docker image inspect gone:1 also/gone",
        "docker inspect --format '{{.Id}}' gone alpine",
        "docker image inspect --format '{{.Id}}' alpine gone moved:1",
        "docker inspect --format '{{.Id}}' sha256:0000000000 00000000000",
    ] {
        lines.push(line.to_owned());
    }
    both.agree(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    // The whole document: what Docker says of an image and the program does too has to be the same. Places on the disk differ,
    // and so do fields of containers, which newer versions left out.
    let [docker, own] = both
        .run("docker inspect alpine")
        .map(|output| -> serde_json::Value { serde_json::from_str(&output.ok()).unwrap() });
    for (key, value) in docker[0].as_object().unwrap() {
        let settled = [
            "GraphDriver",
            "Metadata",
            "Config",
            // Shown for loaded images too (section 5, 13).
            "RepoDigests",
            "ContainerConfig",
            "Container",
            "DockerVersion",
            "Parent",
            "VirtualSize",
        ];
        if !settled.contains(&key.as_str()) {
            assert_eq!(own[0][key], *value, "{key}");
        }
    }
    for (key, value) in docker[0]["Config"].as_object().unwrap() {
        let empty = value.is_null() || value == "" || value == false;
        assert!(empty || own[0]["Config"][key] == *value, "Config.{key}: {value} and {}", own[0]["Config"][key]);
    }
}

fn beside_docker_history(context: &Context) {
    let both = Both::start(context);
    shelf(&both);
    both.agree(&[
        "docker history alpine",
        "docker image history alpine:latest",
        "docker history --no-trunc alpine",
        "docker history -q alpine",
        "docker history -q --no-trunc alpine",
        "docker history -H=false alpine",
        "TZ=Asia/Kolkata docker history -H=false alpine",
        "docker history --human=false --no-trunc alpine",
        "docker history --format '{{.ID}}|{{.CreatedSince}}|{{.CreatedAt}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}' alpine",
        "docker history --format 'table {{.ID}}\\t{{.CreatedBy}}\\t{{.Size}}' alpine",
        "docker history --format '{{json .}}' alpine",
        "docker history gone",
    ]);
}
