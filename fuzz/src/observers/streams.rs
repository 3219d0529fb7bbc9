//! Each client's stream continues exactly where it was, or says what is missing.

use super::{Fed, Observer, Scene, Verdict};

/// The clients of the run know what they received, and the log what they should have.
#[derive(Debug)]
pub(super) struct Streams;

impl Observer for Streams {
    fn after(&mut self, scene: Scene<'_>, _fed: &Fed<'_>) -> Verdict {
        scene.facts.complaint.clone().map_or(Ok(()), Err)
    }

    fn finished(&mut self, scene: Scene<'_>) -> Verdict {
        let Scene { hub, facts } = scene;
        for c in 0..facts.made.len() {
            if scene.view(c).is_some_and(|view| view.is_open()) {
                let result = facts.clients.check_complete(c, hub, &facts.log);
                result.map_err(|why| format!("in the end, c{c} {why}"))?;
            }
        }
        Ok(())
    }
}
