//! Command lines after which the store is another one: what each says, and what both hold in the end.

use overlay_tests::harness::Context;
use overlay_tests::registry::{Access, REGISTRY, Registry};

use super::super::{DAY, aged, labelled};
use super::{Both, errors, shelf};

/// Both afterwards hold the same.
pub fn beside_docker_removal(context: &Context) {
    let both = Both::start(context);
    let ids = shelf(&both);
    let short = |n: usize| &ids[n][7..19];
    let lines = [
        "docker rmi gone".to_owned(),
        "docker rmi -f gone also:gone".to_owned(),
        "docker rmi 0000".to_owned(),
        "docker tag alpine other:1".to_owned(),
        "docker tag alpine quay.io/x/y".to_owned(),
        "docker tag gone x".to_owned(),
        format!("docker rmi {}", short(0)),
        "docker rmi other:1".to_owned(),
        "docker rmi -f quay.io/x/y".to_owned(),
        format!("docker rmi {} gone {}", short(0), short(2)),
        "docker tag nigelpoulton/tu-demo:v2 a:1".to_owned(),
        "docker tag a:1 a:2".to_owned(),
        "docker rmi nigelpoulton/tu-demo:v2".to_owned(),
        format!("docker rmi {}", ids[1]),
        format!("docker rmi {} --force | sort", &ids[1][7..20]),
        format!("docker rmi {}", ids[3]),
        "docker rmi moved:1 moved:1".to_owned(),
        "docker images".to_owned(),
    ];
    both.agree(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    shelf(&both);
    for output in both.run("docker tag alpine b:2") {
        output.ok();
    }
    both.agree(&["docker rmi $(docker images -q | sort) -f 2>/dev/null | sort", "docker images"]);
}

/// Containers that never ran and views that are saved: `rmi` says the same of both.
pub fn beside_docker_stopped_containers(context: &Context) {
    let both = Both::start(context);
    let ids = both.load(&[(&aged("a", DAY), &["a:1"])]);
    both.docker.shell(context, "docker create --name box --network none a:1 /says").ok();
    context.shell("rootlay mount -w --name box a:1 && rootlay umount box").ok();
    for line in ["docker rmi a:1".to_owned(), format!("docker rmi {}", &ids[0][7..19])] {
        let [docker, own] = both.run(&line).map(|output| errors(&output.stderr).join("\n"));
        let docker = docker.replace("container", "view");
        let (docker, _) = docker.split_once(" view ").unwrap();
        assert!(own.starts_with(docker), "{line}\n{docker}\n{own}");
    }
    let [docker, own] = both.run("docker rmi -f a:1");
    assert_eq!(own.code, docker.code, "{}", own.stderr);
    assert_eq!(own.stdout.lines().next(), docker.stdout.lines().next());
    both.agree(&["docker images --filter reference=a"]);
}

pub fn beside_docker_prune(context: &Context) {
    let both = Both::start(context);
    both.agree(&["docker image prune -f", "docker image prune -af"]);
    shelf(&both);
    // Docker counts what files hold, the program counts blocks on the disk.
    let total = "sed 's/space: .*/space/'";
    let lines = [
        "docker image prune -f --filter nonsense=1".to_owned(),
        "docker image prune -f --filter until=1h --filter until=2h".to_owned(),
        format!("docker image prune -f | {total}"),
        "docker images".to_owned(),
        format!("docker image prune -a -f --filter until=300h | sort | {total}"),
        "docker images".to_owned(),
        format!("docker image prune -a -f --filter label=env=test | {total}"),
        format!("docker image prune -a -f --filter label!=env | sort | {total}"),
        "docker images".to_owned(),
        format!("docker image prune -a -f | {total}"),
        "docker images".to_owned(),
    ];
    both.agree(&lines.iter().map(String::as_str).collect::<Vec<_>>());
}

/// From one registry into both.
pub fn beside_docker_pulled_images(context: &Context) {
    let both = Both::start(context);
    let registry = Registry::start(context, REGISTRY, &Access::Open);
    let [one, two] = [aged("one", 2 * DAY), aged("two", 5 * DAY)].map(|image| labelled(image, &[("k", "v")]));
    let digest = registry.publish(&one, "team/app:1").manifest["digest"].as_str().unwrap().to_owned();
    registry.publish(&two, "team/other:latest");
    let (app, other) = (registry.name("team/app"), registry.name("team/other"));
    let lines = [
        format!("docker pull -q {app}:1"),
        format!("docker pull {other} | grep -v -e Pull -e ': '"),
        "docker images".to_owned(),
        "docker images --digests".to_owned(),
        "docker images --digests --no-trunc".to_owned(),
        "docker images --digests --format '{{json .}}' | sed 's/,\"VirtualSize\":\"[^\"]*\"//'".to_owned(),
        format!("docker inspect --format '{{{{json .RepoTags}}}} {{{{json .RepoDigests}}}}' {other}"),
        format!("docker rmi {app}:gone"),
        format!("docker pull -q {app}@{digest}"),
        "docker images --digests".to_owned(),
        format!("docker images --digests {app}"),
        format!("docker rmi {app}@{digest}"),
        "docker images".to_owned(),
        // The digest that came with a tag leaves with it without a line of its own (section 5, 12).
        format!("docker rmi {other} | grep -v @"),
        format!("docker rmi {app}:1 | grep -v @"),
        "docker images --digests".to_owned(),
    ];
    both.agree(&lines.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Each loads what the other saved.
pub fn beside_docker_save_and_load(context: &Context) {
    let both = Both::start(context);
    shelf(&both);
    let names = "alpine nigelpoulton/tu-demo:v2 moved:1";
    both.docker.shell(context, &format!("docker save -o from-docker.tar {names}")).ok();
    context.shell(&format!("rootlay save -o from-rootlay.tar {names}")).ok();
    both.agree(&["docker save gone", "docker rmi $(docker images -q) -f >/dev/null 2>&1; docker images"]);
    both.docker.shell(context, "docker load -i from-rootlay.tar").ok();
    context.shell("rootlay load -i from-docker.tar").ok();
    both.agree(&[
        "docker images",
        "docker inspect --format '{{json .RootFS.Layers}} {{json .RepoTags}} {{json .Config.Env}}' alpine moved:1",
        "docker history alpine",
        "docker image prune -a -f >/dev/null; docker load -i from-rootlay.tar | sort",
        "docker image prune -a -f >/dev/null; docker load -i from-docker.tar | sort",
        "docker images",
    ]);
}
