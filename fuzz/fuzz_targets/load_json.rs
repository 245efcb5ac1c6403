//! Any text: an error, or a model that does no harm and is saved as it was loaded.
#![no_main]

use gmix_diffusion::DiffusionModel;
use libfuzzer_sys::fuzz_target;

#[path = "harmless.rs"]
mod harmless;

fuzz_target!(|data: &[u8]| {
    if let Ok(model) = serde_json::from_slice::<DiffusionModel>(data) {
        harmless::assert_harmless(&model);
        let saved = serde_json::to_vec(&model).expect("what was loaded can be saved");
        let again: DiffusionModel = serde_json::from_slice(&saved).expect("what was saved can be loaded");
        assert_eq!(serde_json::to_vec(&again).ok(), Some(saved));
    }
});
