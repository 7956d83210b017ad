//! What people paste: Docker's example command lines with `docker` replaced by `rootlay`, through a shell. Each works, or
//! says in one line why not.

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::registry::Bed;

use super::{DAY, aged, labelled, named, store};

pub fn cases() -> Vec<Case> {
    cases![
        pasted_listings;
        pasted_inspections;
        pasted_removals;
        pasted_errors;
        pasted_pulls => Need::Tool("docker-registry"), Need::Tool("skopeo"), Need::Tool("openssl")
    ]
}

fn shelf(context: &Context) {
    store(context, &aged("1", DAY), &["alpine:latest", "alpine:3.20"]);
    store(context, &aged("2", 9 * DAY), &["redis:latest", "busybox:glibc"]);
    store(
        context,
        &labelled(aged("3", 20 * DAY), &[("env", "prod")]),
        &["nigelpoulton/tu-demo:latest", "nigelpoulton/tu-demo:v2"],
    );
    store(context, &aged("old", 90 * DAY), &["ubuntu:latest"]);
    store(context, &aged("new", 80 * DAY), &["ubuntu:latest"]);
}

/// Every line ends well, and prints something that is not only a header.
#[track_caller]
fn work(context: &Context, lines: &[&str]) {
    for line in lines {
        let output = context.shell(line);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{line}\n{}", output.stdout);
        assert!(!output.stdout.is_empty(), "{line}");
    }
}

fn pasted_listings(context: &Context) {
    shelf(context);
    work(
        context,
        &[
            "docker images",
            "docker image ls",
            "docker images -a",
            "docker images -q",
            "docker images --digests",
            "docker images --digests alpine",
            "docker image ls --digests alpine",
            "docker images --no-trunc",
            "docker images alpine",
            "docker images alpine:3.20",
            "docker image ls --filter dangling=true",
            "docker images --filter=reference='*:latest'",
            "docker image ls --filter=reference=\"*:latest\"",
            "docker images --filter 'reference=nigelpoulton/*'",
            "docker images --filter label=env",
            "docker images --filter \"label=env=prod\"",
            "docker images -f before=redis",
            "docker images -f since=redis:latest",
            "docker images --format '{{.Size}}'",
            "docker image ls --format \"{{.Repository}}: {{.Tag}}: {{.Size}}\"",
            "docker images --format '{{.ID}}: {{.Repository}}'",
            "docker images --format 'table {{.ID}}\\t{{.Repository}}\\t{{.Tag}}'",
            "docker images --format \"table {{.Repository}}\\t{{.Tag}}\\t{{.Size}}\"",
            "docker images --format json",
            "docker images --format '{{json .}}'",
            "docker images --format '{{json .}}' | head -n 1",
            "docker images --format '{{.Repository}}:{{.Tag}}' | grep -v '<none>' | sort",
            "docker images | awk 'NR > 1 { print $3 }'",
            "docker images --filter dangling=true -q | xargs -r docker inspect --format '{{.Id}}'",
            "docker history redis",
            "docker image history redis:latest",
            "docker history --no-trunc --format '{{.CreatedBy}}' redis",
            "docker history -H=false -q alpine",
            "docker system df",
            "docker system df -v",
            "docker system df --format json",
            "docker version",
            "docker info",
            "docker --version",
            "docker images --help",
            "docker --help",
            "docker help images",
        ],
    );
    assert_eq!(context.shell("docker images -q | sort -u | wc -l").ok().trim(), "5");
    assert_eq!(context.shell("docker images -f dangling=true -q | wc -l").ok().trim(), "1");
}

fn pasted_inspections(context: &Context) {
    shelf(context);
    work(
        context,
        &[
            "docker inspect alpine",
            "docker image inspect alpine redis:latest",
            "docker image inspect --format '{{.Id}}' alpine",
            "docker inspect --format='{{.RootFS.Layers}}' alpine",
            "docker inspect -f '{{json .RootFS.Layers}}' alpine",
            "docker inspect -f '{{index .RepoTags 0}}' alpine",
            "docker inspect --format '{{range .RootFS.Layers}}{{println .}}{{end}}' alpine",
            "docker inspect --format '{{.GraphDriver.Data.LowerDir}}' alpine",
            "docker inspect --format '{{json .Config}}' alpine",
            "docker inspect --format '{{.Os}}/{{.Architecture}}' alpine",
            "docker inspect $(docker images -q)",
            "docker inspect alpine | grep -A2 RootFS",
            "docker inspect -f json alpine",
        ],
    );
    assert_eq!(context.shell("docker image inspect nigelpoulton/tu-demo -f '{{.Config.Labels.env}}'").ok(), "prod\n");
}

