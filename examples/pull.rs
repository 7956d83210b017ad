//! x
use std::sync::Arc;
use rootlay::ops::*;
use rootlay::progress::*;
#[derive(Debug)] struct P;
impl Progress for P {
 fn phase(&self, t: &Task, p: Phase) { eprintln!("{}: {:?}", t.label, p); }
 fn advance(&self, _: &Task, _: u64) {}
 fn resumed(&self, t: &Task, b: u64) { eprintln!("{} resumed {b}", t.label); }
 fn status(&self, m: &str) { eprintln!("{m}"); }
 fn warning(&self, m: &str) { eprintln!("W {m}"); }
}
fn main() {
  tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).init();
  let cancel = rootlay::cancel::Cancel::new();
  let p: Arc<dyn Progress> = Arc::new(P);
  let a: Vec<String> = std::env::args().collect();
  let r = Rootlay::open(Options { root: a[1].clone().into(), progress: p.clone(), cancel: cancel.clone() }).unwrap();
  let regs = Registries::new(RegistryOptions { credentials: std::env::var("CREDS").ok().map(|c| { let (a,b) = c.split_once(':').unwrap(); (a.to_owned(), Secret::new(b)) }), ..Default::default() }, p, cancel).unwrap();
  let req = PullRequest { reference: a[2].parse().unwrap(), platform: None, jobs: None, limits: Default::default(), oddities: Oddities::Warn };
  eprintln!("{:?}", regs.tags(&req.reference));
  eprintln!("{:?}", regs.digest(&req.reference, None));
  eprintln!("{:?}", r.plan_pull(&regs, &req));
  eprintln!("{:?}", r.check_pull(&regs, &req.reference, None));
  eprintln!("{:?}", r.pull(&regs, req.clone()));
  eprintln!("{:?}", r.check_pull(&regs, &req.reference, None));
}
