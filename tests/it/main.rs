//! What the library and its examples do, seen from outside: one program, because every further one takes its time
//! to link.

// What the examples share, and what two of them read.
#[path = "../../examples/from_file/binary.rs"]
mod binary;
#[path = "../../examples/support/mod.rs"]
mod support;
#[path = "../../examples/from_file/table_cache.rs"]
mod table_cache;

// What the tests share.
mod directories;
mod fits;

mod cells_decide;
mod checkpoints;
mod clusters;
mod conditionals;
mod degenerate_data;
mod density_is_normalised;
mod draws_agree_with_density;
mod exact_draws;
mod example_plots;
mod example_tables;
mod false_acceptance;
mod finite_numbers;
mod fit_csv;
mod house;
mod imperfect_rows;
mod interruption;
mod kinds_of_data;
mod links;
mod one_gaussian;
mod one_law;
mod own_parts;
mod process_pool;
mod properties;
mod recovers_mixtures;
mod rejects_bad_input;
mod reports;
mod reproducible;
mod right_number_of_cells;
mod row_sources;
mod rows_from_files;
mod saved_files;
mod saved_models;
mod shapes;
mod units;
mod value_types;
mod warm_starts;
mod work;
