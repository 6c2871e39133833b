//! The corpus and every input that once failed, through every target, on the ordinary toolchain.

use std::fs;
use std::path::Path;

#[test]
fn corpus_and_regressions_hold() {
    for (name, target) in trilane_fuzz::ALL {
        let mut failed = Vec::new();
        let mut count = 0;
        for kind in ["corpus", "regressions"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(name);
            let Ok(files) = fs::read_dir(&folder) else { continue };
            for file in files {
                let path = file.unwrap().path();
                let data = fs::read(&path).unwrap();
                let run = std::panic::catch_unwind(|| target(&data));
                if run.is_err() {
                    failed.push(path);
                }
                count += 1;
            }
        }
        assert!(count > 0, "{name} has no corpus");
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
