//! Imports from end to end, over every store that matters.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Int32Array, LargeStringArray, RecordBatch,
    StringArray, TimestampMillisecondArray, UInt64Array,
};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use rand_core::SeedableRng;
use tacit_protocol::Number;
use tacit_protocol::canonical::Digest;
use tacit_protocol::program::plain::{PlainData, encode};
use tacit_protocol::schema::Element;

use super::*;
use crate::generator::DemoTables;
use crate::keys::NodeKey;
use crate::store::faulty::FaultyStore;
use crate::store::{Batch, MemoryStore, SledStore, Store, TreeName};

const CHUNKS: TreeName = TreeName::new("dataset-chunks");

fn rng() -> rand_chacha::ChaCha20Rng {
    rand_chacha::ChaCha20Rng::seed_from_u64(922)
}

fn key() -> NodeKey {
    NodeKey::generate(&mut rng())
}

/// A node's datasets in memory, and a directory for files.
struct Fixture {
    directory: tempfile::TempDir,
    store: Arc<dyn Store>,
    datasets: Datasets,
    rng: rand_chacha::ChaCha20Rng,
}

impl Fixture {
    fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new()))
    }

    fn over(store: Arc<dyn Store>) -> Self {
        let datasets = Datasets::open(store.clone(), &key()).expect("opens");
        Self { directory: tempfile::tempdir().expect("a directory"), store, datasets, rng: rng() }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).expect("writes");
        path
    }

    fn import_file(&mut self, path: &Path, options: ImportOptions) -> Result<ImportReport, DataError> {
        let request = Import {
            name: "table".into(),
            format: Format::of(path).expect("a known ending"),
            path: path.to_owned(),
            options,
            policy: PolicyFile::new("version = 1").expect("a policy"),
            now: 1_790_000_000,
        };
        self.datasets.import(&request, &mut self.rng)
    }

    fn import(&mut self, csv: impl AsRef<[u8]>, options: ImportOptions) -> Result<ImportReport, DataError> {
        let path = self.file("table.csv", csv);
        self.import_file(&path, options)
    }

    fn column(&self, name: &str) -> Column {
        let record = self.datasets.dataset("table").expect("there");
        self.datasets.read("table", &[name], &record.root).expect("reads").remove(0)
    }

    fn numbers(&self, name: &str) -> Vec<Option<i128>> {
        let column = self.column(name);
        let ColumnValues::Numbers(values) = column.values else { panic!("{name} holds keys") };
        let validity = column.validity.unwrap_or_else(|| vec![true; values.len()]);
        values.into_iter().zip(validity).map(|(value, valid)| valid.then_some(value)).collect()
    }

    fn keys(&self, name: &str) -> Vec<String> {
        let ColumnValues::Keys(keys) = self.column(name).values else { panic!("{name} holds numbers") };
        keys.iter().map(|key| String::from_utf8(key.to_vec()).expect("UTF-8")).collect()
    }

    fn chunks(&self) -> usize {
        self.store.scan(CHUNKS, b"", None, usize::MAX).expect("reads").len()
    }
}

fn options(key: Option<&str>, hints: &[(&str, &str)]) -> ImportOptions {
    let columns = hints.iter().map(|&(name, hint)| {
        let element = Some(hint.parse().expect("a type"));
        (name.to_owned(), ColumnHint { element, ..ColumnHint::default() })
    });
    ImportOptions { key: key.map(str::to_owned), columns: columns.collect(), ..ImportOptions::default() }
}

fn ranged(name: &str, lo: &str, hi: &str, clamp: bool) -> ImportOptions {
    let bound = |text: &str| Some(text.parse::<Number>().expect("a number"));
    let hint = ColumnHint { element: None, lo: bound(lo), hi: bound(hi) };
    ImportOptions { columns: BTreeMap::from([(name.to_owned(), hint)]), clamp, ..ImportOptions::default() }
}

