//! Any text as a table of `fit_csv`: an error of one line, or a table that is read back from what is written.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../examples/support/output.rs"]
mod output;
#[allow(dead_code)]
#[path = "../../examples/support/table.rs"]
mod table;

use table::Table;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(table) = Table::parse(text) {
        assert_eq!(table.rows.ncols(), table.columns.len());
        assert!(table.rows.iter().all(|value| value.is_finite()));
        let written = String::from_utf8(table.to_csv().expect("memory can be written")).expect("text");
        match Table::parse(&written) {
            Ok(again) => assert_eq!(again.rows, table.rows),
            Err(what) => panic!("{what}: {written:?}"),
        }
    }
});