fn pasted_removals(context: &Context) {
    shelf(context);
    let id = context.shell("docker images -q nigelpoulton/tu-demo:v2").ok();
    let redis = context.shell("docker images -q --no-trunc redis").ok();
    let quiet = |line: &str| {
        assert_eq!(context.shell(line).exits(0).stderr, "", "{line}");
    };
    quiet("docker tag alpine:latest my/alpine:v1");
    quiet("docker image tag alpine registry.example:5000/team/alpine:v1");
    quiet("docker rmi my/alpine:v1");
    quiet("docker image rm registry.example:5000/team/alpine:v1 alpine:3.20");
    quiet("docker image rm busybox:glibc -f");
    quiet(&format!("docker rmi {}", redis.trim()));
    let _ = context.shell(&format!("docker rmi {}", id.trim())).exits(1);
    quiet(&format!("docker rmi {} --force", id.trim()));
    quiet("docker save -o alpine.tar alpine");
    quiet("docker image save alpine:latest > alpine2.tar");
    quiet("docker save alpine | gzip > alpine.tar.gz");
    quiet("docker image prune -f");
    quiet("docker image prune --force --filter until=24h");
    quiet("docker rmi $(docker images -q)");
    quiet("docker load -i alpine.tar");
    quiet("docker load < alpine2.tar");
    quiet("docker load --input alpine.tar.gz");
    quiet("gunzip -c alpine.tar.gz | docker load -q");
    assert_eq!(named(context, &[]), ["alpine:latest"]);
    quiet("docker image prune -a --force");
    assert_eq!(named(context, &[]), [""; 0]);
    shelf(context);
    let _ = context.shell("docker rmi $(docker images -q) -f").exits(0);
    assert_eq!(named(context, &[]), [""; 0]);
    shelf(context);
    quiet("docker image rm $(docker image ls -q | sort -u) -f");
    quiet("docker system prune -a -f");
    assert_eq!(super::layers_here(context), 0);
}

/// What Docker refuses is refused, in one line (or with the usage) and with Docker's code, or the one of wrong usage.
fn pasted_errors(context: &Context) {
    shelf(context);
    for (line, codes, says) in [
        ("docker rmi gone", &[1][..], "No such image: gone"),
        ("docker inspect gone", &[1], "o such object: gone"),
        ("docker image inspect gone", &[1], "No such image: gone"),
        ("docker history gone", &[1], "No such image: gone"),
        ("docker tag gone here", &[1], "No such image: gone"),
        ("docker save gone", &[1], "No such image: gone"),
        ("docker images --filter nonsense=x", &[1], "invalid filter 'nonsense'"),
        ("docker images --filter nonsense", &[125], "bad format of filter"),
        ("docker image --filter dangling=true", &[125], "image"),
        ("docker images --format '{{.Foo}}'", &[1], "Foo"),
        ("docker images -x", &[125], "-x"),
        ("docker rmi", &[125], ""),
        ("docker run -it alpine sh", &[125], "run"),
        ("docker ps", &[125], "ps"),
        ("docker build .", &[125], "build"),
        ("docker container ls", &[125], "container"),
        ("docker stop x", &[125], "stop"),
        ("docker buildx imagetools inspect alpine", &[125], "buildx"),
        ("docker nonsense", &[125], "nonsense"),
    ] {
        let output = context.shell(line);
        assert!(codes.contains(&output.code), "{line}: exit code {}: {}", output.code, output.stderr);
        assert!(output.stderr.contains(says) && !output.stderr.is_empty(), "{line}: {}", output.stderr);
    }
}

/// With a registry that the program takes for Docker Hub.
fn pasted_pulls(context: &Context) {
    let (bed, registry, _proxy) = Bed::hub(context);
    for (name, text) in
        [("library/alpine:latest", "a"), ("library/redis:latest", "r"), ("nigelpoulton/tu-demo:v2", "t")]
    {
        registry.publish(&Image::of([vec![file("says", text)]]), name);
    }
    let digest = bed.rootlay(["digest", "alpine"]).ok();
    let certificate: Vec<_> = bed
        .command(["x"])
        .get_envs()
        .filter(|(key, _)| *key == "SSL_CERT_FILE")
        .map(|(_, v)| v.unwrap().to_owned())
        .collect();
    for line in [
        "docker pull alpine",
        "docker image pull redis:latest",
        "docker pull docker.io/library/alpine:latest",
        "docker pull nigelpoulton/tu-demo:v2 -q",
        "docker image pull -a nigelpoulton/tu-demo",
        &format!("docker pull alpine@{}", digest.trim()),
        "docker images",
        "docker images --digests alpine",
        "docker rmi redis:latest $(docker images -q nigelpoulton/tu-demo)",
        "docker rmi $(docker images -q) -f",
    ] {
        let mut command = context.shell_command(line);
        let output = context.output(command.env("SSL_CERT_FILE", &certificate[0]));
        assert_eq!(output.code, 0, "{line}: {}", output.stderr);
    }
    assert_eq!(named(context, &[]), [""; 0]);
}