#[test]
fn finds_types_and_keeps_values_exactly() {
    let mut node = Fixture::new();
    let csv = "id, flag ,count,price,ratio,day,tier\n\
               a1,true,1,10.50,1e-1,2026-11-21,gold\n\
               \" b2 \",FALSE,-20,-0.05,,1969-12-31,silver\n\
               c3,True,300,99999999999.99,0.1234567890123,2000-02-29,gold\n";
    let report = node.import(csv, options(Some("id"), &[("tier", "category")])).expect("imports");
    let names: Vec<String> = report.columns.iter().map(|column| column.schema.element.name()).collect();
    assert_eq!(names, ["key", "bool", "int64", "decimal(2)", "float64", "date", "category(2)"]);
    assert_eq!(node.keys("id"), ["a1", "b2", "c3"]);
    assert_eq!(node.numbers("flag"), [Some(1), Some(0), Some(1)]);
    assert_eq!(node.numbers("count"), [Some(1), Some(-20), Some(300)]);
    assert_eq!(node.numbers("price"), [Some(1_050), Some(-5), Some(9_999_999_999_999)]);
    assert_eq!(node.numbers("ratio"), [Some(26_214), None, Some(32_363)]);
    assert_eq!(node.numbers("day"), [Some(20_778), Some(-1), Some(11_016)]);
    assert_eq!(node.numbers("tier"), [Some(0), Some(1), Some(0)]);
    let schema = &report.record.schema;
    assert_eq!((schema.rows, schema.unique_key.as_deref()), (3, Some("id")));
    let nullable: Vec<bool> = schema.columns.iter().map(|column| column.nullable).collect();
    assert_eq!(nullable, [false, false, false, false, true, false, false]);
    assert_eq!(report.columns[4].empty_cells, 1);
}

#[test]
fn columns_pass_to_the_engine_unchanged_with_nulls_inside_the_declared_range() {
    let mut node = Fixture::new();
    let csv = "id,flag,count,price,ratio,day,tier\n\
               a,true,7,-2.50,0.1,2001-01-01,x\n\
               b,,,,,,\n\
               c,false,9,-0.01,123456789012.3,1999-12-31,y\n";
    let mut given = options(Some("id"), &[("tier", "category"), ("ratio", "float64")]);
    let bounds = ColumnHint { element: None, lo: Some(Number::from(5)), hi: Some(Number::from(10)) };
    given.columns.insert("count".into(), bounds);
    let record = node.import(csv, given).expect("imports").record;
    for schema in record.schema.columns.iter().filter(|column| column.element != Element::Key) {
        let column = node.column(&schema.name);
        let ColumnValues::Numbers(values) = column.values.clone() else { panic!("numbers") };
        let encoded = encode(&column.into_plain(), schema).expect("the engine takes it");
        assert_eq!(encoded.values, values, "{}", schema.name);
        assert_eq!(encoded.validity, [true, false, true], "{}", schema.name);
    }
    let keys = node.column("id").into_plain();
    assert!(keys.data == PlainData::Key(vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]));
}

#[test]
fn ranges_that_nobody_declared_tell_only_powers_of_ten() {
    let range_of = |cells: &str| {
        let mut node = Fixture::new();
        let report = node.import(format!("x\n{cells}\n"), ImportOptions::default()).expect("imports");
        assert!(report.columns[0].range_inferred);
        let range = report.columns[0].schema.range.expect("a range");
        (range.lo.to_string(), range.hi.to_string())
    };
    let pair = |lo: &str, hi: &str| (lo.to_owned(), hi.to_owned());
    assert_eq!(range_of("4817"), pair("0", "10000"));
    assert_eq!(range_of("10000"), pair("0", "10000"));
    assert_eq!(range_of("10001\n5"), pair("0", "100000"));
    assert_eq!(range_of("-3\n250"), pair("-10", "1000"));
    assert_eq!(range_of("-3.5\n-0.1"), pair("-10", "0"));
    assert_eq!(range_of("0.02"), pair("0", "1"));
    assert_eq!(range_of("9223372036854775807"), pair("0", "9223372036854775807"));
    assert_eq!(range_of("1.5e4"), pair("0", "100000"));
    assert_eq!(range_of("2001-01-01"), pair("-25567", "47846"), "dates: 1900 to 2100");
    assert_eq!(range_of("1899-12-31").0, "-719162", "dates: all years");
}

