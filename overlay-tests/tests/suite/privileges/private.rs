//! Files that their owner alone may read: root reads them, whatever it has dropped.

use std::fs;

use overlay_tests::cases;
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::{Bed, REGISTRY, Registry};

pub fn cases() -> Vec<Case> {
    cases![asking_reads_what_is_private_to_another_user]
}

/// Under `sudo` the configuration may be that of the user. The registry wants to see who asks.
fn asking_reads_what_is_private_to_another_user(context: &Context) {
    let bed = Bed::new(context);
    let authority = bed.authority();
    let identity = authority.server(&["registry.example"]);
    let _registry = Registry::start_tls(context, REGISTRY, &identity, Some(&authority));
    let client = authority.client("client");
    let certs = ".config/containers/certs.d/registry.example:5000";
    for (name, file) in
        [("ca.crt", authority.certificate().to_path_buf()), ("c.cert", client.certificate), ("c.key", client.key)]
    {
        bed.write_home(&format!("{certs}/{name}"), fs::read(file).unwrap());
    }
    let conf = "[[registry]]\nprefix = \"short.example\"\nlocation = \"registry.example:5000\"\n";
    bed.write_home(".config/containers/registries.conf", conf);
    bed.write_home(".docker/config.json", r#"{"auths": {"registry.example:5000": {"auth": "dTpw"}}}"#);
    let home = bed.home().to_str().unwrap().to_owned();
    context.run("chmod", &["-R", "u=rwX,go=", &home]).ok();
    context.run("chown", &["-R", "1000:1000", &home]).ok();
    // There is nothing in it: whoever is let in is told so.
    for (arguments, code) in [
        (&["tags", "short.example/app"][..], 12),
        (&["digest", "short.example/app:1"], 12),
        (&["manifest", "inspect", "short.example/app:1"], 12),
        (&["pull", "short.example/app:1"], 12),
        (&["search", "registry.example:5000/app"], 0),
    ] {
        let _ = bed.rootlay(arguments).exits(code);
    }
}
