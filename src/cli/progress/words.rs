//! The words for states, which are Docker's.

use std::borrow::Cow;
use std::time::Duration;

use rootlay::progress::Phase;

/// Docker's word for a phase.
pub fn word(phase: &Phase) -> Cow<'static, str> {
    Cow::Borrowed(match phase {
        Phase::PullingLayer => "Pulling fs layer",
        Phase::Waiting => "Waiting",
        Phase::Downloading => "Downloading",
        Phase::Retrying(delay) => return Cow::Owned(retrying(*delay)),
        Phase::VerifyingChecksum => "Verifying Checksum",
        Phase::DownloadComplete => "Download complete",
        Phase::Extracting => "Extracting",
        Phase::AlreadyExists => "Already exists",
        Phase::Complete => "Complete",
        Phase::PullComplete => "Pull complete",
        Phase::Preparing => "Preparing",
        Phase::Pushing => "Pushing",
        Phase::Pushed => "Pushed",
        Phase::LayerAlreadyExists => "Layer already exists",
        Phase::MountedFrom(repository) => return Cow::Owned(format!("Mounted from {repository}")),
        Phase::Saving => "Saving",
        Phase::Saved => "Saved",
        Phase::Checking => "Checking",
        Phase::Checked => "Checked",
        _ => "Working",
    })
}

fn retrying(delay: Duration) -> String {
    match delay.as_secs_f64().ceil() {
        ..=1.0 => "Retrying in 1 second".to_owned(),
        seconds => format!("Retrying in {seconds} seconds"),
    }
}

/// Whether bytes are counted in this phase.
pub fn counts(phase: &Phase) -> bool {
    matches!(phase, Phase::Downloading | Phase::Pushing | Phase::Extracting | Phase::Saving | Phase::Checking)
}

/// Whether nothing more is going to happen to the task.
pub fn is_last(phase: &Phase) -> bool {
    matches!(
        phase,
        Phase::AlreadyExists
            | Phase::Complete
            | Phase::PullComplete
            | Phase::Pushed
            | Phase::LayerAlreadyExists
            | Phase::MountedFrom(_)
            | Phase::Saved
            | Phase::Checked
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_the_words_are_dockers() {
        for (phase, expected) in [
            (Phase::PullingLayer, "Pulling fs layer"),
            (Phase::VerifyingChecksum, "Verifying Checksum"),
            (Phase::DownloadComplete, "Download complete"),
            (Phase::PullComplete, "Pull complete"),
            (Phase::AlreadyExists, "Already exists"),
            (Phase::LayerAlreadyExists, "Layer already exists"),
            (Phase::MountedFrom("library/busybox".to_owned()), "Mounted from library/busybox"),
            (Phase::Retrying(Duration::ZERO), "Retrying in 1 second"),
            (Phase::Retrying(Duration::from_millis(900)), "Retrying in 1 second"),
            (Phase::Retrying(Duration::from_millis(1001)), "Retrying in 2 seconds"),
            (Phase::Retrying(Duration::from_secs(30)), "Retrying in 30 seconds"),
        ] {
            assert_eq!(word(&phase), expected);
        }
    }
}