#[test]
fn declared_ranges_are_enforced_by_refusal_or_by_clamping_chk_922() {
    let csv = "x\n5\n250\n-7\n";
    let mut node = Fixture::new();
    let error = node.import(csv, ranged("x", "0", "100", false)).expect_err("outside");
    assert_eq!(error.code().as_str(), "IMPORT_RANGE");
    assert!(error.to_string().contains("row 2 (line 3), column \"x\""), "{error}");
    assert!(!error.to_string().contains("250"), "no cell values in messages");
    let report = node.import(csv, ranged("x", "0", "100", true)).expect("imports");
    assert_eq!(node.numbers("x"), [Some(5), Some(100), Some(0)]);
    assert_eq!(report.columns[0].clamped_cells, 2);
    assert!(!report.columns[0].range_inferred);

    node.import("x\n0.5e1\n7.25\n", ranged("x", "0", "6.5", true)).expect("imports floats");
    assert_eq!(node.numbers("x"), [Some(5 << 18), Some(13 << 17)]);
}

/// Every way to be no table: the content, the options, the code, and a part of the message.
#[test]
fn malformed_files_are_refused_with_place_and_reason_and_change_nothing() {
    let none = ImportOptions::default;
    let key = || options(Some("id"), &[]);
    let long_key = [b"id\n", [b'k'; 1_025].as_slice(), b"\n"].concat();
    let cases: Vec<(&[u8], ImportOptions, &str, &str)> = vec![
        (b"", none(), "IMPORT_HEADER", "there is none"),
        (b"a,b\n", none(), "IMPORT_EMPTY", "no rows"),
        (b"a,a\n1,2\n", none(), "IMPORT_HEADER", "column 2 has the name of an earlier one"),
        (b"a,\n1,2\n", none(), "IMPORT_HEADER", "column 2 has no name"),
        (b"a,b\x07\n1,2\n", none(), "IMPORT_HEADER", "control character"),
        (b"a,\xff\n1,2\n", none(), "IMPORT_HEADER", "UTF-8"),
        (b"a,b\n1,2\n3\n", none(), "IMPORT_ROW_LENGTH", "row 2 (line 3) has 1 cells, the header has 2"),
        (b"a,b\n1,2,3\n", none(), "IMPORT_ROW_LENGTH", "row 1 (line 2) has 3 cells"),
        (b"a,b\n1,2\n1,2\n1,\"2\n3,4\n", none(), "IMPORT_VALUE", "row 3 (line 4), column \"b\""),
        (b"a,b\n1,2\n1,\xc3\x28\n", none(), "IMPORT_ENCODING", "row 2 (line 3), column \"b\""),
        (b"a\n1\n2\nx\n4\n", none(), "IMPORT_VALUE", "row 3 (line 4), column \"a\": expected a number"),
        (b"a\n1\n2\n1,5\n", none(), "IMPORT_ROW_LENGTH", "row 3 (line 4)"),
        (
            b"a\n2001-01-01\n2001-02-03\n2001-02-30\n",
            none(),
            "IMPORT_VALUE",
            "row 3 (line 4), column \"a\": expected a date",
        ),
        (b"a\ntrue\nfalse\nyes\n", none(), "IMPORT_VALUE", "expected true or false"),
        (b"a\nParis\nRome\n", none(), "IMPORT_COLUMN_TEXT", "column \"a\" holds text, such as in row 1"),
        (b"a\n99999999999999999999\n", none(), "IMPORT_VALUE", "whole number of at most 64 bits"),
        (b"a\n9999999999999999999999999999999999999\n", none(), "IMPORT_VALUE", "whole number of at most 64 bits"),
        (b"a,b\n1,\n2,\n", none(), "IMPORT_COLUMN_EMPTY", "column \"b\""),
        (b"a\nnan\n1\n2\n", none(), "IMPORT_VALUE", "row 1 (line 2)"),
        (b"id,a\nk,1\n", options(Some("no"), &[]), "IMPORT_COLUMN", "no column \"no\""),
        (b"id,a\nk,1\n ,2\n", key(), "IMPORT_KEY_EMPTY", "row 2 (line 3), column \"id\""),
        (
            b"id,a\nk,1\nl,2\n k ,3\nl,4\nk,5\n",
            key(),
            "ALIGN_DUPLICATE_KEYS",
            "3 rows repeat a key of column \"id\" that an earlier row has; the first are rows [3, 4, 5]",
        ),
        (&long_key, key(), "IMPORT_VALUE", "row 1 (line 2), column \"id\": expected a key"),
        (b"id\nk\n", options(Some("id"), &[("id", "int64")]), "IMPORT_OPTION", "declared the key and of another type"),
        (b"a\n1.5\n", options(None, &[("a", "int64")]), "IMPORT_VALUE", "expected a whole number"),
        (b"a\n1.555\n", options(None, &[("a", "decimal(2)")]), "IMPORT_VALUE", "at most 2 digits after the point"),
        (
            b"a\nred\nblue\n",
            options(None, &[("a", "category(red, green)")]),
            "IMPORT_VALUE",
            "row 2 (line 3), column \"a\": expected one of the labels",
        ),
        (b"a\n5\n", ranged("a", "0", "0.5", false), "IMPORT_OPTION", "range of column \"a\""),
        (b"a\n5\n", ranged("a", "9", "1", false), "IMPORT_OPTION", "range of column \"a\""),
        (b"a\ntrue\n", ranged("a", "0", "1", false), "IMPORT_OPTION", "has no range"),
        (b"a\n5\n", options(None, &[("a", "skip")]), "IMPORT_OPTION", "every column is skipped"),
    ];
    for (content, options, code, message) in cases {
        let mut node = Fixture::new();
        node.import("old\n1\n", ImportOptions::default()).expect("imports");
        let before = node.datasets.list().expect("lists");
        let text = String::from_utf8_lossy(content).into_owned();
        let error = node.import(content, options).expect_err(&text);
        assert_eq!(error.code().as_str(), code, "{text:?}: {error}");
        assert!(error.to_string().contains(message), "{text:?}: {error}");
        assert!(!error.next_step().is_empty());
        assert!(code == "IMPORT_OPTION" || error.to_string().contains("table.csv"), "{error}");
        assert_eq!(node.datasets.list().expect("lists"), before, "{text:?}");
        assert_eq!((node.chunks(), node.numbers("old")), (1, vec![Some(1)]), "{text:?}");
    }
}

