//! Any bytes: an error, or a model that does no harm and is saved as it was loaded.
#![no_main]

use gmix_diffusion::DiffusionModel;
use libfuzzer_sys::fuzz_target;

#[path = "harmless.rs"]
mod harmless;

fuzz_target!(|data: &[u8]| {
    if let Ok(model) = postcard::from_bytes::<DiffusionModel>(data) {
        harmless::assert_harmless(&model);
        let saved = postcard::to_stdvec(&model).expect("what was loaded can be saved");
        let again: DiffusionModel = postcard::from_bytes(&saved).expect("what was saved can be loaded");
        assert_eq!(postcard::to_stdvec(&again).ok(), Some(saved));
    }
});
