use super::*;

#[test]
fn a_writable_view_keeps_what_was_written() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")]]))).unwrap();
        let view = rootlay.mount(writable("localhost/app:1", "work")).unwrap();
        fs::write(view.target.join("new"), "x").unwrap();
        fs::remove_file(view.target.join("a")).unwrap();
        assert_eq!(rootlay.mount(writable("localhost/app:1", "work")).unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(rootlay.remount("work").unwrap_err().kind(), ErrorKind::InUse);
        assert_eq!(rootlay.remove_views(&["work".into()]).unwrap()[0].as_ref().unwrap_err().kind(), ErrorKind::InUse);
        unmount(&rootlay, "work", Detach::Normal).unwrap();
        assert!(!rootlay.views().unwrap()[0].mounted);
        assert_eq!(remove(&rootlay, "localhost/app:1", Force::Yes).unwrap().1, 1);

        // A new boot: the layers have no other name than the view's.
        let view = bench.open().remount("work").unwrap();
        assert_eq!(text(&view.target.join("new")), "x");
        assert!(!view.target.join("a").exists());
        unmount(&rootlay, "work", Detach::Normal).unwrap();
        assert_eq!(bench.names("layers/sha256").len(), 1);
        assert_eq!(rootlay.remove_views(&["work".into()]).unwrap()[0].as_ref().unwrap(), "work");
        for folder in ["views", "layers/sha256", "corrections/sha256", "staging"] {
            assert!(bench.names(folder).is_empty(), "{folder}");
        }
        assert_eq!(rootlay.remount("work").unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_target_is_left_as_it_was_and_is_a_view_only_once() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")]]))).unwrap();
        let target = bench.path("target");
        let request = MountRequest { target: Some(target.clone()), ..mount("localhost/app:1") };
        assert_eq!(rootlay.mount(request.clone()).unwrap_err().kind(), ErrorKind::NotFound);
        fs::create_dir(&target).unwrap();
        fs::write(target.join("mine"), "").unwrap();
        let view = rootlay.mount(request.clone()).unwrap();
        assert_eq!(view.target, target);
        assert_eq!(text(&target.join("a")), "1");
        assert_eq!(rootlay.mount(request).unwrap_err().kind(), ErrorKind::InUse);
        let held = fs::File::open(target.join("a")).unwrap();
        let error = unmount(&rootlay, "app-1", Detach::Normal).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        drop(held);
        assert_eq!(unmount(&rootlay, target.as_os_str(), Detach::Normal).unwrap(), ["app-1"]);
        assert!(target.join("mine").exists());
        let inside = MountRequest { target: Some(bench.path("root/blobs")), ..mount("localhost/app:1") };
        assert_eq!(rootlay.mount(inside).unwrap_err().kind(), ErrorKind::Conflict);
    });
}

#[test]
fn part_of_a_stack_and_a_stack_of_nothing() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")], &[(".wh.a", "")], &[]]))).unwrap();
        let upto = |count| MountRequest { upto: Some(count), ..mount("localhost/app:1") };
        assert!(rootlay.mount(upto(1)).unwrap().target.join("a").exists());
        assert!(!rootlay.mount(upto(2)).unwrap().target.join("a").exists());
        for bad in [0, 4] {
            assert_eq!(rootlay.mount(upto(bad)).unwrap_err().kind(), ErrorKind::Usage);
        }
        rootlay.load(load(bench.image("empty", &[]))).unwrap();
        for request in [mount("localhost/empty:1"), writable("localhost/empty:1", "w")] {
            assert_eq!(fs::read_dir(rootlay.mount(request).unwrap().target).unwrap().count(), 0);
        }
        rootlay.load(load(bench.image("hollow", &[&[]]))).unwrap();
        assert_eq!(fs::read_dir(rootlay.mount(mount("localhost/hollow:1")).unwrap().target).unwrap().count(), 0);
        // `app` keeps its three views.
        for result in rootlay.unmount(UnmountRequest { which: Which::All, mode: Detach::Normal }).unwrap() {
            result.unwrap();
        }
        assert_eq!(rootlay.views().unwrap().len(), 1);
    });
}