#[test]
fn too_many_labels_are_no_category() {
    let mut node = Fixture::new();
    let csv: String = std::iter::once("a\n".to_owned()).chain((0..257).map(|i| format!("label {i}\n"))).collect();
    let error = node.import(csv, options(None, &[("a", "category")])).expect_err("too many");
    assert_eq!(error.code().as_str(), "IMPORT_CATEGORY");
}

#[test]
fn names_types_and_bounds_of_requests_are_checked() {
    let mut node = Fixture::new();
    let path = node.file("t.csv", "a\n1\n");
    for name in ["", "A", "1a", "a/b", "a b", "é", &"a".repeat(65)] {
        let request = Import {
            name: name.into(),
            path: path.clone(),
            format: Format::Csv,
            options: ImportOptions::default(),
            policy: PolicyFile::new("version = 1").expect("a policy"),
            now: 0,
        };
        let error = node.datasets.import(&request, &mut node.rng).expect_err(name);
        assert_eq!(error.code().as_str(), "DATASET_NAME", "{name}");
    }
    for bad in ["decimal", "decimal(10)", "decimal(x)", "int", "category(a,a)", "category()", "key(1)", "bool("] {
        assert_eq!(bad.parse::<ElementHint>().expect_err(bad).code().as_str(), "IMPORT_OPTION", "{bad}");
    }
    let request =
        |lo: &str| tacit_protocol::api::ColumnOverride { element: Some("date".into()), lo: Some(lo.into()), hi: None };
    let options = |lo: &str| ImportOptions::from_request(None, &BTreeMap::from([("d".into(), request(lo))]), false);
    let given = options("1970-01-11").expect("a date").columns["d"].clone();
    assert_eq!((given.element, given.lo), (Some(ElementHint::Date), Some(Number::from(10))));
    assert_eq!(options("soon").expect_err("no date").code().as_str(), "IMPORT_OPTION");
    assert_eq!(
        node.import_file(Path::new("/nowhere.csv"), ImportOptions::default()).expect_err("no file").code().as_str(),
        "IMPORT_FILE"
    );
}

