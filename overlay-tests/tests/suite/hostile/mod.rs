//! Hostile input: whatever an image, an archive or another process tries, nothing outside is touched, memory and time
//! are bounded, and what is refused leaves the store as it was. `docs/attacks.md` lists all of it.

mod bombs;
mod breakouts;
mod canary;
mod floods;
mod known;
mod papers;
mod rival;
mod scoping;

use overlay_tests::fixture::{Entry, Image};
use overlay_tests::harness::{Case, Context, Output};

pub use canary::Canary;

pub fn cases() -> Vec<Case> {
    [
        breakouts::cases(),
        scoping::cases(),
        known::cases(),
        bombs::cases(),
        floods::cases(),
        papers::cases(),
        rival::cases(),
    ]
    .concat()
}

/// What a run may have resident, besides what its entries cost (docs/performance.md, "Memory").
const MEMORY: u64 = 64 << 20;

/// Writes an image as a layout, and gives the source that names it.
fn write(context: &Context, image: &Image) -> String {
    let layout = context.fresh("layout");
    image.write_oci(&layout);
    format!("oci:{}", layout.display())
}

/// Runs `load` with these arguments, in no more than this memory.
#[track_caller]
fn load_bounded(context: &Context, arguments: &[&str], memory: u64) -> Output {
    let (output, used) = context.measured(["load"].iter().chain(arguments));
    assert!(used < memory, "{used} bytes resident, the limit is {memory}: {}", output.command);
    output
}

/// A stack that wants to get out.
#[derive(Debug)]
struct Attack<'c> {
    context: &'c Context,
    canary: Canary,
}

impl<'c> Attack<'c> {
    fn new(context: &'c Context) -> Self {
        Self { context, canary: Canary::over_etc(context) }
    }

    /// It shows exactly these names inside, and in every variant what the model says.
    #[track_caller]
    fn shows(&self, layers: &[Vec<Entry>], names: &[&str]) {
        self.context.row(layers).shows(names);
        self.variants(layers);
    }

    /// It is refused with one line that names the layer and this entry; every variant is shown or refused as the model
    /// says.
    #[track_caller]
    fn refused(&self, layers: &[Vec<Entry>], entry: &str) {
        self.context.row(layers).refused(entry);
        self.variants(layers);
    }

    /// The other order, two directories deeper, every entry twice, the layer twice, all of it in one layer, and the
    /// attack on a tree that has the directories which it speaks of.
    #[track_caller]
    fn variants(&self, layers: &[Vec<Entry>]) {
        let (top, below) = layers.split_last().unwrap();
        let with = |top: Vec<Entry>| [below, &[top]].concat();
        self.context.row(layers).in_both_orders().also_nested().does_as_the_model_says();
        self.context.row(&with([&top[..], top].concat())).does_as_the_model_says();
        self.context.row(&[layers, std::slice::from_ref(top)].concat()).does_as_the_model_says();
        if !below.is_empty() {
            self.context.row(&[layers.concat()]).does_as_the_model_says();
        }
        self.canary.is_untouched();
    }
}