#[test]
fn what_died_between_record_and_mount_is_cleared_away() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")]]))).unwrap();
        let view = rootlay.mount(mount("localhost/app:1")).unwrap();
        let record = bench.path("root/views/app-1/view.json");
        let mounted = text(&record);
        // Killed after the mount: it counts as one.
        let unmarked = mounted.replace("\"mounted\"", "\"new\"");
        let device = unmarked.find("\"device\"").unwrap();
        let end = device + unmarked[device..].find(']').unwrap() + 1;
        fs::write(&record, format!("{}\"device\": null{}", &unmarked[..device], &unmarked[end..])).unwrap();
        bench.open();
        assert_eq!(text(&record), mounted);
        // Killed before the mount.
        rustix::mount::unmount(&view.target, rustix::mount::UnmountFlags::empty()).unwrap();
        fs::write(&record, mounted.replace("\"mounted\"", "\"new\"")).unwrap();
        bench.open();
        assert!(bench.names("views").is_empty());
    });
}

#[test]
fn a_view_without_a_record_goes_unless_something_was_written_to_it() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        // Of a view without a record only its name is known, and other tests mount views at the same time.
        rootlay.load(load(bench.image("cut", &[&[("a", "1")]]))).unwrap();
        let views = [mount("localhost/cut:1"), writable("localhost/cut:1", "cut-work"), mount("localhost/cut:1")];
        let [cut, work, shown] = views.map(|request| rootlay.mount(request).unwrap());
        for view in [&cut, &work] {
            rustix::mount::unmount(&view.target, rustix::mount::UnmountFlags::empty()).unwrap();
        }
        // A power cut leaves the name of a file before its content.
        for view in [&cut, &work, &shown] {
            fs::write(bench.path("root/views").join(&view.name).join("view.json"), "").unwrap();
        }
        bench.open();
        assert_eq!(bench.names("views"), [shown.name.as_str(), "cut-work"]);
        rustix::mount::unmount(&shown.target, rustix::mount::UnmountFlags::empty()).unwrap();
        bench.open();
        assert_eq!(bench.names("views"), ["cut-work"]);
    });
}

#[test]
fn after_a_boot_only_writable_views_are_left() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")]]))).unwrap();
        for request in [mount("localhost/app:1"), writable("localhost/app:1", "work")] {
            let view = rootlay.mount(request).unwrap();
            fs::write(view.target.join("new"), "x").ok();
            rustix::mount::unmount(&view.target, rustix::mount::UnmountFlags::empty()).unwrap();
            let record = bench.path("root/views").join(&view.name).join("view.json");
            let boot = crate::mount::boot_id().unwrap();
            fs::write(&record, text(&record).replace(&boot, "earlier")).unwrap();
        }
        let views = bench.open().views().unwrap();
        assert_eq!((views.len(), views[0].name.as_str(), views[0].mounted), (1, "work", false));
        assert_eq!(bench.names("views"), ["work"]);
        assert_eq!(text(&bench.open().remount("work").unwrap().target.join("new")), "x");
    });
}

#[test]
fn a_lazily_detached_view_keeps_its_layers_while_it_is_held() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("held", &[&[("bin/", ""), ("a", "1")]]))).unwrap();
        let view = rootlay.mount(mount("localhost/held:1")).unwrap();
        let mut holder =
            std::process::Command::new("sleep").arg("60").current_dir(view.target.join("bin")).spawn().unwrap();
        let error = unmount(&rootlay, "held-1", Detach::Normal).unwrap_err();
        assert_eq!(error.to_string(), format!("the view `held-1` is in use by {} (sleep)", holder.id()));
        unmount(&rootlay, "held-1", Detach::Lazy).unwrap();
        assert!(rootlay.views().unwrap().is_empty());
        assert_eq!(remove(&rootlay, "localhost/held:1", Force::Yes).unwrap().1, 0);
        assert_eq!(bench.names("layers/sha256").len(), 1);
        holder.kill().unwrap();
        holder.wait().unwrap();
        let rootlay = bench.open();
        assert!(bench.names("views").is_empty());
        let id = rootlay.images().unwrap()[0].id.to_string();
        assert_eq!(remove(&rootlay, &id, Force::No).unwrap().1, 2);
    });
}

#[test]
fn a_view_that_was_moved_is_unmounted_by_its_new_place_only() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")]]))).unwrap();
        let view = rootlay.mount(mount("localhost/app:1")).unwrap();
        let place = bench.path("place");
        fs::create_dir(&place).unwrap();
        rustix::mount::mount_move(&view.target, &place).unwrap();
        let error = unmount(&rootlay, "app-1", Detach::Normal).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        assert!(bench.open().views().unwrap()[0].mounted);
        assert_eq!(unmount(&rootlay, place.as_os_str(), Detach::Normal).unwrap(), ["app-1"]);
        assert!(bench.names("views").is_empty());
    });
}