#[test]
fn importing_again_is_a_new_version_of_the_same_lineage_even_after_removal() {
    let mut node = Fixture::new();
    let first = node.import("a\n1\n", ImportOptions::default()).expect("imports").record;
    let second = node.import("a\n1\n", ImportOptions::default()).expect("imports").record;
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(first.lineage, second.lineage);
    assert_ne!(first.root, second.root, "the commitment hides that the rows are the same");
    assert_eq!(node.chunks(), 1, "the rows of the old version are gone");
    let error = node.datasets.read("table", &["a"], &first.root).expect_err("replaced");
    assert_eq!(error.code().as_str(), "INPUT_CHANGED", "CHK-506");

    node.datasets.remove("table").expect("removes");
    assert_eq!((node.datasets.list().expect("lists").len(), node.chunks()), (0, 0));
    assert_eq!(node.datasets.remove("table").expect_err("gone").code().as_str(), "DATASET_UNKNOWN");
    let third = node.import("a\n1\n", ImportOptions::default()).expect("imports").record;
    assert_eq!((third.version, third.lineage), (3, first.lineage), "CHK-923");
}

#[test]
fn a_policy_changes_without_the_rows() {
    let mut node = Fixture::new();
    let before = node.import("a\n1\n", ImportOptions::default()).expect("imports").record;
    let policy = PolicyFile::new("version = 1\n[release]\nminimum_rows = 7").expect("a policy");
    let after =
        node.datasets.set_policy(&node.datasets.dataset("table").expect("there"), policy.clone()).expect("sets");
    assert_eq!(node.datasets.dataset("table").expect("there"), after);
    assert_eq!((after.policy, after.version, after.root), (policy, before.version, before.root));
    assert_eq!(node.numbers("a"), [Some(1)]);
}

#[test]
fn altered_swapped_and_missing_chunks_are_noticed_chk_506() {
    let csv: String = std::iter::once("a\n".to_owned()).chain((0..20_000).map(|i| format!("{i}\n"))).collect();
    let fresh = || {
        let mut node = Fixture::new();
        node.import(&csv, ImportOptions::default()).expect("imports");
        node
    };
    let code = |node: &Fixture| {
        let root = node.datasets.dataset("table").expect("there").root;
        node.datasets.read("table", &["a"], &root).expect_err("noticed").code().to_string()
    };
    let entries = |node: &Fixture| node.store.scan(CHUNKS, b"", None, 9).expect("reads");

    let node = fresh();
    let chunks = entries(&node);
    assert!(chunks.len() >= 3, "{} chunks", chunks.len());
    assert!(chunks.iter().all(|(_, value)| value.len() <= 64 * 1024));
    let mut altered = chunks[1].1.clone();
    altered[500] ^= 1;
    node.store.put(CHUNKS, &chunks[1].0, &altered).expect("writes");
    assert_eq!(code(&node), "INPUT_CHANGED");

    let node = fresh();
    let chunks = entries(&node);
    let swap = Batch::new().put(CHUNKS, &chunks[0].0, &chunks[1].1).put(CHUNKS, &chunks[1].0, &chunks[0].1);
    node.store.apply(&swap).expect("writes");
    assert_eq!(code(&node), "INPUT_CHANGED");

    let node = fresh();
    node.store.delete(CHUNKS, &entries(&node)[2].0).expect("deletes");
    assert_eq!(code(&node), "INPUT_CHUNK");

    let node = fresh();
    let error = node.datasets.read("table", &["a"], &Digest::from_bytes([3; 32])).expect_err("another contract");
    assert_eq!(error.code().as_str(), "INPUT_CHANGED");
    let root = node.datasets.dataset("table").expect("there").root;
    let error = node.datasets.read("table", &["b"], &root).expect_err("no column");
    assert_eq!(error.code().as_str(), "IMPORT_COLUMN");
}

#[test]
fn rows_are_not_in_the_clear_in_the_store() {
    let mut node = Fixture::new();
    node.import("id\nneedle-in-the-store\n", options(Some("id"), &[])).expect("imports");
    for (_, value) in node.store.scan(CHUNKS, b"", None, 9).expect("reads") {
        assert!(!value.windows(6).any(|window| window == b"needle"));
    }
}

#[test]
fn a_full_disk_at_any_write_leaves_what_was_there() {
    let csv: String = std::iter::once("id,a\n".to_owned()).chain((0..20_000).map(|i| format!("k{i},{i}\n"))).collect();
    let mut full = 0;
    for room in 0.. {
        let store = Arc::new(FaultyStore::with_room_for(room));
        let mut node = Fixture::over(store.clone());
        let result = node.import(&csv, options(Some("id"), &[]));
        if result.is_ok() {
            break;
        }
        assert_eq!(result.expect_err("full").code().as_str(), "STORE_FULL", "room for {room} writes");
        full += 1;
        // If it was the last flush that failed, the dataset is there, and whole; else nothing is.
        let is_there = !node.datasets.list().expect("lists").is_empty();
        // With space again, a restart sweeps what the failed import left, and the import works.
        store.free();
        node.datasets = Datasets::open(store, &key()).expect("opens");
        if is_there {
            assert_eq!(node.column("a").len(), 20_000, "room for {room} writes");
        } else {
            assert_eq!(node.chunks(), 0, "room for {room} writes");
        }
        node.import(&csv, options(Some("id"), &[])).expect("imports");
        assert_eq!(node.column("a").len(), 20_000);
    }
    assert!(full >= 6, "the table takes several writes");
}

#[test]
fn the_sweep_spares_what_the_catalogue_names() {
    let mut node = Fixture::new();
    node.import("a\n1\n2\n", ImportOptions::default()).expect("imports");
    for orphan in [[0; 24], [0x80; 24], [0xff; 24]] {
        node.store.put(CHUNKS, &orphan, b"left by a crash").expect("writes");
    }
    node.datasets = Datasets::open(node.store.clone(), &key()).expect("opens");
    assert_eq!((node.chunks(), node.numbers("a")), (1, vec![Some(1), Some(2)]));
}

#[test]
fn datasets_survive_a_restart_and_open_with_their_key_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = {
        let mut node = Fixture::over(Arc::new(SledStore::open(directory.path()).expect("opens")));
        node.import("a\n1\n\n2\n", ImportOptions::default()).expect("imports").record.root
    };
    let store: Arc<dyn Store> = Arc::new(SledStore::open(directory.path()).expect("opens"));
    let read = |key: &NodeKey| Datasets::open(store.clone(), key).expect("opens").read("table", &["a"], &root);
    assert_eq!(read(&key()).expect("reads")[0].len(), 2);
    let other = NodeKey::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(1));
    assert_eq!(read(&other).expect_err("another key").code().as_str(), "KEY_SEALED");
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).expect("a batch");
    let file = fs::File::create(path).expect("creates");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("writes");
    writer.close().expect("closes");
}

#[test]
fn parquet_columns_come_as_they_were_written() {
    let mut node = Fixture::new();
    let path = node.directory.path().join("table.parquet");
    let price = Decimal128Array::from(vec![Some(1_050), None, Some(-5)]).with_precision_and_scale(12, 2).expect("fits");
    write_parquet(
        &path,
        vec![
            ("id", Arc::new(UInt64Array::from(vec![7, 8, 9]))),
            ("flag", Arc::new(BooleanArray::from(vec![true, false, true]))),
            ("count", Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)]))),
            ("price", Arc::new(price)),
            ("ratio", Arc::new(Float32Array::from(vec![0.5, -0.25, 3.0]))),
            ("day", Arc::new(Date32Array::from(vec![0, -1, 20_778]))),
            ("tier", Arc::new(LargeStringArray::from(vec!["gold", "silver", "gold"]))),
            ("note", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
        ],
    );
    let hints = [("tier", "category(silver, gold)"), ("note", "skip")];
    let report = node.import_file(&path, options(Some("id"), &hints)).expect("imports");
    let names: Vec<String> = report.columns.iter().map(|column| column.schema.element.name()).collect();
    assert_eq!(names, ["key", "bool", "int64", "decimal(2)", "float64", "date", "category(2)"]);
    assert_eq!(node.keys("id"), ["7", "8", "9"]);
    assert_eq!(node.numbers("flag"), [Some(1), Some(0), Some(1)]);
    assert_eq!(node.numbers("count"), [Some(1), None, Some(-3)]);
    assert_eq!(node.numbers("price"), [Some(1_050), None, Some(-5)]);
    assert_eq!(node.numbers("ratio"), [Some(1 << 17), Some(-(1 << 16)), Some(3 << 18)]);
    assert_eq!(node.numbers("day"), [Some(0), Some(-1), Some(20_778)]);
    assert_eq!(node.numbers("tier"), [Some(1), Some(0), Some(1)]);
}

#[test]
fn parquet_files_that_are_none_or_hold_other_types_are_refused() {
    let mut node = Fixture::new();
    let path = node.directory.path().join("table.parquet");
    write_parquet(&path, vec![("when", Arc::new(TimestampMillisecondArray::from(vec![1])))]);
    let error = node.import_file(&path, ImportOptions::default()).expect_err("a timestamp");
    assert_eq!(error.code().as_str(), "IMPORT_FORMAT");
    assert!(error.to_string().contains("column \"when\""), "{error}");

    write_parquet(&path, vec![("a", Arc::new(Int32Array::from((0..5_000).collect::<Vec<_>>())))]);
    let whole = fs::read(&path).expect("reads");
    for cut in [0, 3, whole.len() / 2, whole.len() - 1] {
        let path = node.file("cut.parquet", &whole[..cut]);
        let error = node.import_file(&path, ImportOptions::default()).expect_err("cut");
        assert_eq!(error.code().as_str(), "IMPORT_FORMAT", "cut to {cut}: {error}");
    }
    assert!(node.datasets.list().expect("lists").is_empty());
}

/// A million rows, on disk, as `demo --rows 1000000` needs them.
#[test]
fn imports_a_million_rows() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut node = Fixture::over(Arc::new(SledStore::open(&directory.path().join("store")).expect("opens")));
    let tables = DemoTables::generate(1, 1_000_000);
    let (customers, _) = tables.write_csv(directory.path()).expect("writes");
    let report = node.import_file(&customers, options(Some("customer_id"), &[])).expect("imports");
    let names: Vec<String> = report.columns.iter().map(|column| column.schema.element.name()).collect();
    assert_eq!(names, ["key", "int64", "decimal(2)"]);
    let amounts = node.numbers("purchase_amount");
    assert!(amounts.iter().zip(&tables.customers).all(|(read, row)| *read == Some(row.purchase_amount.into())));
    assert!(node.keys("customer_id").iter().zip(&tables.customers).all(|(read, row)| *read == row.customer_id));
}

/// Int, decimal digits, day, flag.
type Row = (i64, Option<i64>, i32, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_csv_says_is_what_is_read_back(
        rows in proptest::collection::vec((any::<i64>(), proptest::option::of(-10_i64.pow(15)..10_i64.pow(15)), -700_000..2_900_000_i32, any::<bool>()), 1..200),
        scale in 1_usize..=9,
    ) {
        let unit = 10_i64.pow(scale as u32);
        let decimal = |value: i64| {
            let sign = if value < 0 { "-" } else { "" };
            let magnitude = value.unsigned_abs();
            format!("{sign}{}.{:0scale$}", magnitude / unit as u64, magnitude % unit as u64)
        };
        let mut csv = "key,int,dec,day,flag\n".to_owned();
        for (i, (int, dec, day, flag)) in rows.iter().enumerate() {
            let dec = dec.map(decimal).unwrap_or_default();
            csv += &format!("\"k, \"\"{i}\"\"\",{int},{dec},{},{flag}\n", super::cell::format_date(*day));
        }
        let mut node = Fixture::new();
        // A column of nothing but empty cells has no type of its own.
        let hint = format!("decimal({scale})");
        node.import(csv, options(Some("key"), &[("dec", &hint)])).expect("imports");
        let column = |pick: fn(&Row) -> Option<i128>| rows.iter().map(pick).collect::<Vec<_>>();
        prop_assert_eq!(node.numbers("int"), column(|row| Some(row.0.into())));
        prop_assert_eq!(node.numbers("dec"), column(|row| row.1.map(Into::into)));
        prop_assert_eq!(node.numbers("day"), column(|row| Some(row.2.into())));
        prop_assert_eq!(node.numbers("flag"), column(|row| Some(row.3.into())));
        let keys: Vec<String> = (0..rows.len()).map(|i| format!("k, \"{i}\"")).collect();
        prop_assert_eq!(node.keys("key"), keys);
        let record = node.datasets.dataset("table").expect("there");
        prop_assert_eq!(record.schema.column("dec").map(|column| column.element.clone()), Some(Element::Decimal { scale: scale as u8 }));
    }
}
